//! Execution model `openfaas`.

use super::{
    field::{Access, Field, field},
    keys::{CfgUnit, Key, Kind, both, key, unit},
};
use crate::choices::OpenFaasDistribution;
use serde::Serialize;

/// Of the gateway.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct OpenFaas {
    #[serde(rename = "openfaas")]
    pub distribution: OpenFaasDistribution,
    /// For distribution `upstream`: its terms were read.
    #[serde(rename = "accept_openfaas_terms")]
    pub accept_terms: bool,
    /// For distribution `upstream`: `NAME=IMAGE` of its programs.
    #[serde(rename = "openfaas_images")]
    pub images: Vec<String>,
}

pub(crate) const OPTIONS: [Key; 3] = [
    unit(
        "software.openfaas",
        "execution_model",
        "distribution",
        CfgUnit::Lowercase,
        Kind::Choice(OpenFaasDistribution::NAMES, &[]),
        "for openfaas: our own gateway, or the real one by references to its images (builtin)",
    )
    .at(Access {
        put: field!(software.openfaas.distribution).put,
        get: |config| {
            let (model, own) = (&config.software.execution_model, &config.software.openfaas);
            let says_something = model.is_some() || *own != OpenFaas::default();
            says_something.then(|| own.distribution.get())?
        },
    }),
    both(
        "software.accept_openfaas_terms",
        "execution_model",
        "accept_openfaas_terms",
        Kind::Bool,
        "for distribution upstream: you have read its terms and accept them (false)",
    )
    .at(field!(software.openfaas.accept_terms))
    .quiet(),
    key(
        "software.openfaas_images",
        Kind::List,
        "for distribution upstream: NAME=IMAGE, an archive (*.tar) or a name, of gateway, faas-netes, queue-worker and nats (none)",
    )
    .at(field!(software.openfaas.images)),
];
