//! What is there, and functions: everything but calls, secrets and namespaces.

use crate::fixture::{Fixture, NAMESPACE};
use anyhow::ensure;
use continuum_cluster::apply;
use continuum_ctl::deploy::execution_models::upstream_objects;
use http::{Method, StatusCode};
use serde_json::{Value, json};

/// Asks, and wants a status; the body of the answer.
pub(crate) fn is(
    fixture: &Fixture,
    method: Method,
    path: &str,
    body: &Value,
    want: u16,
) -> anyhow::Result<String> {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let answer = fixture.ask(method.clone(), path, &[], body)?;
    ensure!(
        answer.status.as_u16() == want,
        "{method} {path}: {} instead of {want}: {}",
        answer.status,
        answer.text()
    );
    Ok(answer.text())
}

const ALL: &[Method] = &[Method::GET, Method::POST, Method::PUT, Method::DELETE];

/// All that needs the password.
const GUARDED: [(&[Method], &str); 9] = [
    (ALL, "/system/functions"),
    (&[Method::GET], "/system/function/x"),
    (&[Method::POST], "/system/scale-function/x"),
    (ALL, "/system/secrets"),
    (&[Method::GET], "/system/namespaces"),
    (&[Method::POST], "/system/namespace/"),
    (ALL, "/system/namespace/x"),
    (&[Method::GET], "/system/logs?name=x"),
    (&[Method::GET], "/system/info"),
];

pub(crate) fn basics(fixture: &Fixture) -> anyhow::Result<()> {
    is(fixture, Method::GET, "/healthz", &Value::Null, 200)?;
    let info: Value = serde_json::from_str(&is(
        fixture,
        Method::GET,
        "/system/info",
        &Value::Null,
        200,
    )?)?;
    ensure!(info["provider"]["orchestration"] == "kubernetes", "{info}");
    ensure!(
        info["version"]["sha"] != "" && info["provider"]["version"]["release"] != "",
        "{info}"
    );
    is(fixture, Method::GET, "/nothing", &Value::Null, 404)?;
    is(
        fixture,
        Method::PATCH,
        "/system/functions",
        &Value::Null,
        405,
    )?;
    // Without the password, with a wrong one, with another way.
    for word in ["Basic YWRtaW46d3Jvbmc=", "Bearer x", "Basic ?"] {
        let all = GUARDED.iter();
        for (method, path) in all.flat_map(|(methods, path)| methods.iter().map(move |m| (m, path)))
        {
            let answer = fixture.ask(method.clone(), path, &[("authorization", word)], "")?;
            ensure!(
                answer.status == StatusCode::UNAUTHORIZED,
                "{method} {path}: {answer:?}"
            );
            ensure!(answer.header("www-authenticate").starts_with("Basic"));
        }
    }
    let metrics = fixture.get("/metrics")?;
    ensure!(metrics.status == StatusCode::OK);
    Ok(())
}

pub(crate) fn functions(fixture: &Fixture) -> anyhow::Result<()> {
    let all = "/system/functions";
    let wanted = json!({
        "service": "crud", "image": "example.org/a:1", "envProcess": "cat", "envVars": { "A": "1" },
        "labels": { "team": "blue" }, "annotations": { "why": "test" },
        "constraints": ["kubernetes.io/os=linux"],
        "limits": { "memory": "64Mi", "cpu": "100m" }, "requests": { "memory": "32Mi" },
        "readOnlyRootFilesystem": true,
    });
    is(fixture, Method::POST, all, &wanted, 202)?;
    is(fixture, Method::POST, all, &wanted, 409)?;
    let one: Value = serde_json::from_str(&is(
        fixture,
        Method::GET,
        "/system/function/crud",
        &Value::Null,
        200,
    )?)?;
    for (field, value) in [
        ("name", json!("crud")),
        ("namespace", json!(NAMESPACE)),
        ("envProcess", json!("cat")),
        ("envVars", json!({ "A": "1" })),
        ("limits", json!({ "memory": "64Mi", "cpu": "100m" })),
        ("requests", json!({ "memory": "32Mi" })),
        ("constraints", json!(["kubernetes.io/os=linux"])),
        ("readOnlyRootFilesystem", json!(true)),
        ("replicas", json!(1)),
    ] {
        ensure!(one[field] == value, "{field} is {} in {one}", one[field]);
    }
    ensure!(
        one["labels"]["team"] == "blue" && one["labels"]["faas_function"] == "crud",
        "{one}"
    );
    let list: Value = serde_json::from_str(&is(fixture, Method::GET, all, &Value::Null, 200)?)?;
    ensure!(
        list.as_array()
            .is_some_and(|l| l.iter().any(|f| f["name"] == "crud")),
        "{list}"
    );
    let mut changed = wanted.clone();
    changed["image"] = "example.org/a:2".into();
    // A deployment that broke off left none; the update makes it.
    ensure!(fixture.delete_service("crud")?, "it had no Service");
    is(fixture, Method::PUT, all, &changed, 202)?;
    ensure!(
        fixture.delete_service("crud")?,
        "the update made no Service"
    );
    is(fixture, Method::PUT, all, &changed, 202)?;
    let text = is(
        fixture,
        Method::GET,
        "/system/function/crud.openfaas-fn",
        &Value::Null,
        200,
    )?;
    ensure!(text.contains("example.org/a:2"), "{text}");
    changed["service"] = "nobody".into();
    is(fixture, Method::PUT, all, &changed, 404)?;
    // Replicas by hand.
    let scale = |n: u64| json!({ "serviceName": "crud", "replicas": n });
    is(
        fixture,
        Method::POST,
        "/system/scale-function/crud",
        &scale(3),
        202,
    )?;
    ensure!(fixture.wanted("crud")? == 3);
    is(
        fixture,
        Method::POST,
        "/system/scale-function/nobody",
        &scale(3),
        404,
    )?;
    is(
        fixture,
        Method::POST,
        "/system/scale-function/crud",
        &scale(5000),
        400,
    )?;
    is(
        fixture,
        Method::POST,
        "/system/scale-function/crud",
        &json!({}),
        400,
    )?;
    is(
        fixture,
        Method::GET,
        "/system/function/nobody",
        &Value::Null,
        404,
    )?;
    is(
        fixture,
        Method::DELETE,
        all,
        &json!({ "functionName": "nobody" }),
        404,
    )?;
    is(
        fixture,
        Method::DELETE,
        all,
        &json!({ "functionName": "" }),
        400,
    )?;
    is(
        fixture,
        Method::DELETE,
        all,
        &json!({ "functionName": "crud" }),
        202,
    )?;
    // Nothing here takes its pods away, so it is there for long; nobody sees it.
    is(
        fixture,
        Method::GET,
        "/system/function/crud",
        &Value::Null,
        404,
    )?;
    let list = is(fixture, Method::GET, all, &Value::Null, 200)?;
    ensure!(!list.contains("\"crud\""), "{list}");
    is(fixture, Method::GET, "/function/crud", &Value::Null, 404)?;
    Ok(())
}

