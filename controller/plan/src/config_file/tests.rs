use super::*;
use continuum_config::{ProviderKind, to_toml};
use continuum_model::{Mode, Tier};
use proptest::prelude::*;
use std::path::PathBuf;

pub(super) fn toml(text: &str) -> Result<Checked, ConfigError> {
    parse(text, "test.toml", false, "test", &[])
}

pub(super) fn cfg(text: &str) -> Result<Checked, ConfigError> {
    parse(text, "test.cfg", true, "test", &[])
}

pub(super) fn faults(result: Result<Checked, ConfigError>) -> Vec<String> {
    match result {
        Err(ConfigError::Faults { faults, .. }) => faults.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
        Ok(_) => Vec::new(),
    }
}

pub(super) const MIST: &str = r#"
[infrastructure]
provider = "qemu"
[infrastructure.edge]
nodes = 1
cores = 2
memory_mib = 2048
[infrastructure.endpoint]
nodes = 1
cores = 1
memory_mib = 1024
[network]
preset = "4g"
[network.edge_endpoint]
latency_ms = 10.0
[software]
resource_manager = "mist"
[benchmark]
application = "image_classification"
frequency = 1.0
duration_s = 20
"#;

#[test]
fn native_spelling() {
    let checked = toml(MIST).unwrap();
    let config = checked.config;
    assert_eq!(config.name, "test");
    assert_eq!(config.mode(), Mode::Edge);
    let link = config.network.link(Tier::Endpoint, Tier::Edge).unwrap();
    assert_eq!(
        (link.latency_ms, link.jitter_ms, link.rate_mbit),
        (10.0, 2.5, 7.21)
    );
    let benchmark = config.benchmark.unwrap();
    assert_eq!(
        (benchmark.worker_cores, benchmark.worker_memory_mib),
        (1.5, 1536)
    );
    assert!(checked.warnings.is_empty(), "{:?}", checked.warnings);
}

#[test]
fn both_spellings_mean_the_same() {
    let text = "\u{feff}; a comment\r\n[infrastructure]\r\nprovider = qemu\r\nendpoint_nodes = 1\r\nendpoint_cores = 1\r\n\
        endpoint_memory = 2\r\nendpoint_quota = 0.5\r\nnetwork_emulation = True\r\nwireless_network_preset = 5G\r\ndelete = yes\r\n\
        [benchmark]\r\nresource_manager = none\r\napplication = image_classification\r\nfrequency = 5\r\n\
        application_endpoint_memory = 0.5\r\n";
    let config = cfg(text.trim_start_matches('\u{feff}')).unwrap().config;
    let native = r#"
        infrastructure = { provider = "qemu", endpoint = { nodes = 1, cores = 1, memory_mib = 2048, quota = 0.5 } }
        network.preset = "5g"
        software.resource_manager = "none"
        benchmark = { application = "image_classification", frequency = 5, endpoint_memory_mib = 512 }"#;
    assert_eq!(config, toml(native).unwrap().config);
}

#[test]
fn everything_wrong_is_said_at_once_with_its_line() {
    let text = r#"
[infrastructure]
provider = "qmu"
[infrastructure.edge]
nodes = -1
cores = "two"
quota = 1.5
memory_mib = nan
[network]
presett = "4g"
"#;
    let found = faults(toml(text));
    assert_eq!(found.len(), 8, "{found:#?}");
    let known = ProviderKind::NAMES.join(", ");
    assert_eq!(
        found[0],
        format!(
            "test.toml:3: infrastructure.provider: `qmu` is not one of {known}; did you mean `qemu`?"
        )
    );
    assert!(
        found
            .iter()
            .any(|f| f.starts_with("test.toml:5: infrastructure.edge.nodes: `-1` is not in 0 to")),
        "{found:#?}"
    );
    assert!(
        found
            .iter()
            .any(|f| f.contains(":7: infrastructure.edge.quota: `1.5` is not in 0.1 to 1")),
        "{found:#?}"
    );
    assert!(
        found
            .iter()
            .any(|f| f
                .contains(":10: network.presett: unknown option; did you mean `network.preset`?")),
        "{found:#?}"
    );
}

#[test]
fn faults_of_the_ini_spelling() {
    let text = "[infrastructure]\nprovider = gcp\ngcp_zone = x\ncloud_nodes = 2\ncloud_cores = 2\ncloud_cores = 3\n\
        nonsense\n[benchmrk]\nfrequency = 0\n[benchmark]\nresource_manager = kubernetes\napplication = empty_kata\n";
    let found = faults(cfg(text)).join("\n");
    for part in [
        "test.cfg:2: [infrastructure] provider: `gcp`: machines of this provider",
        "test.cfg:6: [infrastructure] cloud_cores: was given already, in line 5",
        "test.cfg:7: `nonsense` is neither",
        "test.cfg:8: [benchmrk]: unknown section; did you mean `benchmark`?",
        "test.cfg:12: [benchmark] application: `empty_kata`",
        "[infrastructure] cloud_quota: is required",
    ] {
        assert!(found.contains(part), "no {part:?} in\n{found}");
    }
}

