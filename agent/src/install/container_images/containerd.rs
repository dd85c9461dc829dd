//! containerd, in the namespace where the kubelet looks for images.

use super::{IMPORT_DEADLINE, ImageStore, SHORT, archives};
use crate::{
    error::AgentError,
    install::{InstallSpec, Progress, StepState, containerd::SOCKET},
    system::System,
};
use std::collections::BTreeSet;

const NAMESPACE: &str = "--namespace=k8s.io";

pub(super) struct Containerd;

#[async_trait::async_trait]
impl ImageStore for Containerd {
    fn name(&self) -> &'static str {
        "containerd"
    }

    async fn take(
        &self,
        spec: &InstallSpec,
        system: &dyn System,
        progress: &Progress,
    ) -> Result<(), AgentError> {
        import(spec, system, progress).await
    }
}

/// Imports every archive among the artifacts whose image is not there.
pub(in crate::install) async fn import(
    spec: &InstallSpec,
    system: &dyn System,
    progress: &Progress,
) -> Result<(), AgentError> {
    let (mut imported, mut there) = (Vec::new(), Vec::new());
    let archives: Vec<_> = archives(spec).collect();
    let present = if archives.is_empty() {
        BTreeSet::new()
    } else {
        progress.report(
            "images",
            StepState::Running,
            "asking containerd which it has",
        );
        let wanted = archives.iter().map(|(a, _)| &*a.image);
        present(system, wanted).await?
    };
    for (artifact, path) in archives {
        let name = artifact.name.trim_end_matches(".tar").to_owned();
        if present.contains(&artifact.image) {
            there.push(name);
            continue;
        }
        progress.report(
            "images",
            StepState::Running,
            format!("importing {}", artifact.name),
        );
        let path = path.display().to_string();
        // By way of containerd's transfer service it takes a third longer.
        let import = ["ctr", NAMESPACE, "images", "import", "--local", &path];
        system.run(&import, IMPORT_DEADLINE).await?;
        imported.push(name);
    }
    if imported.is_empty() {
        progress.report("images", StepState::Unchanged, there.join(", "));
    } else {
        progress.report("images", StepState::Done, imported.join(", "));
    }
    Ok(())
}

/// Those of some images, all as `NAME@DIGEST`, that containerd has; asked once for all, since each question is a process,
/// and for these alone: it reads the manifest and the configuration of each that it lists, two seconds' work under emulation.
/// Without containerd there are none; one that does not answer is an error, since everything after would wait for it too.
pub(crate) async fn present(
    system: &dyn System,
    wanted: impl Iterator<Item = &str>,
) -> Result<BTreeSet<String>, AgentError> {
    if !system.exists(SOCKET).await {
        return Ok(BTreeSet::new());
    }
    let names: BTreeSet<&str> = wanted
        .filter_map(|image| image.split('@').next())
        .filter(|name| !name.is_empty())
        .collect();
    // Without a filter it would list all.
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    let filters: Vec<String> = names.iter().map(|name| format!("name=={name}")).collect();
    let filters = filters.iter().map(String::as_str);
    let list = ["ctr", NAMESPACE, "images", "list"];
    let argv: Vec<&str> = list.into_iter().chain(filters).collect();
    let listed = system.run(&argv, SHORT).await?;
    let image = |line: &str| {
        // Name, type, digest, and more.
        let mut words = line.split_whitespace();
        let (name, digest) = (words.next()?, words.nth(1)?);
        digest
            .starts_with("sha256:")
            .then(|| format!("{name}@{digest}"))
    };
    Ok(listed.lines().filter_map(image).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{store::Artifact, system::fake::RecordingSystem};
    use std::path::PathBuf;

    #[tokio::test]
    async fn an_image_of_the_same_digest_is_not_imported_again() {
        let system = RecordingSystem {
            answers: vec![(
                "ctr --namespace=k8s.io images list name==local/tool:1",
                "local/tool:1 x/y sha256:aa 1 MiB",
            )],
            ..RecordingSystem::default()
        };
        system.present.lock().unwrap().insert(SOCKET.to_owned());
        let progress = Progress::new(tokio::sync::mpsc::unbounded_channel().0);
        let spec = |digest: &str| {
            let artifact = Artifact {
                name: "tool.tar".into(),
                sha256: "0".repeat(64),
                size_bytes: 1,
                image: format!("local/tool:1@{digest}"),
            };
            InstallSpec {
                artifacts: vec![(artifact, PathBuf::from("/a/tool.tar"))],
                ..InstallSpec::default()
            }
        };
        for (digest, imports) in [("sha256:aa", 0), ("sha256:bb", 1)] {
            import(&spec(digest), &system, &progress).await.unwrap();
            let commands = system.commands.lock().unwrap().clone();
            let count = commands.iter().filter(|c| c.contains("import")).count();
            assert_eq!(count, imports, "{commands:?}");
        }
    }

    #[tokio::test]
    async fn a_silent_containerd_is_an_error_and_none_has_no_images() {
        let system = RecordingSystem {
            fail_on: Some("ctr --namespace=k8s.io images list".to_owned()),
            ..RecordingSystem::default()
        };
        let wanted = || ["local/tool:1@sha256:aa"].into_iter();
        assert!(present(&system, wanted()).await.unwrap().is_empty());
        system.present.lock().unwrap().insert(SOCKET.to_owned());
        let error = present(&system, wanted()).await.unwrap_err().to_string();
        assert!(error.contains("images list"), "{error}");
    }
}
