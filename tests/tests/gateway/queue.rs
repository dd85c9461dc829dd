//! Calls that are made later.

use crate::{
    cluster::free_port,
    fixture::Fixture,
    function::{Counted, Slow, closure, text},
};
use anyhow::{Context, ensure};
use http::{Method, StatusCode};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::ListParams};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

fn waiting(fixture: &Fixture) -> anyhow::Result<usize> {
    let secrets: Api<Secret> = Api::namespaced(fixture.admin.clone(), "openfaas");
    let ours = ListParams::default().labels("continuum.dev/queue");
    Ok(fixture.runtime.block_on(secrets.list(&ours))?.items.len())
}

/// Takes one callback, whose body has these words.
fn callback(listener: &TcpListener, ending: &str) -> anyhow::Result<String> {
    answered(listener, ending, "200 OK")
}

fn answered(listener: &TcpListener, ending: &str, status: &str) -> anyhow::Result<String> {
    listener.set_nonblocking(true)?;
    let mut accepted = None;
    Fixture::until("a callback", || {
        accepted = listener.accept().ok();
        Ok(accepted.is_some())
    })?;
    let (mut stream, _) = accepted.context("a callback")?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&all).contains(ending) {
        let n = stream.read(&mut buffer).context("the callback's body")?;
        ensure!(n > 0, "it ended: {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&buffer[..n]);
    }
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")?;
    Ok(String::from_utf8_lossy(&all).to_lowercase())
}

pub(crate) fn made(fixture: &Fixture) -> anyhow::Result<()> {
    fixture.deploy("later", &[])?;
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    // Twice it is too busy.
    let _replica = fixture.replica(
        "later",
        "later-1",
        closure(move |parts, body| {
            let mut answer = text(format!(
                "answer to {} at {}",
                String::from_utf8_lossy(&body),
                parts.uri
            ));
            for cookie in ["a=1", "b=2"] {
                let cookie = http::HeaderValue::from_static(cookie);
                answer.headers_mut().append("set-cookie", cookie);
            }
            if counted.fetch_add(1, Ordering::Relaxed) < 2 {
                *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            }
            answer
        }),
    )?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/done", listener.local_addr()?);
    let headers = [("x-callback-url", &*url), ("x-call-id", "call-7")];
    let answer = fixture.ask(
        Method::POST,
        "/async-function/later/deep?q=1",
        &headers,
        "question",
    )?;
    ensure!(
        answer.status == StatusCode::ACCEPTED && answer.header("x-call-id") == "call-7",
        "{answer:?}"
    );
    let told = callback(&listener, "answer")?;
    for word in [
        "post /done",
        "x-call-id: call-7",
        "x-function-status: 200",
        "x-function-name: later",
        "set-cookie: a=1",
        "set-cookie: b=2",
        "answer to question at /deep?q=1",
    ] {
        ensure!(told.contains(word), "`{word}` is not in {told}");
    }
    ensure!(calls.load(Ordering::Relaxed) == 3);
    Fixture::until("the queue to be empty", || Ok(waiting(fixture)? == 0))?;
    for (path, headers, body, want) in [
        ("/async-function/nobody", vec![], 1, 404),
        (
            "/async-function/later",
            vec![("x-callback-url", "ftp://x")],
            1,
            400,
        ),
        ("/async-function/later", vec![], 900 << 10, 413),
    ] {
        let answer = fixture.ask(Method::POST, path, &headers, vec![b'x'; body])?;
        ensure!(answer.status.as_u16() == want, "{path}: {answer:?}");
    }
    let wrong = fixture.get("/async-function/later")?;
    ensure!(wrong.status == StatusCode::METHOD_NOT_ALLOWED, "{wrong:?}");
    Ok(())
}

