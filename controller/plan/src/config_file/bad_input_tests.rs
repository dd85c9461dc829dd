//! Bad input: each case is one fault that says what is wrong, where, and what is allowed.

use super::{
    tests::{MIST, cfg, faults, toml},
    *,
};
use continuum_model::Tier;

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
        (
            "frequency = 1.0",
            "frequency = 1.0\nwarm_up_s = 100000",
            "100000 s of warm-up leave nothing of",
        ),
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
            "addresses that begin with 127 belong to provider local",
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
            "resource_manager = kube_kata",
            "`kube_kata`: ",
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

/// Rules that build on a value look at which option it is, however that is spelled.
#[test]
fn what_builds_on_a_wrong_value_is_not_complained_about() {
    let own = "application = \"container\"\nworker_image = \"example.org/server:1\"";
    let text = MIST
        .replace(
            "resource_manager = \"mist\"",
            "resource_manager = \"kubernets\"",
        )
        .replace("application = \"image_classification\"", own);
    let found = faults(toml(&text));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("`kubernets` is not one of"), "{found:#?}");

    let text = PLAIN_CFG.replace(
        "[benchmark]",
        "network_emulation = true\nedge_endpoint_throughput = fast\n[benchmark]",
    );
    let timeline = "benchmark.timeline=[\"1 cut edge endpoint\"]".to_owned();
    let found = faults(parse(&text, "test.cfg", true, "test", &[timeline]));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("`fast` is not a number"), "{found:#?}");
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
        .replace("resource_manager = none", "resource_manager = kube_kata")
        .replace("image_classification", "empty_kata");
    let checked = cfg(&text).unwrap();
    assert!(checked.config.infrastructure.infra_only && checked.config.benchmark.is_none());
    assert!(
        checked.warnings[0].contains("has no effect"),
        "{:?}",
        checked.warnings
    );
}

#[test]
fn with_infra_only_no_node_is_a_controller() {
    let text = "[infrastructure]\nprovider = \"qemu\"\ninfra_only = true\n\
                [infrastructure.cloud]\nnodes = 1\ncores = 2\nmemory_mib = 1024\n\
                [infrastructure.cloud.controller]\nmemory_mib = 2048\n";
    let warnings = toml(text).unwrap().warnings;
    assert!(
        warnings
            .iter()
            .any(|w| w.starts_with("infrastructure.cloud.controller has no effect")),
        "{warnings:?}"
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
            .unwrap()
            .to_string(),
        "10.20"
    );
    assert_eq!(
        set("software.kube_version=1.35")
            .software
            .kubernetes
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
    // A wide bound, as machines differ: it took minutes when similar names were looked for whatever a key's length.
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
fn each_bad_row_is_one_fault_with_its_own_line() {
    let tables = "[[benchmark.timeline]]\nat_s = 1\ncut = [\"endpoint\", \"edge\"]\n\n\
                  [[benchmark.timeline]]\nat_s = 2\nsever = [\"endpoint\", \"edge\"]\n\n\
                  [[benchmark.timeline]]\nat_s = \"soon\"\ncut = [\"endpoint\", \"edge\"]\n";
    let found = faults(toml(&format!("{MIST}{tables}")));
    assert_eq!(found.len(), 2, "{found:#?}");
    let first = MIST.lines().count() + 1;
    for (fault, line, part) in [
        (
            &found[0],
            first + 4,
            "unknown field `sever`, expected at_s, cut",
        ),
        (&found[1], first + 8, "invalid type: string \"soon\""),
    ] {
        assert!(
            fault.starts_with(&format!("test.toml:{line}: benchmark.timeline: "))
                && fault.contains(part),
            "{fault}"
        );
    }
    let lines =
        "timeline = [\n    \"1 cut endpoint edge\",\n    \"2 sever cloud edge\",\n    3,\n]\n";
    let found = faults(toml(&format!("{MIST}{lines}")));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with(&format!("test.toml:{}: ", first + 2))
            && found[0].contains("`sever cloud edge`"),
        "{found:#?}"
    );
    assert!(
        found[1].contains("`3` is neither a table nor a text"),
        "{found:#?}"
    );
    let one = faults(toml(&format!("{MIST}timeline = 5\n")));
    assert!(
        one[0].contains("`5` is not a list of tables or texts"),
        "{one:?}"
    );
    let other = faults(toml(&format!("{MIST}[[benchmark.ports]]\na = 1\n")));
    assert!(other[0].contains("is not a table or a value"), "{other:?}");
}

#[test]
fn a_step_is_the_same_as_a_table_a_line_and_an_override() {
    let of = |text: &str, set: &[String]| {
        let checked = parse(&format!("{MIST}{text}"), "test.toml", false, "test", set);
        checked.unwrap().config.benchmark.unwrap().timeline
    };
    let table = of(
        "[[benchmark.timeline]]\nat_s = 20\ncut = [\"endpoint\", \"edge\"]\n",
        &[],
    );
    assert_eq!(
        table,
        of(
            "timeline = [{ at_s = 20, cut = [\"endpoint\", \"edge\"] }]\n",
            &[]
        )
    );
    assert_eq!(table, of("timeline = [\"20 cut endpoint edge\"]\n", &[]));
    for set in [
        "benchmark.timeline=[\"20 cut endpoint edge\"]",
        "benchmark.timeline=[{ at_s = 20, cut = [\"endpoint\", \"edge\"] }]",
        "benchmark.timeline=20 cut endpoint edge",
    ] {
        assert_eq!(table, of("", &[set.to_owned()]), "{set}");
    }
}

#[test]
fn what_is_of_no_effect_yet_is_kept_when_shown() {
    let text = MIST.replace(
        "resource_manager = \"mist\"\n",
        "resource_manager = \"mist\"\nopenfaas = \"upstream\"\naccept_openfaas_terms = true\n\
         openfaas_images = [\"nats=a\"]\nbroker = \"mosquitto\"\nevent_bus = \"internal\"\n",
    );
    let config = toml(&text).unwrap().config;
    let shown = continuum_config::to_toml(&config);
    assert_eq!(toml(&shown).unwrap().config, config, "{shown}");
}
