//! `OpenFaaS`'s own tests of providers and its command line, wherever somebody built them and says where they are.

use crate::{
    cluster::Cluster,
    fixture::VmFixture,
    table::{Body, Fixture, Need, Test},
};
use anyhow::{Context, ensure};
use continuum_images::{error::Silent, oci, package_tree, store};
use continuum_tests::{ctl::example, process::pause, skip};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// A namespace beside the default one, which the tests want.
const NAMESPACE: &str = "certifier-test";
/// What the tests deploy: images of the public registry, for which ours stand in under the same names.
const ALPINE: &str = "docker.io/functions/alpine:latest";
const REDIRECTOR: &str = "docker.io/theaxer/redirector:latest";

const NEEDS: &[Need] = &[Need::Kubernetes, Need::Functions, Need::OpenFaasPrograms];

/// A cluster with the images that the tests deploy.
static CLUSTER: Fixture = Fixture {
    name: "conformance",
    make: |vms| {
        let cluster = Cluster::new(vms, "openfaas-cloud");
        cluster
            .ctl
            .expect(0, &["up", &example("openfaas-cloud.cfg")])?;
        for image in [ALPINE, REDIRECTOR] {
            cluster.import("cloud0", &stand_in(vms, image)?)?;
        }
        Ok(cluster)
    },
};

pub(crate) const TESTS: [Test; 3] = [
    Test::new(
        "conformance::the_command_line_of_openfaas_works",
        NEEDS,
        Body::With(&CLUSTER, |cluster| {
            let (caller, password) = Caller::of(cluster)?;
            caller.command_line(&password)
        }),
    ),
    Test::new(
        "conformance::the_tests_of_openfaas_pass",
        NEEDS,
        Body::With(&CLUSTER, |cluster| {
            let (caller, password) = Caller::of(cluster)?;
            caller.log_in(&password)?;
            caller.certifier(cluster)
        }),
    ),
    Test::new(
        "conformance::down_leaves_nothing",
        NEEDS,
        Body::End(&CLUSTER),
    ),
];

/// These two share one deadline with eight deployments before them, which take longer where processors are emulated: then
/// the list is not even asked for, and is asked for by itself.
const OUT_OF_TIME: [&str; 2] = [
    "Test_Deploy_MetaData",
    "Test_Deploy_MetaData/test_listing_functions",
];
const OWN_DEADLINE_S: f64 = 30.0;
/// There are thirteen; a list without them is none.
const FEWEST_TESTS: usize = 13;
/// The gateway gives a replica nearly six minutes for calls that run.
const EMPTY_DEADLINE: Duration = Duration::from_mins(8);

/// How long a test took.
fn seconds(results: &[&str], name: &str) -> f64 {
    let words = results.iter().map(|l| l.split(' ').collect::<Vec<_>>());
    let mut took = words.filter_map(|w| {
        let text = w.get(3).filter(|_| w.get(2) == Some(&name))?;
        text.trim_matches(['(', ')', 's']).parse().ok()
    });
    took.next().unwrap_or(0.0)
}

struct Caller {
    vms: Arc<VmFixture>,
    programs: PathBuf,
    url: String,
    home: String,
}

impl Caller {
    /// With the gateway's password.
    fn of(cluster: &Cluster) -> anyhow::Result<(Self, String)> {
        let programs = std::env::var_os(skip::OPENFAAS_PROGRAMS).map(PathBuf::from);
        let programs = programs.context("a directory with the programs")?;
        let gateway = ["functions", &*cluster.name, "gateway"];
        let gateway = cluster.ctl.json(0, &gateway)?;
        let of = |field: &str| {
            let value = gateway[field].as_str().map(str::to_owned);
            value.with_context(|| format!("no {field} in {gateway}"))
        };
        let vms = Arc::clone(&cluster.vms);
        let home = vms.dir.join("openfaas-home").display().to_string();
        std::fs::create_dir_all(&home)?;
        let caller = Self {
            vms,
            programs,
            url: of("address")?,
            home,
        };
        Ok((caller, of("password")?))
    }

    fn log_in(&self, password: &str) -> anyhow::Result<()> {
        let url = format!("OPENFAAS_URL={}", self.url);
        self.run("faas-cli", &[&url], &["login", "--password", password])
            .map(|_| ())
    }