pub(crate) fn restart(fixture: &Fixture) -> anyhow::Result<()> {
    fixture.deploy("patient", &[])?;
    let answer = fixture.post("/async-function/patient", "kept")?;
    ensure!(answer.status == StatusCode::ACCEPTED, "{answer:?}");
    ensure!(waiting(fixture)? == 1);
    fixture.start_gateway(&["--max-queued=1"])?;
    ensure!(waiting(fixture)? == 1, "the call did not survive");
    Fixture::until("the call to be counted", || {
        let full = fixture.post("/async-function/patient", "one too many")?;
        Ok(full.status == StatusCode::TOO_MANY_REQUESTS)
    })?;
    refused_before_its_body(fixture)?;
    let seen = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&seen);
    let _replica = fixture.replica(
        "patient",
        "patient-1",
        closure(move |_, body| {
            counted.fetch_add(u32::from(&body[..] == b"kept"), Ordering::Relaxed);
            text("answer")
        }),
    )?;
    Fixture::until("the call to be made", || {
        Ok(seen.load(Ordering::Relaxed) > 0)
    })?;
    Fixture::until("the queue to be empty", || Ok(waiting(fixture)? == 0))?;
    fixture.start_gateway(&[])
}

/// A queue that is full does not wait for what it would not keep.
fn refused_before_its_body(fixture: &Fixture) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(&fixture.listen)?;
    // Less than the gateway would wait for the body.
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(
        b"POST /async-function/patient HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n",
    )?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    ensure!(status.ends_with(b" 429"), "{status:?}");
    Ok(())
}

/// A gateway that is asked to end finishes the call that runs, and leaves the one that waits to the next.
pub(crate) fn end(fixture: &Fixture) -> anyhow::Result<()> {
    fixture.start_gateway(&["--queue-workers=1"])?;
    fixture.deploy("steady", &[])?;
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let _replica = fixture.replica(
        "steady",
        "steady-1",
        Counted(counted, Slow(Duration::from_secs(2))),
    )?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/done", listener.local_addr()?);
    for _ in 0..2 {
        let headers = [("x-callback-url", &*url)];
        let answer = fixture.ask(Method::POST, "/async-function/steady", &headers, "")?;
        ensure!(answer.status == StatusCode::ACCEPTED, "{answer:?}");
    }
    Fixture::until("the first call to begin", || {
        Ok(calls.load(Ordering::Relaxed) == 1)
    })?;
    let told =
        std::thread::spawn(move || callback(&listener, "slept").map(|first| (first, listener)));
    let status = fixture.end_gateway()?;
    ensure!(status.success(), "{status}");
    let (first, listener) = told.join().map_err(|_| anyhow::anyhow!("no callback"))??;
    ensure!(first.contains("x-function-status: 200"), "{first}");
    ensure!(calls.load(Ordering::Relaxed) == 1 && waiting(fixture)? == 1);
    fixture.start_gateway(&[])?;
    callback(&listener, "slept")?;
    ensure!(calls.load(Ordering::Relaxed) == 2);
    Fixture::until("the queue to be empty", || Ok(waiting(fixture)? == 0))
}

/// The log says which callback was not taken, and what was answered instead.
pub(crate) fn not_taken(fixture: &Fixture) -> anyhow::Result<()> {
    fixture.deploy("told", &[])?;
    let _replica = fixture.replica("told", "told-1", closure(|_, _| text("answer")))?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let nobody = format!("https://127.0.0.1:{}/", free_port()?);
    for (id, url) in [
        ("refused", &format!("http://me:secret@{address}/done")),
        ("nobody", &nobody),
    ] {
        let headers = [("x-callback-url", &**url), ("x-call-id", id)];
        let answer = fixture.ask(Method::POST, "/async-function/told", &headers, "")?;
        ensure!(answer.status == StatusCode::ACCEPTED, "{answer:?}");
    }
    let told = answered(&listener, "answer", "503 Service Unavailable")?;
    let word = data_encoding::BASE64.encode(b"me:secret").to_lowercase();
    ensure!(
        told.contains(&format!("authorization: basic {word}")),
        "{told}"
    );
    for line in [
        format!(
            "the callback http://{address}/done of call refused was not taken: it answered 503 Service Unavailable"
        ),
        format!("the callback {nobody} of call nobody was not taken: client error (Connect): "),
    ] {
        Fixture::until(&line, || Ok(fixture.gateway_log().contains(&line)))?;
    }
    Fixture::until("the queue to be empty", || Ok(waiting(fixture)? == 0))
}
