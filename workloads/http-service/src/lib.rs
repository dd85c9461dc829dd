//! What the HTTP servers for functions share: connections within limits, an end that loses no call, connections that
//! change their protocol, calls over TLS, and how options are written.

mod accept;
mod headers;
mod options;
mod signals;
mod tls;
mod upgrade;

pub use accept::{Connection, Limits, MAX_HEADERS, Peer, accept};
pub use continuum_common::error::chain;
pub use headers::strip;
pub use options::{duration, parse};
pub use signals::until_told_to_end;
pub use tls::{Connector, connector};
pub use upgrade::Upgrade;
