//! Applications of simulated nodes: what they say, and the samples that they leave.

use continuum_agents::{RunEvent, RunEventKind, RunStart};
use continuum_model::{ClockOffset, ControllerTime, NodeTime, RunExit};
use continuum_workload_core::{
    event::{Event, Summary},
    header::WorkerStages,
    photo_sample::{Loss, SAMPLE_COLUMNS, Sample},
    spec::{Load, Role, RunSpec},
};
use std::time::Duration;

const READY_AFTER: Duration = Duration::from_millis(300);
/// From a photo that nobody waits before to its answer, beyond what links take. Each endpoint has a classifier of its own.
const WORK: Duration = Duration::from_millis(40);
const SILENT: &str = "its controller was silent";
const MS: i64 = 1_000_000;

#[derive(Debug)]
pub(super) struct Run {
    pub(super) start: RunStart,
    pub(super) spec: RunSpec,
    pub(super) began: Duration,
    /// Of its node's clock when it began: it goes on by that, whoever sets the clock.
    pub(super) clock: ClockOffset,
    /// When its controller was last heard of.
    pub(super) heard: Duration,
    pub(super) ended: Option<Duration>,
    /// What it said, in order.
    pub(super) events: Vec<RunEvent>,
    pub(super) samples: Vec<Sample>,
    is_ready: bool,
    said: u64,
    /// When its photos before the next are done.
    busy_until: ControllerTime,
    /// Lines of its file that are gone.
    pub(super) lost_lines: usize,
}

/// What a run can see of the world.
pub(super) struct RunEnvironment<'a> {
    /// Since the beginning of the world.
    pub(super) now: Duration,
    pub(super) ours: ControllerTime,
    /// Of its node, and of the node of its worker, as they were when the runs began.
    pub(super) clock: ClockOffset,
    pub(super) worker_clock: ClockOffset,
    /// Whether a photo sent now is answered: its worker runs, and nothing between them is cut.
    pub(super) is_answered: bool,
    /// Milliseconds there and back.
    pub(super) round_trip_ms: f64,
    /// Of a worker: what its endpoints sent and whether all of them are done.
    pub(super) served: &'a [Sample],
    pub(super) are_served: bool,
}

impl RunEnvironment<'_> {
    fn node_now(&self) -> NodeTime {
        self.clock.to_node(self.ours)
    }
}

impl Run {
    pub(super) fn new(start: RunStart, spec: RunSpec, now: Duration, clock: ClockOffset) -> Self {
        Self {
            start,
            spec,
            began: now,
            clock,
            heard: now,
            ended: None,
            events: Vec::new(),
            samples: Vec::new(),
            is_ready: false,
            said: 0,
            busy_until: ControllerTime::default(),
            lost_lines: 0,
        }
    }

    fn say(&mut self, time_unix_ns: NodeTime, event: &Event) {
        let line =
            serde_json::to_string(event).unwrap_or_else(|error| panic!("write {event:?}: {error}"));
        let kind = RunEventKind::Line(line);
        self.events.push(RunEvent { time_unix_ns, kind });
    }

    /// How many photos it sends, if it sends any.
    fn load(&self) -> Option<Load> {
        match &self.spec.role {
            Role::Publisher(publisher) => Some(publisher.load),
            Role::Combined(combined) => Some(combined.load),
            _ => None,
        }
    }

    /// Photos that it was to send, without an answer.
    pub(super) fn missing(&self) -> u64 {
        let answered = self.samples.iter().filter(|s| s.answered_ns != 0).count() as u64;
        self.load().map_or(0, |load| load.count() - answered)
    }

    /// Moves it on to now.
    pub(super) fn advance(&mut self, environment: &RunEnvironment<'_>) {
        let ready_at = self.began + READY_AFTER;
        if self.ended.is_some() || environment.now < ready_at {
            return;
        }
        if !self.is_ready {
            self.is_ready = true;
            let detail = "simulated".to_owned();
            self.say(environment.node_now(), &Event::Ready { detail });
        }
        if environment.now > self.heard + self.start.lease {
            return self.end(environment.now, environment.node_now(), 0, SILENT);
        }
        let is_over = match self.spec.role.clone() {
            Role::Publisher(_) | Role::Combined(_) => self.send(environment, ready_at),
            Role::Subscriber(subscriber) => {
                self.samples = environment.served.to_vec();
                environment.are_served
                    || environment.now > ready_at + Duration::from_secs_f64(subscriber.deadline_s)
            }
            Role::Sleep(sleep) => {
                environment.now >= ready_at + Duration::from_secs_f64(sleep.sleep_s)
            }
            Role::Stress(stress) => {
                environment.now >= ready_at + Duration::from_secs_f64(stress.timeout_s)
            }
            // Until somebody ends it.
            Role::Hold => false,
            // What is not simulated ends at once.
            _ => true,
        };
        if is_over {
            self.end(environment.now, environment.node_now(), 0, "");
        }
    }

