use super::*;
use crate::{
    install::{InstallSpec, Installer, Progress},
    store::Artifact,
    system::fake::RecordingSystem,
};
use serde_json::Value;

fn spec() -> InstallSpec {
    let options = [
        ("node", "edge0"),
        ("address", "192.168.100.3"),
        ("control_plane", "192.168.100.2"),
        ("edges", "192.168.100.3,192.168.100.4"),
        ("pod_prefix", "10.244.1.0/24"),
        ("routes", "10.244.0.0/24=192.168.100.2"),
        ("event_bus", "external"),
        ("broker_port", "1883"),
        ("pause", "continuum.local/pause:1.0.0"),
        ("edge_token", "hash.jwt"),
        ("edge_ca_certificate", "EDGE CA\n"),
        ("edge_ca_key", "EDGE KEY\n"),
        ("cloudcore_certificate", "CERT\n"),
        ("cloudcore_key", "KEY\n"),
        ("cloudcore_client_certificate", "CLIENT\n"),
        ("cloudcore_client_key", "CLIENT KEY\n"),
        ("ca_certificate", "CA\n"),
    ];
    let artifact = |name: &str| {
        let artifact = Artifact {
            name: name.to_owned(),
            sha256: "0".repeat(64),
            size_bytes: 1,
            image: String::new(),
        };
        (artifact, format!("/store/{name}").into())
    };
    InstallSpec {
        options: options.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        artifacts: ["edgecore", "cloudcore", "kubectl", "crds.yaml"]
            .map(artifact)
            .into(),
    }
}

fn progress() -> Progress {
    Progress::new(tokio::sync::mpsc::unbounded_channel().0)
}

fn with(path: &str) -> RecordingSystem {
    let system = RecordingSystem::default();
    system.present.lock().unwrap().insert(path.to_owned());
    system
}

#[tokio::test]
async fn cloudcore_gets_its_rights_before_it_starts_and_add_ons_stay_off_edges() {
    let system = RecordingSystem::default();
    CloudCore
        .apply(&spec(), &system, &progress())
        .await
        .unwrap();
    let commands = system.commands.lock().unwrap().clone();
    let at = |part: &str| {
        commands
            .iter()
            .position(|c| c.contains(part))
            .unwrap_or_else(|| panic!("no {part} in {commands:?}"))
    };
    assert!(at("patch daemonset/kube-proxy") < at("apply"));
    assert!(
        commands[at("apply")]
            .ends_with("--filename=/store/crds.yaml --filename=/etc/kubeedge/rights.json")
    );
    assert!(at("--filename=/etc/kubeedge/rights.json") < at("restart cloudcore"));
    let patch = &commands[at("patch daemonset/kube-proxy")];
    assert!(patch.contains("node-role.kubernetes.io/edge") && patch.contains("OnDelete"));
    let files = system.files.lock().unwrap().clone();
    assert_eq!(files[kubeedge_config::CA_KEY], "EDGE KEY\n");
    let config: Value =
        serde_json::from_str(&files["/etc/kubeedge/config/cloudcore.yaml"]).unwrap();
    let hub = &config["modules"]["cloudHub"];
    assert_eq!(hub["advertiseAddress"][0], "192.168.100.3");
    let streams = &files["/etc/kubeedge/streams.nft"];
    assert!(
        streams.contains(
            "{ 192.168.100.3, 192.168.100.4 } tcp dport 10351 dnat to 192.168.100.3:10003"
        ),
        "{streams}"
    );
    let before = commands.len();
    CloudCore
        .apply(&spec(), &system, &progress())
        .await
        .unwrap();
    // A second time it only looks.
    assert_eq!(system.commands.lock().unwrap().len(), before);
}

#[tokio::test]
async fn an_edge_uses_the_broker_of_its_node_and_keeps_no_token() {
    let system = with(kubeedge_config::CERTIFICATE);
    EdgeCore.apply(&spec(), &system, &progress()).await.unwrap();
    let files = system.files.lock().unwrap().clone();
    let config: Value = serde_json::from_str(&files["/etc/kubeedge/config/edgecore.yaml"]).unwrap();
    let bus = &config["modules"]["eventBus"];
    assert_eq!(bus["mqttMode"], 2);
    assert_eq!(bus["mqttServerExternal"], "tcp://192.168.100.3:1883");
    let hub = &config["modules"]["edgeHub"];
    assert_eq!(hub["httpServer"], "https://192.168.100.2:10002");
    let has_token = || {
        let files = system.files.lock().unwrap();
        files.contains_key("/etc/kubeedge/bootstrap-edgecore.conf")
            || files.values().any(|text| text.contains("hash.jwt"))
    };
    assert!(!has_token());
    // An agent that ended before it came so far: edgecore has written its own configuration anew.
    let own = "modules: { edgeHub: { token: hash.jwt } }".to_owned();
    let config = "/etc/kubeedge/config/edgecore.yaml".to_owned();
    system.files.lock().unwrap().insert(config, own);
    EdgeCore.apply(&spec(), &system, &progress()).await.unwrap();
    assert!(!has_token());
    let mut internal = spec();
    internal
        .options
        .insert("event_bus".into(), "internal".into());
    let system = with(kubeedge_config::CERTIFICATE);
    EdgeCore
        .apply(&internal, &system, &progress())
        .await
        .unwrap();
    let files = system.files.lock().unwrap().clone();
    let config: Value = serde_json::from_str(&files["/etc/kubeedge/config/edgecore.yaml"]).unwrap();
    assert_eq!(config["modules"]["eventBus"]["mqttMode"], 0);
}

