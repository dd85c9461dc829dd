//! From one config to another on machines that run: what can come on top of them without a `down`.

use super::{difference::difference, preflight};
use crate::session::config_of;
use continuum_config::{Config, ProviderKind};
use continuum_host::{context::Context, error::Error, state::Deployment};
use continuum_provider::{Allow, Provider};

/// Whether `up` can bring what is live to another config: its benchmark may be another one, and an execution model may
/// come on top; machines, links and other software stay.
pub fn can_upgrade_in_place(live: &Config, wanted: &Config) -> bool {
    let mut upgraded = live.clone();
    upgraded.benchmark.clone_from(&wanted.benchmark);
    upgraded.infrastructure.keep = wanted.infrastructure.keep;
    if upgraded.software.execution_model.is_none() {
        let (software, wanted) = (&mut upgraded.software, &wanted.software);
        software.execution_model = wanted.execution_model;
        software.openfaas.clone_from(&wanted.openfaas);
    }
    upgraded == *wanted
}

/// Chosen by `auto` and asked for by name are the same machines: `live` gets the spelling of `wanted` where both mean the
/// provider that made the deployment.
pub fn align_provider(live: &mut Config, wanted: &Config, made_by: &str) {
    let asked = wanted.infrastructure.provider;
    if asked == ProviderKind::Auto || asked.name() == made_by {
        live.infrastructure.provider = asked;
    }
}

/// Gives a live deployment another config that it can be upgraded to; its software is then to be looked at again.
pub(super) fn upgrade_in_place(
    context: &Context,
    provider: &dyn Provider,
    wanted: &Config,
    deployment: &mut Deployment,
) -> Result<(), Error> {
    let mut live = config_of(deployment)?;
    align_provider(&mut live, wanted, deployment.provider());
    let text = continuum_config::to_toml(wanted);
    if live == *wanted {
        return deployment.respell_config(&text);
    }
    if !can_upgrade_in_place(&live, wanted) {
        return Err(Error::Different {
            name: wanted.name.clone(),
            difference: difference(deployment.config(), &text),
        });
    }
    // Machines are there: what they take is not asked for once more.
    let prefix = deployment.prefix();
    let plan = continuum_plan::plan(
        wanted,
        prefix.unwrap_or_else(|| continuum_provider::likely_prefix(provider, wanted)),
    );
    let everything = Allow {
        unemulated: true,
        unlimited: true,
    };
    let (_, reasons) = preflight::of_config(context, provider, wanted, &plan, everything);
    if !reasons.is_empty() {
        let name = wanted.name.clone();
        return Err(Error::Preflight { name, reasons });
    }
    let old = deployment.config().to_owned();
    deployment.set_config(&text)?;
    let progress = &context.progress;
    progress.line(&format!("its config changes:\n{}", difference(&old, &text)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "name = \"d\"\n[infrastructure]\nprovider = \"qemu\"\n[infrastructure.cloud]\nnodes = 2\n\
                           cores = 2\nmemory_mib = 4096\n[software]\nresource_manager = \"kubernetes\"\nresource_manager_only = true\n";

    fn config(text: &str) -> Config {
        continuum_plan::parse(text, "d.toml", false, "d", &[])
            .unwrap()
            .config
    }

    #[test]
    fn the_provider_that_auto_chose_may_be_named() {
        let named = config(CLUSTER);
        let auto = config(&CLUSTER.replace("qemu", "auto"));
        let aligned = |live: &Config, wanted: &Config, made_by| {
            let mut live = live.clone();
            align_provider(&mut live, wanted, made_by);
            can_upgrade_in_place(&live, wanted)
        };
        assert!(aligned(&auto, &named, "qemu") && aligned(&named, &auto, "qemu"));
        assert!(!aligned(&auto, &named, "uml"));
    }

    #[test]
    fn functions_come_on_top_and_machines_and_managers_stay() {
        let (live, openfaas) = (config(CLUSTER), "execution_model = \"openfaas\"\n");
        let functions = config(&format!("{CLUSTER}{openfaas}"));
        assert!(can_upgrade_in_place(&live, &functions));
        // What is there is not taken away, nor exchanged.
        assert!(!can_upgrade_in_place(&functions, &live));
        let other = "openfaas = \"upstream\"\nopenfaas_images = [\"nats=a:1\", \"queue-worker=a:1\", \
                     \"gateway=a:1\", \"faas-netes=a:1\"]\n";
        assert!(!can_upgrade_in_place(
            &functions,
            &config(&format!("{CLUSTER}{openfaas}{other}"))
        ));
        for (from, to) in [
            ("nodes = 2", "nodes = 3"),
            ("4096", "5120"),
            ("\"kubernetes\"", "\"kubernetes\"\nbroker = \"mosquitto\""),
        ] {
            let changed = format!("{CLUSTER}{openfaas}").replace(from, to);
            assert!(!can_upgrade_in_place(&live, &config(&changed)), "{changed}");
        }
    }
}
