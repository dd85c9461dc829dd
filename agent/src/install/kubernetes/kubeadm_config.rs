//! Configuration of kubeadm, kubelet, kube-proxy and CNI. As JSON, which is YAML too: nothing in a value can break out.

use super::Settings;
use serde_json::{Value, json};
use std::time::Duration;

pub(in crate::install) const SOCKET: &str = "unix:///run/containerd/containerd.sock";
/// Where all images of ours are from; nothing is pulled from anywhere.
const REPOSITORY: &str = "continuum.local";
/// What kubeadm complains about on small or unusual machines, and what works there all the same.
const IGNORED: [&str; 4] = ["NumCPU", "Mem", "ImagePull", "SystemVerification"];

/// Where kubeadm finds what is to be different in the pods of the control plane.
const PATCHES: &str = "/etc/kubernetes/continuum-patches";

/// What is written into the kernel's scheduler for long turns, in the words of systemd-tmpfiles. A boot forgets it.
pub(super) const SCHEDULER: &str = "/etc/kubernetes/continuum-scheduler.conf";
pub(super) const SCHEDULER_TEXT: &str = "\
w /sys/kernel/debug/sched/base_slice_ns - - - - 20000000
w /sys/kernel/debug/sched/features - - - - NO_WAKEUP_PREEMPTION
";

/// Name servers of the node, for pods that ask beyond the cluster.
pub(in crate::install) const RESOLV_CONF: &str = "/etc/kubernetes/continuum-resolv.conf";

/// The node's own name servers. CoreDNS does not start without one; where there is none, the node's address stands for
/// it: nothing listens there, so a name outside the cluster fails at once.
pub(super) fn resolv_conf(own: &str, address: &str) -> String {
    let mut servers = own
        .lines()
        .filter_map(|l| l.trim().strip_prefix("nameserver"));
    // One of the node's loopback is out of reach of pods.
    if servers.any(|address| !address.trim().starts_with("127.")) {
        return own.to_owned();
    }
    format!("nameserver {address}\n")
}

fn documents(all: &[Value]) -> String {
    let texts: Vec<String> = all.iter().map(Value::to_string).collect();
    format!("{}\n", texts.join("\n---\n"))
}

fn registration(settings: &Settings<'_>) -> Value {
    json!({
        "name": settings.node,
        "criSocket": SOCKET,
        "imagePullPolicy": "Never",
        "ignorePreflightErrors": IGNORED,
        "kubeletExtraArgs": [{ "name": "node-ip", "value": settings.address }],
    })
}

fn timeouts(patience: Duration) -> Value {
    let long = format!("{}s", patience.as_secs());
    json!({
        "controlPlaneComponentHealthCheck": long,
        "kubeletHealthCheck": long,
        "kubernetesAPICall": long,
        "etcdAPICall": long,
        "tlsBootstrap": long,
        "discovery": long,
    })
}

/// For `kubeadm init`.
pub(super) fn init(settings: &Settings<'_>) -> String {
    documents(&[
        json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "InitConfiguration",
            "bootstrapTokens": [{
                "token": settings.token,
                "ttl": "0s",
                "usages": ["signing", "authentication"],
                "groups": ["system:bootstrappers:kubeadm:default-node-token"],
            }],
            "localAPIEndpoint": { "advertiseAddress": settings.address, "bindPort": 6443 },
            "nodeRegistration": registration(settings),
            "patches": { "directory": PATCHES },
            "timeouts": timeouts(settings.policy.patience),
        }),
        json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "ClusterConfiguration",
            "kubernetesVersion": format!("v{}", settings.version),
            "imageRepository": REPOSITORY,
            "encryptionAlgorithm": "ECDSA-P256",
            "controlPlaneEndpoint": format!("{}:6443", settings.control_plane),
            // There is one of each, so nobody needs to be elected; on a slow machine a late renewal would only restart
            // them. etcd waits longer for itself for the same reason.
            // Two seconds, the default, are short for an etcd that shares slow cores: the kubelet would restart the server.
            "apiServer": { "extraArgs": [
                { "name": "etcd-healthcheck-timeout", "value": "14s" },
                { "name": "etcd-readycheck-timeout", "value": "14s" },
            ] },
            "controllerManager": { "extraArgs": [{ "name": "leader-elect", "value": "false" }] },
            "scheduler": { "extraArgs": [{ "name": "leader-elect", "value": "false" }] },
            "etcd": { "local": {
                "dataDir": "/var/lib/etcd",
                "imageTag": settings.etcd_tag,
                "extraArgs": [
                    { "name": "heartbeat-interval", "value": "500" },
                    { "name": "election-timeout", "value": "5000" },
                ],
            } },
            "dns": { "imageTag": settings.coredns_tag },
        }),
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "cgroupDriver": "systemd",
            "resolvConf": RESOLV_CONF,
            "failSwapOn": false,
        }),
        json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clusterCIDR": settings.pod_network,
            "detectLocalMode": "ClusterCIDR",
        }),
    ])
}

