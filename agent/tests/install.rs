//! Service `Install`, as far as it goes on a machine that is shared: names, artifacts, refusals.

mod common;

use common::{Agent, files_below, wait::within};
use continuum_proto::{self as wire, install_client::InstallClient};
use sha2::{Digest, Sha256};
use tonic::{Code, Status};
use wire::{InstallState, upload_request};

fn artifact(name: &str, bytes: &[u8]) -> wire::Artifact {
    wire::Artifact {
        name: name.into(),
        sha256: hex::encode(Sha256::digest(bytes)),
        size_bytes: bytes.len() as u64,
        image: String::new(),
    }
}

async fn upload(agent: &Agent, artifact: wire::Artifact, bytes: &[u8]) -> Result<(), Status> {
    let mut parts = vec![upload_request::Part::Artifact(artifact)];
    let chunks = bytes.chunks(1000).map(|c| c.to_vec().into());
    parts.extend(chunks.map(upload_request::Part::Chunk));
    let parts: Vec<_> = parts
        .into_iter()
        .map(|part| wire::UploadRequest { part: Some(part) })
        .collect();
    let mut client = InstallClient::new(agent.connect().await);
    let upload = client.upload(tokio_stream::iter(parts));
    within("Upload", upload).await.map(drop)
}

async fn missing(
    agent: &Agent,
    artifacts: &[wire::Artifact],
) -> Result<Vec<wire::Artifact>, Status> {
    let mut client = InstallClient::new(agent.connect().await);
    let request = wire::MissingRequest {
        artifacts: artifacts.to_vec(),
    };
    Ok(within("Missing", client.missing(request))
        .await?
        .into_inner()
        .artifacts)
}

async fn apply(
    agent: &Agent,
    component: &str,
    options: &[(&str, &str)],
    artifacts: &[wire::Artifact],
) -> Result<Vec<wire::InstallProgress>, Status> {
    let mut client = InstallClient::new(agent.connect().await);
    let request = wire::ApplyComponentRequest {
        component: component.into(),
        options: options.iter().map(|&(k, v)| (k.into(), v.into())).collect(),
        artifacts: artifacts.to_vec(),
    };
    let mut steps = within("Apply", client.apply(request)).await?.into_inner();
    let mut seen = Vec::new();
    while let Some(step) = within("a step", steps.message()).await? {
        seen.push(step);
    }
    Ok(seen)
}

#[tokio::test]
async fn an_unknown_component_is_refused_with_the_known_ones() {
    let agent = Agent::start().await;
    let status = apply(&agent, "mqqt", &[], &[]).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "{status}");
    let text = status.message();
    assert!(
        text.contains("`mqqt`") && text.contains("there are: mqtt, containerd"),
        "{text}"
    );
}

#[tokio::test]
async fn an_unknown_backend_is_refused_with_the_known_ones() {
    let agent = Agent::start().await;
    let status = apply(&agent, "mqtt", &[("backend", "emqx")], &[])
        .await
        .unwrap_err();
    let text = status.message();
    assert!(text.contains("emqx"), "{status}");
    assert!(text.contains("rumqttd, mosquitto"), "{status}");
}

#[tokio::test]
async fn the_embedded_broker_is_there_already() {
    let agent = Agent::start().await;
    for _ in 0..2 {
        let steps = apply(&agent, "mqtt", &[("backend", "rumqttd")], &[])
            .await
            .unwrap();
        let states: Vec<_> = steps.iter().map(wire::InstallProgress::state).collect();
        assert_eq!(states, [InstallState::Unchanged]);
    }
}

#[tokio::test]
async fn nothing_is_installed_on_a_machine_that_is_shared() {
    let agent = Agent::start().await;
    for (component, options) in [
        ("containerd", &[][..]),
        ("mqtt", &[("backend", "mosquitto")]),
    ] {
        let status = apply(&agent, component, options, &[]).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
        assert!(status.message().contains("shares its machine"), "{status}");
    }
}

