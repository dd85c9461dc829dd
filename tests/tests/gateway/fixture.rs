//! The cluster, the gateway as a process, and what tests do with them.

use crate::{
    cluster::{Cluster, Daemon, daemon, free_port},
    function::{self, Replica},
};
use anyhow::{Context, ensure};
use bytes::Bytes;
use continuum_cluster::apply;
use continuum_ctl::deploy::execution_models;
use continuum_model::{NodePlan, Prefix};
use continuum_openfaas_api::{FunctionDeployment, Texts, client::Gateway};
use continuum_tests::process::{pause, workspace_program};
use continuum_watchdog::Handler;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Service},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::{
    net::Ipv4Addr,
    path::PathBuf,
    process::ExitStatus,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

pub(crate) const PASSWORD: &str = "secret-of-this-test";
pub(crate) const NAMESPACE: &str = "openfaas-fn";
/// The node of all pods, which there is only as far as a test makes it.
pub(crate) const NODE: &str = "nowhere";
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Fixture {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) admin: kube::Client,
    cluster: Mutex<Option<Cluster>>,
    gateway: Mutex<Option<Daemon>>,
    pub(crate) listen: String,
    pub(crate) metrics: String,
    function_port: u16,
    next: AtomicU8,
}

static FIXTURE: std::sync::OnceLock<Result<Fixture, String>> = std::sync::OnceLock::new();

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).trim().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

