use super::*;
use proptest::prelude::*;
use std::path::PathBuf;

fn toml(text: &str) -> Result<Checked, ConfigError> {
    parse(text, "test.toml", false, "test", &[])
}

fn cfg(text: &str) -> Result<Checked, ConfigError> {
    parse(text, "test.cfg", true, "test", &[])
}

fn faults(result: Result<Checked, ConfigError>) -> Vec<String> {
    match result {
        Err(ConfigError::Faults { faults, .. }) => faults.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
        Ok(_) => Vec::new(),
    }
}

const MIST: &str = r#"
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
        [benchmark]\r\nresource_manager = none\r\napplication = image_classification\r\nfrequency = 5\r\n";
    let config = cfg(text.trim_start_matches('\u{feff}')).unwrap().config;
    let native = r#"
        infrastructure = { provider = "qemu", endpoint = { nodes = 1, cores = 1, memory_mib = 2048, quota = 0.5 } }
        network.preset = "5g"
        software.resource_manager = "none"
        benchmark = { application = "image_classification", frequency = 5 }"#;
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
    assert_eq!(
        found[0],
        "test.toml:3: infrastructure.provider: `qmu` is not one of qemu, local; did you mean `qemu`?"
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
        nonsense\n[benchmrk]\nfrequency = 0\n[benchmark]\nresource_manager = kubernetes\napplication = stress\n";
    let found = faults(cfg(text)).join("\n");
    for part in [
        "test.cfg:2: [infrastructure] provider: `gcp`: machines of this provider",
        "test.cfg:3: [infrastructure] gcp_zone: belongs to provider gcp",
        "test.cfg:6: [infrastructure] cloud_cores: was given already, in line 5",
        "test.cfg:7: `nonsense` is neither",
        "test.cfg:8: [benchmrk]: unknown section; did you mean `benchmark`?",
        "test.cfg:12: [benchmark] application: `stress`",
        "[infrastructure] cloud_memory: is required",
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
    assert!((config.benchmark.unwrap().frequency - 0.5).abs() < 1e-9);
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

/// Upstream's own files, where this machine has them: each is accepted, or refused for a named reason.
#[test]
fn upstream_configs() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/upstream-configs");
    if !dir.exists() {
        eprintln!("skipped: upstream's configs are not on this machine");
        return;
    }
    let mut stack = vec![dir];
    let (mut accepted, mut refused) = (0, 0);
    while let Some(dir) = stack.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                stack.push(path);
            } else if path.extension().is_some_and(|e| e == "cfg") {
                match load(&path, &[]) {
                    Ok(checked) => {
                        accepted += 1;
                        let config = checked.config;
                        assert_eq!(toml(&to_toml(&config)).unwrap().config, config, "{path:?}");
                    }
                    Err(ConfigError::Faults { faults, .. }) => {
                        refused += 1;
                        assert!(
                            !path.to_string_lossy().contains("/tutorial/"),
                            "{path:?}: {faults:#?}"
                        );
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
    eprintln!("{accepted} accepted, {refused} refused");
    assert!(accepted > 5);
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

/// One line that is wrong in an otherwise right config, with what is said about it: exactly one fault each.
#[test]
fn each_bad_value_is_one_fault_that_names_it() {
    let long = format!("name = \"{}\"", "x".repeat(41));
    let cases = [
        (
            "nodes = 1\ncores = 2",
            "nodes = -1\ncores = 2",
            "edge.nodes: `-1` is not in 0 to 10000",
        ),
        (
            "nodes = 1\ncores = 2",
            "nodes = 1000000\ncores = 2",
            "`1000000` is not in 0 to",
        ),
        (
            "nodes = 1\ncores = 2",
            "nodes = 1\ncores = 0",
            "cores: `0` is not in 1 to 1024",
        ),
        ("cores = 2", "cores = 2.0", "`2.0` is not a whole number"),
        ("cores = 2", "cores = \"2\"", "`2` is not a whole number"),
        ("cores = 2", "cores = 99999999999999999999", "test.toml:"),
        (
            "memory_mib = 2048",
            "memory_mib = 2048.7",
            "`2048.7` is not a whole number of MiB",
        ),
        (
            "memory_mib = 2048",
            "memory_mib = \"2GB\"",
            "`2GB` is not a whole number of MiB",
        ),
        (
            "memory_mib = 2048",
            "memory_mib = 2048\nquota = 1.01",
            "`1.01` is not in 0.1 to 1",
        ),
        (
            "memory_mib = 2048",
            "memory_mib = 2048\nquota = inf",
            "`inf` is not a number",
        ),
        (
            "frequency = 1.0",
            "frequency = nan",
            "`NaN` is not a number",
        ),
        ("frequency = 1.0", "frequency = 0", "`0` is not in"),
        ("[network]", "[network]\nlatency = 3", "unknown option"),
        (
            "[network]",
            "[netwrk]\n[network]",
            "netwrk: unknown table; did you mean `network`?",
        ),
        (
            "[network]",
            "[network.edge_endpont]\n[network]",
            "did you mean `network.edge_endpoint`?",
        ),
        ("[network]", "name = 1\n[network]", "unknown option"),
        (
            "preset = \"4g\"",
            "preset = \"4g\"\npreset = \"5g\"",
            "test.toml:",
        ),
        (
            "preset = \"4g\"",
            "preset = \"6g\"",
            "`6g` is not one of none, 4g, 5g",
        ),
        (
            "provider = \"qemu\"",
            "provider = \"qemu\"\nprefix_ip = \"127.1\"",
            "`127.1` is not two numbers",
        ),
        (
            "provider = \"qemu\"",
            "provider = \"qemu\"\nprefix_ip = \"224.1\"",
            "`224.1` is not two numbers",
        ),
        (
            "provider = \"qemu\"",
            "provider = \"qemu\"\nprefix_ip = \"+1.254\"",
            "`+1.254` is not two numbers",
        ),
        (
            "provider = \"qemu\"",
            "provider = \"qemu\"\nmiddle_ip = 255",
            "`255` is not in 1 to 254",
        ),
        ("provider = \"qemu\"", "provider = \"aws\"", "`aws`: "),
        (
            "[infrastructure]",
            &*format!("{long}\n[infrastructure]"),
            "must be 1 to 40 letters",
        ),
        (
            "duration_s = 20",
            "duration_s = \"\\u001b[2J\"",
            "`\\u{1b}[2J` is not a number",
        ),
    ];
    for (from, to, part) in cases {
        assert!(MIST.contains(from), "{from}");
        let found = faults(toml(&MIST.replacen(from, to, 1)));
        assert_eq!(found.len(), 1, "{to:?}: {found:#?}");
        assert!(
            found[0].contains(part),
            "{to:?}: no {part:?} in {}",
            found[0]
        );
    }
}

const PLAIN_CFG: &str = "[infrastructure]\nprovider = qemu\nendpoint_nodes = 1\nendpoint_cores = 1\nendpoint_memory = 1\n\
                         endpoint_quota = 0.5\n[benchmark]\nresource_manager = none\napplication = image_classification\n\
                         frequency = 5\n";

#[test]
fn each_bad_line_of_an_ini_is_one_fault() {
    assert!(cfg(PLAIN_CFG).is_ok());
    let cases = [
        (
            "endpoint_memory = 1",
            "endpoint_memory = 0.05",
            "`0.05 GB` is not a number, 0.0625 to 16384 GB",
        ),
        (
            "endpoint_memory = 1",
            "endpoint_memory = 1\nprefixip = 1.2.3",
            "[infrastructure] prefixIP: `1.2.3`",
        ),
        (
            "[benchmark]",
            "[bogus]\n[benchmark]",
            "test.cfg:7: [bogus]: unknown section",
        ),
        (
            "[benchmark]",
            "[execution_model]\n[benchmark]",
            "test.cfg:7: [execution_model] model: is required",
        ),
        (
            "frequency = 5\n",
            "frequency = 5\n[infrastructure]\n",
            "section was begun already, in line 1",
        ),
        (
            "resource_manager = none",
            "resource_manager = kubecontrol",
            "`kubecontrol`: ",
        ),
    ];
    for (from, to, part) in cases {
        let found = faults(cfg(&PLAIN_CFG.replacen(from, to, 1)));
        assert_eq!(found.len(), 1, "{to:?}: {found:#?}");
        assert!(
            found[0].contains(part),
            "{to:?}: no {part:?} in {}",
            found[0]
        );
    }
}

#[test]
fn an_ini_may_be_indented_and_continued_as_python_reads_it() {
    let indented = format!("  {}", PLAIN_CFG.replace('\n', "\n  "));
    assert_eq!(
        cfg(&indented).unwrap().config,
        cfg(PLAIN_CFG).unwrap().config
    );
    let continued = PLAIN_CFG.replace("resource_manager = none", "resource_manager =\n  none");
    assert!(faults(cfg(&continued))[0].contains("`\\nnone`"));
}

#[test]
fn keep_means_the_same_from_everywhere() {
    let keep = |text: &str, is_cfg: bool, set: &[&str]| {
        let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
        parse(text, "f", is_cfg, "f", &set)
            .unwrap()
            .config
            .infrastructure
            .keep
    };
    let delete =
        |value: &str| PLAIN_CFG.replace("[benchmark]", &format!("delete = {value}\n[benchmark]"));
    assert!(keep(PLAIN_CFG, true, &[]), "upstream keeps");
    assert!(!keep(&delete("True"), true, &[]));
    assert!(keep(&delete("False"), true, &[]));
    assert!(keep(&delete("True"), true, &["infrastructure.keep=true"]));
    assert!(!keep(PLAIN_CFG, true, &["infrastructure.keep=false"]));
    assert!(!keep(MIST, false, &[]));
    assert!(keep(MIST, false, &["infrastructure.keep=true"]));
}

#[test]
fn one_link_alone_brings_no_preset() {
    let text = MIST.replace("preset = \"4g\"", "");
    let network = toml(&text).unwrap().config.network;
    let link = network.link(Tier::Endpoint, Tier::Edge).unwrap();
    assert_eq!((link.latency_ms, link.rate_mbit), (10.0, 1000.0));
    let other = network.link(Tier::Endpoint, Tier::Cloud).unwrap();
    assert_eq!((other.latency_ms, other.rate_mbit), (0.0, 1000.0));
}

#[test]
fn with_infra_only_a_benchmark_is_not_even_looked_at() {
    let text = PLAIN_CFG
        .replace("[benchmark]", "infra_only = True\n[benchmark]")
        .replace("resource_manager = none", "resource_manager = kubecontrol")
        .replace("image_classification", "stress");
    let checked = cfg(&text).unwrap();
    assert!(checked.config.infrastructure.infra_only && checked.config.benchmark.is_none());
    assert!(
        checked.warnings[0].contains("has no effect"),
        "{:?}",
        checked.warnings
    );
}

#[test]
fn texts_by_override_need_no_second_quotes() {
    let set = |text: &str| {
        parse(MIST, "test.toml", false, "test", &[text.to_owned()])
            .unwrap()
            .config
    };
    assert_eq!(set("name=123").name, "123");
    assert_eq!(set("name=2026-01-01").name, "2026-01-01");
    assert_eq!(
        set("infrastructure.prefix_ip=10.20")
            .infrastructure
            .prefix_ip
            .unwrap(),
        "10.20"
    );
    assert_eq!(
        set("software.kube_version=1.35")
            .software
            .kube_version
            .unwrap(),
        "1.35"
    );
    assert_eq!(set("name=\"quoted\"").name, "quoted");
    let two = parse(MIST, "t", false, "t", &["name=a\nb=c".to_owned()]);
    assert!(
        faults(two)[0].contains("`a\\nb=c`"),
        "what follows a line break must not be dropped"
    );
}

#[test]
fn a_huge_heap_of_faults_is_told_in_short_and_in_time() {
    let lines: Vec<String> = (0..9000).map(|n| format!("key_number_{n} = 1\n")).collect();
    let text = lines.concat();
    let begun = std::time::Instant::now();
    let error = toml(&text).unwrap_err().to_string();
    assert!(
        error.contains("and 89") && error.lines().count() < 60,
        "{}",
        error.lines().count()
    );
    let error = cfg(&format!("[infrastructure]\n{text}"))
        .unwrap_err()
        .to_string();
    assert!(error.lines().count() < 60);
    let huge = format!("{} = 1\n", "k".repeat(200_000));
    assert!(toml(&huge).is_err() && cfg(&format!("[benchmark]\n{huge}")).is_err());
    // Far from a measurement: it took minutes when near names were looked for without end.
    assert!(begun.elapsed().as_secs() < 60);
}

#[test]
fn files_by_odd_ways() {
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().join("real.toml");
    std::fs::write(&real, format!("\u{feff}{}", MIST.replace('\n', "\r\n"))).unwrap();
    let link = dir.path().join("link.toml");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    assert_eq!(load(&link, &[]).unwrap().config.name, "link");
    std::fs::remove_file(&real).unwrap();
    assert!(
        load(&link, &[])
            .unwrap_err()
            .to_string()
            .contains("No such file")
    );
    let circle = dir.path().join("circle.toml");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    assert!(load(&circle, &[]).is_err());
    std::fs::write(dir.path().join("UPPER.CFG"), PLAIN_CFG).unwrap();
    assert_eq!(
        load(&dir.path().join("UPPER.CFG"), &[])
            .unwrap()
            .config
            .name,
        "UPPER"
    );
    std::fs::write(dir.path().join("my lab.cfg"), PLAIN_CFG).unwrap();
    let error = load(&dir.path().join("my lab.cfg"), &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`my lab`") && error.contains("--set name="),
        "{error}"
    );
}

#[test]
fn examples_say_the_same_in_both_spellings_and_when_shown() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut pairs = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
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
            assert_eq!(config, other, "{path:?}");
        }
    }
    assert_eq!(pairs, 5);
}
