use super::*;
use crate::{
    install::{Installer, Progress},
    store::Artifact,
    system::fake::RecordingSystem,
};

fn spec() -> InstallSpec {
    let options = [
        ("node", "cloud0"),
        ("address", "192.168.100.3"),
        ("control_plane", "192.168.100.2"),
        ("version", "1.35.4"),
        ("etcd_tag", "3.6.13"),
        ("coredns_tag", "1.14.7"),
        ("token", "abcdef.0123456789abcdef"),
        ("ca_hash", "sha256:00"),
        ("ca_certificate", "CA\n"),
        ("ca_key", "KEY\n"),
        ("pod_prefix", "10.244.1.0/24"),
        ("pod_network", "10.244.0.0/16"),
        (
            "routes",
            "10.244.0.0/24=192.168.100.2,10.244.2.0/24=192.168.100.4",
        ),
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
        artifacts: vec![
            artifact("kubelet"),
            artifact("kubeadm"),
            artifact("pause.tar"),
        ],
    }
}

fn progress() -> Progress {
    Progress::new(tokio::sync::mpsc::unbounded_channel().0)
}

#[tokio::test]
async fn a_worker_joins_with_what_it_was_given_and_only_once() {
    let system = RecordingSystem::default();
    Worker.apply(&spec(), &system, &progress()).await.unwrap();
    let commands = system.commands.lock().unwrap().clone();
    let at = |part: &str| {
        commands
            .iter()
            .position(|c| c.contains(part))
            .unwrap_or_else(|| panic!("no {part} in {commands:?}"))
    };
    assert!(at("install --mode=0755 /store/kubelet /usr/local/bin/kubelet") < at("kubeadm join"));
    assert!(at("images import --local /store/pause.tar") < at("kubeadm join"));
    assert!(at("systemctl restart continuum-routes.service") < at("kubeadm join"));
    let files = system.files.lock().unwrap().clone();
    let join: serde_json::Value =
        serde_json::from_str(&files["/etc/kubernetes/continuum-join.yaml"]).unwrap();
    assert_eq!(
        join["discovery"]["bootstrapToken"]["caCertHashes"][0],
        "sha256:00"
    );
    assert_eq!(join["nodeRegistration"]["imagePullPolicy"], "Never");
    let unit = &files["/etc/systemd/system/continuum-routes.service"];
    assert!(
        unit.contains("ip route replace 10.244.2.0/24 via 192.168.100.4\n"),
        "{unit}"
    );
    // This node has no name server of its own.
    let ours = "nameserver 192.168.100.3\n";
    assert_eq!(files["/etc/kubernetes/continuum-resolv.conf"], ours);
    let given = spec();
    let settings = Settings::read(&given, &system).await.unwrap();
    let own = "# by DHCP\nnameserver 10.0.0.1\n";
    assert_eq!(kubeadm_config::resolv_conf(own, settings.address), own);
    let stub = "nameserver 127.0.0.53\n";
    assert_eq!(kubeadm_config::resolv_conf(stub, settings.address), ours);
    Worker.apply(&spec(), &system, &progress()).await.unwrap();
    let again = system.commands.lock().unwrap().split_off(commands.len());
    let changes: Vec<_> = again
        .iter()
        .filter(|c| *c != "systemd-detect-virt")
        .collect();
    assert!(changes.is_empty(), "a second time: {changes:?}");
}

