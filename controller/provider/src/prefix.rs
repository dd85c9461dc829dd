//! Which addresses a deployment gets.

use super::Provider;
use continuum_config::Config;
use continuum_host::{context::Context, error::Error, state::Deployment};
use continuum_model::Prefix;

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
    let (a, b) = first_numbers(provider, config);
    let candidates: Vec<u8> = match config.infrastructure.middle_ip {
        Some(c) => vec![c],
        // Upstream's default first.
        None => (100..=254).chain(1..100).collect(),
    };
    for c in candidates {
        let prefix = Prefix([a, b, c]);
        if !recorded.contains(&prefix) && !provider.is_taken(context, config, prefix).await? {
            return Ok(prefix);
        }
    }
    let what = config.infrastructure.middle_ip.map_or_else(
        || format!("every network of {a}.{b}.0.0/16 is in use"),
        |c| {
            format!(
                "network {} is in use; leave middle_ip out to get the next free one",
                Prefix([a, b, c])
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
    let (a, b) = first_numbers(provider, config);
    Prefix([a, b, config.infrastructure.middle_ip.unwrap_or(100)])
}

/// A checked config has two numbers there, or none.
fn first_numbers(provider: &dyn Provider, config: &Config) -> (u8, u8) {
    let given = config.infrastructure.prefix_ip.as_ref().and_then(|text| {
        let (a, b) = text.split_once('.')?;
        Some((a.parse().ok()?, b.parse().ok()?))
    });
    given.unwrap_or_else(|| provider.capabilities().default_prefix)
}
