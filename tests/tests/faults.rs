//! Faults that need no machine: the real program and real agents on loopback, interrupted, killed, locked out.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use continuum_tests::{
    ctl::Ctl,
    lab::Lab,
    process::{pause, wait_for, workspace_program},
};
use rustix::process::Signal;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(30);
/// Machines only: what needs no workload bundle.
const CONFIG: &str = "[infrastructure]\nprovider = \"local\"\ninfra_only = true\n[infrastructure.edge]\nnodes = 1\n\
                      cores = 1\nmemory_mib = 256\n[infrastructure.endpoint]\nnodes = 1\ncores = 1\nmemory_mib = 256\n";

struct Fixture(Lab);

impl std::ops::Deref for Fixture {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.0
    }
}

impl Fixture {
    fn new() -> Self {
        Self(Lab::of(CONFIG).unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path(name).display().to_string()
    }

    fn silent_agent(&self) -> String {
        self.0.silent_agent().unwrap()
    }

    /// An agent that ends at once on the endpoint.
    fn mortal_agent(&self) -> String {
        let agent = workspace_program("continuum-agent").display().to_string();
        let text = format!("case \"$3\" in *endpoint0*) exit 1;; esac\nexec {agent} \"$@\"");
        self.script("mortal-agent", &text).unwrap()
    }

    fn has_agent_on_record(&self) -> bool {
        let state = std::fs::read_to_string(self.ctl.state().join("deployments/lab/state.json"));
        state.is_ok_and(|text| text.contains("\"pid\""))
    }

    fn deployments(&self) -> Vec<String> {
        let list = self.ctl.json(0, &["list"]).unwrap();
        let all = list["deployments"].as_array().unwrap().iter();
        all.map(|d| d["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Processes whose command line names this fixture's state directory.
    fn processes(&self) -> Vec<String> {
        let state = self.ctl.state().display().to_string();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains("serve --config") && line.contains(&state) {
                found.push(line);
            }
        }
        found
    }

    fn assert_nothing_left(&self) {
        assert_eq!(self.processes(), Vec::<String>::new());
        assert_eq!(self.deployments(), Vec::<String>::new());
    }
}

#[test]
fn an_interrupted_up_ends_with_130_and_goes_on_or_goes_away() {
    let fixture = Fixture::new();
    let config = fixture.path("lab.toml");
    let slow = Ctl::new(fixture.ctl.state()).env("CONTINUUM_AGENT", fixture.silent_agent());
    let mut up = slow.start("up", &["up", &config]).unwrap();
    wait_for("an agent on record", || fixture.has_agent_on_record()).unwrap();
    // While it is at it nobody else may be.
    let errors = fixture.ctl.refused(4, &["up", &config]).unwrap();
    assert!(
        errors.contains(&format!("process {} holds it", up.pid())),
        "{errors}"
    );
    let errors = fixture.ctl.refused(4, &["down", "lab"]).unwrap();
    assert!(errors.contains("lock deployment `lab`"), "{errors}");
    up.signal(Signal::INT).unwrap();
    assert_eq!(up.wait(SOON).unwrap(), 130, "{}", up.said());
    assert!(
        up.said().contains("continuum-ctl down lab"),
        "{}",
        up.said()
    );
    // The state is whole, and the next command takes it up.
    assert_eq!(fixture.deployments(), ["lab"]);
    fixture.ctl.expect(0, &["up", &config]).unwrap();
    fixture
        .ctl
        .expect(0, &["agent", "lab", "edge0", "info"])
        .unwrap();
    fixture.ctl.expect(0, &["down", "lab"]).unwrap();
    fixture.assert_nothing_left();
}

#[test]
fn a_second_interrupt_ends_at_once_and_down_is_clean() {
    let fixture = Fixture::new();
    let slow = Ctl::new(fixture.ctl.state()).env("CONTINUUM_AGENT", fixture.silent_agent());
    let mut up = slow
        .start("up", &["up", &fixture.path("lab.toml")])
        .unwrap();
    wait_for("an agent on record", || fixture.has_agent_on_record()).unwrap();
    for _ in 0..2 {
        up.signal(Signal::TERM).unwrap();
        pause();
    }
    assert_eq!(up.wait(SOON).unwrap(), 130, "{}", up.said());
    let text = fixture.ctl.expect(0, &["down", "lab"]).unwrap();
    assert!(text.contains("agent process"), "{text}");
    fixture.assert_nothing_left();
}

/// Killed at moments spread over the whole of `up`: the next `up` finishes, or `down` leaves nothing.
#[test]
fn killed_at_any_moment_up_goes_on_or_down_is_clean() {
    for (round, delay_ms) in [0, 10, 25, 50, 80, 120, 200, 350, 600, 1000]
        .into_iter()
        .enumerate()
    {
        let fixture = Fixture::new();
        let config = fixture.path("lab.toml");
        let mut up = fixture.ctl.start("up", &["up", &config]).unwrap();
        let until = Instant::now() + Duration::from_millis(delay_ms);
        while Instant::now() < until {
            std::thread::yield_now();
        }
        up.signal(Signal::KILL).unwrap();
        drop(up.wait(SOON));
        for name in fixture.deployments() {
            assert_eq!(name, "lab");
        }
        if round % 2 == 0 {
            fixture.ctl.expect(0, &["up", &config]).unwrap();
            assert_eq!(fixture.processes().len(), 2, "killed after {delay_ms} ms");
            let status = fixture.ctl.json(0, &["status", "lab"]).unwrap();
            for node in status["nodes"].as_array().unwrap() {
                assert_eq!(
                    (&node["machine"], &node["agent"]),
                    (&"running".into(), &"answers".into())
                );
            }
        }
        fixture.ctl.expect(0, &["down", "lab"]).unwrap();
        fixture.assert_nothing_left();
    }
}

#[test]
fn keys_that_are_not_valid_yet_are_told_and_made_anew_by_up() {
    let fixture = Fixture::new();
    let config = fixture.path("lab.toml");
    fixture.ctl.expect(0, &["up", &config]).unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.not_before = rcgen::date_time_ymd(2100, 1, 1);
    params.not_after = rcgen::date_time_ymd(2101, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let early = params.self_signed(&key).unwrap().pem();
    let secrets = fixture.ctl.state().join("deployments/lab/secrets");
    std::fs::write(secrets.join("ca.pem"), early).unwrap();
    for argv in [
        &["status", "lab"][..],
        &["agent", "lab", "edge0", "info"],
        &["logs", "lab"],
    ] {
        let errors = fixture.ctl.refused(5, argv).unwrap();
        for part in ["not valid before 2100-01-01", "continuum-ctl up lab"] {
            assert!(errors.contains(part), "{argv:?}: no {part} in {errors}");
        }
    }
    fixture.ctl.expect(0, &["up", &config]).unwrap();
    fixture
        .ctl
        .expect(0, &["agent", "lab", "edge0", "info"])
        .unwrap();
    assert_eq!(fixture.processes().len(), 2);
    fixture.ctl.expect(0, &["down", "lab"]).unwrap();
    fixture.assert_nothing_left();
}

/// Each with a state directory of its own, as two users of one host.
#[test]
fn several_ups_at_once_get_addresses_of_their_own() {
    let worlds: Vec<Fixture> = (0..4).map(|_| Fixture::new()).collect();
    let mut ups: Vec<_> = worlds
        .iter()
        .map(|w| w.ctl.start("up", &["up", &w.path("lab.toml")]).unwrap())
        .collect();
    for up in &mut ups {
        assert_eq!(up.wait(Duration::from_mins(1)).unwrap(), 0, "{}", up.said());
    }
    let prefixes: std::collections::BTreeSet<String> = worlds
        .iter()
        .map(|w| w.ctl.json(0, &["list"]).unwrap()["deployments"][0]["prefix"].to_string())
        .collect();
    assert_eq!(prefixes.len(), 4, "{prefixes:?}");
    for fixture in &worlds {
        // Its own agent, by its own certificate.
        fixture
            .ctl
            .expect(0, &["agent", "lab", "endpoint0", "health"])
            .unwrap();
        fixture.ctl.expect(0, &["down", "lab"]).unwrap();
        fixture.assert_nothing_left();
    }
}

#[test]
fn down_removes_what_is_meant_and_nothing_else() {
    let fixture = Fixture::new();
    let config = fixture.path("lab.toml");
    fixture.ctl.expect(0, &["up", &config]).unwrap();
    fixture
        .ctl
        .expect(0, &["up", &config, "--set", "name=other"])
        .unwrap();
    for bad in ["", "..", "../deployments/lab", "/", "a b", "-x"] {
        fixture.ctl.refused(3, &["down", "--", bad]).unwrap();
    }
    assert_eq!(fixture.deployments(), ["lab", "other"]);
    fixture
        .ctl
        .expect(0, &["down", &config, "--set", "name=other"])
        .unwrap();
    assert_eq!(fixture.deployments(), ["lab"]);
    // A deployment's name is one, whatever a file of that name here says.
    fixture
        .ctl
        .expect(0, &["up", &config, "--set", "name=other"])
        .unwrap();
    let named = format!("name = \"lab\"\n{CONFIG}");
    std::fs::write(fixture.path("other"), named).unwrap();
    let program = workspace_program("continuum-ctl");
    let here = Ctl::new(fixture.ctl.state()).installed(program, &fixture.0.path(""));
    here.expect(0, &["down", "other"]).unwrap();
    assert_eq!(fixture.deployments(), ["lab"]);
    // A file that has become bad since.
    fixture
        .write("lab.toml", "[infrastructure]\nprovider = 7\n")
        .unwrap();
    fixture.ctl.expect(0, &["down", &config]).unwrap();
    let text = fixture.ctl.expect(0, &["down", "lab"]).unwrap();
    assert!(text.contains("nothing was there to remove"), "{text}");
    fixture.assert_nothing_left();
}

#[test]
fn down_works_without_state_from_anywhere() {
    let fixture = Fixture::new();
    fixture
        .ctl
        .expect(0, &["up", &fixture.path("lab.toml")])
        .unwrap();
    // The same directory by another way: a link.
    let link = fixture.path("link");
    std::os::unix::fs::symlink(fixture.ctl.state(), &link).unwrap();
    std::fs::remove_file(fixture.ctl.state().join("deployments/lab/state.json")).unwrap();
    let text = Ctl::new(&link).expect(0, &["down", "lab"]).unwrap();
    assert_eq!(text.matches("agent process").count(), 2, "{text}");
    fixture.assert_nothing_left();
}

#[test]
fn a_broken_state_file_says_what_to_do() {
    let fixture = Fixture::new();
    fixture
        .ctl
        .expect(0, &["up", &fixture.path("lab.toml")])
        .unwrap();
    let file = fixture.ctl.state().join("deployments/lab/state.json");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let errors = fixture.ctl.refused(1, &["down", "lab"]).unwrap();
    assert!(errors.contains("move this file away"), "{errors}");
    std::fs::remove_file(&file).unwrap();
    fixture.ctl.expect(0, &["down", "lab"]).unwrap();
    fixture.assert_nothing_left();
}

#[test]
fn a_killed_agent_is_seen_and_brought_back() {
    let fixture = Fixture::new();
    let config = fixture.path("lab.toml");
    fixture.ctl.expect(0, &["up", &config]).unwrap();
    let info = fixture
        .ctl
        .json(0, &["agent", "lab", "edge0", "info"])
        .unwrap();
    let pid = info["pid"].as_i64().unwrap() as i32;
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::KILL)
        .unwrap();
    let gone = || fixture.ctl.json(0, &["status", "lab"]).unwrap()["nodes"][0]["machine"] == "gone";
    wait_for("the agent to be gone", gone).unwrap();
    let text = fixture.ctl.expect(0, &["up", &config]).unwrap();
    assert!(!text.contains("nothing was changed"), "{text}");
    fixture
        .ctl
        .expect(0, &["agent", "lab", "edge0", "info"])
        .unwrap();
}

#[test]
fn a_deployment_is_not_changed_behind_its_back() {
    let fixture = Fixture::new();
    let config = fixture.path("lab.toml");
    fixture.ctl.expect(0, &["up", &config]).unwrap();
    let errors = fixture
        .ctl
        .refused(5, &["up", &config, "--set", "infrastructure.edge.nodes=2"])
        .unwrap();
    assert!(
        errors.contains("- infrastructure.edge.nodes = 1")
            && errors.contains("+ infrastructure.edge.nodes = 2"),
        "{errors}"
    );
    let errors = fixture.ctl.refused(5, &["bench", "lab"]).unwrap();
    assert!(errors.contains("runs no application"), "{errors}");
    assert_eq!(fixture.processes().len(), 2);
}

#[test]
fn what_is_not_about_machines_may_change() {
    let fixture = Fixture::new();
    let config = fixture.path("lab.toml");
    fixture.ctl.expect(0, &["up", &config]).unwrap();
    let before = fixture.processes();
    let up = ["up", &config, "--set", "infrastructure.keep=true"];
    let text = fixture.ctl.expect(0, &up).unwrap();
    assert!(!text.contains("nothing was changed"), "{text}");
    let text = fixture.ctl.expect(0, &up).unwrap();
    assert!(text.contains("nothing was changed"), "{text}");
    assert_eq!(fixture.processes(), before);
    fixture.ctl.expect(0, &["down", &config]).unwrap();
    fixture.assert_nothing_left();
}

#[test]
fn a_failed_up_says_what_remains_and_rollback_removes_it() {
    let fixture = Fixture::new();
    let config = fixture.path("lab.toml");
    // Of one that ended at once nothing is left.
    let none = Ctl::new(fixture.ctl.state()).env("CONTINUUM_AGENT", "/bin/false");
    let errors = none.refused(1, &["up", &config]).unwrap();
    let why = "start the agent of edge0";
    assert!(
        errors.contains(why) && !errors.contains("remain"),
        "{errors}"
    );
    fixture.assert_nothing_left();
    let dead = Ctl::new(fixture.ctl.state()).env("CONTINUUM_AGENT", fixture.mortal_agent());
    let errors = dead.refused(2, &["up", &config]).unwrap();
    for part in ["these remain:", "process edge0", "continuum-ctl down lab"] {
        assert!(errors.contains(part), "no {part:?} in {errors}");
    }
    // It was there before, so a failing rollback leaves it to `down`.
    dead.refused(2, &["up", "--rollback", &config]).unwrap();
    assert_eq!(fixture.deployments(), ["lab"]);
    fixture.ctl.expect(0, &["down", "lab"]).unwrap();
    dead.refused(1, &["up", "--rollback", &config]).unwrap();
    fixture.assert_nothing_left();
}

#[test]
fn nothing_is_made_by_commands_that_are_refused() {
    let fixture = Fixture::new();
    let bad = fixture
        .write(
            "bad.toml",
            "[infrastructure]\nprovider = \"local\"\nnope = 1\n",
        )
        .unwrap();
    let object = fixture.ctl.json(3, &["up", &bad]).unwrap();
    assert_eq!(object["exit_code"], 3);
    assert_eq!(object["faults"][0]["line"], 3);
    assert_eq!(object["faults"][0]["key"], "infrastructure.nope");
    let shaped = fixture
        .write(
            "shaped.toml",
            &format!("{CONFIG}[network]\npreset = \"4g\"\n"),
        )
        .unwrap();
    let errors = fixture.ctl.refused(5, &["up", &shaped]).unwrap();
    assert!(
        errors.contains("cannot emulate links") && errors.contains("--allow-unemulated"),
        "{errors}"
    );
    fixture.assert_nothing_left();
    // Looking at a config makes not even the state directory.
    let elsewhere = Fixture::new();
    elsewhere
        .ctl
        .expect(0, &["config", "check", &elsewhere.path("lab.toml")])
        .unwrap();
    assert!(!elsewhere.ctl.state().exists());
}
