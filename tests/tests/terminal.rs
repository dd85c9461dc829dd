//! What a terminal, a shell and a cron job see: real pseudo-terminals of several widths, real pipes, real signals, and
//! real agents on loopback.

use continuum_tests::{
    ctl::{Ctl, example},
    lab::{CONFIG, Lab},
    process::{command, is_hang_up_ignored, pause, workspace_program},
};
use rustix::process::Signal;
use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(30);
const WIDTHS: [u16; 3] = [40, 80, 200];
/// What stands on the terminal at the end, and whether a line of it went on below.
fn screen(columns: u16, bytes: &[u8]) -> (String, bool) {
    let mut terminal = vt100::Parser::new(200, columns, 0);
    terminal.process(bytes);
    let screen = terminal.screen();
    (
        screen.contents(),
        (0..200).any(|row| screen.row_wrapped(row)),
    )
}

#[test]
fn what_a_program_prints_stays_on_the_terminal() {
    let fixture = Lab::up().unwrap();
    for columns in WIDTHS {
        for text in ["abc", "line1\\nvalue=42", "line1\\nline2\\n"] {
            let argv = ["agent", "lab", "edge0", "exec", "--", "printf", text];
            let (code, bytes) = fixture.ctl.run_on_terminal(columns, &argv).unwrap();
            let (seen, _) = screen(columns, &bytes);
            let wanted = text.replace("\\n", "\n");
            assert_eq!(code, Some(0), "{seen}");
            assert_eq!(seen.trim_end(), wanted.trim_end(), "{columns}: {bytes:?}");
        }
    }
}

#[test]
fn no_spinner_stays_and_tables_fit() {
    let fixture = Lab::up().unwrap();
    let spinner = |text: &str| text.contains("s]") || text.contains('⠁');
    for columns in WIDTHS {
        let commands: [&[&str]; 5] = [
            &["list"],
            &["status", "lab"],
            &["agent", "lab", "edge0", "info"],
            &["logs", "lab", "-n", "2"],
            &["doctor", &fixture.config],
        ];
        for argv in commands {
            let (code, bytes) = fixture.ctl.run_on_terminal(columns, argv).unwrap();
            let (seen, is_wrapped) = screen(columns, &bytes);
            assert_eq!(code, Some(0), "{argv:?}: {seen}");
            assert!(!spinner(&seen), "{columns}, {argv:?}:\n{seen}");
            // Log lines are the agents' own.
            let is_table = argv[0] != "logs";
            assert!(!(is_table && is_wrapped), "{columns}, {argv:?}:\n{seen}");
        }
    }
}

#[test]
fn an_ignored_hang_up_stays_ignored() {
    let fixture = Lab::new().unwrap();
    let silent = fixture.silent_agent().unwrap();
    // These tests may have been started with `nohup` themselves.
    for (through, outlives) in [(&["nohup"][..], true), (&["env"], is_hang_up_ignored())] {
        let ctl = Ctl::new(fixture.ctl.state())
            .env("CONTINUUM_AGENT", silent.clone())
            .and_through(through);
        let mut up = ctl
            .start("up", &["up", "--rollback", &fixture.config])
            .unwrap();
        let state = fixture.ctl.state().join("deployments/lab/state.json");
        let deadline = Instant::now() + SOON;
        while !std::fs::read_to_string(&state).is_ok_and(|s| s.contains("\"pid\"")) {
            assert!(Instant::now() < deadline, "{}", up.said());
            pause();
        }
        up.signal(Signal::HUP).unwrap();
        let asked_to_stop = up.wait_for("stopping", Duration::from_secs(1)).is_ok();
        assert_eq!(asked_to_stop, !outlives, "{through:?}: {}", up.said());
        if outlives {
            up.signal(Signal::INT).unwrap();
        }
        assert_eq!(up.wait(SOON).unwrap(), 130, "{}", up.said());
    }
}

#[test]
fn what_goes_on_keeps_nothing_of_its_caller() {
    let fixture = Lab::new().unwrap();
    let lock = fixture.path("lock");
    let flock = ["flock", lock.to_str().unwrap()];
    let ctl = Ctl::new(fixture.ctl.state()).and_through(&flock);
    ctl.expect(0, &["up", &fixture.config]).unwrap();
    // The agents run, and the lock is free.
    let file = std::fs::File::open(&lock).unwrap();
    file.try_lock().unwrap();
    let info = fixture
        .ctl
        .json(0, &["agent", "lab", "edge0", "info"])
        .unwrap();
    let files = format!("/proc/{}/fd", info["pid"].as_i64().unwrap());
    for entry in std::fs::read_dir(files).unwrap().flatten() {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        assert_ne!(target, lock);
    }
}

