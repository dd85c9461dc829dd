//! doctor: looks at this machine and prints the fix for what is missing.

use super::{find_config, output::Output};
use crate::deploy;
use continuum_host::{context::Context, error::Error};
use continuum_provider::{Allow, Fitness, PROVIDERS};
use serde_json::json;

/// Where machines of provider qemu are unless a config says otherwise.
const LIBVIRT_URI: &str = "qemu:///system";

struct Finding {
    check: String,
    result: String,
    fix: Option<String>,
}

fn ok(check: &str, result: impl Into<String>) -> Finding {
    Finding {
        check: check.to_owned(),
        result: result.into(),
        fix: None,
    }
}

fn bad(check: &str, result: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding {
        check: check.to_owned(),
        result: result.into(),
        fix: Some(fix.into()),
    }
}

/// Programs with the Debian package that has each.
const PROGRAMS: [(&str, &str, &str); 10] = [
    ("qemu-system-x86_64", "qemu-system-x86", "guests"),
    ("qemu-img", "qemu-utils", "image build"),
    ("virsh", "libvirt-clients", "disk limits"),
    ("mmdebstrap", "mmdebstrap", "image build"),
    ("bwrap", "bubblewrap", "image build, uml"),
    ("setpriv", "util-linux", "image build, uml"),
    ("nsenter", "util-linux", "uml"),
    ("python3", "python3-pip", "image build"),
    ("ip", "iproute2", "addresses"),
    ("ssh", "openssh-client", "logging in"),
];

fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin".into(), "/sbin".into()];
    std::env::split_paths(&path)
        .chain(usual)
        .map(|dir| dir.join(name))
        .find(|p| p.exists())
}

fn programs() -> Vec<Finding> {
    PROGRAMS
        .iter()
        .map(|(program, package, purpose)| {
            let check = format!("{program} ({purpose})");
            match find_program(program) {
                Some(path) => ok(&check, path.display().to_string()),
                None => bad(&check, "not found", format!("apt-get install {package}")),
            }
        })
        .collect()
}

/// Each provider of machines, and whether it works here. One of them is enough.
async fn providers(context: &Context) -> Vec<Finding> {
    let mut found = Vec::new();
    for provider in PROVIDERS.iter().filter(|p| p.capabilities().has_machines) {
        let fitness = provider.fitness(context, LIBVIRT_URI).await;
        found.push((provider.name(), provider.capabilities().summary, fitness));
    }
    let is_any_fit = found
        .iter()
        .any(|(_, _, f)| !matches!(f, Fitness::Unfit(_)));
    found
        .into_iter()
        .map(|(name, summary, fitness)| {
            let check = format!("provider {name}");
            match fitness {
                Fitness::Native(why) => ok(&check, format!("native speed: {why}")),
                Fitness::Emulated(why) => ok(&check, format!("emulated, many times slower: {why}")),
                Fitness::Unfit(why) if is_any_fit => ok(&check, format!("not here: {why}")),
                Fitness::Unfit(why) => bad(&check, why, summary),
            }
        })
        .collect()
}

fn images(context: &Context) -> Vec<Finding> {
    let build = "continuum-ctl image build (as root, in the checkout)";
    let image = match continuum_images::store::current(&context.cache) {
        Ok(image) => ok(
            "guest image",
            image.manifest.key.chars().take(12).collect::<String>(),
        ),
        Err(error) => bad("guest image", continuum_host::error::chain(&error), build),
    };
    let bundle = match continuum_images::store::current_bundle(&context.cache) {
        Ok(path) => ok("workload bundle", path.display().to_string()),
        Err(error) => bad(
            "workload bundle",
            continuum_host::error::chain(&error),
            build,
        ),
    };
    vec![image, bundle]
}

fn disk(context: &Context) -> Finding {
    let dir = context.root.deployments();
    match rustix::fs::statvfs(&dir) {
        Ok(stat) => {
            let free_gb = stat.f_bavail * stat.f_frsize / 1_000_000_000;
            let text = format!("{free_gb} GB free at {}", dir.display());
            if free_gb >= 10 {
                ok("disk", text)
            } else {
                bad("disk", text, "free at least 10 GB, or set CONTINUUM_STATE")
            }
        }
        Err(error) => bad(
            "disk",
            error.to_string(),
            format!("make {} readable", dir.display()),
        ),
    }
}

pub(super) async fn run(
    context: &Context,
    output: &Output,
    config: Option<&str>,
    set: &[String],
) -> Result<(), Error> {
    let mut findings = programs();
    findings.extend(providers(context).await);
    findings.extend(images(context));
    findings.push(disk(context));
    if let Some(given) = config {
        let checked = find_config(context, given, set)?;
        let planned = deploy::plan_of(context, &checked.config, Allow::default()).await?;
        match planned.refused {
            None => findings.push(ok(given, "up would go ahead")),
            Some(error) => findings.push(bad(
                given,
                continuum_host::error::chain(&error),
                "see the result",
            )),
        }
    }
    let rows = findings
        .iter()
        .map(|f| {
            let word = if f.fix.is_none() { "ok" } else { "MISSING" };
            vec![
                word.to_owned(),
                f.check.clone(),
                f.result.clone(),
                f.fix.clone().unwrap_or_default(),
            ]
        })
        .collect();
    output.table(&["", "check", "result", "fix"], rows);
    let all: Vec<_> = findings
        .iter()
        .map(|f| json!({ "check": f.check, "ok": f.fix.is_none(), "result": f.result, "fix": f.fix }))
        .collect();
    output.json(&json!({ "findings": all }));
    let missing: Vec<String> = findings
        .iter()
        .filter(|f| f.fix.is_some())
        .map(|f| f.check.clone())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Preflight {
        name: "everything".into(),
        reasons: vec![format!(
            "{} of {} checks found something missing: {}",
            missing.len(),
            findings.len(),
            missing.join(", ")
        )],
    })
}
