//! A broker, a worker with a classifier that needs no libtorch, and endpoints.

use super::{
    broker::{Broker, Kind},
    must,
    run::{Lines, RoleRun, Run},
};
use crate::{classifier::fake::FakeFactory, photo::tests::jpeg, publisher, subscriber};
use continuum_workload_core::{
    application::{RunContext, Stop},
    event::EventSink,
    spec::{Load, Publisher, Role, RunSpec, Subscriber},
};
use std::{net::SocketAddr, sync::Arc};
use tokio::sync::watch;

pub(super) fn is_long() -> bool {
    std::env::var_os("CONTINUUM_LONG").is_some()
}

pub(super) struct Fixture {
    pub(super) broker: Broker,
    dir: Arc<tempfile::TempDir>,
}

impl Fixture {
    pub(super) fn new(kind: Kind) -> Result<Self, String> {
        let dir = must("make a directory", tempfile::tempdir());
        let broker = Broker::new(kind, dir.path())?;
        let mut fixture = Self {
            broker,
            dir: Arc::new(dir),
        };
        must(
            "make a directory",
            std::fs::create_dir(fixture.dir.path().join("photos")),
        );
        fixture.photo_of(0);
        Ok(fixture)
    }

    /// The photo that is sent, of at least so many bytes.
    pub(super) fn photo_of(&mut self, bytes: usize) {
        let mut photo = jpeg(64, 64, [100, 0, 0]);
        // After the start of the image: comments, which every decoder passes over.
        while photo.len() < bytes {
            let mut comment = vec![0xff, 0xfe, 0xff, 0xff];
            comment.resize(2 + 0xffff, b' ');
            photo.splice(2..2, comment);
        }
        must(
            "write the photo",
            std::fs::write(self.dir.path().join("photos/a.jpg"), photo),
        );
    }

    pub(super) async fn start(&self, endpoints: u32, frequency_hz: f64, duration_s: f64) -> Run {
        let address = self.broker.address();
        self.run(address, address, endpoints, frequency_hz, duration_s)
            .await
    }

    /// With endpoints that are at the other end of a link.
    pub(super) async fn start_over(
        &self,
        link: SocketAddr,
        endpoints: u32,
        frequency_hz: f64,
        duration_s: f64,
    ) -> Run {
        self.run(
            self.broker.address(),
            link,
            endpoints,
            frequency_hz,
            duration_s,
        )
        .await
    }

    /// With a worker that is at the other end of a link.
    pub(super) async fn start_with_worker_over(
        &self,
        link: SocketAddr,
        frequency_hz: f64,
        duration_s: f64,
    ) -> Run {
        self.run(link, self.broker.address(), 1, frequency_hz, duration_s)
            .await
    }

    async fn run(
        &self,
        for_worker: SocketAddr,
        for_endpoints: SocketAddr,
        endpoints: u32,
        frequency_hz: f64,
        duration_s: f64,
    ) -> Run {
        let load = Load {
            frequency_hz,
            duration_s,
            grace_s: 120.0,
        };
        let (ask, stop) = Stop::channel();
        let names: Vec<String> = (0..endpoints).map(|n| format!("endpoint{n}")).collect();
        let worker = Subscriber {
            broker: for_worker.to_string(),
            classifiers: 1,
            endpoints: names.clone(),
            photos: Some(load.count()),
            queue_bytes: 256 << 20,
            deadline_s: 600.0,
        };
        let mut roles = vec![self.role("edge0", Role::Subscriber(worker), &stop)];
        roles[0].ready().await;
        for name in &names {
            let publisher = Publisher {
                broker: for_endpoints.to_string(),
                load,
                dataset: "photos".into(),
            };
            roles.push(self.role(name, Role::Publisher(publisher), &stop));
        }
        for role in &mut roles {
            role.ready().await;
        }
        Run {
            ask,
            roles,
            asked: load.count() * u64::from(endpoints),
        }
    }

    fn role(&self, node: &str, role: Role, stop: &Stop) -> RoleRun {
        let dir = Arc::clone(&self.dir);
        let out = dir.path().join(node);
        must("make a directory", std::fs::create_dir_all(&out));
        let (lines, said) = watch::channel(Vec::new());
        let spec = RunSpec {
            application: "image_classification".into(),
            node: node.to_owned(),
            role,
        };
        let stop = stop.clone();
        let task = tokio::spawn({
            let out = out.clone();
            async move {
                let context = RunContext {
                    spec,
                    bundle: dir.path(),
                    out: &out,
                    events: EventSink::new(Lines(lines)),
                    stop,
                };
                match context.spec.role.clone() {
                    Role::Subscriber(spec) => subscriber::run(&context, &spec, &FakeFactory).await,
                    Role::Publisher(spec) => publisher::run(&context, &spec).await,
                    other => panic!("{other:?}"),
                }
            }
        });
        RoleRun { out, said, task }
    }
}