#[tokio::test]
async fn a_setting_that_a_component_does_not_have_is_refused() {
    let agent = Agent::start().await;
    let status = apply(&agent, "mqtt", &[("a", "b")], &[]).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "{status}");
    let text = status.message();
    assert!(text.contains("setting `a` (there are: backend)"), "{text}");
}

#[tokio::test]
async fn the_agent_names_what_it_lacks_until_it_has_it() {
    let agent = Agent::start().await;
    let (one, two) = (
        artifact("one.deb", b"first"),
        artifact("two.deb", b"second"),
    );
    let both = [one.clone(), two.clone()];
    assert_eq!(missing(&agent, &both).await.unwrap(), both);
    upload(&agent, one.clone(), b"first").await.unwrap();
    assert_eq!(
        missing(&agent, &both).await.unwrap(),
        std::slice::from_ref(&two)
    );
    upload(&agent, two, b"second").await.unwrap();
    assert!(missing(&agent, &both).await.unwrap().is_empty());
    // Once more is harmless.
    upload(&agent, one, b"first").await.unwrap();
    assert!(missing(&agent, &both).await.unwrap().is_empty());
}

#[tokio::test]
async fn without_an_artifact_its_name_and_digest_are_told() {
    let agent = Agent::start().await;
    let lacked = artifact("lacked.deb", b"never sent");
    let status = apply(&agent, "mqtt", &[], std::slice::from_ref(&lacked))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert!(status.message().contains("lacked.deb"), "{status}");
    assert!(status.message().contains(&lacked.sha256), "{status}");
}

#[tokio::test]
async fn wrong_bytes_are_refused_and_leave_nothing() {
    let agent = Agent::start().await;
    let wanted = artifact("some.deb", b"announced");
    let status = upload(&agent, wanted.clone(), b"different")
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::DataLoss, "{status}");
    assert!(status.message().contains(&wanted.sha256), "{status}");
    for bytes in [&b"announced and more"[..], b"annou", b""] {
        let status = upload(&agent, wanted.clone(), bytes).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
    assert!(files_below(&agent.data_dir()).is_empty());
    let still = missing(&agent, std::slice::from_ref(&wanted))
        .await
        .unwrap();
    assert_eq!(still, [wanted]);
}

#[tokio::test]
async fn a_damaged_artifact_is_not_used() {
    let agent = Agent::start().await;
    let wanted = artifact("some.deb", b"announced");
    upload(&agent, wanted.clone(), b"announced").await.unwrap();
    let files = files_below(&agent.data_dir());
    let path = agent.data_dir().join(&files[0]);
    // One byte shorter: what is left after a disk was full, for instance.
    std::fs::write(path, b"announce").unwrap();
    let status = apply(&agent, "mqtt", &[], std::slice::from_ref(&wanted)).await;
    assert_eq!(status.unwrap_err().code(), Code::FailedPrecondition);
    assert_eq!(
        missing(&agent, std::slice::from_ref(&wanted))
            .await
            .unwrap(),
        [wanted]
    );
}

#[tokio::test]
async fn names_and_digests_that_could_leave_the_store_are_refused() {
    let agent = Agent::start().await;
    let good = artifact("some.deb", b"x");
    for name in ["../x", "a/b", "/x", "", "..", "a\0b"] {
        let bad = wire::Artifact {
            name: name.into(),
            ..good.clone()
        };
        assert_invalid(&agent, bad).await;
    }
    for digest in ["", "../..", "abc", &"g".repeat(64), &"é".repeat(32)] {
        let bad = wire::Artifact {
            sha256: digest.into(),
            ..good.clone()
        };
        assert_invalid(&agent, bad).await;
    }
    assert!(files_below(&agent.data_dir()).is_empty());
}

async fn assert_invalid(agent: &Agent, bad: wire::Artifact) {
    let status = upload(agent, bad.clone(), b"x").await.expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument, "{bad:?}: {status}");
    let status = missing(agent, std::slice::from_ref(&bad))
        .await
        .expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument, "{bad:?}: {status}");
}
