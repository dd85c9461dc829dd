//! The user's own photos, brought to the nodes that need them.

use crate::{artifacts, session::Session};
use continuum_host::error::Error;
use continuum_model::Tier;
use continuum_workload_core::photo_sample;
use std::path::Path;

/// Sends the photos to all endpoints; returns the directory as the nodes see it, by node.
pub(super) async fn send(session: &Session, dir: &str) -> Result<Vec<(String, String)>, Error> {
    let photos = artifacts::photos_of(Path::new(dir)).map_err(|reasons| Error::Preflight {
        name: session.config.name.clone(),
        reasons,
    })?;
    // Another set of photos goes to another directory: a node takes all that it finds there.
    let mut parts = Vec::new();
    for photo in &photos {
        parts.push(photo_sample::file_name(photo));
        parts.push(continuum_images::hash::file(photo)?);
    }
    let digest = continuum_images::hash::texts(parts.iter().map(String::as_str));
    let place: String = "dataset-".chars().chain(digest.chars().take(16)).collect();
    let nodes = session.nodes().filter(|(n, _)| n.tier == Tier::Endpoint);
    let sends = nodes.map(|(node, agent)| {
        let (photos, place) = (&photos, &place);
        async move {
            let mut placed = String::new();
            for photo in photos {
                let name = photo_sample::file_name(photo);
                placed = agent.put(photo, &format!("{place}/{name}")).await?;
            }
            let dir = Path::new(&placed).parent().map(|p| p.display().to_string());
            Ok::<_, Error>((node.name.clone(), dir.unwrap_or_default()))
        }
    });
    futures_util::future::try_join_all(sends).await
}
