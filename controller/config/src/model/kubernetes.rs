//! Managers `kubernetes` and `kubeedge`: the versions of their control plane.

use super::{
    field::field,
    keys::{Key, Kind, both},
};
use serde::Serialize;

/// Of a control plane.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Kubernetes {
    /// As v1.35.4; `None` = the catalogue's default.
    pub kube_version: Option<String>,
}

pub(crate) const OPTIONS: [Key; 1] = [both(
    "software.kube_version",
    "benchmark",
    "kube_version",
    Kind::Text,
    "Kubernetes version (the catalogue's)",
)
.at(field!(software.kubernetes.kube_version))];
