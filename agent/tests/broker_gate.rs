//! The gate in front of the embedded broker: clients that rumqttd alone would end without a word, and its memory.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::{
    Agent,
    mqtt::{self, Connection},
    wait::{eventually, within},
};
use rumqttc::v5;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A CONNECT of MQTT 3.1.1 with a clean session.
fn connect(keep_alive: u16, id: &str) -> Vec<u8> {
    let mut body = b"\0\x04MQTT\x04\x02".to_vec();
    body.extend(keep_alive.to_be_bytes());
    body.extend((id.len() as u16).to_be_bytes());
    body.extend(id.as_bytes());
    let mut packet = vec![0x10, body.len() as u8];
    packet.extend(body);
    packet
}

/// What comes back for some bytes, as much as is asked for.
async fn answer(agent: &Agent, bytes: &[u8], length: usize) -> (TcpStream, Vec<u8>) {
    let mut stream = TcpStream::connect(agent.broker()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = vec![0; length];
    within("an answer", stream.read_exact(&mut answer))
        .await
        .unwrap();
    (stream, answer)
}

const WELCOME: [u8; 4] = [0x20, 2, 0, 0];

#[tokio::test]
async fn any_keep_alive_and_any_client_id_is_welcome() {
    let agent = Agent::start().await;
    mqtt::start_broker(&agent).await;
    let long = "x".repeat(60);
    let ids = [
        "x",
        "edge/0",
        "a+b",
        "a#b",
        "a.b$c",
        "with space",
        "ünï",
        "a|b",
        &long,
    ];
    let mut open = Vec::new();
    for (keep_alive, id) in ids
        .iter()
        .map(|id| (60, *id))
        .chain([(0, "never"), (1, "often")])
    {
        let (stream, said) = answer(&agent, &connect(keep_alive, id), 4).await;
        assert_eq!(said, WELCOME, "keep-alive {keep_alive}, id {id:?}");
        open.push(stream);
    }
}

#[tokio::test]
async fn what_is_not_spoken_is_refused_with_a_reason() {
    let agent = Agent::start().await;
    mqtt::start_broker(&agent).await;
    let old = b"\x10\x0f\0\x06MQIsdp\x03\x02\0\x3c\0\x01x";
    assert_eq!(answer(&agent, old, 4).await.1, [0x20, 2, 0, 1]);
    let upgrade = b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n";
    let (_, said) = answer(&agent, upgrade, 12).await;
    assert_eq!(said, b"HTTP/1.1 501");
}

#[tokio::test]
async fn one_client_more_than_asked_for_is_told_so() {
    let agent = Agent::start().await;
    let mut request = mqtt::specification(&agent);
    request.max_connections = 2;
    mqtt::start_broker_as(&agent, request).await.unwrap();
    let (_a, said) = answer(&agent, &connect(60, "a"), 4).await;
    assert_eq!(said, WELCOME);
    let (_b, said) = answer(&agent, &connect(60, "b"), 4).await;
    assert_eq!(said, WELCOME);
    let (c, said) = answer(&agent, &connect(60, "c"), 4).await;
    assert_eq!(said, [0x20, 2, 0, 3]);
    drop(c);
}

#[tokio::test]
async fn mqtt_5_and_3_1_1_meet() {
    let agent = Agent::start().await;
    mqtt::start_broker(&agent).await;
    let mut old = Connection::open(agent.broker(), "old").await;
    old.subscribe("photos/#").await;
    let address = agent.broker();
    let mut options = v5::MqttOptions::new("new", address.ip().to_string(), address.port());
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut events) = v5::AsyncClient::new(options, 10);
    let publish = client.publish("photos/a", v5::mqttbytes::QoS::AtLeastOnce, false, "photo");
    within("room for a message", publish).await.unwrap();
    let poll = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    let (topic, payload) = old.next_message().await;
    assert_eq!((topic.as_str(), &*payload), ("photos/a", &b"photo"[..]));
    poll.abort();
}

fn rss_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let rss = status
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .unwrap();
    rss.trim()
        .trim_end_matches("kB")
        .trim()
        .parse::<u64>()
        .unwrap()
        >> 10
}

/// Fifty topics with a subscriber each were a gigabyte that stayed.
#[tokio::test]
async fn memory_of_many_topics_is_given_back_when_nobody_is_left() {
    let agent = Agent::start().await;
    let stats = mqtt::start_broker(&agent).await;
    let mut subscriber = Connection::open(agent.broker(), "subscriber").await;
    let mut publisher = Connection::open(agent.broker(), "publisher").await;
    for topic in 0..10 {
        let topic = format!("t/{topic}");
        subscriber.subscribe(&topic).await;
        for _ in 0..160 {
            publisher.publish(&topic, vec![7; 60_000]).await;
            subscriber.next_message().await;
        }
    }
    let with_clients = rss_mib(stats.pid);
    assert!(
        with_clients > 80,
        "{with_clients} MiB: nothing to give back"
    );
    drop((subscriber, publisher));
    eventually("memory to be given back", async || {
        let left = rss_mib(stats.pid);
        if left < 60 {
            Ok(())
        } else {
            Err(format!("{left} of {with_clients} MiB"))
        }
    })
    .await;
    // The same process, and it serves.
    let mut client = Connection::open(agent.broker(), "later").await;
    client.subscribe("probe").await;
    client.publish("probe", b"alive".to_vec()).await;
    assert_eq!(&*client.next_message().await.1, b"alive");
    let now = mqtt::stats(&agent).await;
    assert_eq!((now.pid, now.restarts), (stats.pid, 0), "{now:?}");
}
