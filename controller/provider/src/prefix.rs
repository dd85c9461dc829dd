//! Which addresses a deployment gets.

use super::Provider;
use continuum_config::Config;
use continuum_host::{context::Context, error::Error, state::Deployment};
use continuum_model::{Prefix, Prefixes};

/// Claims a /24: the one asked for, or the first free one. Prefixes of other deployments of this host are taken too.
/// The caller holds the claim until the prefix is reserved.
pub async fn claim_prefix(
    context: &Context,
    provider: &dyn Provider,
    config: &Config,
    own: &str,
) -> Result<Prefix, Error> {
    let mut recorded = Vec::new();
    for name in context.root.names()? {
        if name != own
            && let Ok(Some(other)) = Deployment::load(&context.root, &name)
        {
            recorded.extend(other.prefix());
        }
    }
    let prefixes = prefixes(provider, config);
    let candidates: Vec<u8> = match config.infrastructure.middle_ip {
        Some(c) => vec![c],
        // Upstream's default first.
        None => (100..=254).chain(1..100).collect(),
    };
    for c in candidates {
        let prefix = prefixes.get(c);
        if !recorded.contains(&prefix) && !provider.is_taken(context, config, prefix).await? {
            return Ok(prefix);
        }
    }
    let what = config.infrastructure.middle_ip.map_or_else(
        || format!("every network of {} is in use", prefixes.net()),
        |c| {
            format!(
                "network {} is in use; leave middle_ip out to get the next free one",
                prefixes.get(c)
            )
        },
    );
    Err(Error::Preflight {
        name: own.to_owned(),
        reasons: vec![what],
    })
}

/// The prefix of a plan that is only looked at: without asking anybody, the first that would be claimed.
pub fn likely_prefix(provider: &dyn Provider, config: &Config) -> Prefix {
    prefixes(provider, config).get(config.infrastructure.middle_ip.unwrap_or(100))
}

fn prefixes(provider: &dyn Provider, config: &Config) -> Prefixes {
    let given = config.infrastructure.prefix_ip;
    given.unwrap_or(provider.capabilities().default_prefixes)
}
