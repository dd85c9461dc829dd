//! What a measurement costs those that are measured.

#[derive(Debug, Default)]
pub(super) struct Cost {
    pub(super) network_bytes: u64,
    pub(super) disk_bytes: u64,
}
