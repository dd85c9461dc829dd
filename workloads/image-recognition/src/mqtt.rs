//! One MQTT session: connects, subscribes again after every reconnect, counts what is acknowledged.

use crate::MAX_MESSAGE_BYTES;
use continuum_workload_core::application::RunError;
use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, NetworkOptions, Outgoing, QoS};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

/// How long the first connection may take.
pub(crate) const CONNECT_DEADLINE: Duration = Duration::from_mins(1);
const KEEP_ALIVE: Duration = Duration::from_mins(1);

pub(crate) struct Session {
    client: AsyncClient,
    poller: JoinHandle<()>,
    published: AtomicU64,
    acknowledged: watch::Receiver<u64>,
    reconnects: Arc<AtomicU64>,
}

impl Session {
    /// Connects to `broker` (`address:port`) and, if there is one, subscribes to `topic`;
    /// returns once the broker has confirmed. Each message is handed to `on_message` with topic, payload and arrival.
    pub(crate) async fn connect(
        broker: &str,
        client_id: &str,
        topic: Option<String>,
        mut on_message: impl FnMut(&str, &[u8], std::time::Instant) + Send + 'static,
    ) -> Result<Self, RunError> {
        let (host, port) = broker
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
            .ok_or_else(|| {
                RunError::other(
                    format!("read broker address `{broker}`"),
                    "expected address:port",
                )
            })?;
        let mut options = MqttOptions::new(client_id, host, port);
        options.set_keep_alive(KEEP_ALIVE);
        options.set_max_packet_size(MAX_MESSAGE_BYTES + 1024, MAX_MESSAGE_BYTES + 1024);
        let (client, mut event_loop) = AsyncClient::new(options, 1024);
        // Without this each answer waits some 40 ms for a delayed acknowledgement.
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        event_loop.set_network_options(network);
        let (acknowledged_tx, acknowledged) = watch::channel(0_u64);
        let (ready_tx, mut ready) = watch::channel(false);
        let (error_tx, last_error) = watch::channel(String::from("no answer"));
        let reconnects = Arc::new(AtomicU64::new(0));
        let poller = tokio::spawn({
            let client = client.clone();
            let reconnects = Arc::clone(&reconnects);
            async move {
                let mut back_off = Duration::from_millis(100);
                let mut connected_before = false;
                loop {
                    match event_loop.poll().await {
                        Ok(Event::Incoming(Incoming::ConnAck(_))) => {
                            back_off = Duration::from_millis(100);
                            if connected_before {
                                reconnects.fetch_add(1, Ordering::Relaxed);
                            }
                            connected_before = true;
                            match &topic {
                                // A clean session forgets its subscriptions, so each connection asks again.
                                Some(topic) => {
                                    if client.try_subscribe(topic, QoS::AtLeastOnce).is_err() {
                                        return;
                                    }
                                }
                                None => {
                                    ready_tx.send_replace(true);
                                }
                            }
                        }
                        Ok(Event::Incoming(Incoming::SubAck(_))) => {
                            ready_tx.send_replace(true);
                        }
                        Ok(Event::Incoming(Incoming::Publish(publish))) => {
                            on_message(&publish.topic, &publish.payload, std::time::Instant::now());
                        }
                        Ok(Event::Incoming(Incoming::PubAck(_))) => {
                            acknowledged_tx.send_modify(|n| *n += 1);
                        }
                        Ok(Event::Outgoing(Outgoing::Disconnect)) => return,
                        Ok(_) => {}
                        Err(error) => {
                            tracing::warn!("connection to the broker: {error}");
                            error_tx.send_replace(error.to_string());
                            tokio::time::sleep(back_off).await;
                            back_off = (back_off * 2).min(Duration::from_secs(2));
                        }
                    }
                }
            }
        });
        let session = Self {
            client,
            poller,
            published: AtomicU64::new(0),
            acknowledged,
            reconnects,
        };
        let waited = tokio::time::timeout(CONNECT_DEADLINE, ready.wait_for(|r| *r)).await;
        if !matches!(waited, Ok(Ok(_))) {
            let last = last_error.borrow().clone();
            return Err(RunError::Deadline {
                what: format!("MQTT broker {broker} (last error: {last})"),
                seconds: CONNECT_DEADLINE.as_secs(),
            });
        }
        Ok(session)
    }

    /// Hands one message to the network task.
    pub(crate) async fn publish(&self, topic: &str, payload: Vec<u8>) -> Result<(), RunError> {
        self.client
            .publish(topic, QoS::AtLeastOnce, false, payload)
            .await
            .map_err(|e| RunError::other(format!("publish on `{topic}`"), e))?;
        self.published.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until the broker has acknowledged everything published, or the deadline.
    pub(crate) async fn flush(&self, deadline: Instant) -> bool {
        let want = self.published.load(Ordering::Relaxed);
        let mut acknowledged = self.acknowledged.clone();
        let waited =
            tokio::time::timeout_at(deadline, acknowledged.wait_for(|have| *have >= want)).await;
        matches!(waited, Ok(Ok(_)))
    }

    /// Says goodbye and stops the network task; returns how often it had to connect again.
    pub(crate) async fn close(self) -> u64 {
        if self.client.disconnect().await.is_ok() {
            let poller = self.poller;
            let abort = poller.abort_handle();
            if tokio::time::timeout(Duration::from_secs(2), poller)
                .await
                .is_err()
            {
                abort.abort();
            }
        }
        self.reconnects.load(Ordering::Relaxed)
    }
}
