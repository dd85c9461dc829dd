//! The dashboard that a command serves while it works, without a browser.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use anyhow::Context;
use continuum_tests::ctl::Ctl;
use rustix::process::Signal;
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    time::Duration,
};

const SOON: Duration = Duration::from_secs(30);
const CONFIG: &str = "[infrastructure]\nprovider = \"local\"\ninfra_only = true\n[infrastructure.edge]\nnodes = 1\n\
                      cores = 1\nmemory_mib = 256\n";

fn config(dir: &Path) -> String {
    let path = dir.join("lab.toml");
    std::fs::write(&path, CONFIG).unwrap();
    path.display().to_string()
}

/// What the page's server answers: all that it sends until `end` is in it.
fn ask(address: &str, path: &str, end: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).context("connect")?;
    stream.set_read_timeout(Some(SOON)).context("a deadline")?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).context("ask")?;
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !text.contains(end) {
        let length = stream.read(&mut buffer).context("read the answer")?;
        anyhow::ensure!(length > 0, "it ended without `{end}`: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    Ok(text)
}

#[test]
fn up_shows_what_it_makes_until_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let silent = dir.path().join("silent-agent");
    std::fs::write(&silent, "#!/bin/sh\nexec sleep 300\n").unwrap();
    std::fs::set_permissions(&silent, std::fs::Permissions::from_mode(0o755)).unwrap();
    let state = dir.path().join("state");
    let ctl = Ctl::new(&state).env("CONTINUUM_AGENT", silent.display().to_string());
    let arguments = ["up", &config(dir.path()), "--dashboard", "127.0.0.1:0"];
    let mut up = ctl.start("up", &arguments).unwrap();
    up.wait_for(" until this command ends", SOON).unwrap();
    let said = up.said();
    let mut words = said.split_whitespace();
    let url = words.find_map(|word| word.strip_prefix("http://")).unwrap();
    let address = url.trim_end_matches('/');
    let page = ask(address, "/", "</html>").unwrap();
    assert!(page.starts_with("HTTP/1.1 200"), "{page:.60}");
    // The agent never answers, so this is where it stays.
    let phase = r#""phase":"infrastructure is missing""#;
    let events = ask(address, "/events", phase).unwrap();
    assert!(events.contains(r#""name":"edge0""#), "{events}");
    up.signal(Signal::INT).unwrap();
    assert_eq!(up.wait(SOON).unwrap(), 130, "{}", up.said());
    TcpStream::connect(address).unwrap_err();
    Ctl::new(&state).expect(0, &["down", "lab"]).unwrap();
}

#[test]
fn a_port_that_is_taken_ends_a_command_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let ctl = Ctl::new(dir.path().join("state"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let config = config(dir.path());
    for command in ["up", "bench", "run"] {
        let errors = ctl
            .refused(3, &[command, &config, "--dashboard", &taken])
            .unwrap();
        assert!(errors.contains("takes a free port"), "{command}: {errors}");
    }
    let list = ctl.json(0, &["list"]).unwrap();
    assert_eq!(
        list["deployments"].as_array().map(Vec::len),
        Some(0),
        "{list}"
    );
    // A word behind it may have been meant for the config.
    let errors = ctl.refused(3, &["up", "--dashboard", &config]).unwrap();
    assert!(errors.contains("stands before --dashboard"), "{errors}");
}
