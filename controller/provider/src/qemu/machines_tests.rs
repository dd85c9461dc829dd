//! Machines on a fake hypervisor: what is made was intended, and everything goes again, wherever it was stopped.

use super::{
    accelerator::Accelerator, fake::FakeHypervisor, hypervisor::Hypervisor, limits, machines,
    network, xml::OwnershipTag,
};
use crate::MachineState;
use continuum_config::Config;
use continuum_host::{
    context::Context,
    keys::Secrets,
    progress::Progress,
    state::{Deployment, StateRoot},
};
use continuum_images::{
    cache::Cache,
    hash,
    store::{Image, Manifest},
};
use continuum_model::{Plan, Prefix};
use std::{collections::BTreeMap, sync::Arc};
use tokio_util::sync::CancellationToken;

const CONFIG: &str = "name = \"d\"\n[infrastructure]\nprovider = \"qemu\"\ninfra_only = true\n[infrastructure.edge]\nnodes = 1\ncores = 1\n\
                      memory_mib = 512\n[infrastructure.endpoint]\nnodes = 1\ncores = 1\nmemory_mib = 512\nquota = 0.5\n\
                      disk_read_mb_s = 30\n";

struct Fixture {
    _dir: tempfile::TempDir,
    context: Context,
    image: Image,
    config: Config,
    plan: Plan,
    fake: FakeHypervisor,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let image_dir = dir.path().join("image");
        std::fs::create_dir(&image_dir).unwrap();
        let mut files = BTreeMap::new();
        for name in ["disk.qcow2", "kernel", "initrd"] {
            std::fs::write(image_dir.join(name), name).unwrap();
            files.insert(name.to_owned(), hash::file(&image_dir.join(name)).unwrap());
        }
        let manifest = Manifest {
            key: "k".into(),
            suite: "trixie".into(),
            agent_sha256: String::new(),
            bundle: "b".into(),
            files,
            disk_bytes: 10,
            packages: continuum_images::package_lock::Lock::default(),
            extras: BTreeMap::new(),
            role: String::new(),
            containers: Vec::new(),
        };
        let config = continuum_plan::parse(CONFIG, "d.toml", false, "d", &[])
            .unwrap()
            .config;
        let plan = continuum_plan::plan(&config, Prefix::from([192, 168, 100]));
        Self {
            context: Context {
                root: StateRoot::at(dir.path().join("state")).unwrap(),
                cache: Cache::at(dir.path().join("cache")).unwrap(),
                progress: Arc::new(Progress::new(true)),
                cancel: CancellationToken::new(),
                chosen: None,
            },
            image: Image {
                dir: image_dir,
                manifest,
            },
            config,
            plan,
            fake: FakeHypervisor::default(),
            _dir: dir,
        }
    }

    fn deployment(&self) -> Deployment {
        let root = &self.context.root;
        let mut deployment = Deployment::create(root, "d", CONFIG, "qemu", "").unwrap();
        deployment.set_nodes(self.plan.nodes.clone()).unwrap();
        deployment
    }

    fn load(&self) -> Deployment {
        Deployment::load(&self.context.root, "d").unwrap().unwrap()
    }

    fn create(&self, deployment: &mut Deployment) -> Result<(), continuum_host::error::Error> {
        let secrets = Secrets::ensure(deployment).unwrap();
        let create = machines::CreateContext {
            context: &self.context,
            config: &self.config,
            plan: &self.plan,
            secrets: &secrets,
            image: &self.image,
            accelerator: Accelerator::Tcg,
        };
        machines::create(&self.fake, create, deployment)
    }

    fn destroy(&self, deployment: &mut Deployment) -> Vec<String> {
        machines::destroy(&self.fake, &self.context, deployment).unwrap()
    }

    /// What there is beside the base image, which all deployments share.
    fn left(&self) -> Vec<String> {
        let mut left = self.fake.left();
        left.retain(|name| !name.starts_with("volume base-"));
        left
    }
}

#[test]
fn what_is_made_is_removed() {
    let fixture = Fixture::new();
    let mut deployment = fixture.deployment();
    fixture.create(&mut deployment).unwrap();
    assert_eq!(fixture.fake.running().len(), 2);
    assert_eq!(fixture.left().len(), 7, "{:?}", fixture.left());
    fixture.create(&mut deployment).unwrap();
    assert_eq!(fixture.left().len(), 7, "a second time makes nothing");
    assert_eq!(fixture.destroy(&mut deployment).len(), 7);
    assert!(fixture.left().is_empty() && deployment.resources().is_empty());
    assert!(fixture.destroy(&mut deployment).is_empty());
}

/// A daemon that was started anew does not know the pool, while the files of the base still lie in it.
#[test]
fn a_base_that_lies_there_already_is_used() {
    let fixture = Fixture::new();
    let mut deployment = fixture.deployment();
    fixture.create(&mut deployment).unwrap();
    fixture.destroy(&mut deployment);
    fixture.fake.forget_pool();
    fixture.create(&mut fixture.load()).unwrap();
    let made = |call: &&String| call.starts_with("make volume base-");
    // Disk, kernel, initial RAM disk, and a marker for each.
    assert_eq!(fixture.fake.calls().iter().filter(made).count(), 6);
}