impl Fixture {
    pub(crate) fn shared() -> anyhow::Result<&'static Self> {
        let made = FIXTURE.get_or_init(|| Self::new().map_err(|e| format!("{e:#}")));
        made.as_ref().map_err(|e| anyhow::anyhow!("{e}"))
    }

    /// Ends what was started.
    pub(crate) fn end() {
        if let Some(Ok(fixture)) = FIXTURE.get() {
            fixture.kill_gateway();
            fixture
                .cluster
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            std::fs::remove_dir_all(fixture.dir.path()).ok();
        }
    }

    fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let dir = tempfile::tempdir().context("make a directory")?;
        let cluster = Cluster::start(dir.path())?;
        let admin = runtime.block_on(cluster.admin())?;
        let secrets = dir.path().join("secrets");
        std::fs::create_dir(&secrets)?;
        std::fs::write(secrets.join("basic-auth-user"), "admin")?;
        std::fs::write(secrets.join("basic-auth-password"), PASSWORD)?;
        let fixture = Self {
            dir,
            admin,
            cluster: Mutex::new(Some(cluster)),
            gateway: Mutex::default(),
            listen: format!("127.0.0.1:{}", free_port()?),
            metrics: format!("127.0.0.1:{}", free_port()?),
            function_port: free_port()?,
            next: AtomicU8::new(2),
            runtime,
        };
        // Namespaces and rights are those that `up` makes.
        let objects = Self::objects()?;
        let objects: Vec<_> = objects
            .into_iter()
            .filter(|o| o["kind"] != "Deployment")
            .collect();
        fixture.runtime.block_on(apply(&fixture.admin, &objects))?;
        fixture.start_gateway(&[])?;
        Ok(fixture)
    }

    /// For programs that may do everything.
    pub(crate) fn admin_kubeconfig(&self) -> anyhow::Result<PathBuf> {
        let cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        cluster.as_ref().context("a cluster")?.kubeconfig("admin")
    }

    /// What `up` puts into a cluster.
    pub(crate) fn objects() -> anyhow::Result<Vec<serde_json::Value>> {
        Ok(execution_models::objects(
            "continuum.local/gateway:0.1.0",
            &Self::controller()?,
            &[NODE.to_owned()],
            PASSWORD,
        ))
    }

    pub(crate) fn controller() -> anyhow::Result<NodePlan> {
        let text = "name = \"d\"\n[infrastructure]\nprovider = \"qemu\"\n[infrastructure.cloud]\nnodes = 2\n\
                    cores = 2\nmemory_mib = 2048\n[software]\nresource_manager = \"kubernetes\"\n\
                    resource_manager_only = true\n";
        let checked = continuum_plan::parse(text, "d.toml", false, "d", &[])?;
        let plan = continuum_plan::plan(&checked.config, Prefix::from([192, 168, 100]));
        plan.nodes.first().cloned().context("a controller")
    }

    /// Starts it, or starts it again; it answers when this returns.
    pub(crate) fn start_gateway(&self, more: &[&str]) -> anyhow::Result<()> {
        self.kill_gateway();
        let cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let kubeconfig = cluster
            .as_ref()
            .context("a cluster")?
            .kubeconfig("gateway")?;
        let flag = |name: &str, value: &str| format!("--{name}={value}");
        let mut arguments = vec![
            flag("listen", &self.listen),
            flag("metrics-listen", &self.metrics),
            flag("function-port", &self.function_port.to_string()),
            flag(
                "secret-mount-path",
                &self.dir.path().join("secrets").display().to_string(),
            ),
            flag("read-timeout", "1500ms"),
            flag("upstream-timeout", "4s"),
            flag("scale-down-window", "2s"),
            flag("retry-wait", "300ms"),
            flag("max-body-bytes", "2000000"),
        ];
        arguments.extend(more.iter().map(|a| (*a).to_owned()));
        let gateway = daemon(
            &Self::program()?,
            &arguments,
            &[("KUBECONFIG", kubeconfig.display().to_string())],
            &self.gateway_log_path(),
        )?;
        *self.gateway.lock().unwrap_or_else(PoisonError::into_inner) = Some(gateway);
        Self::until("the gateway to be healthy", || {
            let answer = self.get("/healthz");
            Ok(answer.is_ok_and(|a| a.status == StatusCode::OK))
        })
    }

    /// That of this build; measurements are made with the optimised one.
    fn program() -> anyhow::Result<PathBuf> {
        match continuum_tests::skip::benchmark() {
            Some(_) => Ok(workspace_program("continuum-gateway")),
            None => crate::speed::release("continuum-gateway"),
        }
    }

    fn gateway_log_path(&self) -> PathBuf {
        self.dir.path().join("gateway.log")
    }

    pub(crate) fn gateway_log(&self) -> String {
        let text = std::fs::read_to_string(self.gateway_log_path()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// As a crash does.
    pub(crate) fn kill_gateway(&self) {
        self.gateway
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    /// As Kubernetes ends a pod.
    pub(crate) fn end_gateway(&self) -> anyhow::Result<ExitStatus> {
        let pid = self.gateway_pid().context("a gateway")?.cast_signed();
        let pid = rustix::process::Pid::from_raw(pid).context("its pid")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let mut gateway = self.gateway.lock().unwrap_or_else(PoisonError::into_inner);
        let child = &mut gateway.as_mut().context("a gateway")?.0;
        Self::until("the gateway to end", || Ok(child.try_wait()?.is_some()))?;
        Ok(child.wait()?)
    }

    pub(crate) fn gateway_pid(&self) -> Option<u32> {
        let gateway = self.gateway.lock().unwrap_or_else(PoisonError::into_inner);
        gateway.as_ref().map(|g| g.0.id())
    }

    pub(crate) fn api(&self) -> Gateway {
        Gateway::new(&self.listen, PASSWORD)
    }

    pub(crate) fn until(
        what: &str,
        mut is_so: impl FnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !is_so()? {
            ensure!(
                begun.elapsed() < DEADLINE,
                "gave up after {DEADLINE:?} waiting for {what}"
            );
            pause();
        }
        Ok(())
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let response = tokio::time::timeout(DEADLINE, client.request(request)).await??;
        let (parts, body) = response.into_parts();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await?.to_bytes(),
        })
    }

    /// One request with the password, unless headers have another.
    pub(crate) fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Answer> {
        let authority = if path == "/metrics" {
            &self.metrics
        } else {
            &self.listen
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{authority}{path}"));
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            let word = data_encoding::BASE64.encode(format!("admin:{PASSWORD}").as_bytes());
            request = request.header("authorization", format!("Basic {word}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into()))?;
        self.runtime.block_on(self.send(request))
    }

    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.ask(Method::GET, path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: impl Into<Bytes>) -> anyhow::Result<Answer> {
        self.ask(Method::POST, path, &[], body)
    }

    /// A function without any replica.
    pub(crate) fn deploy(&self, name: &str, labels: &[(&str, &str)]) -> anyhow::Result<()> {
        let labels: Texts = labels
            .iter()
            .map(|(k, v)| (format!("com.openfaas.scale.{k}"), (*v).to_owned()))
            .collect();
        let wanted = FunctionDeployment {
            service: name.into(),
            image: "example.org/image:1".into(),
            labels: Some(labels),
            ..FunctionDeployment::default()
        };
        self.runtime.block_on(self.api().deploy(&wanted))?;
        Self::until("the function to be known", || {
            Ok(self.get(&format!("/system/function/{name}"))?.status == StatusCode::OK)
        })
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.admin.clone(), NAMESPACE)
    }

    /// A pod of a function, with a status.
    pub(crate) fn pod(
        &self,
        function: &str,
        pod: &str,
        status: &serde_json::Value,
    ) -> anyhow::Result<()> {
        let object = json!({
            "metadata": { "name": pod, "labels": { "faas_function": function } },
            "spec": { "nodeName": NODE, "terminationGracePeriodSeconds": 30,
                "containers": [{ "name": "c", "image": "example.org/image:1" }] },
        });
        let object: Pod = serde_json::from_value(object)?;
        let status = json!({ "status": status });
        self.runtime.block_on(async {
            let pods = self.pods();
            match pods.create(&PostParams::default(), &object).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                other => {
                    other?;
                }
            }
            let patch = Patch::Merge(&status);
            pods.patch_status(pod, &PatchParams::default(), &patch)
                .await?;
            Ok(())
        })
    }

    /// A pod that is ready at an address.
    pub(crate) fn ready_pod(&self, function: &str, pod: &str, at: Ipv4Addr) -> anyhow::Result<()> {
        let at = at.to_string();
        let ready = json!([{ "type": "Ready", "status": "True" }]);
        let status = json!({ "phase": "Running", "podIP": at, "podIPs": [{ "ip": at }], "conditions": ready });
        self.pod(function, pod, &status)
    }

    /// Takes a pod away as a kubelet does: first it is marked, and `gone` ends it.
    pub(crate) fn delete_pod(&self, pod: &str, gone: bool) -> anyhow::Result<()> {
        let how = DeleteParams::default().grace_period(if gone { 0 } else { 30 });
        self.runtime.block_on(self.pods().delete(pod, &how))?;
        Ok(())
    }

    /// A server of this process that is a ready replica.
    pub(crate) fn replica<H: Handler>(
        &self,
        function: &str,
        pod: &str,
        handler: H,
    ) -> anyhow::Result<Replica> {
        let address = self.address();
        let started = function::start(address, self.function_port, handler);
        let replica = self.runtime.block_on(started)?;
        self.ready_pod(function, pod, address)?;
        Self::until("the replica to be known", || {
            let status = self.runtime.block_on(self.api().status(function))?;
            Ok(status.available_replicas > 0)
        })?;
        Ok(replica)
    }

    /// A listener that is a ready replica, whatever it says.
    pub(crate) fn listening_replica(
        &self,
        function: &str,
        pod: &str,
    ) -> anyhow::Result<std::net::TcpListener> {
        let address = self.address();
        let listener = std::net::TcpListener::bind((address, self.function_port))?;
        self.ready_pod(function, pod, address)?;
        Self::until("the replica to be known", || {
            let status = self.runtime.block_on(self.api().status(function))?;
            Ok(status.available_replicas > 0)
        })?;
        Ok(listener)
    }

    /// Where the only replica of a function listens.
    pub(crate) fn function_address(&self, function: &str) -> anyhow::Result<String> {
        let ours = kube::api::ListParams::default().labels(&format!("faas_function={function}"));
        let pods = self.runtime.block_on(self.pods().list(&ours))?;
        let address = pods
            .items
            .first()
            .and_then(|p| p.status.as_ref()?.pod_ip.clone());
        Ok(format!(
            "{}:{}",
            address.context("an address")?,
            self.function_port
        ))
    }

    /// One of loopback's addresses that nobody else has here.
    pub(crate) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(127, 77, 0, self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes away the Service of a function; whether there was one.
    pub(crate) fn delete_service(&self, function: &str) -> anyhow::Result<bool> {
        let services: Api<Service> = Api::namespaced(self.admin.clone(), NAMESPACE);
        let how = DeleteParams::default();
        match self.runtime.block_on(services.delete(function, &how)) {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Replicas that a Deployment wants.
    pub(crate) fn wanted(&self, function: &str) -> anyhow::Result<i32> {
        let all: Api<Deployment> = Api::namespaced(self.admin.clone(), NAMESPACE);
        let found = self.runtime.block_on(all.get(function))?;
        Ok(found.spec.and_then(|s| s.replicas).unwrap_or_default())
    }
}
