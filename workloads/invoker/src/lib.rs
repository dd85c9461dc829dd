//! `functions`: an endpoint calls functions through the gateway, several at once.
//!
//! Open loop: call `i` is made at start + `i` / frequency, whatever became of those before. Closed loop, as upstream's
//! publisher: the next call waits for the answer. Invariant: a call is sent once; only a connection that was never made is
//! tried again.

mod body;
mod client;
mod results;

use body::Bodies;
use client::Client;
use continuum_image_recognition::pacing::{Pace, SLIP};
use continuum_workload_core::{
    application::{Application, RunContext, RunError},
    call::Call,
    clock::AnchoredClock,
    event::{Event, Summary},
    photo_sample::Sample,
    spec::{FunctionCalls, Invoker, Role},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};

#[derive(Debug)]
pub struct Functions;

/// A call with what its answer said about a photo.
#[derive(Debug)]
struct Done {
    call: Call,
    sample: Option<Sample>,
    /// Why it is not good, if it is not.
    why: Option<String>,
    retries: u64,
}

#[async_trait::async_trait]
impl Application for Functions {
    fn name(&self) -> &'static str {
        "functions"
    }

    fn summary(&self) -> &'static str {
        "calls functions over HTTP and says how long each call took"
    }

    async fn run(&self, context: RunContext<'_>) -> Result<(), RunError> {
        match &context.spec.role {
            Role::Invoker(spec) => run(&context, spec).await,
            _ => Err(context.unknown_role(self)),
        }
    }
}

async fn run(context: &RunContext<'_>, spec: &Invoker) -> Result<(), RunError> {
    let clock = AnchoredClock::start();
    let client = Arc::new(Client::new(
        &spec.gateway,
        Duration::from_secs_f64(spec.timeout_s),
        clock,
    )?);
    let mut bodies = Vec::new();
    for calls in &spec.functions {
        bodies.push(Arc::new(Bodies::open(&calls.body, context.bundle)?));
    }
    context.events.send(&Event::Ready {
        detail: format!("gateway {}", spec.gateway),
    });
    let start = Instant::now() + Duration::from_millis(100);
    let (done, mut results) = mpsc::unbounded_channel();
    let node = &context.spec.node;
    let mut makers = tokio::task::JoinSet::new();
    let mut total = 0;
    for (calls, bodies) in spec.functions.iter().zip(bodies) {
        total += calls.load.count();
        let maker = Maker {
            client: Arc::clone(&client),
            bodies,
            clock,
            node: node.clone(),
            calls: calls.clone(),
            done: done.clone(),
        };
        makers.spawn(maker.run(start));
    }
    drop(done);
    let mut summary = Summary::default();
    let mut all: Vec<Done> = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            biased;
            () = context.stop.requested() => {
                makers.shutdown().await;
                // Those that ended in the meantime are results too.
                while let Ok(one) = results.try_recv() {
                    take(&mut summary, &mut all, one, context);
                }
                results::write(context.out, &all)?;
                return Err(RunError::Stopped);
            }
            next = results.recv() => match next {
                None => break,
                Some(one) => take(&mut summary, &mut all, one, context),
            },
            _ = tick.tick() => {
                context.events.send(&Event::Progress { done: all.len() as u64, total: Some(total) });
            }
        }
    }
    while let Some(ended) = makers.join_next().await {
        summary.slips += ended.map_err(|e| RunError::other("make calls", e))?;
    }
    all.sort_by(|a, b| {
        let key = |d: &Done| (d.call.function.clone(), d.call.id);
        key(a).cmp(&key(b))
    });
    results::write(context.out, &all)?;
    context.events.send(&Event::Finished(summary));
    Ok(())
}

/// The first failures are told; all are in the file.
const TOLD: u64 = 5;

fn take(summary: &mut Summary, all: &mut Vec<Done>, one: Done, context: &RunContext<'_>) {
    summary.sent += 1;
    summary.reconnects += one.retries;
    if one.call.is_good() {
        summary.answered += 1;
    } else {
        summary.lost += 1;
        if summary.lost <= TOLD {
            context.events.send(&Event::BadInput {
                what: format!("call {} of {}", one.call.id, one.call.function),
                why: one.why.clone().unwrap_or_default(),
            });
        }
    }
    all.push(one);
}

/// Calls one function.
struct Maker {
    client: Arc<Client>,
    bodies: Arc<Bodies>,
    clock: AnchoredClock,
    node: String,
    calls: FunctionCalls,
    done: mpsc::UnboundedSender<Done>,
}

impl Maker {
    /// Returns how many calls began late.
    async fn run(self, start: Instant) -> u64 {
        let pace = Pace::new(start, self.calls.load);
        let own = Arc::new(self);
        let mut slips = 0;
        let mut calls = tokio::task::JoinSet::new();
        for id in 0..own.calls.load.count() {
            let mut due = pace.due(id);
            if own.calls.is_closed_loop {
                // The schedule shifts with answers that are late, as upstream's does.
                due = due.max(Instant::now());
            }
            tokio::time::sleep_until(due).await;
            if due.elapsed() > SLIP {
                slips += 1;
            }
            // What has ended needs no place any more.
            while let Some(ended) = calls.try_join_next() {
                if let Err(Ok(panic)) = ended.map_err(tokio::task::JoinError::try_into_panic) {
                    std::panic::resume_unwind(panic);
                }
            }
            let one = Arc::clone(&own).one(id, due);
            if own.calls.is_closed_loop {
                one.await;
            } else {
                calls.spawn(one);
            }
        }
        calls.join_all().await;
        slips
    }

    async fn one(self: Arc<Self>, id: u64, due: Instant) {
        let begun_ns = self.clock.now_unix_ns();
        let mut call = Call {
            endpoint: self.node.clone(),
            function: self.calls.function.clone(),
            id,
            due_ns: self.clock.at_unix_ns(due.into_std()),
            begun_ns,
            ..Call::default()
        };
        let made = match self.bodies.make(id, begun_ns).await {
            Ok(made) => made,
            Err(error) => {
                let why = Some(error.to_string());
                let (sample, retries) = (None, 0);
                self.done
                    .send(Done {
                        call,
                        sample,
                        why,
                        retries,
                    })
                    .ok();
                return;
            }
        };
        call.bytes = made.body.len() as u64;
        let outcome = self.client.call(&mut call, made.body).await;
        let sample = made.photo.map(|photo| {
            results::sample(&call, photo, outcome.answer.as_deref().unwrap_or_default())
        });
        let done = Done {
            call,
            sample,
            why: outcome.why,
            retries: outcome.retries,
        };
        self.done.send(done).ok();
    }
}
