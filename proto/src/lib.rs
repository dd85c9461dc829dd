//! Wire types of the Continuum controller and agents, generated from `proto/continuum/v1/*.proto`.
//!
//! The generated code is committed, so a build needs neither `protoc` nor a build script;
//! `tests/bootstrap.rs` generates it anew and fails on a difference.
//! `UPDATE_PROTO=1 cargo test -p continuum-proto` writes it.
//!
//! Invariant: this crate is a leaf, and its types stop at the edges of the others
//! (`agents/grpc` in the controller, `server/` in the agent); only samples are the same inside of the agent.

mod generated {
    #![allow(warnings, clippy::all, clippy::pedantic, missing_docs)]
    include!("generated/continuum.v1.rs");
}

pub use generated::*;

/// All services as an encoded `FileDescriptorSet`, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptor.bin");

/// Controller and agent must agree on this number; it grows when a change of the wire is not compatible.
pub const PROTOCOL_VERSION: u32 = 1;