#[test]
fn exec_hands_on_input_and_exit_code_and_signal() {
    let fixture = Lab::up().unwrap();
    let exec = |input: &[u8], argv: &[&str]| {
        let words = [
            &["agent", "lab", "edge0", "exec", "--timeout-s", "20", "--"],
            argv,
        ]
        .concat();
        fixture.ctl.run_with(input, &words).unwrap()
    };
    let output = exec(b"hi\n", &["cat"]);
    assert_eq!(
        (output.status.code(), &*output.stdout),
        (Some(0), &b"hi\n"[..])
    );
    let much = vec![b'x'; 6 << 20];
    let output = exec(&much, &["wc", "-c"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "6291456");
    // One that ends before its input does.
    let output = exec(&much, &["true"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for (argv, code) in [
        (&["sh", "-c", "echo to stderr >&2; exit 7"][..], 7),
        (&["sh", "-c", "kill -TERM $$"], 143),
        (&["/nosuch"], 1),
        // A directory, and nothing at all: the agent says so, not a program of its own.
        (&["/"], 1),
        (&[""], 1),
    ] {
        let output = exec(b"", argv);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{argv:?}: {errors}");
        let said = [
            "to stderr\n",
            "signal 15",
            "No such file",
            "Permission denied",
        ];
        assert!(said.iter().any(|text| errors.contains(text)), "{errors}");
    }
    let late = [
        "agent",
        "lab",
        "edge0",
        "exec",
        "--timeout-s",
        "1",
        "--",
        "sleep",
        "60",
    ];
    let object = fixture.ctl.json(124, &late).unwrap();
    assert_eq!(
        (&object["exit_code"], &object["timed_out"]),
        (&124.into(), &true.into())
    );
}

#[test]
fn list_and_status_need_no_home() {
    let fixture = Lab::up().unwrap();
    let bare = Ctl::new(fixture.ctl.state()).and_through(&["env", "-i"]);
    for argv in [&["list"][..], &["status", "lab"], &["status"]] {
        let text = bare.expect(0, argv).unwrap();
        assert!(text.contains("edge0") || text.contains("lab"), "{text}");
    }
}

#[test]
fn words_that_mean_nothing_are_refused_with_those_that_do() {
    let fixture = Lab::up().unwrap();
    let zero = ["agent", "lab", "edge0", "put", "/dev/zero", "z"];
    for (code, argv, part) in [
        (3, &["logs", "lab", "--source", "nosuch"][..], "broker"),
        (
            3,
            &["agent", "lab", "edge0", "logs", "--source", "x"],
            "broker",
        ),
        (
            3,
            &["network", "lab", "set", "edge", "edge", "latency_ms=abc"],
            "abc",
        ),
        (
            3,
            &["agent", "lab", "edge0", "install", "mqtt", "a"],
            "NAME=VALUE",
        ),
        (
            3,
            &["agent", "lab", "edge0", "install", "mqtt", "a=b"],
            "there are: backend",
        ),
        (
            3,
            &["network", "lab", "show", "--set", "network.preset=4g"],
            "this command takes none",
        ),
        (3, &["bench", "nosuch"], "deployments are: lab"),
        (3, &["bench", "nosuch.toml"], "No such file"),
        (
            3,
            &[
                "agent",
                "lab",
                "edge0",
                "exec",
                "--timeout-s",
                "3601",
                "--",
                "true",
            ],
            "3601 is not in 1..=3600",
        ),
        (1, &zero, "no plain file"),
    ] {
        let errors = fixture.ctl.refused(code, argv).unwrap();
        assert!(errors.contains(part), "{argv:?}: no {part:?} in {errors}");
    }
    let links = fixture.ctl.expect(0, &["network", "lab", "show"]).unwrap();
    assert!(links.contains("provider local cannot"), "{links}");
    let none = fixture.ctl.expect(0, &["logs", "lab", "-n", "0"]).unwrap();
    assert_eq!(none, "");
    let object = fixture
        .ctl
        .json(3, &["logs", "lab", "--source", "x"])
        .unwrap();
    assert!(object["error"].as_str().unwrap().contains("workload"));
}

#[test]
fn logs_are_followed_with_time_node_and_source_until_interrupted() {
    let fixture = Lab::up().unwrap();
    let none = ["logs", "lab", "--grep", "nobody writes this"];
    assert_eq!(fixture.ctl.expect(0, &none).unwrap(), "");
    let arguments = ["--format", "json", "logs", "lab", "--follow"];
    let mut follow = fixture.ctl.start("follow", &arguments).unwrap();
    follow.wait_for("serves on", SOON).unwrap();
    // An agent notes who asks for what it has not.
    let missing = ["agent", "lab", "edge0", "logs", "--source", "workload"];
    fixture.ctl.refused(1, &missing).unwrap();
    follow.wait_for("failed to find log", SOON).unwrap();
    let said = follow.said();
    let lines = said.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<serde_json::Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let once = |part: &str| {
        let has = |line: &&serde_json::Value| line["text"].as_str().unwrap().contains(part);
        assert_eq!(lines.iter().filter(has).count(), 1, "{part}: {said}");
    };
    once("serves on");
    once("failed to find log");
    for line in &lines {
        let is_whole = line["node"] == "edge0" && line["source"] == "agent";
        assert!(is_whole && line["time"].is_string(), "{line}");
    }
    follow.signal(Signal::INT).unwrap();
    assert_eq!(follow.wait(SOON).unwrap(), 0, "{}", follow.said());
}

#[test]
fn what_would_be_refused_is_told_by_the_exit_code() {
    let fixture = Lab::new().unwrap();
    let local = "infrastructure.provider=\"local\"";
    let mist = example("mist-edge.toml");
    let argv = ["up", "--dry-run", &mist, "--set", local];
    let object = fixture.ctl.json(5, &argv).unwrap();
    assert_eq!(object["exit_code"], 5);
    let why = object["refused"].as_str().unwrap();
    assert!(why.contains("cannot emulate links"), "{why}");
    fixture
        .ctl
        .expect(0, &["up", "--dry-run", &fixture.config])
        .unwrap();
    // Nothing is made for results that cannot be written.
    let runs = CONFIG.replace("infra_only = true\n", "")
        + "[infrastructure.endpoint]\nnodes = 1\ncores = 1\nmemory_mib = 256\n[software]\nresource_manager = \"mist\"\n\
           [benchmark]\napplication = \"empty\"\nsleep_time_s = 1\n";
    let empty = fixture.write("empty.toml", &runs).unwrap();
    for bad in ["/proc/x", &fixture.config] {
        let argv = ["run", &empty, "--results", bad];
        let errors = fixture.ctl.refused(5, &argv).unwrap();
        assert!(errors.contains("results cannot be written"), "{errors}");
    }
    assert_eq!(
        fixture.ctl.json(0, &["list"]).unwrap()["deployments"],
        serde_json::json!([])
    );
}

#[test]
fn names_that_are_no_text_end_no_command_in_the_middle() {
    let fixture = Lab::up().unwrap();
    let strange = fixture.path("").join(OsStr::from_bytes(b"r\xff"));
    let strange = strange.as_os_str();
    let run = |state: &OsStr, argv: &[&OsStr]| {
        let mut ctl = command(workspace_program("continuum-ctl"));
        let output = ctl
            .env("CONTINUUM_STATE", state)
            .args(argv)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!errors.contains("panicked"), "{errors}");
        (output.status.code(), errors)
    };
    let own = fixture.path("state");
    let [bench, none, lab, results] = ["bench", "nosuch", "lab", "--results"].map(OsStr::new);
    let (code, errors) = run(own.as_os_str(), &[bench, none, results, strange]);
    assert_eq!(code, Some(3), "{errors}");
    // It gets as far as to hold the lock, and says there who it is.
    let (code, errors) = run(own.as_os_str(), &[bench, lab, results, strange]);
    assert_eq!(code, Some(5), "{errors}");
    assert!(errors.contains("runs no application"), "{errors}");
    let (code, errors) = run(strange, &[OsStr::new("list")]);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("not UTF-8"), "{errors}");
}
