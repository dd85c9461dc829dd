//! The broker as the controller starts it, and an MQTT client of it.

use super::{Agent, wait::within};
use continuum_proto::{self as wire, broker_client::BrokerClient};
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use std::{collections::VecDeque, net::SocketAddr, time::Duration};

/// Largest message that test brokers are told to take.
pub(crate) const PAYLOAD_BYTES: u32 = 64 * 1024;

pub(crate) fn specification(agent: &Agent) -> wire::StartBrokerRequest {
    wire::StartBrokerRequest {
        backend: "rumqttd".into(),
        listen: agent.broker().to_string(),
        max_connections: 50,
        max_payload_bytes: PAYLOAD_BYTES,
    }
}

pub(crate) async fn start_broker_as(
    agent: &Agent,
    request: wire::StartBrokerRequest,
) -> Result<wire::BrokerStatsResponse, tonic::Status> {
    let mut client = BrokerClient::new(agent.connect().await);
    let answer = within("the broker to start", client.start(request)).await?;
    Ok(answer.into_inner().stats.expect("stats"))
}

pub(crate) async fn start_broker(agent: &Agent) -> wire::BrokerStatsResponse {
    start_broker_as(agent, specification(agent))
        .await
        .expect("start the broker")
}

pub(crate) async fn stats(agent: &Agent) -> wire::BrokerStatsResponse {
    let mut client = BrokerClient::new(agent.connect().await);
    let answer = within("Stats", client.stats(wire::BrokerStatsRequest {})).await;
    answer.expect("stats of the broker").into_inner()
}

/// A client that fails with its connection instead of making a new one.
pub(crate) struct Connection {
    client: AsyncClient,
    events: EventLoop,
    messages: VecDeque<(String, Vec<u8>)>,
}

impl Connection {
    pub(crate) async fn try_open(broker: SocketAddr, id: &str) -> Result<Self, String> {
        let mut options = MqttOptions::new(id, broker.ip().to_string(), broker.port());
        options.set_max_packet_size(1 << 28, 1 << 28);
        options.set_keep_alive(Duration::from_secs(30));
        let (client, events) = AsyncClient::new(options, 10);
        let mut connection = Self {
            client,
            events,
            messages: VecDeque::new(),
        };
        connection
            .until("ConnAck", |p| matches!(p, Packet::ConnAck(_)))
            .await?;
        Ok(connection)
    }

    pub(crate) async fn open(broker: SocketAddr, id: &str) -> Self {
        Self::try_open(broker, id)
            .await
            .expect("connect to the broker")
    }

    async fn until(&mut self, what: &str, is_it: fn(&Packet) -> bool) -> Result<(), String> {
        loop {
            let event = within(what, self.events.poll()).await;
            let Event::Incoming(packet) = event.map_err(|e| e.to_string())? else {
                continue;
            };
            let found = is_it(&packet);
            if let Packet::Publish(publish) = packet {
                self.messages
                    .push_back((publish.topic, publish.payload.to_vec()));
            }
            if found {
                return Ok(());
            }
        }
    }

    pub(crate) async fn subscribe(&mut self, filter: &str) {
        let subscribe = self.client.subscribe(filter, QoS::AtLeastOnce);
        within("room for Subscribe", subscribe)
            .await
            .expect("subscribe");
        self.until("SubAck", |p| matches!(p, Packet::SubAck(_)))
            .await
            .expect("subscribe");
    }

    /// Returns once the broker has acknowledged it.
    pub(crate) async fn try_publish(
        &mut self,
        topic: &str,
        payload: Vec<u8>,
    ) -> Result<(), String> {
        let publish = self.client.publish(topic, QoS::AtLeastOnce, false, payload);
        within("room for Publish", publish)
            .await
            .map_err(|e| e.to_string())?;
        self.until("PubAck", |p| matches!(p, Packet::PubAck(_)))
            .await
    }

    pub(crate) async fn publish(&mut self, topic: &str, payload: Vec<u8>) {
        self.try_publish(topic, payload).await.expect("publish");
    }

    pub(crate) async fn next_message(&mut self) -> (String, Vec<u8>) {
        if self.messages.is_empty() {
            self.until("a message", |p| matches!(p, Packet::Publish(_)))
                .await
                .expect("receive a message");
        }
        self.messages.pop_front().expect("a message")
    }

    /// Waits until the connection has ended.
    pub(crate) async fn closed(&mut self) {
        self.until("the connection to end", |_| false)
            .await
            .expect_err("the connection ended");
    }
}
