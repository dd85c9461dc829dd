//! Replicas that come and go.

use crate::{
    fixture::Fixture,
    function::{Slow, closure, text},
};
use anyhow::ensure;
use http::StatusCode;
use std::time::{Duration, Instant};

pub(crate) fn from_zero(fixture: &Fixture) -> anyhow::Result<()> {
    fixture.deploy("sleeper", &[("min", "1")])?;
    fixture
        .runtime
        .block_on(fixture.api().scale("sleeper", 0))?;
    Fixture::until("the function to have none", || {
        Ok(fixture
            .runtime
            .block_on(fixture.api().status("sleeper"))?
            .replicas
            == 0)
    })?;
    // The call asks for a replica and is held until somebody makes it.
    std::thread::scope(|scope| {
        let call = scope.spawn(|| fixture.get("/function/sleeper"));
        Fixture::until("a replica to be wanted", || {
            Ok(fixture.wanted("sleeper")? == 1)
        })?;
        let _replica = fixture.replica("sleeper", "sleeper-1", closure(|_, _| text("awake")))?;
        let answer = call
            .join()
            .map_err(|_| anyhow::anyhow!("the call panicked"))??;
        ensure!(
            answer.status == StatusCode::OK && answer.text() == "awake",
            "{answer:?}"
        );
        ensure!(answer.header("x-cold-start") == "true", "{answer:?}");
        let warm = fixture.get("/function/sleeper")?;
        ensure!(warm.header("x-cold-start").is_empty(), "{warm:?}");
        let metrics = fixture.get("/metrics")?.text();
        let line = r#"gateway_function_cold_starts_total{function_name="sleeper.openfaas-fn"} 1"#;
        ensure!(metrics.contains(line), "{metrics}");
        Ok(())
    })
}

pub(crate) fn follow(fixture: &Fixture) -> anyhow::Result<()> {
    let labels = [
        ("type", "capacity"),
        ("target", "2"),
        ("max", "3"),
        ("zero", "true"),
        ("zero-duration", "4s"),
    ];
    fixture.deploy("elastic", &labels)?;
    let _replica = fixture.replica("elastic", "elastic-1", Slow(Duration::from_secs(3)))?;
    ensure!(fixture.wanted("elastic")? == 1);
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| fixture.get("/function/elastic")))
            .collect();
        Fixture::until("as many replicas as the load needs", || {
            Ok(fixture.wanted("elastic")? == 3)
        })?;
        for call in calls {
            let answer = call
                .join()
                .map_err(|_| anyhow::anyhow!("a call panicked"))??;
            ensure!(answer.status == StatusCode::OK, "{answer:?}");
        }
        anyhow::Ok(())
    })?;
    let begun = Instant::now();
    Fixture::until("fewer replicas", || Ok(fixture.wanted("elastic")? < 3))?;
    Fixture::until("none", || Ok(fixture.wanted("elastic")? == 0))?;
    ensure!(
        begun.elapsed() > Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    Ok(())
}
