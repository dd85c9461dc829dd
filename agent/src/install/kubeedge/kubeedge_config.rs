//! Configuration of cloudcore and edgecore, rights, and units. As JSON, which is YAML too: nothing in a value can break
//! out. Both programs lay what is here over their own defaults.

use crate::install::kubernetes::kubeadm_config::SOCKET;
use serde_json::{Value, json};

pub(super) const CA: &str = "/etc/kubeedge/ca/rootCA.crt";
pub(super) const CA_KEY: &str = "/etc/kubeedge/ca/rootCA.key";
pub(super) const CERTIFICATE: &str = "/etc/kubeedge/certs/server.crt";
pub(super) const KEY: &str = "/etc/kubeedge/certs/server.key";
/// Whose certificates the API server shows when it asks for logs.
pub(super) const STREAM_CA: &str = "/etc/kubeedge/ca/streamCA.crt";
pub(super) const KUBECONFIG: &str = "/etc/kubeedge/kubeconfig";

const WEBSOCKET_PORT: u16 = 10000;
pub(super) const HTTPS_PORT: u16 = 10002;
const STREAM_PORT: u16 = 10003;
const TUNNEL_PORT: u16 = 10004;
/// What cloudcore says an edge's kubelet listens on: the first port after the kubelet's own in `KubeEdge`.
const KUBELET_PORT: u16 = 10351;
/// Where edgecore asks itself whether it is up, and logs are read.
const HEALTH_PORT: u16 = 10350;
/// Pods were looked after 7 to 11 s after a start on a slow host. Whoever asks is answered within two seconds of the end.
const HELD_S: u8 = 14;
/// Nobody has so many edges here, and the number is a size of buffers.
const NODE_LIMIT: u16 = 100;

pub(super) fn cloudcore(address: &str) -> String {
    let config = json!({
        "apiVersion": "cloudcore.config.kubeedge.io/v1alpha1",
        "kind": "CloudCore",
        "kubeAPIConfig": { "kubeConfig": KUBECONFIG },
        "modules": {
            "cloudHub": {
                "advertiseAddress": [address],
                "nodeLimit": NODE_LIMIT,
                "tlsCAFile": CA,
                "tlsCAKeyFile": CA_KEY,
                "tlsCertFile": CERTIFICATE,
                "tlsPrivateKeyFile": KEY,
                "websocket": { "enable": true, "address": address, "port": WEBSOCKET_PORT },
                "https": { "enable": true, "address": address, "port": HTTPS_PORT },
            },
            "cloudStream": {
                "enable": true,
                "streamPort": STREAM_PORT,
                "tunnelPort": TUNNEL_PORT,
                "tlsTunnelCAFile": CA,
                "tlsTunnelCertFile": CERTIFICATE,
                "tlsTunnelPrivateKeyFile": KEY,
                "tlsStreamCAFile": STREAM_CA,
                "tlsStreamCertFile": CERTIFICATE,
                "tlsStreamPrivateKeyFile": KEY,
            },
            // It would call iptables; the guest has nftables, see `streams`.
            "iptablesManager": { "enable": false },
        },
    });
    format!("{config:#}\n")
}

/// How cloudcore reaches the API server, with a certificate of its own and no more rights than [`rights`].
pub(super) fn kubeconfig(address: &str, ca: &str, certificate: &str, key: &str) -> String {
    let base64 = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "cloudcore",
        "contexts": [{ "name": "cloudcore", "context": { "cluster": "own", "user": "cloudcore" } }],
        "clusters": [{ "name": "own", "cluster": {
            "server": format!("https://{address}:6443"),
            "certificate-authority-data": base64(ca),
        } }],
        "users": [{ "name": "cloudcore", "user": {
            "client-certificate-data": base64(certificate),
            "client-key-data": base64(key),
        } }],
    });
    format!("{config:#}\n")
}

