//! What exists, on disk: one directory per deployment, an intent written before each thing is made.

mod address_lock;
mod dirs;
mod lock;
mod login;
mod store;
#[cfg(feature = "test-hooks")]
mod write_hook;

pub use address_lock::AddressLock;
#[cfg(feature = "test-hooks")]
pub use address_lock::claim_apart;
pub use dirs::{StateRoot, write_secret};
pub use lock::{Lock, LockKind};
pub use login::{login_owner, login_user};
pub use store::{Deployment, Phase, Resource, ResourceKind, ResourceState, SCHEMA_VERSION};
#[cfg(feature = "test-hooks")]
pub use write_hook::{Moment, watch_writes};
