//! Faults of brokers and links, with both brokers as processes: what was published is answered, or its loss has a name.
//!
//! Each test prints a line of the table in `docs/brokers.md`. What takes more than half a minute runs with
//! `CONTINUUM_LONG`.

mod broker;
mod fixture;
mod link;
mod run;

use broker::Kind;
use continuum_workload_core::photo_sample::Loss;
use fixture::{Fixture, is_long};
use link::Link;
use run::Outcome;
use rustix::process::Signal;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// Less than endpoints wait for a last answer, so that nothing ends by their patience; long for a busy machine.
const SOON: Duration = Duration::from_secs(100);

/// A test cannot go on without it, and says what failed.
fn must<T>(doing: &str, result: Result<T, impl std::fmt::Display>) -> T {
    result.unwrap_or_else(|error| panic!("{doing}: {error}"))
}

/// Each broker that this machine has, one after the other.
macro_rules! with_each_broker {
    ($($name:ident => $test:expr;)*) => {
        mod rumqttd {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::with(super::Kind::Rumqttd, stringify!($name), $test).await;
            })*
        }
        mod mosquitto {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::with(super::Kind::Mosquitto, stringify!($name), $test).await;
            })*
        }
    };
}

async fn with(kind: Kind, name: &str, test: impl AsyncFnOnce(Fixture) -> Outcome) {
    // What sessions say is shown with a test that fails.
    let log = tracing_subscriber::fmt()
        .with_test_writer()
        .with_ansi(false);
    log.try_init().ok();
    match Fixture::new(kind) {
        Ok(mut fixture) => {
            fixture.broker.start().await;
            let outcome = test(fixture).await;
            println!("{:<10} {name:<46} {outcome}", kind.name());
        }
        Err(reason) => println!("{:<10} {name:<46} skipped: {reason}", kind.name()),
    }
}

with_each_broker! {
    killed_once => super::killed_once;
    killed_at_the_last_moment => super::killed_at_the_last_moment;
    paused_for_1_s => async |fixture| super::paused(fixture, 1).await;
    paused_for_10_s => async |fixture| super::paused(fixture, 10).await;
    paused_for_32_s => async |fixture| super::long(fixture, async |w| super::paused(w, 32).await).await;
    paused_for_170_s => async |fixture| super::long(fixture, async |w| super::paused(w, 170).await).await;
    link_cut_for_3_s => async |fixture| super::cut(fixture, 3).await;
    link_cut_for_60_s => async |fixture| super::long(fixture, async |w| super::cut(w, 60).await).await;
    link_cut_for_150_s => async |fixture| super::long(fixture, async |w| super::cut(w, 150).await).await;
    slow_uplink_and_large_photos => super::slow_uplink;
    slow_uplink_and_20_large_photos => async |fixture| super::long(fixture, super::slow_uplink_for_long).await;
    fifty_endpoints_connect_again => super::fifty_endpoints;
    stopped_while_the_broker_stands_still => super::stopped;
    what_waits_is_bounded => super::bounded;
    worker_without_its_broker_for_a_while => super::worker_cut_off;
}

async fn long(fixture: Fixture, test: impl AsyncFnOnce(Fixture) -> Outcome) -> Outcome {
    if is_long() {
        test(fixture).await
    } else {
        Outcome::skipped("takes minutes; make test-long runs it")
    }
}

/// In-memory brokers lose what they had: it is found missing and sent again.
async fn killed_once(mut fixture: Fixture) -> Outcome {
    let run = fixture.start(1, 20.0, 4.0).await;
    tokio::time::sleep(2 * SECOND).await;
    fixture.broker.kill();
    tokio::time::sleep(SECOND / 5).await;
    fixture.broker.start().await;
    let outcome = run.ended(SOON).await;
    assert_eq!((outcome.sent, outcome.answered), (80, 80), "{outcome}");
    assert!(outcome.reconnects >= 2, "{outcome}");
    outcome
}

async fn killed_at_the_last_moment(mut fixture: Fixture) -> Outcome {
    let run = fixture.start(1, 20.0, 3.0).await;
    tokio::time::sleep(Duration::from_millis(3050)).await;
    fixture.broker.kill();
    tokio::time::sleep(SECOND / 5).await;
    fixture.broker.start().await;
    // Neither the answers nor the end are lost, and nobody waits for a deadline.
    let outcome = run.ended(SOON).await;
    assert_eq!((outcome.sent, outcome.answered), (60, 60), "{outcome}");
    outcome
}

