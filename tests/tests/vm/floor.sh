# A cluster as somebody would make it by hand: kubeadm init and join, routes, nothing else. The floor that the software
# stage of `up` is compared with. Arguments: ROLE NODE ADDRESS CONTROL_PLANE POD_PREFIX OTHER_PREFIX OTHER_ADDRESS
set -euo pipefail
role=$1 node=$2 address=$3 control_plane=$4 pod_prefix=$5 other_prefix=$6 other_address=$7
token=abcdef.0123456789abcdef
artifacts=/var/lib/continuum-agent/artifacts
for program in kubeadm kubelet; do install -m 0755 "$artifacts"/*/"$program" /usr/local/bin/; done
cat > /etc/containerd/config.toml <<END
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "continuum.local/pause:1.0.0"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "/etc/cni/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = true
END
systemctl enable --quiet --now containerd
# Built in where nothing can be loaded.
modprobe -a br_netfilter overlay 2>/dev/null || true
sysctl -q -w net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
ip route replace "$other_prefix" via "$other_address"
mkdir -p /etc/cni/net.d
cat > /etc/cni/net.d/10-floor.conflist <<END
{ "cniVersion": "1.0.0", "name": "floor", "plugins": [
  { "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
    "ipam": { "type": "host-local", "ranges": [[{ "subnet": "$pod_prefix" }]], "routes": [{ "dst": "0.0.0.0/0" }] } },
  { "type": "portmap", "capabilities": { "portMappings": true } } ] }
END
cat > /etc/systemd/system/kubelet.service <<END
[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml \$KUBELET_KUBEADM_ARGS
Restart=always
RestartSec=2
[Install]
WantedBy=multi-user.target
END
# The kubelet wants a frequency, which User Mode Linux does not say.
if ! grep -q "cpu MHz" /proc/cpuinfo; then
    sed 's/^bogomips.*/&\ncpu MHz\t\t: 2000.000/' /proc/cpuinfo > /var/lib/floor-cpuinfo
    mount --bind /var/lib/floor-cpuinfo /proc/cpuinfo
fi
systemctl daemon-reload
systemctl enable --quiet kubelet
echo "nameserver $address" > /etc/floor-resolv.conf
registration="nodeRegistration:
  name: $node
  criSocket: unix:///run/containerd/containerd.sock
  imagePullPolicy: Never
  ignorePreflightErrors: [NumCPU, Mem, ImagePull, SystemVerification]
  kubeletExtraArgs: [{ name: node-ip, value: $address }]
timeouts: { controlPlaneComponentHealthCheck: 12m0s, kubeletHealthCheck: 12m0s, kubernetesAPICall: 12m0s, etcdAPICall: 12m0s, tlsBootstrap: 12m0s, discovery: 12m0s }"
if [ "$role" = control ]; then
cat > /var/lib/floor-init.yaml <<END
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens: [{ token: $token, ttl: 0s }]
localAPIEndpoint: { advertiseAddress: $address }
$registration
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.35.4
imageRepository: continuum.local
encryptionAlgorithm: ECDSA-P256
etcd: { local: { dataDir: /var/lib/etcd, imageTag: 3.6.13 } }
dns: { imageTag: 1.14.7 }
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
resolvConf: /etc/floor-resolv.conf
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: 10.244.0.0/16
detectLocalMode: ClusterCIDR
END
kubeadm init --config=/var/lib/floor-init.yaml --skip-phases=addon >/var/log/floor-init.log 2>&1 || { tail -20 /var/log/floor-init.log >&2; exit 1; }
# The API server is still busy with its own start, and under emulation kubeadm's client gives up after ten seconds; who
# does this by hand types it again.
for attempt in 1 2 3 4 5; do
    kubeadm init phase addon all --config=/var/lib/floor-init.yaml >/var/log/floor-addons.log 2>&1 && break
    [ "$attempt" -lt 5 ] || { tail -20 /var/log/floor-addons.log >&2; exit 1; }
done
else
cat > /var/lib/floor-join.yaml <<END
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery: { bootstrapToken: { token: $token, apiServerEndpoint: "$control_plane:6443", unsafeSkipCAVerification: true } }
$registration
END
kubeadm join --config=/var/lib/floor-join.yaml >/var/log/floor-join.log 2>&1 || { tail -20 /var/log/floor-join.log >&2; exit 1; }
fi