pub(crate) fn bad_functions(fixture: &Fixture) -> anyhow::Result<()> {
    let all = "/system/functions";
    for (wanted, word) in [
        (json!({ "service": "x" }), "image"),
        (json!({ "image": "x" }), "service"),
        (json!({ "service": 5, "image": "x" }), "service"),
        (
            json!({ "service": "x", "image": "x", "labels": { "a": 1 } }),
            "labels.a",
        ),
        (
            json!({ "service": "x", "image": "x", "limits": { "memory": "much" } }),
            "limits.memory",
        ),
        (json!({ "service": "Not_DNS", "image": "x" }), "Not_DNS"),
        (json!({ "service": "x", "image": "" }), "image"),
        (
            json!({ "service": "x", "image": "x", "secrets": ["absent"] }),
            "absent",
        ),
        (
            json!({ "service": "x", "image": "x", "namespace": "kube-system" }),
            "kube-system",
        ),
        (
            json!({ "service": "x", "image": "x", "labels": { "com.openfaas.scale.min": "few" } }),
            "scale.min",
        ),
        (
            json!({ "service": "x", "image": "x", "labels": { "not a label": "1" } }),
            "not a label",
        ),
        (json!([1]), "body"),
    ] {
        let text = is(fixture, Method::POST, all, &wanted, 400)?;
        ensure!(text.contains(word), "`{word}` is not in: {text}");
    }
    let broken = fixture.post(all, "{")?;
    ensure!(broken.status == StatusCode::BAD_REQUEST, "{broken:?}");
    let large = fixture.post(all, vec![b' '; 3 << 20])?;
    ensure!(
        large.status == StatusCode::PAYLOAD_TOO_LARGE,
        "{}",
        large.status
    );
    Ok(())
}

pub(crate) fn logs(fixture: &Fixture) -> anyhow::Result<()> {
    is(
        fixture,
        Method::GET,
        "/system/logs?name=nobody",
        &Value::Null,
        404,
    )?;
    is(fixture, Method::GET, "/system/logs", &Value::Null, 422)?;
    is(
        fixture,
        Method::GET,
        "/system/logs?name=x&tail=few",
        &Value::Null,
        422,
    )?;
    is(
        fixture,
        Method::GET,
        "/system/logs?name=x&since=yesterday",
        &Value::Null,
        422,
    )?;
    fixture.deploy("quiet", &[])?;
    // No replica has said anything, and nobody waits for one.
    let text = is(
        fixture,
        Method::GET,
        "/system/logs?name=quiet",
        &Value::Null,
        200,
    )?;
    ensure!(text.is_empty(), "{text}");
    Ok(())
}

/// Server-side apply of a real API server checks every field.
pub(crate) fn manifests(fixture: &Fixture) -> anyhow::Result<()> {
    let images: Vec<String> = ["gateway", "faas-netes", "queue-worker", "nats"]
        .iter()
        .map(|part| format!("{part}=example.org/{part}:1"))
        .collect();
    let upstream = upstream_objects(&images, &Fixture::controller()?, crate::fixture::PASSWORD);
    // Both have the same names: ours come last, since the gateway of the other tests has their rights.
    for objects in [upstream, Fixture::objects()?] {
        fixture.runtime.block_on(apply(&fixture.admin, &objects))?;
    }
    Ok(())
}
