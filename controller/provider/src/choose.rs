//! Provider `auto`: the first that makes machines which run on the processor; else the first whose machines run at all.

use super::{Fitness, PROVIDERS};
use continuum_config::{Config, ProviderKind};
use continuum_host::{
    context::{Choice, Context},
    error::Error,
    state::Deployment,
};

/// The provider of a config: that of the deployment if it is live, the one that is named, or what `auto` finds.
pub async fn choose(context: &Context, config: &Config) -> Result<Choice, Error> {
    let named = |provider: &str| Choice {
        provider: provider.to_owned(),
        reason: None,
    };
    let asked = config.infrastructure.provider;
    if asked != ProviderKind::Auto {
        return Ok(named(asked.name()));
    }
    if let Some(live) = Deployment::load(&context.root, &config.name)? {
        return Ok(named(live.provider()));
    }
    if let Some(choice) = &context.chosen {
        return Ok(choice.clone());
    }
    let mut found = Vec::new();
    for provider in PROVIDERS.iter().filter(|p| p.capabilities().has_machines) {
        let uri = &config.infrastructure.qemu.libvirt_uri;
        let fitness = provider.fitness(context, uri).await;
        let is_native = matches!(fitness, Fitness::Native(_));
        found.push((provider.name(), fitness));
        if is_native {
            break;
        }
    }
    decide(&found).ok_or_else(|| Error::Preflight {
        name: config.name.clone(),
        reasons: found
            .iter()
            .map(|(name, fitness)| format!("provider {name}: {}", why(fitness)))
            .collect(),
    })
}

fn why(fitness: &Fitness) -> &str {
    match fitness {
        Fitness::Native(why) | Fitness::Emulated(why) | Fitness::Unfit(why) => why,
    }
}

/// The best of what was found, with why what stands before it is not.
fn decide(found: &[(&str, Fitness)]) -> Option<Choice> {
    let position = found
        .iter()
        .position(|(_, fitness)| matches!(fitness, Fitness::Native(_)))
        .or_else(|| {
            found
                .iter()
                .position(|(_, fitness)| matches!(fitness, Fitness::Emulated(_)))
        })?;
    let (name, fitness) = found.get(position)?;
    let mut reasons = Vec::new();
    match fitness {
        Fitness::Native(why) => reasons.push(why.clone()),
        Fitness::Emulated(why) => reasons.push(format!("emulated, many times slower: {why}")),
        Fitness::Unfit(_) => {}
    }
    let others = found
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != position);
    // What to do about it is for who wants that one: `doctor` says it.
    let cause = |fitness| why(fitness).split("; ").next().unwrap_or_default();
    reasons.extend(others.map(|(_, (name, fitness))| format!("not {name}: {}", cause(fitness))));
    Some(Choice {
        provider: (*name).to_owned(),
        reason: Some(reasons.join("; ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(found: &[(&str, Fitness)]) -> (String, String) {
        let choice = decide(found).unwrap();
        (choice.provider, choice.reason.unwrap())
    }

    #[test]
    fn native_machines_come_before_emulated_ones() {
        let kvm = ("qemu", Fitness::Native("KVM boots a kernel here".into()));
        let emulated = (
            "qemu",
            Fitness::Emulated("there is no /dev/kvm; load the module kvm".into()),
        );
        let uml = (
            "uml",
            Fitness::Native("User Mode Linux 7.2 runs here".into()),
        );
        let no_uml = ("uml", Fitness::Unfit("no kernel in the store".into()));
        assert_eq!(decided(&[kvm]).0, "qemu");
        let (name, reason) = decided(&[emulated.clone(), uml]);
        assert_eq!(name, "uml");
        assert_eq!(
            reason,
            "User Mode Linux 7.2 runs here; not qemu: there is no /dev/kvm"
        );
        let (name, reason) = decided(&[emulated, no_uml.clone()]);
        assert_eq!(name, "qemu");
        assert!(
            reason.starts_with("emulated, many times slower: there is no /dev/kvm"),
            "{reason}"
        );
        assert_eq!(decide(&[no_uml]), None);
    }
}