async fn paused(fixture: Fixture, seconds: u32) -> Outcome {
    let load_s = f64::from(seconds.min(20)) + 4.0;
    let run = fixture.start(1, 20.0, load_s).await;
    tokio::time::sleep(SECOND).await;
    fixture.broker.signal(Signal::STOP);
    tokio::time::sleep(seconds * SECOND).await;
    fixture.broker.signal(Signal::CONT);
    let outcome = run.ended(SOON).await;
    assert_eq!(outcome.answered, outcome.asked, "{outcome}");
    assert_eq!(
        outcome.classified_at_worker, outcome.asked,
        "each once: {outcome}"
    );
    outcome
}

async fn cut(fixture: Fixture, seconds: u32) -> Outcome {
    let link = Link::to(fixture.broker.address(), None);
    let load_s = f64::from(seconds.min(20)) + 4.0;
    let run = fixture.start_over(link.address(), 1, 10.0, load_s).await;
    tokio::time::sleep(SECOND).await;
    link.cut();
    tokio::time::sleep(seconds * SECOND).await;
    link.restore();
    let outcome = run.ended(SOON).await;
    assert_eq!(outcome.answered, outcome.asked, "{outcome}");
    outcome
}

const MBIT: u32 = 125_000;

/// Each photo takes 6.6 s: longer than clients wait for a flush, and no reason to end a connection.
async fn slow_uplink(fixture: Fixture) -> Outcome {
    slow(fixture, 2.0, SOON).await
}

async fn slow_uplink_for_long(fixture: Fixture) -> Outcome {
    slow(fixture, 20.0, 200 * SECOND).await
}

async fn slow(mut fixture: Fixture, load_s: f64, within: Duration) -> Outcome {
    fixture.photo_of(825_000);
    let link = Link::to(fixture.broker.address(), Some(MBIT));
    let run = fixture.start_over(link.address(), 1, 1.0, load_s).await;
    let outcome = run.ended(within).await;
    assert_eq!(outcome.answered, outcome.asked, "{outcome}");
    assert_eq!((outcome.reconnects, outcome.resent), (0, 0), "{outcome}");
    outcome
}

async fn fifty_endpoints(mut fixture: Fixture) -> Outcome {
    let run = fixture.start(50, 2.0, 5.0).await;
    tokio::time::sleep(2 * SECOND).await;
    fixture.broker.kill();
    tokio::time::sleep(SECOND / 5).await;
    fixture.broker.start().await;
    let outcome = run.ended(SOON).await;
    assert_eq!((outcome.sent, outcome.answered), (500, 500), "{outcome}");
    assert!(outcome.reconnects >= 51, "{outcome}");
    outcome
}

/// Whoever ends it is heard at once, and what there was is in files and counts.
async fn stopped(fixture: Fixture) -> Outcome {
    let run = fixture.start(1, 20.0, 60.0).await;
    tokio::time::sleep(2 * SECOND).await;
    fixture.broker.signal(Signal::STOP);
    tokio::time::sleep(2 * SECOND).await;
    run.stop();
    let outcome = run.ended(10 * SECOND).await;
    fixture.broker.signal(Signal::CONT);
    assert!(outcome.answered > 0 && outcome.sent >= 40, "{outcome}");
    let lost: u64 = outcome.lost.values().sum();
    assert_eq!(outcome.sent, outcome.answered + lost, "{outcome}");
    assert!(outcome.lost.contains_key(&Loss::NotTaken), "{outcome}");
    outcome
}

/// A broker that takes nothing is waited for, in memory that has a bound, and it is told.
async fn bounded(mut fixture: Fixture) -> Outcome {
    fixture.photo_of(825_000);
    let run = fixture.start(1, 30.0, 4.0).await;
    tokio::time::sleep(SECOND / 2).await;
    fixture.broker.signal(Signal::STOP);
    tokio::time::sleep(5 * SECOND).await;
    fixture.broker.signal(Signal::CONT);
    let outcome = run.ended(SOON).await;
    assert_eq!(outcome.answered, outcome.asked, "{outcome}");
    assert!(outcome.waits > 0 && outcome.slips_waiting > 20, "{outcome}");
    outcome
}

/// The worker's own connection breaks while the endpoint's lives: what was published meanwhile went nowhere.
async fn worker_cut_off(fixture: Fixture) -> Outcome {
    let link = Link::to(fixture.broker.address(), None);
    let run = fixture
        .start_with_worker_over(link.address(), 20.0, 6.0)
        .await;
    tokio::time::sleep(SECOND).await;
    link.reset();
    tokio::time::sleep(SECOND).await;
    link.restore();
    let outcome = run.ended(SOON).await;
    assert_eq!((outcome.sent, outcome.answered), (120, 120), "{outcome}");
    assert!(outcome.late > 0, "{outcome}");
    outcome
}
