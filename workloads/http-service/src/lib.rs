//! What the HTTP servers for functions share: connections within limits, an end that loses no call, and how options are
//! written.

mod accept;
mod options;
mod signals;

pub use accept::{Limits, Peer, accept};
pub use options::duration;
pub use signals::until_told_to_end;
