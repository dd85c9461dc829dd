//! The user's own photos, brought to the nodes that need them.

use crate::{
    agents::{Agent, GrpcAgent},
    config::Tier,
    error::Error,
    plan::Plan,
};
use std::path::Path;

/// Directory below the agent's files.
const DIR: &str = "dataset";

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
    let nodes = agents
        .iter()
        .zip(&plan.nodes)
        .filter(|(_, n)| n.tier == Tier::Endpoint);
    let sends = nodes.map(|(agent, node)| {
        let photos = &photos;
        async move {
            let mut placed = String::new();
            for photo in photos {
                let name = photo
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                placed = agent.put(photo, &format!("{DIR}/{name}")).await?;
            }
            let dir = Path::new(&placed).parent().map(|p| p.display().to_string());
            Ok::<_, Error>((node.name.clone(), dir.unwrap_or_default()))
        }
    });
    futures_util::future::try_join_all(sends).await
}
