//! Application `container`.

use super::{
    field::own,
    keys::{Key, Kind, Purpose, key},
};
use continuum_model::UserImage;

/// Containers of the user's own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Container {
    /// What they are told that endpoints send, per second.
    pub frequency: f64,
    /// What workers run.
    pub worker: UserImage,
    /// What endpoints run.
    pub endpoint: UserImage,
    /// TCP ports of workers.
    pub ports: Vec<String>,
}

pub(crate) const OPTIONS: [Key; 5] = [
    key(
        "benchmark.worker_image",
        Kind::Text,
        "for application container: image of workers, an archive (*.tar) or a name (none)",
    )
    .at(own!(Container, own => own.worker.image))
    .of(Purpose::Workers),
    key(
        "benchmark.worker_command",
        Kind::List,
        "the whole command of workers' containers (what the image says)",
    )
    .at(own!(Container, own => own.worker.command))
    .of(Purpose::Workers),
    key(
        "benchmark.endpoint_image",
        Kind::Text,
        "for application container: image of endpoints, an archive (*.tar) or a name (none)",
    )
    .at(own!(Container, own => own.endpoint.image))
    .of(Purpose::Endpoints),
    key(
        "benchmark.endpoint_command",
        Kind::List,
        "the whole command of endpoints' containers (what the image says)",
    )
    .at(own!(Container, own => own.endpoint.command))
    .of(Purpose::Endpoints),
    key(
        "benchmark.ports",
        Kind::List,
        "TCP ports that workers' containers listen on; a worker is ready when the first answers (none)",
    )
    .at(own!(Container, own => own.ports)),
];
