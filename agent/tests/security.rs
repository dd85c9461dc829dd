//! Mutual TLS or nothing: who may talk to an agent, and whom a controller believes to be one.

mod common;

use common::{
    Agent, Setup, info,
    keys::Authority,
    wait::{eventually, within},
};
use continuum_agent::error::chain;
use std::net::IpAddr;
use tonic::transport::Endpoint;

/// One call over a new connection: `Ok` if it was answered, else everything that is known about the failure.
async fn call(endpoint: &Endpoint) -> Result<(), String> {
    let channel = endpoint.connect().await.map_err(|e| chain(&e))?;
    info(channel).await.map(drop).map_err(|e| chain(&e))
}

/// No attempt may be answered, and the refusal has the reason given.
///
/// More than one attempt, because a reset of the connection may overtake the alert that says why.
async fn assert_refused(agent: &Agent, endpoint: Endpoint, reason: &str) {
    eventually(&format!("a refusal for `{reason}`"), async || {
        let Err(error) = call(&endpoint).await else {
            panic!("the call was answered");
        };
        if error.contains(reason) {
            Ok(())
        } else {
            Err(error)
        }
    })
    .await;
    assert_still_serves(agent).await;
}

async fn assert_still_serves(agent: &Agent) {
    let answer = info(agent.connect().await).await.expect("an answer");
    assert_eq!(answer.node, "node0");
    assert!(!agent.log().contains("panicked"), "{}", agent.log());
}

#[tokio::test]
async fn the_controllers_certificate_is_accepted() {
    let agent = Agent::start().await;
    let endpoint = agent.endpoint(
        &agent.setup.authority.certificate_pem,
        Some(&agent.setup.controller),
    );
    assert_eq!(call(&endpoint).await, Ok(()));
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let agent = Agent::start().await;
    let endpoint = agent.endpoint(&agent.setup.authority.certificate_pem, None);
    assert_refused(&agent, endpoint, "CertificateRequired").await;
}

#[tokio::test]
async fn a_certificate_of_another_deployment_is_refused() {
    let agent = Agent::start().await;
    // The same names: only the key of the authority differs.
    let stranger = Authority::new("continuum test").controller();
    let endpoint = agent.endpoint(&agent.setup.authority.certificate_pem, Some(&stranger));
    assert_refused(&agent, endpoint, "DecryptError").await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let agent = Agent::start().await;
    let expired = agent.setup.authority.expired_controller();
    let endpoint = agent.endpoint(&agent.setup.authority.certificate_pem, Some(&expired));
    assert_refused(&agent, endpoint, "CertificateExpired").await;
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_is_refused() {
    let agent = Agent::start().await;
    let early = agent.setup.authority.early_controller();
    let endpoint = agent.endpoint(&agent.setup.authority.certificate_pem, Some(&early));
    assert_refused(&agent, endpoint, "CertificateExpired").await;
}

#[tokio::test]
async fn an_agent_cannot_command_another_with_its_own_certificate() {
    let agent = Agent::start().await;
    let other = agent.setup.authority.agent(IpAddr::V4(agent.setup.address));
    let endpoint = agent.endpoint(&agent.setup.authority.certificate_pem, Some(&other));
    assert_refused(&agent, endpoint, "UnsupportedCertificate").await;
}

#[tokio::test]
async fn a_connection_without_tls_is_refused() {
    let agent = Agent::start().await;
    let endpoint = Endpoint::from_shared(format!("http://{}", agent.listen())).unwrap();
    assert_refused(&agent, endpoint, "").await;
}

#[tokio::test]
async fn a_controller_refuses_an_agent_of_another_deployment() {
    let agent = Agent::start().await;
    let other = Authority::new("continuum test");
    let endpoint = agent.endpoint(&other.certificate_pem, Some(&agent.setup.controller));
    assert_refused(&agent, endpoint, "invalid peer certificate").await;
}

#[tokio::test]
async fn a_controllers_certificate_does_not_make_an_agent() {
    let setup = Setup::new();
    setup.write("agent.pem", &setup.controller.certificate_pem);
    setup.write("agent.key", &setup.controller.key_pem);
    let agent = setup.start().await;
    let endpoint = agent.endpoint(
        &agent.setup.authority.certificate_pem,
        Some(&agent.setup.controller),
    );
    let error = call(&endpoint).await.unwrap_err();
    assert!(error.contains("invalid peer certificate"), "{error}");
}

#[tokio::test]
async fn connections_that_say_nothing_do_not_keep_the_controller_out() {
    let agent = Agent::start().await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(
            tokio::net::TcpStream::connect(agent.listen())
                .await
                .unwrap(),
        );
    }
    assert_still_serves(&agent).await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    use tokio::io::AsyncReadExt;
    let agent = Agent::start().await;
    // Else whoever reaches the port could use up the agent's file descriptors.
    let mut silent = tokio::net::TcpStream::connect(agent.listen())
        .await
        .unwrap();
    let mut answer = Vec::new();
    let end = within("the agent to close it", silent.read_to_end(&mut answer));
    end.await.ok();
}

/// It must end by itself, with an exit code that is not 0, and say which file it misses.
async fn assert_does_not_start(setup: Setup, name: &str) {
    let mut agent = setup.spawn();
    let status = agent.exit_status().await;
    assert!(status.code().is_some_and(|c| c != 0), "{status}");
    let path = agent.setup.path(name).display().to_string();
    assert!(agent.log().contains(&path), "{}", agent.log());
}

#[tokio::test]
async fn without_one_of_its_files_an_agent_does_not_start() {
    for name in ["ca.pem", "agent.pem", "agent.key"] {
        let setup = Setup::new();
        std::fs::remove_file(setup.path(name)).unwrap();
        assert_does_not_start(setup, name).await;
    }
}

#[tokio::test]
async fn with_an_empty_file_an_agent_does_not_start() {
    for name in ["ca.pem", "agent.pem", "agent.key"] {
        let setup = Setup::new();
        setup.write(name, "");
        assert_does_not_start(setup, name).await;
    }
}

#[tokio::test]
async fn with_a_key_in_place_of_the_authority_an_agent_does_not_start() {
    let setup = Setup::new();
    setup.write("ca.pem", &setup.controller.key_pem);
    let mut agent = setup.spawn();
    let status = agent.exit_status().await;
    assert!(status.code().is_some_and(|c| c != 0), "{status}");
}

#[tokio::test]
async fn with_a_key_that_is_not_its_own_an_agent_does_not_start() {
    let setup = Setup::new();
    setup.write("agent.key", &setup.controller.key_pem);
    let mut agent = setup.spawn();
    let status = agent.exit_status().await;
    assert!(status.code().is_some_and(|c| c != 0), "{status}");
}
