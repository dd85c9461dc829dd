//! A benchmark, not a test: a photo-sized message through the embedded broker, beside the same bytes through plain
//! sockets, which no broker can beat. `make bench`.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use common::{
    Agent,
    mqtt::{self, Connection},
    wait::within,
};
use std::time::Instant;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const ROUNDS: usize = 500;
const WARM_UP: usize = 50;
/// Upstream's mean photo.
const BYTES: usize = 60_000;

fn median_us(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// To a relay and from there to a reader, as a broker does it: two sockets, no protocol.
async fn floor() -> f64 {
    let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = relay.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut from, _) = relay.accept().await.unwrap();
        let (mut to, _) = relay.accept().await.unwrap();
        to.set_nodelay(true).unwrap();
        let mut bytes = vec![0; BYTES];
        while from.read_exact(&mut bytes).await.is_ok() {
            to.write_all(&bytes).await.unwrap();
        }
    });
    let mut writer = TcpStream::connect(address).await.unwrap();
    let mut reader = TcpStream::connect(address).await.unwrap();
    writer.set_nodelay(true).unwrap();
    let (payload, mut got) = (vec![7; BYTES], vec![0; BYTES]);
    let mut times = Vec::new();
    for round in 0..WARM_UP + ROUNDS {
        let begun = Instant::now();
        writer.write_all(&payload).await.unwrap();
        within("the relayed bytes", reader.read_exact(&mut got))
            .await
            .unwrap();
        if round >= WARM_UP {
            times.push(begun.elapsed().as_secs_f64() * 1e6);
        }
    }
    drop(writer);
    task.await.unwrap();
    median_us(times)
}

async fn through_the_broker(agent: &Agent) -> f64 {
    mqtt::start_broker(agent).await;
    let mut subscriber = Connection::open(agent.broker(), "subscriber").await;
    subscriber.subscribe("photos").await;
    let mut publisher = Connection::open(agent.broker(), "publisher").await;
    let mut times = Vec::new();
    for round in 0..WARM_UP + ROUNDS {
        let begun = Instant::now();
        let ((), message) = tokio::join!(
            publisher.publish("photos", vec![7; BYTES]),
            subscriber.next_message()
        );
        assert_eq!(message.1.len(), BYTES);
        if round >= WARM_UP {
            times.push(begun.elapsed().as_secs_f64() * 1e6);
        }
    }
    median_us(times)
}

#[tokio::test]
#[ignore = "a benchmark; make bench runs it"]
async fn a_message_through_the_broker_beside_plain_sockets() {
    let agent = Agent::start().await;
    // In turn, so that a machine that gets slower does so for both.
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let (floor_us, broker_us) = (floor().await, through_the_broker(&agent).await);
        eprintln!(
            "{BYTES} bytes: broker {broker_us:.0} us, plain sockets {floor_us:.0} us (medians of {ROUNDS})"
        );
        ratios.push(broker_us / floor_us);
    }
    eprintln!("ratio {:.1}", median_us(ratios));
}