/// The daemon goes away at each call in turn; what counts is what is on disk then.
#[test]
fn stopped_at_any_call_everything_is_recorded_and_goes_or_goes_on() {
    let mut call = 0;
    loop {
        let fixture = Fixture::new();
        let mut deployment = fixture.deployment();
        fixture.fake.fail_at(call);
        let is_done = fixture.create(&mut deployment).is_ok();
        fixture.fake.mend();
        let recorded: Vec<String> = fixture.load().resource_names();
        for thing in fixture.left() {
            assert!(
                recorded.contains(&thing),
                "call {call}: {thing} is not in {recorded:?}"
            );
        }
        if call % 2 == 0 {
            fixture.create(&mut fixture.load()).unwrap();
            assert_eq!(fixture.fake.running().len(), 2, "call {call}");
        }
        fixture.destroy(&mut fixture.load());
        assert!(
            fixture.left().is_empty(),
            "call {call}: {:?}",
            fixture.left()
        );
        if is_done {
            break;
        }
        call += 1;
    }
    assert!(call > 20, "only {call} calls were tried");
}

#[test]
fn removal_survives_failures_and_goes_on_where_it_was() {
    for call in 0.. {
        let fixture = Fixture::new();
        let mut deployment = fixture.deployment();
        fixture.create(&mut deployment).unwrap();
        fixture.fake.fail_at(call);
        let is_done = machines::destroy(&fixture.fake, &fixture.context, &mut deployment).is_ok();
        fixture.fake.mend();
        fixture.destroy(&mut fixture.load());
        assert!(
            fixture.left().is_empty(),
            "call {call}: {:?}",
            fixture.left()
        );
        if is_done {
            assert!(call > 5);
            break;
        }
    }
}

#[test]
fn disks_go_although_the_daemon_does_not_know_their_pool() {
    let fixture = Fixture::new();
    let mut deployment = fixture.deployment();
    fixture.create(&mut deployment).unwrap();
    // As when a testbed ended with its machines: files are left, and a daemon without definitions.
    for node in ["edge0", "endpoint0"] {
        let domain = format!("ct-{}-{node}", deployment.id());
        fixture.fake.undefine_by_hand(&domain);
    }
    fixture.fake.forget_pool();
    let removed = fixture.destroy(&mut fixture.load());
    let volumes = removed.iter().filter(|what| what.starts_with("volume "));
    // A disk and a seed of each node.
    assert_eq!(volumes.count(), 4, "{removed:?}");
    assert_eq!(fixture.left(), Vec::<String>::new());
}

#[test]
fn without_state_only_this_owners_things_go() {
    let (fixture, other) = (Fixture::new(), Fixture::new());
    // Another user's deployment of the same name, on the same hypervisor.
    let theirs = Fixture {
        fake: fixture.fake.clone(),
        ..other
    };
    fixture.create(&mut fixture.deployment()).unwrap();
    theirs.create(&mut theirs.deployment()).unwrap();
    fixture
        .fake
        .define_domain("<domain><name>foreign</name></domain>")
        .unwrap();
    let owner = fixture.context.root.owner();
    assert_ne!(owner, theirs.context.root.owner());
    let ours = |tag: &OwnershipTag| tag.deployment == "d" && tag.owner == owner;
    let removed = machines::destroy_orphans(&fixture.fake, &fixture.context, &ours, &[]).unwrap();
    assert_eq!(removed.len(), 7, "{removed:?}");
    assert_eq!(fixture.left().len(), 8, "{:?}", fixture.left());
    theirs.destroy(&mut theirs.load());
    assert_eq!(fixture.left(), ["domain foreign"]);
}

#[test]
fn a_network_that_is_not_understood_is_neither_free_nor_nobodys() {
    let fixture = Fixture::new();
    let broken = "<network><ip address='192.168.7.1'>";
    fixture.fake.describe_network("lab", broken);
    let prefix = Prefix::from([192, 168, 7]);
    let looked = futures_util::FutureExt::now_or_never(network::is_taken(&fixture.fake, prefix));
    let ours = |_: &OwnershipTag| true;
    let removal = machines::destroy_orphans(&fixture.fake, &fixture.context, &ours, &[]);
    for error in [looked.unwrap().unwrap_err(), removal.unwrap_err()] {
        assert!(error.to_string().contains("network lab"), "{error}");
    }
}

#[test]
fn a_domain_undefined_by_hand_is_no_obstacle() {
    let fixture = Fixture::new();
    let mut deployment = fixture.deployment();
    fixture.create(&mut deployment).unwrap();
    let name = fixture.fake.running().into_iter().next().unwrap();
    fixture.fake.undefine_by_hand(&name);
    let states = machines::states(&fixture.fake, &deployment).unwrap();
    assert!(states.iter().any(|s| s.state == MachineState::Gone));
    assert_eq!(fixture.destroy(&mut deployment).len(), 6);
    assert!(fixture.left().is_empty());
}

#[test]
fn limits_are_asked_for_and_read_back() {
    let fixture = Fixture::new();
    let mut deployment = fixture.deployment();
    fixture.create(&mut deployment).unwrap();
    let node = &fixture.plan.nodes[1];
    let domain = super::domain_name(&deployment.id(), &node.name);
    let reports = limits::apply_limits(&fixture.fake, &domain, node).unwrap();
    let read: Vec<_> = reports.iter().map(|r| (&*r.limit, r.read_back)).collect();
    assert_eq!(
        read,
        [
            ("cpu_quota", 0.5),
            ("disk_read_mb_s", 30.0),
            ("disk_write_mb_s", 0.0)
        ]
    );
    assert!(
        fixture
            .fake
            .calls()
            .iter()
            .any(|c| c.starts_with("set the disk limits"))
    );
}
