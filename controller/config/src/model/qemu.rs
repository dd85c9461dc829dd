//! Provider `qemu`.

use super::{
    field::field,
    keys::{Key, Kind, key},
};
use crate::choices::AcceleratorChoice;
use serde::Serialize;

/// Of guests of libvirt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Qemu {
    /// Libvirt connection.
    pub libvirt_uri: String,
    /// How guests run.
    pub accelerator: AcceleratorChoice,
}

impl Default for Qemu {
    fn default() -> Self {
        Self {
            libvirt_uri: "qemu:///system".into(),
            accelerator: AcceleratorChoice::Auto,
        }
    }
}

pub(crate) const OPTIONS: [Key; 2] = [
    key(
        "infrastructure.libvirt_uri",
        Kind::Text,
        "libvirt connection (qemu:///system)",
    )
    .at(field!(infrastructure.qemu.libvirt_uri)),
    key(
        "infrastructure.accelerator",
        Kind::Choice(AcceleratorChoice::NAMES, &[]),
        "how guests run (auto)",
    )
    .at(field!(infrastructure.qemu.accelerator)),
];
