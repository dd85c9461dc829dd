//! What the status of a pod says.

use continuum_model::{PodRecord, RunExit};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

/// Waiting for these is in vain: what is missing does not come by itself.
const FATAL: [&str; 5] = [
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "ErrImagePull",
    "ImagePullBackOff",
];

/// What becomes of a pod that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prospect {
    /// It goes on by itself.
    Starting,
    /// No node takes it; one may become free.
    Unscheduled,
    /// What it waits for does not come.
    InVain,
}

/// How far a pod is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PodState {
    /// Not running, and why.
    Waiting {
        /// In words.
        why: String,
        /// What can be hoped for.
        prospect: Prospect,
    },
    /// Its container runs.
    Running,
    /// Its container ended, or never will run.
    Ended(RunExit),
}

/// A container by name, or the only one.
fn container<'a>(pod: &'a Pod, name: Option<&str>) -> Option<&'a ContainerStatus> {
    let mut all = pod.status.as_ref()?.container_statuses.iter().flatten();
    all.find(|c| name.is_none_or(|name| c.name == name))
}

pub(super) fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// State of a pod's only container, or of one of several.
pub(super) fn state(pod: &Pod, name: Option<&str>) -> PodState {
    let Some(status) = &pod.status else {
        return waiting("it has no status yet", Prospect::Starting);
    };
    let state = container(pod, name).and_then(|c| c.state.as_ref());
    if let Some(end) = state.and_then(|s| s.terminated.as_ref()) {
        let is_oom = end.reason.as_deref() == Some("OOMKilled");
        let plain = matches!(end.reason.as_deref(), None | Some("Completed" | "Error"));
        let words = [end.reason.as_deref(), end.message.as_deref()];
        let reason: Vec<&str> = words
            .into_iter()
            .flatten()
            .filter(|w| !w.is_empty())
            .collect();
        return PodState::Ended(RunExit {
            code: Some(end.exit_code),
            signal: end.signal.filter(|s| *s != 0),
            reason: if plain || is_oom {
                String::new()
            } else {
                reason.join(": ")
            },
            oom_kills: u64::from(is_oom),
            ..RunExit::default()
        });
    }
    if status.phase.as_deref() == Some("Failed") {
        let words = [status.reason.as_deref(), status.message.as_deref()];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        return PodState::Ended(RunExit {
            reason: format!("its pod failed: {}", words.join(": ")),
            ..RunExit::default()
        });
    }
    if state.is_some_and(|s| s.running.is_some()) {
        return PodState::Running;
    }
    if let Some(wait) = state.and_then(|s| s.waiting.as_ref()) {
        let reason = wait.reason.as_deref().unwrap_or("waiting");
        let message = wait.message.as_deref().unwrap_or_default();
        let why = format!("{reason} {message}");
        let prospect = if FATAL.contains(&reason) {
            Prospect::InVain
        } else {
            Prospect::Starting
        };
        return waiting(why.trim(), prospect);
    }
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|c| c.type_ == "PodScheduled" && c.status == "False");
    if let Some(condition) = unscheduled {
        let message = condition.message.as_deref().unwrap_or("no reason given");
        let why = format!("no node takes it: {message}");
        return waiting(&why, Prospect::Unscheduled);
    }
    waiting("the kubelet has not taken it up yet", Prospect::Starting)
}

/// Why a pod's container does not run, if it does not.
pub(super) fn not_running_reason(pod: &Pod) -> Option<String> {
    match state(pod, None) {
        PodState::Waiting { why, .. } => Some(why),
        PodState::Ended(exit) => Some(format!("it ended: {exit:?}")),
        PodState::Running => None,
    }
}

fn waiting(why: &str, prospect: Prospect) -> PodState {
    PodState::Waiting {
        why: why.to_owned(),
        prospect,
    }
}

/// Conditions of a pod with the name of what is done when they are true.
const CONDITIONS: [(&str, &str); 4] = [
    ("PodScheduled", "scheduled"),
    ("PodReadyToStartContainers", "sandbox"),
    ("Initialized", "initialized"),
    ("ContainersReady", "ready"),
];

/// Adds what the pod says now: some of it is gone again when it has ended.
pub(super) fn record(pod: &Pod, container_name: Option<&str>, record: &mut PodRecord) {
    name(pod).clone_into(&mut record.pod);
    record.container = container_name.map(str::to_owned);
    let node = pod.spec.as_ref().and_then(|s| s.node_name.clone());
    record.node = node.unwrap_or_default();
    let mut time = |what, at: Option<i64>| {
        if let Some(at) = at {
            record.times_unix_s.entry(what).or_insert(at);
        }
    };
    let created = pod.metadata.creation_timestamp.as_ref();
    time("created", created.map(|t| t.0.as_second()));
    let Some(status) = &pod.status else { return };
    for condition in status.conditions.iter().flatten() {
        let what = CONDITIONS.iter().find(|(name, _)| *name == condition.type_);
        if let (Some((_, what)), "True") = (what, &*condition.status) {
            let at = condition.last_transition_time.as_ref();
            time(what, at.map(|t| t.0.as_second()));
        }
    }
    let container = container(pod, container_name);
    let state = container.and_then(|c| c.state.as_ref());
    let running = state.and_then(|s| s.running.as_ref()?.started_at.as_ref());
    let ended = state.and_then(|s| s.terminated.as_ref());
    let started = running.or(ended.and_then(|e| e.started_at.as_ref()));
    time("started", started.map(|t| t.0.as_second()));
    let finished = ended.and_then(|e| e.finished_at.as_ref());
    time("finished", finished.map(|t| t.0.as_second()));
    if let Some(address) = &status.pod_ip {
        record.address.clone_from(address);
    }
    if let Some(container) = container.filter(|c| !c.image_id.is_empty()) {
        record.image_id.clone_from(&container.image_id);
    }
}

