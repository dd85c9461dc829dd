//! What upstream takes for granted in its spelling means the same here, and each such thing is told.

use super::parse;
use continuum_config::Config;

const PLAIN: &str = "[infrastructure]\nprovider = qemu\nendpoint_nodes = 1\nendpoint_cores = 2\nendpoint_memory = 2\n\
                     endpoint_quota = 0.5\n[benchmark]\nresource_manager = none\napplication = image_classification\n\
                     frequency = 5\n";

fn read(text: &str, stem: &str) -> (Config, Vec<String>) {
    let checked = parse(text, "t.cfg", true, stem, &[]).unwrap_or_else(|e| panic!("{e}"));
    (checked.config, checked.warnings)
}

#[test]
fn what_is_understood_is_the_plain_config_and_one_warning_each() {
    let (plain, warnings) = read(PLAIN, "t");
    assert_eq!(warnings, [""; 0]);
    let cases = [
        (
            "provider = qemu",
            "provider = qemu   # Options: qemu, gcp",
            "comments behind values are left out; upstream takes them as part of the value (1 lines, the first is t.cfg:2)",
        ),
        (
            "frequency = 5",
            "frequency = 5# per second\n; a comment of its own",
            "the first is t.cfg:10)",
        ),
        (
            "endpoint_nodes = 1",
            "endpoint_nodes = 1\nduration = 9",
            "[infrastructure] duration is not read here, as upstream does not: it belongs to [benchmark] (t.cfg:4)",
        ),
        (
            "endpoint_nodes = 1",
            "endpoint_nodes = 1\ncloud_nodes = 0\ncloud_cores = 0\ncloud_quota = 0",
            "[infrastructure] cloud_cores, [infrastructure] cloud_quota have no effect: there are no cloud nodes",
        ),
        (
            "endpoint_nodes = 1",
            "endpoint_nodes = 1\nedge_memory = much",
            "[infrastructure] edge_memory has no effect: there are no edge nodes",
        ),
        (
            "endpoint_memory = 2\n",
            "",
            "[infrastructure] endpoint_memory is not given: 2 GB, as many as cores",
        ),
        (
            "resource_manager = none\n",
            "",
            "[benchmark] resource_manager is not given: none, as there are only endpoints",
        ),
        (
            "frequency = 5",
            "frequency = 5\ndocker_pull = True",
            "[benchmark] docker_pull has no effect: images come from the store by digest",
        ),
        (
            "endpoint_nodes = 1",
            "endpoint_nodes = 1\ngcp_zone = a\ngcp_region = b\nGCP_project =",
            "[infrastructure] gcp_zone and 2 more have no effect: of provider gcp, which is not supported",
        ),
    ];
    for (from, to, warning) in cases {
        assert!(PLAIN.contains(from), "{from}");
        let (config, warnings) = read(&PLAIN.replacen(from, to, 1), "t");
        assert_eq!(config, plain, "{to}");
        assert_eq!(warnings.len(), 1, "{to}: {warnings:?}");
        assert!(warnings[0].contains(warning), "{to}: {warnings:?}");
    }
}

#[test]
fn a_deployment_is_named_by_both_ends_of_a_long_file_name() {
    let stem = "weak_node_1_kata_qemu_devmapper_workers_80";
    let (config, warnings) = read(PLAIN, stem);
    assert_eq!(config.name, "weak_node_1_kata_qe..evmapper_workers_80");
    assert!(
        warnings[0].starts_with("the deployment is named weak_node_1"),
        "{warnings:?}"
    );
    let longest = "a".repeat(40);
    assert_eq!(read(PLAIN, &longest).0.name, longest);
}
