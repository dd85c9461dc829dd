# KubeEdge as somebody would install it by hand on nodes that have its programs: the floor that the software stage of
# `up` is compared with. Arguments: ROLE NODE ADDRESS CLOUD POD_PREFIX FILES [TOKEN]; `cloud` runs after floor.sh there.
set -euo pipefail
role=$1 node=$2 address=$3 cloud=$4 pod_prefix=$5 files=$6 token=${7:-}
mkdir -p /etc/kubeedge/config
wait_for() { until "$@" >/dev/null 2>&1; do sleep 0.5; done; }
if [ "$role" = cloud ]; then
export KUBECONFIG=/etc/kubernetes/admin.conf
for program in kubectl cloudcore; do install -m 0755 "$files/$program" /usr/local/bin/; done
off='{"spec":{"template":{"spec":{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"node-role.kubernetes.io/edge","operator":"DoesNotExist"}]}]}}}}}}}'
kubectl -n kube-system patch daemonset kube-proxy -p "$off"
kubectl create namespace kubeedge
kubectl apply --server-side -f "$files/crds.yaml"
cloudcore --defaultconfig > /etc/kubeedge/config/cloudcore.yaml
sed -i "s#kubeConfig: .*#kubeConfig: /etc/kubernetes/admin.conf#; /advertiseAddress:/{n;s#- .*#- $address#}" /etc/kubeedge/config/cloudcore.yaml
sed -i '/iptablesManager:/{n;s#enable: .*#enable: false#}' /etc/kubeedge/config/cloudcore.yaml
cat > /etc/systemd/system/cloudcore.service <<END
[Service]
ExecStart=/usr/local/bin/cloudcore
Restart=always
RestartSec=2
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --quiet --now cloudcore
wait_for kubectl -n kubeedge get secret tokensecret
kubectl -n kubeedge get secret tokensecret -o jsonpath='{.data.tokendata}' | base64 -d
else
install -m 0755 "$files/edgecore" /usr/local/bin/
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
modprobe -a br_netfilter overlay 2>/dev/null || true
sysctl -q -w net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1
mkdir -p /etc/cni/net.d
cat > /etc/cni/net.d/10-floor.conflist <<END
{ "cniVersion": "1.0.0", "name": "floor", "plugins": [
  { "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
    "ipam": { "type": "host-local", "ranges": [[{ "subnet": "$pod_prefix" }]], "routes": [{ "dst": "0.0.0.0/0" }] } } ] }
END
edgecore --defaultconfig > /etc/kubeedge/config/edgecore.yaml
sed -i "s#httpServer: .*#httpServer: https://$cloud:10002#; s#server: .*:10000#server: $cloud:10000#; s#token: .*#token: $token#; s#^\( *\)hostnameOverride: .*#\1hostnameOverride: $node\n\1nodeIP: $address#; s#cgroupDriver: .*#cgroupDriver: systemd#; s#podSandboxImage: .*#podSandboxImage: continuum.local/pause:1.0.0#" /etc/kubeedge/config/edgecore.yaml
cat > /etc/systemd/system/edgecore.service <<END
[Service]
Environment=CHECK_EDGECORE_ENVIRONMENT=false
ExecStart=/usr/local/bin/edgecore
Restart=always
RestartSec=2
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --quiet --now edgecore
fi