#[test]
fn rules_between_options() {
    let uneven = MIST
        .replacen("nodes = 1\ncores = 1\n", "nodes = 3\ncores = 1\n", 1)
        .replacen("nodes = 1\ncores = 2", "nodes = 2\ncores = 2", 1);
    assert!(
        faults(toml(&uneven))[0].contains("3 endpoints do not spread evenly over 2 edge"),
        "{:?}",
        faults(toml(&uneven))
    );
    let cloudy = MIST.replace(
        "[infrastructure.edge]",
        "[infrastructure.cloud]\nnodes = 1\ncores = 1\nmemory_mib = 1024\n[infrastructure.edge]",
    );
    assert!(
        faults(toml(&cloudy))[0].contains("mist has no cloud nodes"),
        "{:?}",
        faults(toml(&cloudy))
    );
    let named = MIST.replacen("[infrastructure]", "name = \"../x\"\n[infrastructure]", 1);
    assert!(faults(toml(&named))[0].contains("must be 1 to 40 letters"));
}

#[test]
fn overrides_win_and_are_checked() {
    let set = |text: &str| parse(MIST, "test.toml", false, "test", &[text.to_owned()]);
    let config = set("benchmark.frequency=0.5").unwrap().config;
    assert!(to_toml(&config).contains("frequency = 0.5\n"));
    assert_eq!(set("name=other").unwrap().config.name, "other");
    assert!(
        faults(set("benchmark.frequenzy=1"))[0]
            .contains("--set: benchmark.frequenzy: unknown option; did you mean")
    );
    assert!(faults(set("nothing"))[0].contains("expected path=value"));
    assert!(
        faults(set("benchmark.frequency=-1"))[0]
            .starts_with("--set: benchmark.frequency: `-1` is not in")
    );
}

#[test]
fn what_is_shown_is_the_same_config() {
    let config = toml(MIST).unwrap().config;
    assert_eq!(toml(&to_toml(&config)).unwrap().config, config);
}

#[test]
fn files_that_are_no_configs() {
    let dir = tempfile::tempdir().unwrap();
    let is_refused = |path: PathBuf, part: &str| {
        let error = load(&path, &[]).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    is_refused(dir.path().to_owned(), "it is not a file");
    is_refused(dir.path().join("none.toml"), "No such file");
    std::fs::write(dir.path().join("big.toml"), vec![b'#'; 2 << 20]).unwrap();
    is_refused(dir.path().join("big.toml"), "at most");
    std::fs::write(dir.path().join("bytes.toml"), [0xff, 0xfe]).unwrap();
    is_refused(dir.path().join("bytes.toml"), "not UTF-8");
    std::fs::write(dir.path().join("bad.toml"), "a = [\n").unwrap();
    is_refused(dir.path().join("bad.toml"), "bad.toml:");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _either = toml(&text).is_ok();
        let _either = cfg(&text).is_ok();
    }

    #[test]
    fn no_line_of_an_ini_makes_it_panic(key in "[a-z_]{1,30}", value in "\\PC{0,30}") {
        let _either = cfg(&format!("[infrastructure]\n{key} = {value}\n[benchmark]\n{key} = {value}\n")).is_ok();
    }
}

#[test]
fn examples_say_the_same_in_both_spellings_and_when_shown() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut pairs = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let config = load(&path, &[]).unwrap().config;
        assert_eq!(
            toml(&to_toml(&config)).unwrap().config,
            config,
            "{path:?} is shown as another config"
        );
        let native = path.with_extension("toml");
        if path.extension().is_some_and(|e| e == "cfg") && native.exists() {
            pairs += 1;
            // A .cfg keeps what is up unless it says otherwise; the native examples do not say it twice.
            let mut other = load(&native, &[]).unwrap().config;
            other.infrastructure.keep = config.infrastructure.keep;
            // Upstream's spelling names its provider, ours leaves it to the program.
            assert_eq!(
                (
                    config.infrastructure.provider,
                    other.infrastructure.provider
                ),
                (ProviderKind::Qemu, ProviderKind::Auto)
            );
            other.infrastructure.provider = config.infrastructure.provider;
            assert_eq!(config, other, "{path:?}");
        }
    }
    assert_eq!(pairs, 5);
}
