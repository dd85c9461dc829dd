//! Calls of functions.

use crate::{
    fixture::Fixture,
    function::{Echo, Slow, closure, text},
};
use anyhow::{Context, ensure};
use http::{Method, StatusCode};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

pub(crate) fn through(fixture: &Fixture) -> anyhow::Result<()> {
    fixture.deploy("mirror", &[])?;
    let _one = fixture.replica(
        "mirror",
        "mirror-1",
        closure(|parts, body| {
            let mut answer = text(format!(
                "{} {} {} {}",
                parts.method,
                parts.uri,
                parts
                    .headers
                    .get("x-own")
                    .and_then(|v| v.to_str().ok())
                    .unwrap_or_default(),
                String::from_utf8_lossy(&body)
            ));
            if parts.uri.path() == "/moved" {
                *answer.status_mut() = StatusCode::FOUND;
                answer.headers_mut().insert(
                    "location",
                    http::HeaderValue::from_static("http://example.org"),
                );
            }
            if parts.uri.path() == "/from" {
                let from = parts.headers.get("x-forwarded-for");
                answer = text(from.and_then(|v| v.to_str().ok()).unwrap_or_default());
            }
            if parts.uri.path() == "/teapot" {
                *answer.status_mut() = StatusCode::IM_A_TEAPOT;
            }
            answer
        }),
    )?;
    let own = [("x-own", "7"), ("x-call-id", "mine")];
    for method in [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ] {
        let answer = fixture.ask(method.clone(), "/function/mirror/a/b?c=1", &own, "body")?;
        ensure!(answer.status == StatusCode::OK, "{answer:?}");
        ensure!(
            answer.text() == format!("{method} /a/b?c=1 7 body"),
            "{}",
            answer.text()
        );
        ensure!(answer.header("x-call-id") == "mine" && answer.header("x-served-by") == "mirror-1");
        ensure!(
            !answer.header("x-start-time").is_empty()
                && !answer.header("x-duration-seconds").is_empty()
        );
        ensure!(answer.header("x-cold-start").is_empty());
    }
    let answer = fixture.get("/function/mirror.openfaas-fn")?;
    ensure!(answer.text() == "GET /", "{}", answer.text());
    ensure!(!answer.header("x-call-id").is_empty());
    let moved = fixture.get("/function/mirror/moved")?;
    ensure!(moved.status == StatusCode::FOUND && moved.header("location") == "http://example.org");
    ensure!(fixture.get("/function/mirror/teapot")?.status == StatusCode::IM_A_TEAPOT);
    let from = fixture.get("/function/mirror/from")?.text();
    ensure!(from.starts_with("127.0.0.1:"), "{from}");
    let given = [("x-forwarded-for", "10.1.2.3")];
    let from = fixture.ask(Method::GET, "/function/mirror/from", &given, "")?;
    ensure!(from.text() == "10.1.2.3", "{from:?}");
    let metrics = fixture.get("/metrics")?.text();
    for line in [
        r#"gateway_function_invocation_total{code="200",function_name="mirror.openfaas-fn"} 8"#,
        r#"gateway_function_invocation_started{function_name="mirror.openfaas-fn"} 10"#,
        r#"provider_http_requests_total{code="202",method="POST",path="/system/functions"}"#,
        r#"http_requests_total{method="POST",path="/system/functions",status="202"}"#,
        r#"http_request_duration_seconds_count{method="GET",path="/system/function",status="200"}"#,
        r#"provider_http_request_duration_seconds_count{code="200",method="GET",path="/system/function"}"#,
        r#"gateway_function_invocation_inflight{function_name="mirror.openfaas-fn"} 0"#,
        r#"gateway_functions_seconds_count{code="418",function_name="mirror.openfaas-fn"} 1"#,
    ] {
        ensure!(metrics.contains(line), "`{line}` is not in:\n{metrics}");
    }
    streams(fixture)
}

