//! Answers, decoded strictly by the types that `OpenFaaS` publishes for Go.

use crate::fixture::Fixture;
use anyhow::{Context, ensure};
use continuum_tests::process;
use http::Method;

pub(crate) fn decode(fixture: &Fixture) -> anyhow::Result<()> {
    let wanted = serde_json::json!({
        "service": "typed", "image": "example.org/a:1", "envProcess": "cat", "envVars": { "A": "1" },
        "labels": { "a": "b" }, "annotations": { "c": "d" }, "constraints": ["zone=here"],
        "limits": { "memory": "64Mi", "cpu": "100m" }, "readOnlyRootFilesystem": true,
    });
    fixture.post("/system/functions", wanted.to_string())?;
    fixture.ask(
        Method::POST,
        "/system/secrets",
        &[],
        r#"{"name":"typed","value":"x"}"#,
    )?;
    let dir = fixture.dir.path().join("responses");
    std::fs::create_dir(&dir)?;
    for (file, path) in [
        ("info", "/system/info"),
        ("functions", "/system/functions"),
        ("function-typed", "/system/function/typed"),
        ("secrets", "/system/secrets"),
        ("namespaces", "/system/namespaces"),
        ("namespace-default", "/system/namespace/openfaas-fn"),
    ] {
        std::fs::write(dir.join(format!("{file}.json")), fixture.get(path)?.body)?;
    }
    let line = continuum_openfaas_api::LogMessage {
        timestamp: "2026-01-31T12:00:00.123456789Z".into(),
        ..Default::default()
    };
    std::fs::write(dir.join("log.json"), serde_json::to_string(&line)?)?;
    let tested = process::command("go")
        .args(["test", "-count=1", "."])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/openfaas-types"))
        .env("RESPONSES", &dir)
        .env("GOFLAGS", "-mod=readonly")
        .env("GOTOOLCHAIN", "local")
        .output()
        .context("run go test")?;
    let said = String::from_utf8_lossy(&tested.stdout);
    ensure!(
        tested.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&tested.stderr)
    );
    Ok(())
}
