//! What clients of the broker may not do, and that neither broker nor agent suffers when they try.

mod common;

use common::{
    Agent, info,
    mqtt::{self, Connection, PAYLOAD_BYTES},
    wait::{eventually, within},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// rumqttd can only limit whole packets, so topic and header get this much on top of the payload.
const HEADER_ROOM_BYTES: usize = 1024;
const LIMIT: usize = PAYLOAD_BYTES as usize;
const TOPIC: &str = "photos/endpoint0";

/// Still the process that was started, and it passes messages on.
async fn assert_lives(agent: &Agent, pid: u32) {
    let mut client = Connection::open(agent.broker(), "probe").await;
    client.subscribe("probe").await;
    client.publish("probe", b"alive".to_vec()).await;
    assert_eq!(&*client.next_message().await.1, b"alive");
    let stats = mqtt::stats(agent).await;
    assert_eq!((stats.pid, stats.restarts), (pid, 0), "{stats:?}");
}

#[tokio::test]
async fn messages_up_to_the_limit_arrive_whole() {
    let agent = Agent::start().await;
    mqtt::start_broker(&agent).await;
    let mut client = Connection::open(agent.broker(), "client").await;
    client.subscribe(TOPIC).await;
    for size in [0, 1, LIMIT - 1, LIMIT] {
        let payload: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        client.publish(TOPIC, payload.clone()).await;
        let (_, arrived) = client.next_message().await;
        assert!(arrived == payload, "{size} bytes came back differently");
    }
}

#[tokio::test]
async fn a_message_above_the_limit_ends_its_connection_and_nothing_else() {
    let agent = Agent::start().await;
    let stats = mqtt::start_broker(&agent).await;
    let mut other = Connection::open(agent.broker(), "other").await;
    other.subscribe(TOPIC).await;
    // A packet is two bytes of topic length, the topic, two bytes of packet id, the payload.
    let largest = LIMIT + HEADER_ROOM_BYTES - 4 - TOPIC.len();
    let mut client = Connection::open(agent.broker(), "client").await;
    client.publish(TOPIC, vec![1; largest]).await;
    assert_eq!(other.next_message().await.1.len(), largest);
    client
        .try_publish(TOPIC, vec![2; largest + 1])
        .await
        .unwrap_err();
    other.publish(TOPIC, b"next".to_vec()).await;
    assert_eq!(&*other.next_message().await.1, b"next");
    assert_lives(&agent, stats.pid).await;
}

/// Sends bytes as they are on a new connection.
async fn send_raw(agent: &Agent, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(agent.broker()).await.expect("connect");
    stream.write_all(bytes).await.expect("send");
    stream
}

async fn assert_closed(what: &str, mut stream: TcpStream) {
    let mut answer = Vec::new();
    // A reset is as good as an end.
    let end = stream.read_to_end(&mut answer);
    within(&format!("the broker to close after {what}"), end)
        .await
        .ok();
}

const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x";

fn after_connect(bytes: &[u8]) -> Vec<u8> {
    [CONNECT, bytes].concat()
}

#[tokio::test]
async fn malformed_packets_end_their_connection_and_nothing_else() {
    let agent = Agent::start().await;
    let stats = mqtt::start_broker(&agent).await;
    let cases = [
        ("not MQTT", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        (
            "a length of five bytes",
            b"\x10\xff\xff\xff\xff\x7f".to_vec(),
        ),
        ("publish before connect", b"\x30\x04\x00\x01tx".to_vec()),
        (
            "256 MiB announced",
            after_connect(b"\x30\xff\xff\xff\x7f\x00\x01t"),
        ),
        ("a type that is reserved", after_connect(b"\xf0\x00")),
    ];
    for (what, bytes) in cases {
        assert_closed(what, send_raw(&agent, &bytes).await).await;
        assert_lives(&agent, stats.pid).await;
    }
}

#[tokio::test]
async fn a_second_connect_harms_nobody() {
    let agent = Agent::start().await;
    let stats = mqtt::start_broker(&agent).await;
    // rumqttd ignores it, where MQTT asks for an end of the connection.
    let _open = send_raw(&agent, &after_connect(CONNECT)).await;
    assert_lives(&agent, stats.pid).await;
}

#[tokio::test]
async fn an_announced_length_takes_no_memory() {
    let agent = Agent::start().await;
    let stats = mqtt::start_broker(&agent).await;
    let mut open = Vec::new();
    for _ in 0..30 {
        let mut stream = TcpStream::connect(agent.broker()).await.unwrap();
        stream.write_all(b"\x10\xff\xff\xff\x7f").await.unwrap();
        open.push(stream);
    }
    assert_lives(&agent, stats.pid).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", stats.pid)).unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let peak_kib: u64 = peak
        .and_then(|p| p.trim().strip_suffix("kB"))
        .and_then(|p| p.trim().parse().ok())
        .unwrap();
    assert!(peak_kib < 200 * 1024, "the broker took {peak_kib} KiB");
}

#[tokio::test]
async fn connections_reset_at_once_do_not_end_the_broker() {
    let agent = Agent::start().await;
    let stats = mqtt::start_broker(&agent).await;
    let mut probe = Connection::open(agent.broker(), "watcher").await;
    for round in 0..2 {
        let mut open = Vec::new();
        for n in 0..40 {
            let id = format!("client-{round}-{n}");
            open.push(Connection::open(agent.broker(), &id).await);
        }
        drop(open);
        eventually("the broker to see them gone", async || {
            // rumqttd counts anew only when there are messages.
            probe.publish("some/topic", b"x".to_vec()).await;
            let stats = mqtt::stats(&agent).await;
            if stats.connections == Some(1) {
                Ok(())
            } else {
                Err(format!("{stats:?}"))
            }
        })
        .await;
    }
    assert_lives(&agent, stats.pid).await;
}

#[tokio::test]
async fn more_clients_than_it_takes_do_not_end_the_service() {
    let agent = Agent::start().await;
    let mut request = mqtt::specification(&agent);
    request.max_connections = 1;
    mqtt::start_broker_as(&agent, request).await.unwrap();
    // Without a kernel limit in front of it, rumqttd itself meets more than it takes.
    let mut open = Vec::new();
    for n in 0..80 {
        let id = format!("client-{n}");
        let connect = Connection::try_open(agent.broker(), &id);
        let wait = std::time::Duration::from_secs(2);
        let Ok(Ok(connection)) = tokio::time::timeout(wait, connect).await else {
            break;
        };
        open.push(connection);
    }
    assert!(open.len() < 80, "no limit was met");
    drop(open);
    eventually("a client to be served again", async || {
        let connect = Connection::try_open(agent.broker(), "later");
        let wait = std::time::Duration::from_secs(2);
        match tokio::time::timeout(wait, connect).await {
            Ok(result) => result.map(drop),
            Err(_) => Err(format!("no answer; {:?}", mqtt::stats(&agent).await)),
        }
    })
    .await;
    info(agent.connect().await).await.unwrap();
}
