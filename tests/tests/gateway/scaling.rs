//! Replicas that come and go.

use crate::{
    function::{Slow, closure, text},
    world::World,
};
use anyhow::ensure;
use http::StatusCode;
use std::time::{Duration, Instant};

pub(crate) fn from_zero(world: &World) -> anyhow::Result<()> {
    world.deploy("sleeper", &[("min", "1")])?;
    world.runtime.block_on(world.api().scale("sleeper", 0))?;
    World::until("the function to have none", || {
        Ok(world
            .runtime
            .block_on(world.api().status("sleeper"))?
            .replicas
            == 0)
    })?;
    // The call asks for a replica and is held until somebody makes it.
    std::thread::scope(|scope| {
        let call = scope.spawn(|| world.get("/function/sleeper"));
        World::until("a replica to be wanted", || {
            Ok(world.wanted("sleeper")? == 1)
        })?;
        let _replica = world.replica("sleeper", "sleeper-1", closure(|_, _| text("awake")))?;
        let answer = call
            .join()
            .map_err(|_| anyhow::anyhow!("the call panicked"))??;
        ensure!(
            answer.status == StatusCode::OK && answer.text() == "awake",
            "{answer:?}"
        );
        ensure!(answer.header("x-cold-start") == "true", "{answer:?}");
        let warm = world.get("/function/sleeper")?;
        ensure!(warm.header("x-cold-start").is_empty(), "{warm:?}");
        let metrics = world.get("/metrics")?.text();
        let line = r#"gateway_function_cold_starts_total{function_name="sleeper.openfaas-fn"} 1"#;
        ensure!(metrics.contains(line), "{metrics}");
        Ok(())
    })
}

pub(crate) fn follow(world: &World) -> anyhow::Result<()> {
    let labels = [
        ("type", "capacity"),
        ("target", "2"),
        ("max", "3"),
        ("zero", "true"),
        ("zero-duration", "4s"),
    ];
    world.deploy("elastic", &labels)?;
    let _replica = world.replica("elastic", "elastic-1", Slow(Duration::from_secs(3)))?;
    ensure!(world.wanted("elastic")? == 1);
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| world.get("/function/elastic")))
            .collect();
        World::until("as many replicas as the load needs", || {
            Ok(world.wanted("elastic")? == 3)
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
    World::until("fewer replicas", || Ok(world.wanted("elastic")? < 3))?;
    World::until("none", || Ok(world.wanted("elastic")? == 0))?;
    ensure!(
        begun.elapsed() > Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    Ok(())
}