/// Namespace, and what cloudcore may do: it stands between the API server and the edges, so it may do what kubelets may,
/// and what its own objects need.
pub fn rights() -> String {
    let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| json!({ "apiGroups": groups, "resources": resources, "verbs": verbs });
    let read = ["get", "list", "watch"];
    let all = [
        "get", "list", "watch", "create", "update", "patch", "delete",
    ];
    let rules = [
        rule(
            &[""],
            &[
                "nodes",
                "nodes/status",
                "pods",
                "pods/status",
                "configmaps",
                "secrets",
                "events",
            ],
            &all,
        ),
        rule(
            &[""],
            &[
                "endpoints",
                "services",
                "persistentvolumes",
                "persistentvolumeclaims",
                "serviceaccounts",
            ],
            &read,
        ),
        rule(
            &[""],
            &["serviceaccounts/token", "namespaces"],
            &["get", "list", "watch", "create"],
        ),
        rule(&["apps"], &["deployments"], &read),
        rule(
            &["coordination.k8s.io"],
            &["leases"],
            &["get", "list", "watch", "create", "update"],
        ),
        rule(&["storage.k8s.io"], &["volumeattachments"], &read),
        rule(
            &["certificates.k8s.io"],
            &["certificatesigningrequests"],
            &["get", "list", "watch", "create"],
        ),
        rule(&["discovery.k8s.io"], &["endpointslices"], &read),
        rule(
            &["rbac.authorization.k8s.io"],
            &[
                "clusterroles",
                "clusterrolebindings",
                "roles",
                "rolebindings",
            ],
            &read,
        ),
        rule(
            &["apiextensions.k8s.io"],
            &["customresourcedefinitions"],
            &read,
        ),
        rule(
            &[
                "devices.kubeedge.io",
                "reliablesyncs.kubeedge.io",
                "rules.kubeedge.io",
                "operations.kubeedge.io",
                "policy.kubeedge.io",
                "apps.kubeedge.io",
            ],
            &["*"],
            &all,
        ),
    ];
    let list = json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "kubeedge" } },
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "metadata": { "name": "continuum-cloudcore" },
                "rules": rules,
            },
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": { "name": "continuum-cloudcore" },
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": "continuum-cloudcore",
                },
                "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "cloudcore" }],
            },
        ],
    });
    format!("{list:#}\n")
}

/// Keeps an add-on of kubeadm off edges, which have no kube-proxy and nothing to resolve.
pub(super) fn off_edges() -> String {
    let patch = json!({ "spec": { "template": { "spec": { "affinity": { "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [{ "matchExpressions": [
            { "key": "node-role.kubernetes.io/edge", "operator": "DoesNotExist" },
        ] }] },
    } } } } } });
    patch.to_string()
}

/// The same for a `DaemonSet`, whose pod on this node is right already and need not start again.
pub(super) fn daemon_set_off_edges() -> String {
    let mut patch: Value = serde_json::from_str(&off_edges()).unwrap_or_default();
    patch["spec"]["updateStrategy"] = json!({ "type": "OnDelete", "rollingUpdate": null });
    patch.to_string()
}

/// Logs and `exec`: the API server calls an edge's kubelet, and cloudcore answers through its tunnel to that edge.
pub(super) fn streams(address: &str, edges: &[&str]) -> String {
    let edges = edges.join(", ");
    format!(
        "table ip continuum-kubeedge\ndelete table ip continuum-kubeedge\ntable ip continuum-kubeedge {{\n  chain \
         output {{\n    type nat hook output priority -110;\n    ip daddr {{ {edges} }} tcp dport {KUBELET_PORT} dnat \
         to {address}:{STREAM_PORT}\n  }}\n}}\n"
    )
}

pub(super) fn cloudcore_unit(streams: &str) -> String {
    format!(
        "[Unit]\nDescription=cloudcore: the cloud's half of KubeEdge\nAfter=network.target kubelet.service\n\
         StartLimitIntervalSec=0\n\n[Service]\nExecStartPre=/usr/sbin/nft --file {streams}\n\
         ExecStart=/usr/local/bin/cloudcore\nRestart=always\nRestartSec=2\n\n[Install]\nWantedBy=multi-user.target\n"
    )
}

