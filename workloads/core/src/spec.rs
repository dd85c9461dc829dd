//! The description of one run, written by the controller and read by `continuum-workload`.

use serde::{Deserialize, Serialize};

/// One role of one application on one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    pub application: String,
    /// Name of the node it runs on.
    pub node: String,
    pub role: Role,
}

/// What a run does, with what it needs for that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Role {
    /// Sends photos to a worker and takes the answers.
    Publisher(Publisher),
    /// Takes photos from the broker, classifies, answers.
    Subscriber(Subscriber),
    /// Makes and classifies photos on the same node.
    Combined(Combined),
    /// Calls functions over HTTP.
    Invoker(Invoker),
    Sleep(Sleep),
    /// Keeps a core busy.
    Stress(Stress),
    /// Is there until it is asked to end.
    Hold,
    /// A container of the user's own, which no program of ours runs.
    External,
}

impl Role {
    /// The name as in the JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Publisher(_) => "publisher",
            Self::Subscriber(_) => "subscriber",
            Self::Combined(_) => "combined",
            Self::Invoker(_) => "invoker",
            Self::Sleep(_) => "sleep",
            Self::Stress(_) => "stress",
            Self::Hold => "hold",
            Self::External => "external",
        }
    }

    /// Whether it leaves `samples.csv`.
    pub fn leaves_samples(&self) -> bool {
        !matches!(
            self,
            Self::Sleep(_) | Self::Stress(_) | Self::Hold | Self::External
        )
    }

    /// Whether it leaves `calls.csv`.
    pub fn leaves_calls(&self) -> bool {
        matches!(self, Self::Invoker(_))
    }

    /// Directories of photos that it reads: paths that differ by node.
    pub fn datasets_mut(&mut self) -> Vec<&mut String> {
        match self {
            Self::Publisher(publisher) => vec![&mut publisher.dataset],
            Self::Combined(combined) => vec![&mut combined.dataset],
            Self::Invoker(invoker) => {
                let bodies = invoker.functions.iter_mut().map(|calls| &mut calls.body);
                bodies
                    .filter_map(|body| match body {
                        CallBody::Photos { dataset } => Some(dataset),
                        CallBody::Text { .. } => None,
                    })
                    .collect()
            }
            Self::Subscriber(_)
            | Self::Sleep(_)
            | Self::Stress(_)
            | Self::Hold
            | Self::External => Vec::new(),
        }
    }
}

/// When photos are due: photo `i` at start + `i` / `frequency_hz`, whatever happened to those before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Photos per second.
    pub frequency_hz: f64,
    /// Length of the run in seconds.
    pub duration_s: f64,
    /// How long to wait for an answer after the last photo, and after each answer for the next.
    pub grace_s: f64,
}

/// Waiting for answers ends after so many times the grace, however many still come.
const LONGEST_GRACES: f64 = 3.0;

impl Load {
    /// How many photos a run has; at least one.
    pub fn count(&self) -> u64 {
        ((self.frequency_hz * self.duration_s).round() as u64).max(1)
    }

    /// How long a run lasts at most, in seconds.
    pub fn longest_s(&self) -> f64 {
        self.duration_s + self.grace_s * LONGEST_GRACES
    }
}

/// See [`Role::Publisher`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publisher {
    /// Broker of the worker, `address:port`.
    pub broker: String,
    /// How much to send.
    pub load: Load,
    /// Directory of JPEG files; relative to the bundle.
    pub dataset: String,
}

/// See [`Role::Subscriber`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscriber {
    /// Broker, `address:port`.
    pub broker: String,
    /// Classifiers side by side, one thread each.
    pub classifiers: u32,
    /// Endpoints that will say when they are done.
    pub endpoints: Vec<String>,
    /// Photos that each of them sends: one that has all its answers and is silent is done, whatever became of its word.
    #[serde(default)]
    pub photos: Option<u64>,
    /// Bytes of photos that may wait; what comes beyond is dropped and counted.
    pub queue_bytes: u64,
    /// Ends the run if the endpoints have not said that they are done by then.
    pub deadline_s: f64,
}

/// See [`Role::Combined`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Combined {
    /// How much to do.
    pub load: Load,
    /// Directory of JPEG files; relative to the bundle.
    pub dataset: String,
    /// Classifiers side by side, one thread each.
    pub classifiers: u32,
    /// As for the subscriber.
    pub queue_bytes: u64,
}

/// See [`Role::Invoker`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invoker {
    /// Gateway, `address:port`.
    pub gateway: String,
    /// Functions, called side by side.
    pub functions: Vec<FunctionCalls>,
    /// One call may take so long.
    pub timeout_s: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionCalls {
    pub function: String,
    pub load: Load,
    /// One at a time: the next call waits for the answer. Otherwise calls are made when they are due.
    pub is_closed_loop: bool,
    pub body: CallBody,
}

/// See [`FunctionCalls`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CallBody {
    /// One photo after the other, in JSON as Base64 with the time.
    Photos {
        /// Directory of JPEG files; relative to the bundle.
        dataset: String,
    },
    /// The same text each time.
    Text { text: String },
}

/// See [`Role::Sleep`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sleep {
    pub sleep_s: f64,
}

/// See [`Role::Stress`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stress {
    /// For so long.
    pub timeout_s: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spec_survives_json() {
        let spec = RunSpec {
            application: "image_classification".into(),
            node: "endpoint0".into(),
            role: Role::Publisher(Publisher {
                broker: "192.168.100.2:1883".into(),
                load: Load {
                    frequency_hz: 0.5,
                    duration_s: 20.0,
                    grace_s: 60.0,
                },
                dataset: "photos".into(),
            }),
        };
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<RunSpec>(&json).unwrap(), spec);
        let Role::Publisher(publisher) = spec.role else {
            unreachable!()
        };
        assert_eq!(publisher.load.count(), 10);
    }
}