/// The answer's first piece comes before the request's last one is sent.
fn streams(fixture: &Fixture) -> anyhow::Result<()> {
    fixture.deploy("echo", &[])?;
    let _one = fixture.replica("echo", "echo-1", Echo)?;
    let mut stream = TcpStream::connect(&fixture.listen)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let head = "POST /function/echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    stream.write_all(head.as_bytes())?;
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains("first") {
        let n = stream
            .read(&mut buffer)
            .context("the first piece comes back at once")?;
        ensure!(n > 0, "closed after {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n")?;
    while !seen.contains("second") {
        let n = stream.read(&mut buffer)?;
        ensure!(n > 0, "closed after {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    Ok(())
}

pub(crate) fn faults(fixture: &Fixture) -> anyhow::Result<()> {
    let unknown = fixture.get("/function/nobody")?;
    ensure!(unknown.status == StatusCode::NOT_FOUND && unknown.text().contains("nobody"));
    // Its image cannot be had: the pod says so, and the caller hears it.
    fixture.deploy("imageless", &[])?;
    let waiting = json!({ "phase": "Pending", "containerStatuses": [{
        "name": "c", "ready": false, "restartCount": 0, "image": "example.org/image:1", "imageID": "",
        "state": { "waiting": { "reason": "ErrImageNeverPull", "message": "example.org/image:1 is not present" } },
    }] });
    fixture.pod("imageless", "imageless-1", &waiting)?;
    let answer = fixture.get("/function/imageless")?;
    ensure!(
        answer.status == StatusCode::SERVICE_UNAVAILABLE,
        "{answer:?}"
    );
    ensure!(
        answer.text().contains("ErrImageNeverPull"),
        "{}",
        answer.text()
    );
    // It takes longer than calls may.
    fixture.deploy("slow", &[])?;
    let _slow = fixture.replica("slow", "slow-1", Slow(Duration::from_secs(20)))?;
    let begun = Instant::now();
    let answer = fixture.get("/function/slow")?;
    ensure!(answer.status == StatusCode::GATEWAY_TIMEOUT, "{answer:?}");
    ensure!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    // Nothing listens there, whoever says it is ready.
    fixture.deploy("hollow", &[])?;
    fixture.ready_pod("hollow", "hollow-1", fixture.address())?;
    let answer = fixture.get("/function/hollow")?;
    ensure!(answer.status == StatusCode::BAD_GATEWAY, "{answer:?}");
    Ok(())
}

pub(crate) fn gone_replica(fixture: &Fixture) -> anyhow::Result<()> {
    fixture.deploy("half", &[])?;
    let _lives = fixture.replica(
        "half",
        "half-1",
        closure(|_, body| text(body.len().to_string())),
    )?;
    // The cluster has not noticed yet that this one is dead.
    fixture.ready_pod("half", "half-0", fixture.address())?;
    Fixture::until("both to be known", || {
        let status = fixture.runtime.block_on(fixture.api().status("half"))?;
        Ok(status.available_replicas == 2)
    })?;
    for _ in 0..20 {
        let answer = fixture.post("/function/half", "12345")?;
        ensure!(
            answer.status == StatusCode::OK && answer.text() == "5",
            "{answer:?}"
        );
    }
    Ok(())
}

/// Old replicas go while calls are made, as in a rolling update: the new one is ready first, the old one is marked, told
/// to end, and gone.
pub(crate) fn update(fixture: &Fixture) -> anyhow::Result<()> {
    fixture.deploy("rolling", &[])?;
    let version = |n: u32| closure(move |_, _| text(n.to_string()));
    let mut old = fixture.replica("rolling", "rolling-0", version(0))?;
    let is_over = Arc::new(AtomicBool::new(false));
    let (good, bad) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let (is_over, good, bad) =
                    (Arc::clone(&is_over), Arc::clone(&good), Arc::clone(&bad));
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        let answer = fixture.get("/function/rolling");
                        let is_good = answer.is_ok_and(|a| a.status == StatusCode::OK);
                        if is_good { &good } else { &bad }.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let done = (1..=5_u32).try_for_each(|round| {
            let new = fixture.replica("rolling", &format!("rolling-{round}"), version(round))?;
            let before = format!("rolling-{}", round - 1);
            fixture.delete_pod(&before, false)?;
            old.end();
            let served = good.load(Ordering::Relaxed);
            Fixture::until("more calls", || {
                Ok(good.load(Ordering::Relaxed) > served + 20)
            })?;
            fixture.delete_pod(&before, true)?;
            old = new;
            anyhow::Ok(())
        });
        is_over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.join().ok();
        }
        done
    })?;
    let (good, bad) = (good.load(Ordering::Relaxed), bad.load(Ordering::Relaxed));
    eprintln!("update: {good} calls answered, {bad} failed");
    ensure!(bad == 0 && good > 100, "{bad} calls failed, {good} did not");
    Ok(())
}

/// A gateway that dies and comes back sends nobody away for what it does not know yet.
pub(crate) fn restart(fixture: &Fixture) -> anyhow::Result<()> {
    fixture.deploy("steady", &[])?;
    let _one = fixture.replica("steady", "steady-1", closure(|_, _| text("here")))?;
    let is_over = AtomicBool::new(false);
    let statuses = std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let mut statuses = std::collections::BTreeMap::<u16, u32>::new();
            while !is_over.load(Ordering::Relaxed) {
                // A connection that was not made is nobody's answer.
                if let Ok(answer) = fixture.get("/function/steady") {
                    *statuses.entry(answer.status.as_u16()).or_default() += 1;
                }
            }
            statuses
        });
        let restarted = (0..3).try_for_each(|_| fixture.start_gateway(&[]));
        is_over.store(true, Ordering::Relaxed);
        let statuses = caller
            .join()
            .map_err(|_| anyhow::anyhow!("the caller panicked"));
        restarted.and(statuses)
    })?;
    ensure!(
        statuses.len() == 1 && statuses.contains_key(&200),
        "{statuses:?}"
    );
    Ok(())
}
