//! What one replica says.

use super::begun;
use crate::registry::Function;
use continuum_openfaas_api::LogMessage;
use futures_util::{AsyncBufRead, AsyncBufReadExt};
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{Api, api::LogParams};
use std::{str::FromStr, sync::Arc, time::Duration};
use tokio::sync::mpsc;

const AGAIN_AFTER: Duration = Duration::from_secs(1);

pub(super) struct ReplicaLog {
    pub(super) pods: Api<Pod>,
    pub(super) function: Arc<Function>,
    pub(super) lines: mpsc::Sender<String>,
    pub(super) pod: String,
    /// What is older is not told: whole seconds are asked for.
    pub(super) since: Option<Timestamp>,
    /// Time of the last line that was told; all have the same form, and so the order of their texts.
    pub(super) last: String,
    /// The same when the log was opened again: lines up to it come twice.
    pub(super) told: String,
}

impl ReplicaLog {
    /// To its end, or as long as the replica is there: its container may not have begun, and may start again, and its node
    /// may be out of reach for a while. Without following there is nothing to wait for. The caller's going away ends it.
    pub(super) async fn read(mut self, mut parameters: LogParams) {
        loop {
            match self.pods.log_stream(&self.pod, &parameters).await {
                Ok(stream) => self.hand_on(stream).await,
                Err(error) => tracing::debug!("log of {}: {error}", self.pod),
            }
            if !parameters.follow {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(AGAIN_AFTER) => {}
                () = self.lines.closed() => return,
            }
            if !self.function.state().replicas.contains_key(&self.pod) {
                return;
            }
            let last = Timestamp::from_str(&self.last).ok().and_then(begun);
            parameters.since_time = last.or(parameters.since_time);
            parameters.tail_lines = None;
            self.told.clone_from(&self.last);
        }
    }

    async fn hand_on(&mut self, mut stream: impl AsyncBufRead + Unpin) {
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            match stream.read_until(b'\n', &mut bytes).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
            // Programs write what they like.
            let line = String::from_utf8_lossy(&bytes);
            if self
                .tell(line.trim_end_matches(['\n', '\r']))
                .await
                .is_err()
            {
                return;
            }
        }
    }

    /// Hands a line on, unless it was told before.
    async fn tell(&mut self, line: &str) -> Result<(), mpsc::error::SendError<String>> {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (timestamp, text) = match Timestamp::from_str(first) {
            Ok(at) => {
                if first <= &*self.told || self.since.is_some_and(|since| at < since) {
                    return Ok(());
                }
                first.clone_into(&mut self.last);
                (first.to_owned(), rest)
            }
            // Kubelets have lines of their own among them, which have no time; whoever reads this wants one.
            Err(_) if self.last.is_empty() => (Timestamp::now().to_string(), line),
            Err(_) => (self.last.clone(), line),
        };
        let message = LogMessage {
            name: self.function.key.name.clone(),
            namespace: self.function.key.namespace.clone(),
            instance: self.pod.clone(),
            timestamp,
            text: text.to_owned(),
        };
        match serde_json::to_string(&message) {
            Ok(line) => self.lines.send(format!("{line}\n")).await,
            Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{functions::Key, registry::FunctionRegistry, routes::logs::Reader};
    use axum::{Router, routing::get};
    use http::Uri;
    use std::sync::Mutex;

    const FIRST: &str = "a kubelet's own words\n2026-01-31T12:00:00.500000000Z one\n\
                         2026-01-31T12:00:01.700000000Z two\n";
    const AGAIN: &str =
        "2026-01-31T12:00:01.700000000Z two\n2026-01-31T12:00:02.000000000Z three\n";

    /// A cluster whose only log breaks off after some lines, and the queries that it was asked with.
    fn cluster() -> (kube::Client, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let queries = Arc::clone(&asked);
        let answer = async move |uri: Uri| {
            let mut queries = queries.lock().unwrap();
            queries.push(uri.query().unwrap_or_default().to_owned());
            match queries.len() {
                1 => FIRST,
                2 => AGAIN,
                _ => "",
            }
        };
        let router = Router::new().route("/api/v1/namespaces/fn/pods/p/log", get(answer));
        (kube::Client::new(router, "fn"), asked)
    }

    fn function() -> (FunctionRegistry, Arc<Function>) {
        let (registry, key) = (FunctionRegistry::default(), Key::parse("f", "fn"));
        let pod: Pod =
            serde_json::from_value(serde_json::json!({ "metadata": { "name": "p" } })).unwrap();
        let replica = crate::registry::Replica::of(&pod, Arc::default());
        registry.change(&key, |state| {
            state.deployment = Some(Arc::default());
            state.replicas.insert("p".to_owned(), Arc::new(replica));
        });
        let function = registry.find(&key).unwrap();
        (registry, function)
    }

    async fn tell(follow: bool, most: usize) -> (Vec<LogMessage>, Vec<String>) {
        let (client, asked) = cluster();
        let (_world, function) = function();
        let (lines, mut receiver) = mpsc::channel(8);
        let since: Timestamp = "2026-01-31T12:00:00.6Z".parse().unwrap();
        let reader = Reader {
            pods: Api::namespaced(client, "fn"),
            function,
            parameters: LogParams {
                follow,
                timestamps: true,
                tail_lines: Some(5),
                since_time: begun(since),
                ..LogParams::default()
            },
            since: Some(since),
            lines,
            instance: None,
        };
        let reading = tokio::spawn(reader.read());
        let mut all = Vec::new();
        while all.len() < most
            && let Some(line) = receiver.recv().await
        {
            all.push(serde_json::from_str(&line).unwrap());
        }
        // Whoever listened is gone, and so is the reader.
        drop(receiver);
        tokio::time::timeout(Duration::from_secs(10), reading)
            .await
            .unwrap()
            .unwrap();
        let asked = asked.lock().unwrap().clone();
        (all, asked)
    }

    #[tokio::test]
    async fn the_last_lines_are_told_once_with_times_and_not_before_they_are_wanted() {
        let (told, asked) = tell(false, usize::MAX).await;
        let texts: Vec<&str> = told.iter().map(|m| &*m.text).collect();
        assert_eq!(texts, ["a kubelet's own words", "two"]);
        assert!(
            told.iter()
                .all(|m| Timestamp::from_str(&m.timestamp).is_ok())
        );
        assert_eq!((&*told[1].name, &*told[1].instance), ("f", "p"));
        assert_eq!(asked.len(), 1);
        for part in [
            "tailLines=5",
            "sinceTime=2026-01-31T12%3A00%3A00Z",
            "timestamps=true",
        ] {
            assert!(asked[0].contains(part), "{part}: {asked:?}");
        }
    }

    #[tokio::test]
    async fn a_log_that_is_followed_and_breaks_off_is_read_on() {
        let (told, asked) = tell(true, 3).await;
        let texts: Vec<&str> = told.iter().map(|m| &*m.text).collect();
        assert_eq!(texts, ["a kubelet's own words", "two", "three"]);
        assert!(asked[0].contains("follow=true"), "{asked:?}");
        let again = &asked[1];
        assert!(
            again.contains("sinceTime=2026-01-31T12%3A00%3A01Z"),
            "{again}"
        );
        assert!(!again.contains("tailLines"), "{again}");
    }
}
