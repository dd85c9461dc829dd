//! Image recognition as a function: a call's body is a photo, its answer what is on it.
//!
//! A body is JSON with `image`, the photo in Base64, and `time`, which is sent back; or the JPEG itself.

use crate::{
    classifier::{Classifier, ClassifierFactory},
    photo,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use continuum_workload_core::{application::RunError, clock::AnchoredClock};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use tokio::sync::oneshot;

/// What an endpoint sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// JPEG in Base64.
    pub image: String,
    /// When it was sent, nanoseconds since 1970.
    #[serde(default)]
    pub time: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub time: String,
    /// Best first.
    pub scores: Vec<Scored>,
    /// When what was done, by the function's clock.
    pub stages: Stages,
}

/// A class with its probability.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Index in the label list.
    pub class: u16,
    pub label: String,
    /// 0 to 1.
    pub probability: f32,
}

/// Nanoseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages {
    /// The whole body was there.
    pub received_unix_ns: i64,
    /// The network was there for it: loaded, or free.
    pub begun_unix_ns: i64,
    /// JPEG decoded and scaled.
    pub decoded_unix_ns: i64,
    pub classified_unix_ns: i64,
}

/// Why a call cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The body is the caller's fault.
    #[error("{0}")]
    BadBody(String),
    /// The network is not.
    #[error("{0}")]
    Failed(String),
}

/// A body that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    jpeg: Vec<u8>,
    time: String,
    received_unix_ns: i64,
}

impl Call {
    pub fn read(body: &[u8], received_unix_ns: i64) -> Result<Self, CallError> {
        if body.first() != Some(&b'{') {
            return Ok(Self {
                jpeg: body.to_vec(),
                time: String::new(),
                received_unix_ns,
            });
        }
        let question: Question = serde_json::from_slice(body)
            .map_err(|e| CallError::BadBody(format!("the body is not what it should be: {e}")))?;
        let jpeg = STANDARD.decode(&question.image).map_err(|e| {
            CallError::BadBody(format!("the body's field `image` is not Base64: {e}"))
        })?;
        Ok(Self {
            jpeg,
            time: question.time,
            received_unix_ns,
        })
    }

    pub fn answer(
        self,
        classifier: &mut dyn Classifier,
        label: fn(u16) -> &'static str,
        clock: AnchoredClock,
    ) -> Result<Answer, CallError> {
        let begun_unix_ns = clock.now_unix_ns();
        let pixels = photo::decode(&self.jpeg)
            .map_err(|e| CallError::BadBody(format!("the photo cannot be used: {e}")))?;
        let decoded_unix_ns = clock.now_unix_ns();
        let scores = classifier
            .classify(&pixels)
            .map_err(|e| CallError::Failed(format!("the network failed: {e}")))?;
        let classified_unix_ns = clock.now_unix_ns();
        Ok(Answer {
            time: self.time,
            scores: scores
                .iter()
                .map(|s| Scored {
                    class: s.class,
                    label: label(s.class).to_owned(),
                    probability: s.probability,
                })
                .collect(),
            stages: Stages {
                received_unix_ns: self.received_unix_ns,
                begun_unix_ns,
                decoded_unix_ns,
                classified_unix_ns,
            },
        })
    }
}

type Asked = (Call, oneshot::Sender<Result<Answer, CallError>>);

/// Networks that are loaded once, each with its thread.
#[derive(Debug, Clone)]
pub struct Loaded {
    calls: mpsc::Sender<Asked>,
}

impl Loaded {
    /// Loads them; returns when all are loaded.
    pub fn start(
        factory: &dyn ClassifierFactory,
        count: usize,
        label: fn(u16) -> &'static str,
        clock: AnchoredClock,
    ) -> Result<Self, RunError> {
        let (calls, waiting) = mpsc::channel::<Asked>();
        let waiting = Arc::new(Mutex::new(waiting));
        let (ready, loaded) = mpsc::channel();
        for index in 0..count.max(1) {
            let (make, ready, waiting) = (factory.maker(), ready.clone(), Arc::clone(&waiting));
            std::thread::Builder::new()
                .name(format!("classifier-{index}"))
                .spawn(move || {
                    let mut classifier = match make() {
                        Ok(classifier) => classifier,
                        Err(error) => {
                            ready.send(Err(error)).ok();
                            return;
                        }
                    };
                    ready.send(Ok(())).ok();
                    // Who waits for all to be loaded waits until nobody can say so any more.
                    drop(ready);
                    loop {
                        let next = {
                            let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                            waiting.recv()
                        };
                        // All who could ask are gone.
                        let Ok((call, reply)) = next else { return };
                        if reply.is_closed() {
                            // Nobody waits for it any more.
                            continue;
                        }
                        let answer = call.answer(&mut *classifier, label, clock);
                        reply.send(answer).ok();
                    }
                })
                .map_err(|e| RunError::other("start a classifier thread", e))?;
        }
        drop(ready);
        for made in loaded {
            made?;
        }
        Ok(Self { calls })
    }

    /// Answers a call when a network is free.
    pub async fn call(&self, call: Call) -> Result<Answer, CallError> {
        let gone = || CallError::Failed("the network's thread ended".into());
        let (reply, answer) = oneshot::channel();
        self.calls.send((call, reply)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::fake::FakeFactory;

    fn label(_class: u16) -> &'static str {
        "thing"
    }

    fn jpeg() -> Vec<u8> {
        let image = image::RgbImage::from_pixel(16, 16, image::Rgb([90, 90, 90]));
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::codecs::jpeg::JpegEncoder::new(&mut bytes)
            .encode_image(&image)
            .unwrap();
        bytes.into_inner()
    }

    #[tokio::test]
    async fn both_kinds_of_bodies_are_answered() {
        let clock = AnchoredClock::start();
        let loaded = Loaded::start(&FakeFactory, 2, label, clock).unwrap();
        let plain = Call::read(&jpeg(), 5).unwrap();
        let answer = loaded.call(plain).await.unwrap();
        assert_eq!(answer.scores[0].label, "thing");
        assert!((80..100).contains(&answer.scores[0].class));
        assert_eq!(answer.stages.received_unix_ns, 5);
        assert!(answer.stages.classified_unix_ns >= answer.stages.decoded_unix_ns);
        let question = Question {
            image: STANDARD.encode(jpeg()),
            time: "17".into(),
        };
        let body = serde_json::to_vec(&question).unwrap();
        let answer = loaded.call(Call::read(&body, 0).unwrap()).await.unwrap();
        assert_eq!(answer.time, "17");
    }

    #[tokio::test]
    async fn bad_bodies_are_the_callers_fault() {
        let clock = AnchoredClock::start();
        let loaded = Loaded::start(&FakeFactory, 1, label, clock).unwrap();
        let no_photo = loaded.call(Call::read(b"hello", 0).unwrap()).await;
        assert!(matches!(no_photo, Err(CallError::BadBody(why)) if why.contains("photo")));
        let of = |body: &str| Call::read(body.as_bytes(), 0).unwrap_err().to_string();
        assert!(of("{}").contains("`image`"));
        assert!(of(r#"{"image":"%"}"#).contains("Base64"));
    }
}
