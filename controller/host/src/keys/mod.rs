//! Keys and certificates of one deployment: a CA of its own, one certificate per agent (server only), one for the
//! controller (client only), ssh keys for people and for each node.

mod certificates;
mod kubeedge;
mod secrets;
mod ssh;
mod validity;

pub use certificates::{Identity, Use, agent_name, authority, issue, public_key_hash};
pub use kubeedge::{sec1_key_pem, token as edge_token};
pub use secrets::Secrets;
pub use ssh::SshKey;

pub(crate) use certificates::lifetime;
pub(crate) use ssh::ssh_key;