/// Where the control group of a pod is whose requests are its limits.
pub(super) fn cgroup(pod: &Pod) -> Option<String> {
    let uid = pod.metadata.uid.as_ref()?.replace('-', "_");
    Some(format!(
        "/sys/fs/cgroup/kubepods.slice/kubepods-pod{uid}.slice"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(status: serde_json::Value) -> Pod {
        let pod = json!({
            "metadata": { "name": "p", "creationTimestamp": "2026-01-01T00:00:00Z", "uid": "a-b" },
            "status": status,
        });
        serde_json::from_value(pod).unwrap()
    }

    fn container(state: serde_json::Value) -> Pod {
        pod(json!({ "phase": "Running", "containerStatuses": [{
            "name": "c", "ready": false, "restartCount": 0, "image": "i", "imageID": "sha256:1", "state": state,
        }] }))
    }

    #[test]
    fn waiting_says_for_what_and_whether_it_is_in_vain() {
        let missing = json!({ "waiting": { "reason": "ErrImageNeverPull", "message": "image is not present" } });
        let fatal = PodState::Waiting {
            why: "ErrImageNeverPull image is not present".into(),
            prospect: Prospect::InVain,
        };
        assert_eq!(state(&container(missing), None), fatal);
        let creating = container(json!({ "waiting": { "reason": "ContainerCreating" } }));
        assert_eq!(
            state(&creating, None),
            waiting("ContainerCreating", Prospect::Starting)
        );
        let unscheduled = pod(json!({ "conditions": [
            { "type": "PodScheduled", "status": "False", "message": "0/2 nodes: Insufficient cpu" },
        ] }));
        let why = "no node takes it: 0/2 nodes: Insufficient cpu";
        assert_eq!(
            state(&unscheduled, None),
            waiting(why, Prospect::Unscheduled)
        );
    }

    #[test]
    fn the_end_tells_memory_from_a_plain_failure() {
        let ended = |reason: &str, code: i32| {
            let state_of = json!({ "terminated": { "exitCode": code, "reason": reason } });
            match state(&container(state_of), None) {
                PodState::Ended(exit) => exit,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(ended("Completed", 0).code, Some(0));
        assert_eq!(ended("OOMKilled", 137).oom_kills, 1);
        assert_eq!(ended("Error", 1).reason, "");
        assert_eq!(ended("StartError", 128).reason, "StartError");
        let evicted = pod(json!({ "phase": "Failed", "reason": "Evicted", "message": "disk" }));
        let PodState::Ended(exit) = state(&evicted, None) else {
            panic!("not ended")
        };
        assert_eq!(exit.reason, "its pod failed: Evicted: disk");
    }

    #[test]
    fn times_are_kept_when_a_condition_turns_again() {
        let mut kept = PodRecord::default();
        let ready = |status: &str, at: &str| {
            pod(json!({ "conditions": [
                { "type": "ContainersReady", "status": status, "lastTransitionTime": at },
            ] }))
        };
        record(&ready("True", "2026-01-01T00:00:07Z"), None, &mut kept);
        record(&ready("False", "2026-01-01T00:00:20Z"), None, &mut kept);
        let ended = container(json!({ "terminated": {
            "exitCode": 0, "startedAt": "2026-01-01T00:00:06Z", "finishedAt": "2026-01-01T00:00:21Z",
        } }));
        record(&ended, None, &mut kept);
        let begun = kept.times_unix_s["created"];
        let after: Vec<_> = kept
            .times_unix_s
            .iter()
            .map(|(k, v)| (*k, v - begun))
            .collect();
        assert_eq!(
            after,
            [
                ("created", 0),
                ("finished", 21),
                ("ready", 7),
                ("started", 6)
            ]
        );
        assert_eq!(kept.image_id, "sha256:1");
        assert!(cgroup(&ended).unwrap().ends_with("kubepods-poda_b.slice"));
    }

    #[test]
    fn containers_of_a_pod_are_told_apart() {
        let status = |name: &str, state: serde_json::Value| json!({ "name": name, "ready": false, "restartCount": 0, "image": "i", "imageID": "", "state": state });
        let both = pod(json!({ "phase": "Running", "containerStatuses": [
            status("empty-0", json!({ "terminated": { "exitCode": 0, "reason": "Completed" } })),
            status("empty-1", json!({ "running": {} })),
        ] }));
        assert_eq!(state(&both, Some("empty-1")), PodState::Running);
        assert!(matches!(state(&both, Some("empty-0")), PodState::Ended(_)));
    }
}
