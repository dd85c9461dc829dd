//! The user's own photos, brought to the nodes that need them.

use crate::{
    agents::{Agent, GrpcAgent},
    config::Tier,
    error::Error,
    plan::Plan,
};
use std::path::Path;

/// Sends the photos to all endpoints; returns the directory as the nodes see it, by node.
pub(super) async fn dataset(
    dir: &str,
    plan: &Plan,
    agents: &[GrpcAgent],
) -> Result<Vec<(String, String)>, Error> {
    let mut photos = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::file("list", dir))? {
        let path = entry.map_err(Error::file("list", dir))?.path();
        let is_jpeg = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("jpg") || e.eq_ignore_ascii_case("jpeg"));
        if is_jpeg {
            photos.push(path);
        }
    }
    if photos.is_empty() {
        return Err(Error::other(
            format!("use dataset `{dir}`"),
            "it has no .jpg or .jpeg file",
        ));
    }
    photos.sort();
    // Another set of photos goes to another directory: a node takes all that it finds there.
    let mut parts = Vec::new();
    for photo in &photos {
        parts.push(
            photo
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        );
        parts.push(continuum_images::hash::file(photo)?);
    }
    let digest = continuum_images::hash::texts(parts.iter().map(String::as_str));
    let place: String = "dataset-".chars().chain(digest.chars().take(16)).collect();
    let nodes = agents
        .iter()
        .zip(&plan.nodes)
        .filter(|(_, n)| n.tier == Tier::Endpoint);
    let sends = nodes.map(|(agent, node)| {
        let (photos, place) = (&photos, &place);
        async move {
            let mut placed = String::new();
            for photo in photos {
                let name = photo
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                placed = agent.put(photo, &format!("{place}/{name}")).await?;
            }
            let dir = Path::new(&placed).parent().map(|p| p.display().to_string());
            Ok::<_, Error>((node.name.clone(), dir.unwrap_or_default()))
        }
    });
    futures_util::future::try_join_all(sends).await
}
