//! Guest images and workload bundles, made from Debian packages and our own programs.
//!
//! ```text
//! packages.toml ── apt ──> lock (name, version, sha256) + .debs in the cache
//!        lock ── root ──> package tree, cached by the lock's digest
//!   build root ── binaries ──> continuum-agent, continuum-workload, continuum-workload-torch (cached by sources)
//!   binaries + libraries + weights + photos ── bundle ──> workload bundle (cached by content)
//!   guest tree + overlay + agent + bundle ── guest ──> ext4 -> qcow2, kernel, initrd, manifest
//!   qcow2 ── raw ──> the same as a plain file, for guests that are processes
//! ```
//! Each step has a key made of its inputs; a step whose result is in the cache is not done again, and a result gets
//! its final name only when it is complete.
//!
//! Invariants: no key, password or machine id in an image. Everything downloaded has a digest that is checked
//! before use. Programs are started in `process` only, argv, never a shell.

pub mod apt;
pub mod archive;
pub mod binaries;
pub mod build;
mod bundle;
pub mod cache;
pub mod components;
mod containers;
pub mod error;
pub mod ext4;
pub mod guest;
pub mod hash;
mod initrd;
pub mod leftovers;
pub mod oci;
pub mod package_lock;
pub mod package_tree;
mod process;
pub mod raw;
mod sandbox;
pub mod spec;
pub mod store;
pub mod templates;
mod weights;

/// All time stamps in images: 2026-01-01, so that the same input gives the same bytes.
pub(crate) const SOURCE_DATE_EPOCH: u64 = 1_767_225_600;
