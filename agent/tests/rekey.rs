//! `Node.Rekey`: from then on the agent has another certificate and believes another authority.

mod common;

use common::{
    Agent, chain, info,
    keys::{Authority, Identity},
    wait::within,
};
use continuum_proto::{self as wire, metrics_client::MetricsClient, node_client::NodeClient};
use std::{net::IpAddr, os::unix::fs::PermissionsExt};
use tonic::Status;

async fn rekey(agent: &Agent, ca_pem: &str, new: &Identity) -> Result<(), Status> {
    let mut client = NodeClient::new(agent.connect().await);
    let rekey = client.rekey(wire::RekeyRequest {
        ca_pem: ca_pem.into(),
        certificate_pem: new.certificate_pem.clone(),
        key_pem: new.key_pem.clone(),
    });
    within("Rekey", rekey).await.map(drop)
}

/// Who the agent says it is, over a new connection with these certificates.
async fn call(agent: &Agent, ca_pem: &str, own: &Identity) -> Result<String, String> {
    let connect = agent.endpoint(ca_pem, Some(own));
    let channel = within("a connection", connect.connect()).await;
    let answer = info(channel.map_err(|e| chain(&e))?).await;
    answer.map(|a| a.node).map_err(|e| chain(&e))
}

async fn assert_old_ones_work(agent: &Agent) {
    let ca_pem = &agent.setup.authority.certificate_pem;
    let answer = call(agent, ca_pem, &agent.setup.controller).await;
    assert_eq!(answer.as_deref(), Ok("node0"));
}

#[tokio::test]
async fn the_new_certificates_work_and_the_old_ones_do_not() {
    let agent = Agent::start().await;
    let old = (&agent.setup.authority, &agent.setup.controller);
    let new = Authority::new("continuum test");
    let identity = new.agent(IpAddr::V4(agent.setup.address));
    let controller = new.controller();
    rekey(&agent, &new.certificate_pem, &identity)
        .await
        .unwrap();
    let answer = call(&agent, &new.certificate_pem, &controller).await;
    assert_eq!(answer.as_deref(), Ok("node0"));
    // The agent refuses the old controller, and the old controller the new agent.
    let refusals = [
        call(&agent, &new.certificate_pem, old.1).await,
        call(&agent, &old.0.certificate_pem, old.1).await,
        call(&agent, &old.0.certificate_pem, &controller).await,
    ];
    for (n, refusal) in refusals.into_iter().enumerate() {
        assert!(refusal.is_err(), "case {n} was answered");
    }
    assert!(!agent.log().contains(&identity.key_pem));
}

#[tokio::test]
async fn the_files_are_replaced_and_the_key_is_the_owners_only() {
    let agent = Agent::start().await;
    let new = Authority::new("continuum test");
    let identity = new.agent(IpAddr::V4(agent.setup.address));
    let before = names(&agent);
    rekey(&agent, &new.certificate_pem, &identity)
        .await
        .unwrap();
    let read = |name| std::fs::read_to_string(agent.setup.path(name)).unwrap();
    assert_eq!(read("ca.pem"), new.certificate_pem);
    assert_eq!(read("agent.pem"), identity.certificate_pem);
    assert_eq!(read("agent.key"), identity.key_pem);
    let key = std::fs::metadata(agent.setup.path("agent.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    assert_eq!(names(&agent), before, "something was left beside them");
}

fn names(agent: &Agent) -> Vec<String> {
    common::files_below(&agent.setup.path(""))
}

#[tokio::test]
async fn a_stream_that_is_open_goes_on() {
    let agent = Agent::start().await;
    let mut client = MetricsClient::new(agent.connect().await);
    let request = wire::StreamMetricsRequest::default();
    let mut stream = client.stream(request).await.unwrap().into_inner();
    within("a sample", stream.message()).await.unwrap().unwrap();
    let new = Authority::new("continuum test");
    let identity = new.agent(IpAddr::V4(agent.setup.address));
    rekey(&agent, &new.certificate_pem, &identity)
        .await
        .unwrap();
    for _ in 0..2 {
        within("a sample", stream.message()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn it_can_be_done_again_and_survives_a_restart() {
    let agent = Agent::start().await;
    let mut authority = Authority::new("first");
    let mut controller = authority.controller();
    let identity = authority.agent(IpAddr::V4(agent.setup.address));
    rekey(&agent, &authority.certificate_pem, &identity)
        .await
        .unwrap();
    for name in ["second", "third"] {
        let next = Authority::new(name);
        let identity = next.agent(IpAddr::V4(agent.setup.address));
        let endpoint = agent.endpoint(&authority.certificate_pem, Some(&controller));
        let mut client = NodeClient::new(endpoint.connect().await.unwrap());
        let request = wire::RekeyRequest {
            ca_pem: next.certificate_pem.clone(),
            certificate_pem: identity.certificate_pem,
            key_pem: identity.key_pem,
        };
        within("Rekey", client.rekey(request)).await.unwrap();
        (controller, authority) = (next.controller(), next);
        let answer = call(&agent, &authority.certificate_pem, &controller).await;
        assert_eq!(answer.as_deref(), Ok("node0"));
    }
    let agent = agent.restart().await;
    let answer = call(&agent, &authority.certificate_pem, &controller).await;
    assert_eq!(answer.as_deref(), Ok("node0"));
}

#[tokio::test]
async fn a_set_that_does_not_fit_is_refused_and_the_old_one_stays() {
    let agent = Agent::start().await;
    let new = Authority::new("continuum test");
    let good = new.agent(IpAddr::V4(agent.setup.address));
    let before = names(&agent);
    let with = |certificate_pem: &str, key_pem: &str| Identity {
        certificate_pem: certificate_pem.into(),
        key_pem: key_pem.into(),
    };
    let stranger = new.agent(IpAddr::V4(agent.setup.address));
    let cases = [
        (
            "another's key",
            &*new.certificate_pem,
            with(&good.certificate_pem, &stranger.key_pem),
        ),
        (
            "no key",
            &new.certificate_pem,
            with(&good.certificate_pem, ""),
        ),
        (
            "no certificate",
            &new.certificate_pem,
            with("", &good.key_pem),
        ),
        ("no authority", "", good.clone()),
        ("a key as authority", &good.key_pem, good.clone()),
        ("text", "text", with("text", "text")),
    ];
    for (what, ca_pem, identity) in cases {
        let status = rekey(&agent, ca_pem, &identity).await.expect_err(what);
        // By the agent, not by the transport.
        assert!(
            status.message().starts_with("failed to "),
            "{what}: {status}"
        );
        assert_old_ones_work(&agent).await;
        assert_eq!(names(&agent), before, "{what} left something");
    }
    let agent = agent.restart().await;
    assert_old_ones_work(&agent).await;
}
