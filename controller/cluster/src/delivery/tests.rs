use super::*;
use crate::job::Image;
use continuum_agents::RunStart;
use kube::Config;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Barrier, mpsc},
};

/// What was sent, as JSON.
async fn body_of(socket: &mut TcpStream) -> Value {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let length = text
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next()?.parse::<usize>().ok());
        if let (Some(length), Some((head, _))) = (length, text.split_once("\r\n\r\n")) {
            let body = bytes.get(head.len() + 4..).unwrap_or_default();
            if body.len() >= length {
                return serde_json::from_slice(body).unwrap();
            }
        }
        assert!(socket.read_buf(&mut bytes).await.unwrap() > 0, "{text}");
    }
}

/// An API server that takes Jobs, and answers when it has so many.
async fn fake_api_server(at_once: usize) -> (Client, mpsc::UnboundedReceiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, jobs) = mpsc::unbounded_channel();
    let barrier = Arc::new(Barrier::new(at_once));
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let (told, barrier) = (told.clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                let mut job = body_of(&mut socket).await;
                told.send(job.clone()).unwrap();
                barrier.wait().await;
                job["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:07Z");
                let text = job.to_string();
                let head =
                    "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\nconnection: close";
                let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{text}", text.len());
                socket.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    let address = format!("http://{address}").parse().unwrap();
    (Client::try_from(Config::new(address)).unwrap(), jobs)
}

/// Two on each of two workers.
fn delivery(how: KubeDeployment) -> Delivery {
    let member = |node: &str, copy: u32| Member {
        run: RunStart {
            id: format!("b1-{node}-{copy}"),
            bench: "b1".into(),
            spec_json: json!({ "node": node, "role": { "text": "$(HOME)" } }).to_string(),
            cpu_cores: 0.05,
            memory_bytes: 512 << 20,
            lease: Duration::from_secs(30),
            container: None,
        },
        node: node.to_owned(),
        image: Image {
            reference: "continuum.local/workload:0.1.0".into(),
            is_brought: true,
        },
        own: None,
    };
    let of_node = |node| [0, 1].map(|copy| member(node, copy));
    let members = ["cloud0", "cloud1"].map(of_node).concat();
    Delivery::new(how, "empty", "b1", members)
}

/// The Jobs that come of it, in the order of their coming.
async fn jobs_of(how: KubeDeployment, at_once: usize) -> Vec<Value> {
    let (client, mut told) = fake_api_server(at_once).await;
    let delivery = delivery(how);
    let deadline = Duration::from_mins(10);
    for member in &delivery.members {
        let at = delivery.make(&client, deadline, &member.run.id).await;
        assert_eq!(at.unwrap(), Some(1_767_225_607), "{how}");
    }
    let mut jobs = Vec::new();
    while let Ok(job) = told.try_recv() {
        jobs.push(job);
    }
    jobs
}

fn names(jobs: &[Value]) -> Vec<&str> {
    let name = |job: &Value| job["metadata"]["name"].as_str().map(str::len);
    assert!(jobs.iter().all(|job| name(job).is_some()), "{jobs:?}");
    let names = jobs
        .iter()
        .filter_map(|job| job["metadata"]["name"].as_str());
    names.collect()
}

const OF_EACH: [&str; 4] = [
    "empty-b1-cloud0-0",
    "empty-b1-cloud0-1",
    "empty-b1-cloud1-0",
    "empty-b1-cloud1-1",
];

#[tokio::test]
async fn files_are_a_job_each_one_after_the_other() {
    let jobs = jobs_of(KubeDeployment::File, 1).await;
    assert_eq!(names(&jobs), OF_EACH);
}

#[tokio::test]
async fn calls_are_a_job_each_all_under_way_at_once() {
    // None is answered before all have come.
    let jobs = jobs_of(KubeDeployment::Call, 4).await;
    let mut names = names(&jobs);
    names.sort_unstable();
    assert_eq!(names, OF_EACH);
}

#[tokio::test]
async fn pods_are_of_one_job_and_spread_evenly_over_the_workers() {
    let jobs = jobs_of(KubeDeployment::Pod, 1).await;
    assert_eq!(names(&jobs), ["empty-b1-all"]);
    let spec = &jobs[0]["spec"];
    assert_eq!(
        (&spec["parallelism"], &spec["completions"]),
        (&json!(4), &json!(4))
    );
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
    let container = &pod["containers"][0];
    let argument = container["args"][1].as_str().unwrap();
    assert!(
        argument.contains(r#""node":"$(CONTINUUM_NODE)""#),
        "{argument}"
    );
    assert!(argument.contains(r#""text":"$$(HOME)""#), "{argument}");
    assert_eq!(container["env"][0]["name"], "CONTINUUM_NODE");
    let spread = &pod["topologySpreadConstraints"][0];
    assert_eq!(
        (&spread["maxSkew"], &spread["whenUnsatisfiable"]),
        (&json!(1), &json!("DoNotSchedule"))
    );
    let terms = &pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let values = &terms["nodeSelectorTerms"][0]["matchExpressions"][0]["values"];
    assert_eq!(*values, json!(["cloud0", "cloud1"]));
}

#[tokio::test]
async fn containers_are_of_one_pod() {
    let jobs = jobs_of(KubeDeployment::Container, 1).await;
    assert_eq!(names(&jobs), ["empty-b1-all"]);
    let pod = &jobs[0]["spec"]["template"]["spec"];
    assert_eq!(pod["nodeSelector"]["kubernetes.io/hostname"], "cloud0");
    let containers = pod["containers"].as_array().unwrap().iter();
    let names: Vec<&str> = containers.filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(names, ["empty-0", "empty-1", "empty-2", "empty-3"]);
    let delivery = delivery(KubeDeployment::Container);
    let third = delivery.container_of("b1-cloud1-0");
    assert_eq!(third.as_deref(), Some("empty-2"));
}

fn pods(all: &[(&str, &str)]) -> pod_watcher::Pods {
    let pod = |(name, node): &(&str, &str)| {
        let pod = serde_json::from_value(json!({
            "metadata": { "name": name, "labels": { (job::RUN): "b1-all" } },
            "spec": { "nodeName": node, "containers": [] },
        }));
        ((*name).to_owned(), pod.unwrap())
    };
    pod_watcher::Pods {
        by_name: all.iter().map(pod).collect(),
        answered: tokio::time::Instant::now(),
        trouble: None,
    }
}

#[test]
fn each_pod_of_a_job_is_taken_for_one_run_of_its_node_and_stays_it() {
    let delivery = delivery(KubeDeployment::Pod);
    let taken = |run: &str, pods: &pod_watcher::Pods| {
        let pod = delivery.pod_of(run, pods);
        pod.map(|pod| pod::name(pod).to_owned())
    };
    let first = pods(&[("p9", "cloud1")]);
    assert_eq!(taken("b1-cloud0-0", &first), None);
    assert_eq!(taken("b1-cloud1-0", &first).as_deref(), Some("p9"));
    // The scheduler had the last one otherwise.
    let all = pods(&[
        ("p1", "cloud0"),
        ("p2", "cloud1"),
        ("p3", "cloud1"),
        ("p9", "cloud1"),
    ]);
    let runs = ["b1-cloud0-0", "b1-cloud0-1", "b1-cloud1-0", "b1-cloud1-1"];
    let of_runs = runs.map(|run| taken(run, &all).unwrap());
    assert_eq!(of_runs, ["p1", "p3", "p9", "p2"]);
}
