//! doctor: looks at this machine and prints the fix for what is missing.

use super::{
    Given, find_config,
    output::{Output, warn},
};
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
    let build = if rustix::process::geteuid().is_root() {
        "continuum-ctl image build (in the checkout)".to_owned()
    } else {
        let command = continuum_images::cache::root_command("image build");
        format!("{command} (in the checkout)")
    };
    let image = match continuum_images::store::current(&context.cache) {
        Ok(image) => ok(
            "guest image",
            image.manifest.key.chars().take(12).collect::<String>(),
        ),
        Err(error) => bad("guest image", continuum_host::error::chain(&error), &*build),
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

/// One line for each check, and its fix below.
fn rows(findings: &[Finding]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for finding in findings {
        let word = if finding.fix.is_none() {
            "ok"
        } else {
            "MISSING"
        };
        let result = finding.result.clone();
        rows.push(vec![word.to_owned(), finding.check.clone(), result]);
        if let Some(fix) = &finding.fix {
            rows.push(vec![String::new(), "  fix:".to_owned(), fix.clone()]);
        }
    }
    rows
}

/// What is missing, as the end of the command: of a config only whether `up` would go ahead, whatever else this machine
/// lacks.
fn judge(findings: &[Finding], of_config: Option<&str>) -> Result<(), Error> {
    let missing: Vec<&str> = findings
        .iter()
        .filter(|f| f.fix.is_some() && of_config.is_none_or(|config| f.check == config))
        .map(|f| &*f.check)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Preflight {
        name: of_config.unwrap_or("everything").to_owned(),
        reasons: vec![format!(
            "{} of {} checks found something missing: {}",
            missing.len(),
            findings.len(),
            missing.join(", ")
        )],
    })
}

pub(super) async fn run(
    context: &Context,
    output: &Output,
    config: Option<Given<'_>>,
) -> Result<(), Error> {
    let mut findings = programs();
    findings.extend(providers(context).await);
    findings.extend(images(context));
    findings.push(disk(context));
    if let Some(given) = config {
        let checked = find_config(context, given)?;
        warn(&checked.warnings);
        let planned = deploy::plan_of(context, &checked.config, Allow::default()).await?;
        warn(&planned.warnings);
        match planned.refused {
            None => findings.push(ok(given.config, "up would go ahead")),
            Some(error) => findings.push(bad(
                given.config,
                continuum_host::error::chain(&error),
                "see the result",
            )),
        }
    }
    output.table(&["", "check", "result"], rows(&findings));
    let all: Vec<_> = findings
        .iter()
        .map(|f| json!({ "check": f.check, "ok": f.fix.is_none(), "result": f.result, "fix": f.fix }))
        .collect();
    output.json(&json!({ "findings": all }));
    judge(&findings, config.map(|given| given.config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_stands_below_its_check_and_a_config_is_judged_by_what_it_needs() {
        let mut findings = vec![
            bad("virsh (disk limits)", "not found", "apt-get install it"),
            ok("lab.toml", "up would go ahead"),
        ];
        let lines = rows(&findings);
        assert_eq!(lines[1], ["", "  fix:", "apt-get install it"]);
        assert_eq!(lines.len(), 3, "{lines:?}");
        judge(&findings, Some("lab.toml")).unwrap();
        let error = judge(&findings, None).unwrap_err().to_string();
        assert!(error.contains("1 of 2 checks"), "{error}");
        findings[1].fix = Some("see the result".into());
        judge(&findings, Some("lab.toml")).unwrap_err();
    }
}