#[tokio::test]
async fn only_where_it_is_emulated_edgecore_reads_its_pods_later() {
    for (kind, is_held) in [("qemu\n", true), ("kvm\n", false), ("uml\n", false)] {
        let system = RecordingSystem {
            answers: vec![("systemd-detect-virt", kind)],
            ..with(kubeedge_config::CERTIFICATE)
        };
        EdgeCore.apply(&spec(), &system, &progress()).await.unwrap();
        let files = system.files.lock().unwrap().clone();
        let unit = &files["/etc/systemd/system/edgecore.service"];
        let file = "/etc/kubeedge/edgecore-hold.nft";
        let before = format!("ExecStartPre=/usr/sbin/nft --file {file}\nExecStart=");
        assert_eq!(unit.contains(&before), is_held, "{unit}");
        let rules = files.get(file);
        assert_eq!(
            rules.is_some_and(|r| r.contains("elements = { 10350 timeout 14s }")),
            is_held,
            "{rules:?}"
        );
    }
}

#[tokio::test]
async fn an_edge_whose_certificate_has_expired_asks_for_another() {
    for (until_year, restarts) in [(2101, 1), (2001, 2)] {
        let pem: &'static str = certificate::tests::certificate(until_year).leak();
        let system = RecordingSystem {
            answers: vec![("cat /etc/kubeedge/certs", pem)],
            ..with(kubeedge_config::CERTIFICATE)
        };
        for _ in 0..2 {
            EdgeCore.apply(&spec(), &system, &progress()).await.unwrap();
        }
        let commands = system.commands.lock().unwrap().clone();
        let restart = commands.iter().filter(|c| c.contains("restart edgecore"));
        assert_eq!(
            restart.count(),
            restarts,
            "until {until_year}: {commands:?}"
        );
    }
}

#[tokio::test]
async fn a_kubelet_on_the_node_is_named_and_nothing_is_done() {
    let system = with("/etc/systemd/system/kubelet.service");
    let error = EdgeCore
        .apply(&spec(), &system, &progress())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("a kubelet runs"), "{error}");
    assert!(system.files.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_token_that_is_wrong_is_told_at_once_and_not_kept() {
    let system = RecordingSystem {
        answers: vec![(
            "journalctl",
            "panic: failed to apply the edge certs, err: failed to validate CA certificate. tokenCAhash: x\n\
             goroutine 107 [running]:\nhub.Start()\n\tcertmanager.go:82\nkeeper()\n\tcore.go:102\ncreated by modules\n\
             \tcore.go:50\nedgecore.service: Failed with result 'exit-code'.",
        )],
        ..RecordingSystem::default()
    };
    let error = EdgeCore
        .apply(&spec(), &system, &progress())
        .await
        .unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("tokenCAhash") && !said.contains("goroutine"),
        "{said}"
    );
    // Or it would start again and again.
    let commands = system.commands.lock().unwrap().clone();
    assert_eq!(commands.last().unwrap(), "systemctl stop edgecore.service");
    let files = system.files.lock().unwrap().clone();
    assert!(!files.contains_key("/etc/kubeedge/bootstrap-edgecore.conf"));
    assert!(!files.values().any(|text| text.contains("hash.jwt")));
}

#[tokio::test(start_paused = true)]
async fn an_edge_that_finds_no_cloudcore_says_which_and_gives_up() {
    let system = RecordingSystem {
        is_deaf: true,
        ..RecordingSystem::default()
    };
    let error = EdgeCore
        .apply(&spec(), &system, &progress())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("192.168.100.2:10002"), "{error}");
    let commands = system.commands.lock().unwrap();
    assert!(!commands.iter().any(|c| c.contains("restart edgecore")));
}