    fn run(&self, program: &str, env: &[&str], arguments: &[&str]) -> anyhow::Result<String> {
        let home = format!("HOME={}", self.home);
        let program = self.programs.join(program).display().to_string();
        let argv = [&[&*home], env, &[&*program], arguments].concat();
        self.vms.inside("env", &argv)
    }

    fn cli(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let url = format!("OPENFAAS_URL={}", self.url);
        let said = self.run("faas-cli", &[&url], arguments)?;
        eprintln!("faas-cli {}: ok", arguments.join(" "));
        Ok(said)
    }

    /// Everything that a user of functions does, but building images.
    fn command_line(&self, password: &str) -> anyhow::Result<()> {
        self.log_in(password)?;
        let told = |arguments: &[&str], part: &str| {
            let said = self.cli(arguments)?;
            ensure!(said.contains(part), "{arguments:?}: no `{part}` in\n{said}");
            Ok::<_, anyhow::Error>(said)
        };
        told(&["version", "--warn-update=false"], "continuum")?;
        told(&["namespaces"], "openfaas-fn")?;
        self.cli(&["namespace", "create", NAMESPACE])?;
        told(&["namespaces"], NAMESPACE)?;
        told(
            &["secret", "create", "token", "--from-literal", "first"],
            "Created: 202",
        )?;
        told(&["secret", "list"], "token")?;
        told(
            &["secret", "update", "token", "--from-literal", "second"],
            "Updated: 202",
        )?;
        let deploy = [
            "deploy",
            "--image",
            ALPINE,
            "--name",
            "told",
            "--fprocess",
            "cat /var/openfaas/secrets/token",
            "--secret",
            "token",
            "--label",
            "team=blue",
            "--annotation",
            "why=test",
            "--env",
            "A=1",
            "--memory-limit",
            "64Mi",
        ];
        told(&deploy, "202")?;
        self.cli(&["ready", "told"])?;
        told(&["list", "--verbose"], "told")?;
        let described = told(&["describe", "told"], "cat /var/openfaas/secrets/token")?;
        ensure!(
            described.contains("team")
                && described.contains("Ready")
                && !described.contains("Not Ready"),
            "{described}"
        );
        told(&["invoke", "told"], "second")?;
        // Deployed again: an update.
        told(&[&deploy[..], &["--env", "A=2"]].concat(), "202")?;
        self.cli(&["ready", "told"])?;
        // What it says of that goes to standard error.
        self.cli(&["invoke", "told", "--async"])?;
        told(
            &["logs", "told", "--tail=false", "--lines", "20"],
            "fprocess",
        )?;
        self.cli(&["remove", "told"])?;
        self.cli(&["secret", "remove", "token"])?;
        let left = self.cli(&["list"])?;
        ensure!(!left.contains("told"), "{left}");
        Ok(())
    }

    /// The provider's tests, each by itself and on a cluster that has nothing else to do: they leave their functions behind,
    /// two of which have less memory than a container needs to start, and are started again and again. None may fail, but
    /// for want of time.
    fn certifier(&self, cluster: &Cluster) -> anyhow::Result<()> {
        let listed = self.certify(&["-test.list", "."])?;
        let names: Vec<&str> = listed.lines().filter(|l| l.starts_with("Test_")).collect();
        ensure!(names.len() >= FEWEST_TESTS, "tests: {listed}");
        let mut failures = Vec::new();
        for name in &names {
            let only = format!("^{name}$");
            let ran = self.certify(&["-test.v", "-test.timeout=15m", "-test.run", &only]);
            let said = match &ran {
                Ok(said) => said.clone(),
                Err(why) => format!("{why:#}"),
            };
            let results = said.lines().map(str::trim);
            let results: Vec<&str> = results.filter(|l| l.starts_with("--- ")).collect();
            for line in &results {
                eprintln!("certifier: {line}");
            }
            let failed: Vec<&str> = results
                .iter()
                .filter_map(|l| l.strip_prefix("--- FAIL: ")?.split(' ').next())
                .collect();
            if failed == OUT_OF_TIME && seconds(&results, OUT_OF_TIME[0]) > OWN_DEADLINE_S {
                let list = OUT_OF_TIME[1];
                eprintln!("certifier: {list} had no time left of its own 30 s; once more, alone");
                // What the test deployed is still there.
                let alone = format!("^{}$", list.replace('/', "$/^"));
                match self.certify(&["-test.v", "-test.run", &alone]) {
                    Ok(said) if said.contains(&format!("--- PASS: {list} ")) => {
                        eprintln!("certifier: --- PASS: {list}");
                    }
                    last => {
                        eprintln!("certifier: {list} failed: {last:#?}");
                        failures.push(list);
                    }
                }
            } else if ran.is_err() {
                eprintln!("certifier: {name} failed: {said}");
                failures.push(name);
            }
            clear(cluster)?;
        }
        ensure!(failures.is_empty(), "failed: {}", failures.join(", "));
        Ok(())
    }