    /// Sends what is due, takes answers; whether all is done.
    fn send(&mut self, environment: &RunEnvironment<'_>, ready_at: Duration) -> bool {
        let Some(load) = self.load() else {
            return true;
        };
        let due = |id: u64| ready_at + Duration::from_secs_f64(id as f64 / load.frequency_hz);
        let since_ready_ns = environment.now.saturating_sub(ready_at).as_nanos() as i64;
        let first = environment.node_now().plus_ns(-since_ready_ns);
        while (self.samples.len() as u64) < load.count()
            && due(self.samples.len() as u64) <= environment.now
        {
            let id = self.samples.len() as u64;
            let after_first_ns = due(id).saturating_sub(ready_at).as_nanos() as i64;
            let due_ns = first.plus_ns(after_first_ns).unix_ns();
            self.samples.push(Sample {
                endpoint: self.spec.node.clone(),
                id,
                photo: "cat.jpg".into(),
                bytes: 70_000,
                due_ns,
                begun_ns: due_ns + MS,
                sent_ns: due_ns + 2 * MS,
                class: -1,
                copies: 0,
                sends: 1,
                lost: Some(Loss::Taken),
                ..Sample::default()
            });
        }
        let one_way_ns = (environment.round_trip_ms / 2.0 * 1e6) as i64;
        for sample in self.samples.iter_mut().filter(|s| s.answered_ns == 0) {
            if !environment.is_answered {
                continue;
            }
            // A photo that waited for a link comes when that is there again.
            let sent = environment
                .clock
                .to_controller(NodeTime::from_unix_ns(sample.sent_ns));
            let sent = if environment.ours.ns_since(sent) > 1000 * MS {
                environment.ours
            } else {
                sent
            };
            let received = sent.plus_ns(one_way_ns);
            let by_worker = |at: ControllerTime| {
                let at: NodeTime = environment.worker_clock.to_node(at);
                at.unix_ns()
            };
            let dequeued = received.plus_ns(MS).max(self.busy_until);
            let classified = dequeued.plus_ns(WORK.as_nanos() as i64 - MS);
            let replied = classified.plus_ns(MS);
            self.busy_until = replied;
            sample.stages = WorkerStages {
                received_unix_ns: by_worker(received),
                dequeued_unix_ns: by_worker(dequeued),
                decoded_unix_ns: by_worker(dequeued.plus_ns(5 * MS)),
                classified_unix_ns: by_worker(classified),
                replied_unix_ns: by_worker(replied),
            };
            let answered = replied.plus_ns(one_way_ns);
            let answered: NodeTime = environment.clock.to_node(answered);
            sample.answered_ns = answered.unix_ns();
            (sample.class, sample.probability) = (281, 0.5);
            (sample.copies, sample.lost) = (1, None);
        }
        let answered = self.samples.iter().filter(|s| s.answered_ns != 0).count() as u64;
        if self.said != answered {
            self.said = answered;
            let total = Some(load.count());
            let done = answered;
            self.say(environment.node_now(), &Event::Progress { done, total });
        }
        let last = due(load.count() - 1);
        answered == load.count() && environment.now > last + Duration::from_millis(500)
            || environment.now > last + Duration::from_secs_f64(load.grace_s)
    }

    /// Ends without a last word.
    pub(super) fn crash(&mut self, now: Duration, node_now: NodeTime) {
        self.end(now, node_now, 101, "");
    }

    /// Ends it as it is asked to, or by itself.
    pub(super) fn end(&mut self, now: Duration, node_now: NodeTime, code: i32, reason: &str) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(now);
        if code == 0 {
            let answered = self.samples.iter().filter(|s| s.answered_ns != 0).count() as u64;
            let sent = self.samples.len() as u64;
            let summary = Summary {
                sent,
                answered,
                lost: sent - answered,
                ..Summary::default()
            };
            self.say(node_now, &Event::Finished(summary));
        }
        let exit = RunExit {
            code: Some(code),
            reason: reason.to_owned(),
            ..RunExit::default()
        };
        let (time_unix_ns, kind) = (node_now, RunEventKind::Exit(exit));
        self.events.push(RunEvent { time_unix_ns, kind });
    }

    /// `samples.csv`, as far as it could be written.
    pub(super) fn samples_csv(&self) -> String {
        let kept = self.samples.len().saturating_sub(self.lost_lines);
        let lines: String = self.samples.iter().take(kept).map(Sample::to_csv).collect();
        format!("{SAMPLE_COLUMNS}\n{lines}")
    }
}
