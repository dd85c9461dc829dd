//! Service `Metrics`: one sample a second, for any number of readers at any time.

mod common;

use common::{
    Agent, info, mqtt,
    wait::{eventually, within},
};
use continuum_proto::{self as wire, metrics_client::MetricsClient};
use std::collections::VecDeque;
use tonic::Streaming;

struct Reader {
    batches: Streaming<wire::MetricsBatch>,
    samples: VecDeque<wire::MetricsSample>,
    events: Vec<wire::NodeEvent>,
    dropped: u64,
}

impl Reader {
    async fn attach(agent: &Agent, after_seq: u64) -> Self {
        let mut client = MetricsClient::new(agent.connect().await);
        let request = wire::StreamMetricsRequest { after_seq };
        let batches = within("Stream", client.stream(request)).await;
        let batches = batches.expect("attach to the metrics");
        Self {
            batches: batches.into_inner(),
            samples: VecDeque::new(),
            events: Vec::new(),
            dropped: 0,
        }
    }

    async fn read(&mut self) {
        let batch = within("a batch of metrics", self.batches.message()).await;
        let batch = batch.expect("a batch").expect("the stream goes on");
        self.samples.extend(batch.samples);
        self.events.extend(batch.events);
        self.dropped += batch.dropped;
    }

    async fn next(&mut self) -> wire::MetricsSample {
        while self.samples.is_empty() {
            self.read().await;
        }
        self.samples.pop_front().expect("a sample")
    }

    async fn take(&mut self, count: usize) -> Vec<wire::MetricsSample> {
        let mut taken = Vec::new();
        for _ in 0..count {
            taken.push(self.next().await);
        }
        taken
    }
}

fn seqs(samples: &[wire::MetricsSample]) -> Vec<u64> {
    samples.iter().map(|s| s.seq).collect()
}

#[tokio::test]
async fn a_snapshot_shows_the_machine_and_the_agent() {
    let agent = Agent::start().await;
    let sample = eventually("the first sample", async || {
        let mut client = MetricsClient::new(agent.connect().await);
        let answer = client.snapshot(wire::SnapshotRequest {}).await.unwrap();
        answer.into_inner().sample.ok_or("none yet".to_owned())
    })
    .await;
    assert!(sample.seq >= 1);
    assert!(sample.memory_used_bytes > 0);
    assert!(sample.memory_total_bytes >= sample.memory_used_bytes);
    assert!((0.0..=100.0).contains(&sample.cpu_percent), "{sample:?}");
    assert!(sample.agent_rss_bytes > 1 << 20, "{sample:?}");
    assert_eq!((sample.broker_rss_bytes, sample.workload_rss_bytes), (0, 0));
}

#[tokio::test]
async fn samples_come_once_a_second_with_rising_times() {
    let agent = Agent::start().await;
    let mut reader = Reader::attach(&agent, 0).await;
    let samples = reader.take(5).await;
    assert_eq!(seqs(&samples), [1, 2, 3, 4, 5]);
    let times: Vec<_> = samples.iter().map(|s| s.time_unix_ns).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    // Single ticks slip on a busy machine, their mean hardly.
    let mean_s = (times[4] - times[0]) as f64 / 4.0 / 1e9;
    assert!((0.7..1.6).contains(&mean_s), "one sample in {mean_s} s");
    assert_eq!(reader.dropped, 0);
}

#[tokio::test]
async fn two_readers_see_the_same() {
    let agent = Agent::start().await;
    let mut first = Reader::attach(&agent, 0).await;
    let mut second = Reader::attach(&agent, 0).await;
    let (one, two) = tokio::join!(first.take(3), second.take(3));
    assert_eq!(one, two);
    // The one does not end with the other.
    drop(first);
    assert_eq!(second.next().await.seq, 4);
}

#[tokio::test]
async fn who_comes_late_or_again_gets_what_was_missed_and_nothing_twice() {
    let agent = Agent::start().await;
    let mut early = Reader::attach(&agent, 0).await;
    let seen = early.take(3).await;
    drop(early);
    let mut late = Reader::attach(&agent, 0).await;
    assert_eq!(late.take(3).await, seen);
    let mut again = Reader::attach(&agent, 3).await;
    assert_eq!(again.next().await.seq, 4);
    assert_eq!((late.dropped, again.dropped), (0, 0));
}

#[tokio::test]
async fn events_of_the_node_are_in_the_stream() {
    let agent = Agent::start().await;
    mqtt::start_broker(&agent).await;
    let mut reader = Reader::attach(&agent, 0).await;
    eventually("the event of the broker's start", async || {
        reader.read().await;
        let is_start = |e: &wire::NodeEvent| {
            e.source == "broker" && e.text.contains(&agent.broker().to_string())
        };
        if reader.events.iter().any(is_start) {
            Ok(())
        } else {
            Err(format!("{:?}", reader.events))
        }
    })
    .await;
    let sample = eventually("a sample with the broker", async || {
        let sample = reader.next().await;
        match sample.broker_rss_bytes {
            0 => Err("its size is 0".to_owned()),
            _ => Ok(sample),
        }
    })
    .await;
    assert!(sample.broker_rss_bytes > 1 << 20, "{sample:?}");
}

#[tokio::test]
async fn a_number_from_the_future_is_no_fault() {
    let agent = Agent::start().await;
    // The number of another agent's life, or nonsense.
    for after_seq in [1_000_000, u64::MAX] {
        let mut reader = Reader::attach(&agent, after_seq).await;
        mqtt::start_broker(&agent).await;
        // Events have numbers of their own, so they still come.
        reader.read().await;
        assert!(!reader.events.is_empty());
        assert_eq!((reader.samples.len(), reader.dropped), (0, 0));
    }
    info(agent.connect().await).await.unwrap();
    assert!(!agent.log().contains("panicked"), "{}", agent.log());
}

#[tokio::test]
async fn a_reader_that_does_not_read_keeps_nobody_back() {
    let agent = Agent::start().await;
    let idle = Reader::attach(&agent, 0).await;
    let mut reader = Reader::attach(&agent, 0).await;
    assert_eq!(seqs(&reader.take(3).await), [1, 2, 3]);
    drop(idle);
}
