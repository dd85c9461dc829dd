//! Our own gateway as objects of the cluster. Pure.

use continuum_model::{NodePlan, node_name};
use serde_json::{Value, json};

/// Namespace of the gateway.
pub(super) const NAMESPACE: &str = "openfaas";
/// Namespace of functions.
pub const FUNCTIONS: &str = "openfaas-fn";
const NAME: &str = "gateway";
const SECRET: &str = "basic-auth";
/// Emulated guests take seconds for a photo, and a cold function must load its network first.
const CALL_TIMEOUT: &str = "5m";

fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": name, "annotations": { "openfaas": "1" }, "labels": labels() },
    })
}

fn labels() -> Value {
    json!({ "app.kubernetes.io/managed-by": "continuum", "app.kubernetes.io/part-of": "openfaas" })
}

/// What the gateway may do. Functions may be in any namespace, so its rights are those of the cluster. Of kubelets it asks
/// those of `workers`, which have functions, and they tell it what functions use.
fn rules(workers: &[String]) -> Value {
    let mut rules = json!([
        { "apiGroups": ["apps"], "resources": ["deployments"],
          "verbs": ["get", "list", "watch", "create", "update", "delete"] },
        { "apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "patch"] },
        { "apiGroups": [""], "resources": ["services"], "verbs": ["get", "list", "create", "delete"] },
        { "apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "patch"] },
        { "apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"] },
        { "apiGroups": [""], "resources": ["events"], "verbs": ["list"] },
        { "apiGroups": [""], "resources": ["secrets"],
          "verbs": ["get", "list", "create", "update", "patch", "delete"] },
        { "apiGroups": [""], "resources": ["namespaces"],
          "verbs": ["get", "list", "create", "patch", "delete"] },
    ]);
    // Without a name it would be all nodes.
    if !workers.is_empty()
        && let Some(rules) = rules.as_array_mut()
    {
        rules.push(json!({
            "apiGroups": [""], "resources": ["nodes/proxy"], "resourceNames": workers, "verbs": ["get"],
        }));
    }
    rules
}

/// Everything, in the order in which it is made; `workers` are nodes as Kubernetes names them. The gateway listens on the controller's own address, where endpoints
/// reach it over the emulated network.
pub fn objects(
    image: &str,
    controller: &NodePlan,
    workers: &[String],
    password: &str,
) -> Vec<Value> {
    let meta = |name: &str| json!({ "name": name, "namespace": NAMESPACE, "labels": labels() });
    let cluster = |name: &str| json!({ "name": name, "labels": labels() });
    let account = "openfaas-gateway";
    let selector = json!({ "app": NAME });
    let mut functions = namespace(FUNCTIONS);
    functions["metadata"]["labels"]["role"] = FUNCTIONS.into();
    let mut gateway_namespace = namespace(NAMESPACE);
    // Nobody deploys functions beside the gateway.
    gateway_namespace["metadata"]["annotations"] = json!({});
    vec![
        gateway_namespace,
        functions,
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(account) }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": cluster(account),
            "rules": rules(workers),
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": cluster(account),
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": account },
            "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": NAMESPACE }],
        }),
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": meta(SECRET),
            "type": "Opaque",
            "stringData": { "basic-auth-user": "admin", "basic-auth-password": password },
        }),
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta(NAME),
            "spec": {
                "replicas": 1,
                // Two cannot listen on one address.
                "strategy": { "type": "Recreate" },
                "selector": { "matchLabels": selector },
                "template": {
                    "metadata": { "labels": selector },
                    "spec": {
                        "serviceAccountName": account,
                        "enableServiceLinks": false,
                        "hostNetwork": true,
                        "nodeSelector": { "kubernetes.io/hostname": node_name(&controller.name) },
                        "tolerations": [{ "key": "node-role.kubernetes.io/control-plane", "operator": "Exists" }],
                        // Calls in flight are finished, and whoever queued one is told.
                        "terminationGracePeriodSeconds": 340,
                        "containers": [{
                            "name": NAME,
                            "image": image,
                            "imagePullPolicy": "Never",
                            "env": [
                                // Nodes have no way to addresses of services when nothing else is routed.
                                { "name": "KUBERNETES_SERVICE_HOST", "value": controller.address.to_string() },
                                { "name": "KUBERNETES_SERVICE_PORT", "value": "6443" },
                                { "name": "upstream_timeout", "value": CALL_TIMEOUT },
                                { "name": "read_timeout", "value": "1m" },
                                { "name": "write_timeout", "value": "30m" },
                                { "name": "function_namespace", "value": FUNCTIONS },
                                { "name": "queue_namespace", "value": NAMESPACE },
                            ],
                            "ports": [
                                { "name": "http", "containerPort": 8080 },
                                { "name": "metrics", "containerPort": 8082 },
                            ],
                            "readinessProbe": {
                                "httpGet": { "path": "/healthz", "port": 8080 },
                                "periodSeconds": 2, "timeoutSeconds": 5,
                            },
                            "resources": {
                                "requests": { "cpu": "50m", "memory": "64Mi" },
                                "limits": { "memory": "256Mi" },
                            },
                            "securityContext": {
                                "readOnlyRootFilesystem": true,
                                "allowPrivilegeEscalation": false,
                                "capabilities": { "drop": ["ALL"] },
                            },
                            "volumeMounts": [{ "name": "auth", "mountPath": "/var/secrets", "readOnly": true }],
                        }],
                        "volumes": [{ "name": "auth", "secret": { "secretName": SECRET } }],
                    },
                },
            },
        }),
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta(NAME),
            "spec": {
                "selector": selector,
                "ports": [
                    { "name": "http", "port": 8080, "targetPort": 8080 },
                    { "name": "metrics", "port": 8082, "targetPort": 8082 },
                ],
            },
        }),
    ]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use continuum_model::Prefix;

    pub(in super::super) fn controller() -> NodePlan {
        let text = "name = \"d\"\n[infrastructure]\nprovider = \"qemu\"\n[infrastructure.cloud]\nnodes = 2\n\
                    cores = 2\nmemory_mib = 2048\n[software]\nresource_manager = \"kubernetes\"\n\
                    resource_manager_only = true\n";
        let checked = continuum_plan::parse(text, "d.toml", false, "d", &[]);
        let checked = checked.unwrap_or_else(|why| panic!("{why}: {text}"));
        continuum_plan::plan(&checked.config, Prefix::from([192, 168, 100])).nodes[0].clone()
    }

    #[test]
    fn the_gateway_runs_on_the_controller_with_the_rights_it_needs_and_the_password_in_a_secret() {
        let workers = ["cloud0".to_owned()];
        let image = "continuum.local/gateway:0.1.0";
        let all = objects(image, &controller(), &workers, "geheim");
        let of = |kind: &str| all.iter().find(|o| o["kind"] == kind).unwrap();
        let pod = &of("Deployment")["spec"]["template"]["spec"];
        assert_eq!(
            pod["nodeSelector"]["kubernetes.io/hostname"],
            "cloud-controller"
        );
        assert_eq!(
            pod["containers"][0]["image"],
            "continuum.local/gateway:0.1.0"
        );
        let with_password = all.iter().filter(|o| o.to_string().contains("geheim"));
        let kinds: Vec<_> = with_password.map(|o| o["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["Secret"]);
        let rules = of("ClusterRole")["rules"].to_string();
        assert!(!rules.contains('*'), "{rules}");
    }

    #[test]
    fn the_gateway_may_ask_the_kubelets_of_workers_and_no_others() {
        let of = |workers: &[String]| {
            let rules = rules(workers);
            let all = rules.as_array().unwrap().clone();
            let ours = all.into_iter();
            ours.filter(|r| r["resources"].to_string().contains("nodes"))
                .collect::<Vec<_>>()
        };
        let some = of(&["cloud0".into(), "cloud1".into()]);
        assert_eq!(some.len(), 1, "{some:?}");
        assert_eq!(some[0]["resourceNames"], json!(["cloud0", "cloud1"]));
        assert_eq!(some[0]["verbs"], json!(["get"]));
        assert_eq!(of(&[]), Vec::<Value>::new());
    }
}