#[tokio::test]
async fn a_control_plane_takes_the_controllers_ca_before_it_begins() {
    let system = RecordingSystem::default();
    ControlPlane
        .apply(&spec(), &system, &progress())
        .await
        .unwrap();
    let files = system.files.lock().unwrap().clone();
    assert_eq!(
        (&*files[CA], &*files["/etc/kubernetes/pki/ca.key"]),
        ("CA\n", "KEY\n")
    );
    let documents: Vec<serde_json::Value> = files["/etc/kubernetes/continuum-init.yaml"]
        .split("---\n")
        .map(|d| serde_json::from_str(d).unwrap())
        .collect();
    let kinds: Vec<_> = documents
        .iter()
        .map(|d| d["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "InitConfiguration",
            "ClusterConfiguration",
            "KubeletConfiguration",
            "KubeProxyConfiguration"
        ]
    );
    assert_eq!(documents[1]["kubernetesVersion"], "v1.35.4");
    assert_eq!(documents[1]["imageRepository"], "continuum.local");
    let patches = documents[0]["patches"]["directory"].as_str().unwrap();
    let server = &files[&format!("{patches}/kube-apiserver+strategic.json")];
    assert!(server.contains(r#""periodSeconds":10"#), "{server}");
    let etcd = &files[&format!("{patches}/etcd+strategic.json")];
    assert!(etcd.contains(r#""requests":{"cpu":"200m"}"#), "{etcd}");
}

#[tokio::test]
async fn a_controller_manager_is_not_started_before_the_api_server_is_healthy() {
    let system = RecordingSystem::default();
    ControlPlane
        .apply(&spec(), &system, &progress())
        .await
        .unwrap();
    let commands = system.commands.lock().unwrap().clone();
    let all: Vec<_> = commands
        .iter()
        .filter(|c| ["kubeadm", "GET"].iter().any(|p| c.starts_with(p)))
        .collect();
    assert_eq!(all.len(), 3, "{all:?}");
    let skips = |command: &str, phase: &str| command.split([',', '=', ' ']).any(|p| p == phase);
    for phase in [
        "control-plane/controller-manager",
        "control-plane/scheduler",
    ] {
        assert!(
            skips(all[0], phase) && !skips(all[2], phase),
            "{phase}: {all:?}"
        );
    }
    assert_eq!(all[1], "GET https://192.168.100.3:6443/livez");
    for phase in ["etcd", "control-plane/apiserver", "kubelet-start"] {
        assert!(
            !skips(all[0], phase) && skips(all[2], phase),
            "{phase}: {all:?}"
        );
    }
}

#[tokio::test]
async fn only_an_emulated_control_plane_has_another_scheduler() {
    for (kind, has_it) in [("qemu\n", true), ("kvm\n", false), ("uml\n", false)] {
        let system = RecordingSystem {
            answers: vec![("systemd-detect-virt", kind)],
            ..RecordingSystem::default()
        };
        ControlPlane
            .apply(&spec(), &system, &progress())
            .await
            .unwrap();
        assert_eq!(
            system.exists(kubeadm_config::SCHEDULER).await,
            has_it,
            "{kind}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_never_gets_healthy_is_named_with_what_it_said() {
    let system = RecordingSystem {
        fail_on: Some("GET".into()),
        said: "[+]ping ok\n[-]poststarthook/rbac/bootstrap-roles failed",
        ..RecordingSystem::default()
    };
    let (sender, mut steps) = tokio::sync::mpsc::unbounded_channel();
    let error = ControlPlane
        .apply(&spec(), &system, &Progress::new(sender))
        .await
        .unwrap_err()
        .to_string();
    for part in ["192.168.100.3:6443", "bootstrap-roles", "kubelet:"] {
        assert!(error.contains(part), "no {part} in {error}");
    }
    assert!(!system.exists(DONE).await);
    let mut said = Vec::new();
    while let Ok(step) = steps.try_recv() {
        said.extend(Some(step.detail).filter(|detail| detail.contains("still waits")));
    }
    // Once, as it says the same for eight minutes.
    let why = "these parts of it are not ready yet: poststarthook/rbac/bootstrap-roles";
    assert!(said.len() == 1 && said[0].ends_with(why), "{said:?}");
}

#[tokio::test]
async fn a_half_made_node_is_reset_first_and_a_failure_brings_the_kubelets_words() {
    let mut system = RecordingSystem::default();
    system
        .present
        .lock()
        .unwrap()
        .insert("/etc/kubernetes/continuum-join.yaml".into());
    Worker.apply(&spec(), &system, &progress()).await.unwrap();
    assert!(
        system
            .commands
            .lock()
            .unwrap()
            .iter()
            .any(|c| c.starts_with("kubeadm reset"))
    );
    system = RecordingSystem {
        fail_on: Some("kubeadm join".into()),
        ..RecordingSystem::default()
    };
    let error = Worker
        .apply(&spec(), &system, &progress())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("kubelet:"), "{error}");
    assert!(
        !system.exists(DONE).await,
        "what failed must be tried again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_join_is_tried_again_for_what_passes_by_itself_but_not_for_ever() {
    for said in [
        "a Node with name \"cloud0\" and status \"Ready\" already exists in the cluster",
        "cannot get Node \"cloud0\": net/http: request canceled (Client.Timeout exceeded while awaiting headers)",
    ] {
        let system = RecordingSystem {
            fail_on: Some("kubeadm join".into()),
            said,
            ..RecordingSystem::default()
        };
        let error = Worker
            .apply(&spec(), &system, &progress())
            .await
            .unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        let commands = system.commands.lock().unwrap().clone();
        let count = |word: &str| commands.iter().filter(|c| c.starts_with(word)).count();
        // It begins anew each time.
        assert!(count("kubeadm join") > 2);
        assert_eq!(count("kubeadm join"), count("kubeadm reset") + 1);
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let mut incomplete = spec();
    incomplete.options.remove("token");
    let system = RecordingSystem::default();
    let error = Worker
        .apply(&incomplete, &system, &progress())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("`token`"), "{error}");
    assert!(system.commands.lock().unwrap().is_empty());
}

#[tokio::test]
async fn checks_of_kubeadm_that_fail_are_tried_again_and_end() {
    let system = RecordingSystem {
        fail_on: Some("kubeadm join".into()),
        said: "[preflight] x | error: error execution phase preflight: preflight checks failed",
        ..RecordingSystem::default()
    };
    Worker
        .apply(&spec(), &system, &progress())
        .await
        .unwrap_err();
    let commands = system.commands.lock().unwrap();
    let joins = commands.iter().filter(|c| c.starts_with("kubeadm join"));
    assert_eq!(joins.count(), 4);
}
