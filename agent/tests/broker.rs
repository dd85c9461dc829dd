//! Service `Broker`: the supervised MQTT broker, with a real MQTT client. Its limits are in `broker_limits.rs`.

mod common;

use common::{
    Agent, Setup,
    mqtt::{self, Connection},
    wait::{self, eventually, within},
};
use continuum_proto::{self as wire, broker_client::BrokerClient};
use rustix::process::Signal;
use tonic::Code;

#[tokio::test]
async fn what_is_published_arrives() {
    let agent = Agent::start().await;
    let stats = mqtt::start_broker(&agent).await;
    assert!(stats.running && stats.pid > 0, "{stats:?}");
    assert_eq!(
        (stats.backend.as_str(), stats.restarts),
        ("rumqttd", 0),
        "{stats:?}"
    );
    assert_eq!(stats.listen, agent.broker().to_string());
    let mut subscriber = Connection::open(agent.broker(), "subscriber").await;
    subscriber.subscribe("photos/#").await;
    let mut publisher = Connection::open(agent.broker(), "publisher").await;
    publisher
        .publish("photos/endpoint0", b"a photo".to_vec())
        .await;
    let (topic, payload) = subscriber.next_message().await;
    assert_eq!(
        (topic.as_str(), &*payload),
        ("photos/endpoint0", &b"a photo"[..])
    );
}

#[tokio::test]
async fn its_counters_and_size_are_told() {
    let agent = Agent::start().await;
    mqtt::start_broker(&agent).await;
    let mut publisher = Connection::open(agent.broker(), "publisher").await;
    // Twice, because the sum must not begin anew with each report.
    for (more, sum) in [(3, 3), (2, 5)] {
        for _ in 0..more {
            publisher.publish("some/topic", b"x".to_vec()).await;
        }
        let what = format!("counters of 1 connection and {sum} messages");
        eventually(&what, async || {
            let stats = mqtt::stats(&agent).await;
            let counted = (stats.connections, stats.publishes);
            if counted == (Some(1), Some(sum)) && stats.rss_bytes > 0 {
                Ok(())
            } else {
                Err(format!("{stats:?}"))
            }
        })
        .await;
    }
}

#[tokio::test]
async fn its_log_is_plain_text() {
    let agent = Agent::start().await;
    mqtt::start_broker(&agent).await;
    let lines = eventually("the broker's first line", async || {
        let request = wire::LogsRequest {
            source: "broker".into(),
            tail_lines: 0,
        };
        let mut client = wire::node_client::NodeClient::new(agent.connect().await);
        let answers = client.logs(request).await.map_err(|s| s.to_string())?;
        let batch = answers.into_inner().message().await;
        let batch = batch.map_err(|s| s.to_string())?;
        batch.map(|b| b.lines).ok_or("none yet".to_owned())
    })
    .await;
    let listen = agent.broker().to_string();
    assert!(lines.iter().any(|l| l.contains(&listen)), "{lines:?}");
    assert!(lines.iter().all(|l| !l.contains('\x1b')), "{lines:?}");
}

#[tokio::test]
async fn starting_it_twice_changes_nothing() {
    let agent = Agent::start().await;
    let first = mqtt::start_broker(&agent).await;
    let mut client = Connection::open(agent.broker(), "before").await;
    let second = mqtt::start_broker(&agent).await;
    assert_eq!((first.pid, second.restarts), (second.pid, 0));
    // The connection made before is still the same.
    client.publish("some/topic", b"x".to_vec()).await;
}

#[tokio::test]
async fn another_specification_replaces_it() {
    let agent = Agent::start().await;
    let first = mqtt::start_broker(&agent).await;
    let mut request = mqtt::specification(&agent);
    request.max_payload_bytes *= 2;
    let second = mqtt::start_broker_as(&agent, request).await.unwrap();
    assert_ne!(first.pid, second.pid);
    assert!(second.running && second.restarts == 0, "{second:?}");
    wait::ended("the broker before", first.pid).await;
    Connection::open(agent.broker(), "client").await;
}

