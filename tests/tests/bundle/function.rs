//! Image recognition as a function, natively: the network loaded once, and for each call.

use anyhow::{Context, ensure};
use continuum_tests::{
    ctl::source,
    process::{command, pause},
    skip,
};
use data_encoding::BASE64;
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

const READY: Duration = Duration::from_mins(1);
const CAT: [u64; 3] = [281, 282, 285];

struct Function(Child, u16);

impl Drop for Function {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn bundle() -> anyhow::Result<PathBuf> {
    Ok(continuum_images::store::current_bundle(&skip::cache()?)?)
}

/// As a container starts it: by the bundle's own loader.
fn start(per_request: bool) -> anyhow::Result<Function> {
    let bundle = bundle()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let lib = bundle.join("lib");
    let mut program = command(lib.join("ld-linux-x86-64.so.2"));
    program
        .arg("--library-path")
        .arg(&lib)
        .arg(bundle.join("bin/continuum-workload"))
        .arg("function")
        .arg("--bundle")
        .arg(&bundle)
        .env("port", port.to_string())
        .env("OMP_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    if per_request {
        program.env("load_per_request", "true");
    }
    let function = Function(program.spawn().context("start the function")?, port);
    let begun = Instant::now();
    while !ask(port, "GET", "/_/health", b"").is_ok_and(|(head, _)| head.contains(" 200 ")) {
        ensure!(begun.elapsed() < READY, "it is not healthy");
        pause();
    }
    Ok(function)
}

fn ask(port: u16, method: &str, path: &str, body: &[u8]) -> anyhow::Result<(String, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(READY))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    )?;
    stream.write_all(body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer")?;
    Ok((head.to_owned(), body.to_owned()))
}

/// Seconds of a call with a photo of a cat, as it is or in JSON.
fn classify(function: &Function, is_json: bool) -> anyhow::Result<f64> {
    let jpeg = std::fs::read(source().join("images/photos/cat.jpg")).context("read a photo")?;
    let body = if is_json {
        let text = serde_json::json!({ "image": BASE64.encode(&jpeg), "time": "17" });
        text.to_string().into_bytes()
    } else {
        jpeg
    };
    let begun = Instant::now();
    let (head, answer) = ask(function.1, "POST", "/", &body)?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(head.contains(" 200 "), "{head} {answer}");
    let answer: serde_json::Value =
        serde_json::from_str(&answer).with_context(|| answer.clone())?;
    let class = answer["scores"][0]["class"].as_u64().context("a class")?;
    ensure!(CAT.contains(&class), "{answer}");
    ensure!(
        answer["time"] == if is_json { "17" } else { "" },
        "{answer}"
    );
    let stage = |name: &str| answer["stages"][name].as_i64().unwrap_or_default();
    ensure!(
        stage("classified_unix_ns") > stage("decoded_unix_ns"),
        "{answer}"
    );
    Ok(seconds)
}

/// Both ways classify; loading the network for each call costs what it costs.
pub(crate) fn image_function() -> anyhow::Result<()> {
    let loaded = start(false)?;
    classify(&loaded, false)?;
    let warm = classify(&loaded, true)?;
    let (head, answer) = ask(loaded.1, "POST", "/", b"no photo")?;
    ensure!(
        head.contains(" 400 ") && answer.contains("photo"),
        "{head} {answer}"
    );
    let (head, answer) = ask(loaded.1, "POST", "/", b"{\"image\":5}")?;
    ensure!(
        head.contains(" 400 ") && answer.contains("string"),
        "{head} {answer}"
    );
    drop(loaded);
    let anew = start(true)?;
    let cold = classify(&anew, true)?;
    classify(&anew, false)?;
    eprintln!(
        "image function: {:.0} ms loaded, {:.0} ms with loading",
        warm * 1e3,
        cold * 1e3
    );
    ensure!(
        cold > warm,
        "loading a network took no time: {cold} s, {warm} s"
    );
    Ok(())
}
