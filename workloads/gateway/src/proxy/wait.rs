//! The wait for a replica. A function without any is given one.

use super::Proxy;
use crate::{
    error::ApiError,
    registry::{Function, Replica, State},
    scaler,
};
use http::StatusCode;
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Event},
    jiff::Timestamp,
};
use kube::{Api, api::ListParams};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::Instant};

/// The caller has waited long enough already.
const LOOK_DEADLINE: Duration = Duration::from_secs(2);
/// Many may give up at the same moment: one of them looks at events.
static LOOKS: Semaphore = Semaphore::const_new(1);

impl Proxy {
    /// A replica that takes calls, and whether it had to be waited for.
    pub(super) async fn replica(
        &self,
        function: &Function,
        tried: &[String],
        deadline: Instant,
    ) -> Result<(Arc<Replica>, bool), ApiError> {
        let mut changes = function.changes();
        let mut had_to_wait = false;
        loop {
            let state = changes.borrow_and_update().clone();
            if let Some(replica) = state.pick(tried).or_else(|| state.pick(&[])) {
                return Ok((replica, had_to_wait));
            }
            had_to_wait = true;
            let Some(deployment) = &state.deployment else {
                let text = format!("{} was removed", function.key);
                return Err(ApiError::not_found(text));
            };
            if state.wanted() == 0 {
                self.ask(function, deployment, deadline).await?;
            }
            let changed = tokio::time::timeout_at(deadline, changes.changed()).await;
            if !matches!(changed, Ok(Ok(()))) {
                return Err(self.none_came(function, &state).await);
            }
        }
    }

    /// Asks for the first replica. All calls that wait share the question, which is put once for each state of the
    /// function: when somebody else scales it down again, it is asked for again. A caller who goes away, or who is refused,
    /// leaves it to the next.
    async fn ask(
        &self,
        function: &Function,
        deployment: &Deployment,
        deadline: Instant,
    ) -> Result<(), ApiError> {
        let version = deployment.metadata.resource_version.clone();
        let Ok(mut asked) = tokio::time::timeout_at(deadline, function.asked.lock()).await else {
            // The wait for the replica is over as well, and says so.
            return Ok(());
        };
        if version.is_none() || *asked != version {
            scaler::scale(&self.client, &function.key, scaler::from_zero(deployment)).await?;
            *asked = version;
        }
        Ok(())
    }

    async fn none_came(&self, function: &Function, state: &State) -> ApiError {
        let why = if let Some(why) = state.trouble() {
            why
        } else {
            let (available, wanted) = (state.available(), state.wanted());
            let counts = format!("{available} of {wanted} replicas are ready");
            let event = self.event(function, state).await;
            event.map_or(counts.clone(), |event| format!("{counts}; {event}"))
        };
        let after = self.config.upstream_timeout;
        let text = format!("no replica of {} within {after:?}: {why}", function.key);
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }

    /// The last warning about it: pods that cannot be made, or that wait for a volume, say nothing themselves.
    async fn event(&self, function: &Function, state: &State) -> Option<String> {
        let _look = LOOKS.try_acquire().ok()?;
        let events: Api<Event> = Api::namespaced(self.client.clone(), &function.key.namespace);
        let warnings = ListParams::default().fields("type=Warning");
        let listed = tokio::time::timeout(LOOK_DEADLINE, events.list(&warnings)).await;
        let all = listed.ok()?.ok()?.items.into_iter();
        let last = all
            .filter(|e| is_about(e, &function.key.name, state))
            .max_by_key(when)?;
        let (reason, message) = (last.reason?, last.message.unwrap_or_default());
        let object = last.involved_object.name.unwrap_or_default();
        Some(format!("{object}: {reason}: {message}"))
    }
}

fn is_about(event: &Event, function: &str, state: &State) -> bool {
    let object = &event.involved_object;
    let name = object.name.as_deref().unwrap_or_default();
    match object.kind.as_deref() {
        Some("Deployment") => name == function,
        Some("ReplicaSet") => name
            .strip_prefix(function)
            .and_then(|rest| rest.strip_prefix('-'))
            // What is behind it is a hash; another function may have the same beginning.
            .is_some_and(|hash| !hash.contains('-')),
        Some("Pod") => state.replicas.contains_key(name),
        _ => false,
    }
}