    fn certify(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let namespaces = format!("CERTIFIER_NAMESPACES={NAMESPACE}");
        let gateway = format!("-gateway={}", self.url);
        let env = [&*namespaces, "idler_enabled=false"];
        let common = [&*gateway, "-enableAuth"];
        self.run("certifier.test", &env, &[&common, arguments].concat())
    }
}

/// Takes away what a test left, and waits until its last pod has gone: a replica may finish its calls first.
fn clear(cluster: &Cluster) -> anyhow::Result<()> {
    for namespace in ["openfaas-fn", NAMESPACE] {
        let of = ["--namespace", namespace];
        let delete = ["delete", "deployment", "--all", "--wait=false"];
        let gone = ["wait", "pod", "--all", "--for=delete", "--timeout=50s"];
        let list = ["get", "pod", "--output=name"];
        let deadline = Instant::now() + EMPTY_DEADLINE;
        loop {
            let left = cluster.kubectl(&[&delete[..], &of].concat()).and_then(|_| {
                // Only so that the list need not be asked for all the time.
                cluster.kubectl(&[&gone[..], &of].concat()).ok();
                cluster.kubectl(&[&list[..], &of].concat())
            });
            match left {
                Ok(left) if left.trim().is_empty() => break,
                last => ensure!(
                    Instant::now() < deadline,
                    "{namespace} is not empty after {EMPTY_DEADLINE:?}: {last:?}"
                ),
            }
            pause();
        }
    }
    Ok(())
}

/// Debian's busybox under the names of its tools, behind our watchdog; the redirector's program is a busybox web server
/// that answers each request with the address in its environment.
fn stand_in(vms: &VmFixture, reference: &str) -> anyhow::Result<PathBuf> {
    let cache = skip::cache()?;
    let packages = store::current(&cache)?.manifest.packages;
    let busybox = package_tree::tree(&cache, &packages, &Silent)?.join("usr/bin/busybox");
    let watchdog = skip::stored_program("faas", "continuum-watchdog")?;
    let mut files = BTreeMap::from([("/usr/bin/fwatchdog".to_owned(), watchdog)]);
    for tool in ["busybox", "env", "cat", "sha512sum"] {
        files.insert(format!("/bin/{tool}"), busybox.clone());
    }
    let mut env = Vec::new();
    if reference == REDIRECTOR {
        for (inside, text) in [
            (
                "/handler",
                "#!/bin/busybox sh\nexec /bin/busybox httpd -f -p 8082 -h /www\n",
            ),
            (
                "/www/cgi-bin/index.cgi",
                "#!/bin/busybox sh\nprintf 'Status: 302 Found\\r\\nLocation: %s\\r\\n\\r\\n' \"$destination\"\n",
            ),
        ] {
            let path = vms
                .dir
                .join(inside.trim_start_matches('/').replace('/', "-"));
            std::fs::write(&path, text)?;
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&path, mode)?;
            files.insert(inside.to_owned(), path);
        }
        env.push("mode=http".to_owned());
        env.push("upstream_url=http://127.0.0.1:8082".to_owned());
    }
    let spec = oci::ImageSpec {
        arguments: Vec::new(),
        reference: reference.to_owned(),
        entrypoint: vec!["/usr/bin/fwatchdog".to_owned()],
        env,
        files,
    };
    let name = reference.rsplit('/').next().unwrap_or_default();
    let archive = vms.dir.join(format!("{}.tar", name.replace(':', "-")));
    oci::write(&spec, &archive)?;
    Ok(archive)
}