#[tokio::test]
async fn a_killed_broker_comes_back_and_clients_connect_again() {
    let agent = Agent::start().await;
    let before = mqtt::start_broker(&agent).await;
    let mut client = Connection::open(agent.broker(), "client").await;
    wait::signal(before.pid, Signal::KILL);
    client.closed().await;
    let after = eventually("the broker to run again", async || {
        let stats = mqtt::stats(&agent).await;
        if stats.running && stats.pid != before.pid {
            Ok(stats)
        } else {
            Err(format!("{stats:?}"))
        }
    })
    .await;
    assert_eq!(after.restarts, 1);
    eventually("a client to connect again", async || {
        Connection::try_open(agent.broker(), "again")
            .await
            .map(drop)
    })
    .await;
    let mut subscriber = Connection::open(agent.broker(), "subscriber").await;
    subscriber.subscribe("t").await;
    subscriber.publish("t", b"after".to_vec()).await;
    assert_eq!(&*subscriber.next_message().await.1, b"after");
    assert!(
        agent.log().contains("broker: ended (signal: 9"),
        "the event is not in the log"
    );
}

#[tokio::test]
async fn stopping_ends_it_and_it_can_be_started_again() {
    let agent = Agent::start().await;
    let before = mqtt::start_broker(&agent).await;
    for _ in 0..2 {
        let mut client = BrokerClient::new(agent.connect().await);
        let stop = client.stop(wire::StopBrokerRequest {});
        within("Stop", stop).await.unwrap();
    }
    assert!(!wait::is_running(before.pid));
    assert_eq!(
        mqtt::stats(&agent).await,
        wire::BrokerStatsResponse::default()
    );
    let again = mqtt::start_broker(&agent).await;
    assert!(again.running && again.pid != before.pid, "{again:?}");
}

#[tokio::test]
async fn somebody_else_on_its_port_is_not_taken_for_it() {
    let agent = Agent::start().await;
    let other = std::net::TcpListener::bind(agent.broker()).unwrap();
    let status = mqtt::start_broker_as(&agent, mqtt::specification(&agent))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists, "{status}");
    let listen = agent.broker().to_string();
    assert!(status.message().contains(&listen), "{status}");
    assert!(!mqtt::stats(&agent).await.running);
    drop(other);
    mqtt::start_broker(&agent).await;
}

#[tokio::test]
async fn one_that_never_comes_up_is_given_up() {
    let setup = Setup::new();
    let config = std::fs::read_to_string(setup.path("agent.toml")).unwrap();
    setup.write("agent.toml", &format!("{config}helper = \"/bin/false\"\n"));
    let agent = setup.start().await;
    let status = mqtt::start_broker_as(&agent, mqtt::specification(&agent))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    let listen = agent.broker().to_string();
    assert!(status.message().contains(&listen), "{status}");
    assert!(!mqtt::stats(&agent).await.running);
}

#[tokio::test]
async fn a_specification_that_makes_no_sense_is_refused() {
    type Change = fn(&mut wire::StartBrokerRequest);
    let agent = Agent::start().await;
    let cases: [(Change, Code, &str); 6] = [
        (
            |r| r.backend = "emqx".into(),
            Code::NotFound,
            "rumqttd, mosquitto",
        ),
        (
            |r| r.listen = "here".into(),
            Code::InvalidArgument,
            "`here`",
        ),
        (|r| r.listen.clear(), Code::InvalidArgument, "address:port"),
        (
            |r| r.max_connections = 0,
            Code::InvalidArgument,
            "max_connections is 0",
        ),
        (
            |r| r.max_payload_bytes = 0,
            Code::InvalidArgument,
            "max_payload_bytes is 0",
        ),
        (
            |r| r.max_payload_bytes = u32::MAX,
            Code::InvalidArgument,
            "max_payload_bytes is",
        ),
    ];
    for (change, code, text) in cases {
        let mut request = mqtt::specification(&agent);
        change(&mut request);
        let status = mqtt::start_broker_as(&agent, request).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(text), "{status}");
    }
    assert!(!mqtt::stats(&agent).await.running);
}
