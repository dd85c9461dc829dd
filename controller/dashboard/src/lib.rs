//! A page that shows a deployment while it runs, and what Prometheus reads of it.
//!
//! Nothing can be commanded from it. Whoever has the deployment implements [`Source`]; agents are followed by [`Feed`],
//! whose ten minutes of history every page that connects is given first.

mod access;
mod feed;
mod functions;
mod history;
mod metrics;
mod overview;
mod page;
mod panels;
mod server;
mod source;
mod view;

pub use access::Access;
pub use feed::Feed;
pub use functions::FunctionLook;
pub use overview::NodeOverview;
pub use panels::{Application, ApplicationPoint, ClusterView};
pub use server::serve;
pub use source::{ClockOffsets, Source};
pub use view::{CutLink, LinkView, NodeView, PastResult, Status, Topology, Work};