/// What an edge is told.
#[derive(Debug)]
pub(super) struct Edge<'a> {
    pub(super) node: &'a str,
    pub(super) address: &'a str,
    pub(super) cloud: &'a str,
    /// `external`: the MQTT broker of this node; `internal`: one of edgecore's own.
    pub(super) event_bus: &'a str,
    pub(super) broker_port: &'a str,
    pub(super) pause: &'a str,
}

pub(super) fn edgecore(edge: &Edge<'_>) -> String {
    let Edge {
        node,
        address,
        cloud,
        event_bus,
        broker_port,
        pause,
    } = edge;
    let mode = if *event_bus == "internal" { 0 } else { 2 };
    let config = json!({
        "apiVersion": "edgecore.config.kubeedge.io/v1alpha2",
        "kind": "EdgeCore",
        "modules": {
            "edged": {
                "hostnameOverride": node,
                "nodeIP": address,
                "podSandboxImage": pause,
                "reportEvent": true,
                "tailoredKubeletConfig": {
                    "cgroupDriver": "systemd",
                    "containerRuntimeEndpoint": SOCKET,
                    "resolvConf": crate::install::kubernetes::kubeadm_config::RESOLV_CONF,
                },
            },
            "edgeHub": {
                "httpServer": format!("https://{cloud}:{HTTPS_PORT}"),
                "websocket": { "enable": true, "server": format!("{cloud}:{WEBSOCKET_PORT}") },
                "tlsCaFile": CA,
                "tlsCertFile": CERTIFICATE,
                "tlsPrivateKeyFile": KEY,
            },
            "eventBus": {
                "mqttMode": mode,
                "mqttServerExternal": format!("tcp://{address}:{broker_port}"),
                "mqttServerInternal": "tcp://127.0.0.1:1884",
            },
            "edgeStream": {
                "enable": true,
                "server": format!("{cloud}:{TUNNEL_PORT}"),
                "tlsTunnelCAFile": CA,
                "tlsTunnelCertFile": CERTIFICATE,
                "tlsTunnelPrivateKeyFile": KEY,
            },
        },
    });
    format!("{config:#}\n")
}

/// On an emulated machine edgecore takes seconds until it looks after its pods, and `KubeEdge` 1.23 then ends those that
/// run and are new to it, if it tidies up before it takes in what it has read from its store. It reads when its own health
/// port answers: while that port is kept shut, nothing is tidied up.
pub(super) fn hold() -> String {
    let table = "table inet continuum-edgecore";
    format!(
        "{table}\ndelete {table}\n{table} {{\n  set held {{\n    type inet_service; flags timeout; elements = {{ \
         {HEALTH_PORT} timeout {HELD_S}s }}\n  }}\n  chain input {{\n    type filter hook input priority filter; policy \
         accept;\n    iif lo tcp dport @held drop\n  }}\n}}\n"
    )
}

/// edgecore in the kubelet's place. It refuses to run beside one by itself. At verbosity 2 it says when it hears of a pod.
/// `hold` is the file of [`hold`].
pub(super) fn edgecore_unit(hold: Option<&str>) -> String {
    let before = hold.map_or_else(String::new, |file| {
        format!("ExecStartPre=/usr/sbin/nft --file {file}\n")
    });
    format!(
        "[Unit]\nDescription=edgecore: the edge's half of KubeEdge\nAfter=containerd.service continuum-routes.service\n\
         Wants=containerd.service continuum-routes.service\nStartLimitIntervalSec=0\n\n[Service]\n{before}\
         ExecStart=/usr/local/bin/edgecore --v=2\nRestart=always\nRestartSec=2\n\n[Install]\n\
         WantedBy=multi-user.target\n"
    )
}