/// For [`PATCHES`]: names and contents. kubeadm has the kubelet ask etcd, API server and scheduler every second whether
/// they are ready, two of them over a TLS connection of its own each time, 40 ms and more of emulated cores; and has it
/// restart what is late eight times, which makes a busy control plane busier. Both wait longer here. And it has them share
/// full cores as 250 : 100 : 200 : 100 (API server, etcd, controller manager, scheduler), though all wait for etcd. Here
/// they share as they use them, and ask for no more together.
pub(super) fn patches() -> Vec<(String, String)> {
    let patch = |name: &str, is_asked: bool, cpu: &str| {
        let mut container = json!({
            "name": name,
            "livenessProbe": { "failureThreshold": 30 },
            "resources": { "requests": { "cpu": cpu } },
        });
        if is_asked {
            container["readinessProbe"] = json!({ "periodSeconds": 10 });
        }
        let text = json!({ "spec": { "containers": [container] } }).to_string();
        (format!("{PATCHES}/{name}+strategic.json"), text)
    };
    vec![
        patch("etcd", true, "200m"),
        patch("kube-apiserver", true, "300m"),
        patch("kube-controller-manager", false, "100m"),
        patch("kube-scheduler", true, "50m"),
    ]
}

/// For `kubeadm join`.
pub(super) fn join(settings: &Settings<'_>) -> String {
    documents(&[json!({
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "discovery": {
            "bootstrapToken": {
                "token": settings.token,
                "apiServerEndpoint": format!("{}:6443", settings.control_plane),
                "caCertHashes": [settings.ca_hash],
            },
        },
        "nodeRegistration": registration(settings),
        "timeouts": timeouts(settings.policy.patience),
    })])
}

/// A bridge for the pods of this node; the other nodes' are reached by routes.
pub(super) fn cni(pod_prefix: &str) -> String {
    let network = json!({
        "cniVersion": "1.0.0",
        "name": "continuum",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "ipMasq": false,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{ "subnet": pod_prefix }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    });
    format!("{network}\n")
}

/// Routes to the other nodes' pods: set again at every boot.
pub(super) fn routes_unit(routes: &[(&str, &str)]) -> String {
    let mut unit = String::from(
        "[Unit]\nDescription=Routes to the pods of other nodes\nAfter=systemd-networkd.service\n\n[Service]\n\
         Type=oneshot\nRemainAfterExit=yes\n",
    );
    for (prefix, via) in routes {
        unit.push_str(&format!(
            "ExecStart=/usr/sbin/ip route replace {prefix} via {via}\n"
        ));
    }
    unit.push_str("\n[Install]\nWantedBy=multi-user.target\n");
    unit
}

/// kubelet, as kubeadm expects to find it. At verbosity 2 it says when it hears of a pod.
pub(super) const KUBELET_UNIT: &str = "\
[Unit]
Description=kubelet: the node agent of Kubernetes
After=containerd.service continuum-routes.service
Wants=containerd.service continuum-routes.service
StartLimitIntervalSec=0

[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
--kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml --v=2 $KUBELET_KUBEADM_ARGS
Restart=always
RestartSec=2

[Install]
WantedBy=multi-user.target
";

/// What pods' traffic needs of the kernel.
pub(super) const SYSCTL: &str = "\
net.ipv4.ip_forward = 1
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
";
