//! Waiting with a deadline that says what it waited for.

use std::time::{Duration, Instant};

/// For things that take milliseconds, on a machine that builds something else at the same time.
pub(crate) const SOON: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// The future's result, or a panic that names what was waited for.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = tokio::time::timeout(SOON, future).await else {
        panic!("waited {SOON:?} for {what}");
    };
    value
}

/// Looks again and again until there is a value; the panic says what was seen last.
pub(crate) async fn eventually<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let begun = Instant::now();
    loop {
        let seen = match within(what, look()).await {
            Ok(value) => return value,
            Err(seen) => seen,
        };
        assert!(
            begun.elapsed() < SOON,
            "waited {SOON:?} for {what}; last seen: {seen}"
        );
        tokio::time::sleep(POLL).await;
    }
}

/// Whether a process runs; one that ended and was not reaped yet does not.
pub(crate) fn is_running(pid: u32) -> bool {
    assert!(pid > 0, "0 is not the id of a process");
    continuum_common::process::start_time(pid).is_some()
}

/// Waits until a process has ended.
pub(crate) async fn ended(what: &str, pid: u32) {
    eventually(&format!("{what} (process {pid}) to end"), async || {
        if is_running(pid) {
            Err("it runs".to_owned())
        } else {
            Ok(())
        }
    })
    .await;
}

pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid).expect("a process id");
    let pid = rustix::process::Pid::from_raw(pid).expect("a process id");
    rustix::process::kill_process(pid, signal).expect("send a signal");
}