fn when(event: &Event) -> Option<Timestamp> {
    let last = event.last_timestamp.as_ref().map(|t| t.0);
    last.or_else(|| event.event_time.as_ref().map(|t| t.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, functions::Key, metrics::Metrics, registry::FunctionRegistry};
    use axum::{
        Json, Router,
        routing::{get, patch},
    };
    use clap::Parser;
    use serde_json::{Value, json};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A cluster that counts how often it is asked for replicas, which takes it a moment, and has events.
    fn proxy(events: Value) -> (Arc<Proxy>, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let scale = async move || {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(200)).await;
            Json(json!({ "metadata": {} }))
        };
        let list = async move || Json(json!({ "metadata": {}, "items": events }));
        let router = Router::new()
            .route(
                "/apis/apps/v1/namespaces/fn/deployments/f/scale",
                patch(scale),
            )
            .route("/api/v1/namespaces/fn/events", get(list));
        let proxy = Proxy {
            config: Config::parse_from(["gateway"]),
            registry: Arc::new(FunctionRegistry::default()),
            metrics: Metrics::new().unwrap(),
            client: kube::Client::new(router, "fn"),
            http: crate::proxy::http_client(),
        };
        (Arc::new(proxy), asked)
    }

    fn function(proxy: &Proxy, version: &str, replicas: u32) -> Arc<Function> {
        let key = Key::parse("f", "fn");
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": { "resourceVersion": version },
            "spec": { "replicas": replicas, "selector": {}, "template": {} },
        }))
        .unwrap();
        proxy
            .registry
            .change(&key, |state| state.deployment = Some(Arc::new(deployment)));
        proxy.registry.find(&key).unwrap()
    }

    fn ready(proxy: &Proxy) {
        let pod = serde_json::from_value(json!({ "metadata": { "name": "f-1" }, "status": {
            "podIP": "127.0.0.2", "conditions": [{ "type": "Ready", "status": "True" }] } }))
        .unwrap();
        proxy.registry.change(&Key::parse("f", "fn"), |state| {
            let replica = Replica::of(&pod, Arc::default());
            state.replicas.insert("f-1".to_owned(), Arc::new(replica));
        });
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[tokio::test]
    async fn calls_that_wait_ask_once_for_a_replica_and_once_more_when_it_was_taken_away() {
        let (proxy, asked) = proxy(json!([]));
        let function = function(&proxy, "1", 0);
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let (proxy, function) = (Arc::clone(&proxy), Arc::clone(&function));
                tokio::spawn(async move { proxy.replica(&function, &[], soon()).await })
            })
            .collect();
        // The first goes away while it asks; another has to do it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        waiting[0].abort();
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        self::function(&proxy, "2", 0);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        ready(&proxy);
        for one in waiting.into_iter().skip(1) {
            let (replica, had_to_wait) = one.await.unwrap().unwrap();
            assert!(had_to_wait && replica.pod == "f-1");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn who_waited_in_vain_is_told_the_last_warning_about_the_function() {
        let event = |kind: &str, name: &str, at: &str, message: &str| {
            json!({ "metadata": {}, "involvedObject": { "kind": kind, "name": name },
                "reason": "FailedCreate", "message": message, "lastTimestamp": at })
        };
        let (proxy, _) = proxy(json!([
            event(
                "ReplicaSet",
                "f-6f7",
                "2026-01-31T12:00:00Z",
                "exceeded quota"
            ),
            event("ReplicaSet", "f-6f7", "2026-01-31T11:00:00Z", "an hour ago"),
            event(
                "ReplicaSet",
                "f-other-6f7",
                "2026-01-31T13:00:00Z",
                "another's"
            ),
            event("Pod", "f-unknown", "2026-01-31T13:00:00Z", "another's"),
        ]));
        let function = function(&proxy, "1", 1);
        let soon = Instant::now() + Duration::from_millis(50);
        let fault = proxy.replica(&function, &[], soon).await.unwrap_err();
        let wanted = "0 of 1 replicas are ready; f-6f7: FailedCreate: exceeded quota";
        assert!(fault.text.ends_with(wanted), "{fault}");
    }
}
