//! What a test is, what it needs, and the clusters that tests share.

use crate::{
    cluster::Cluster,
    fixture::{Provider, VmFixture},
};
use anyhow::{Context, anyhow};
use continuum_tests::skip;
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// When a test runs on a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// In `make test-long`.
    Long,
    Never,
}

/// What a machine must have for a test, besides guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Kubernetes,
    KubeEdge,
    Functions,
    WorkloadImage,
    OpenFaasPrograms,
    /// Not a test: prints figures.
    Benchmark,
}

impl Need {
    /// Why this machine has not got it. The one place where reasons for skipping are.
    fn missing(self) -> Option<String> {
        match self {
            Self::Kubernetes => skip::cluster(),
            Self::KubeEdge => skip::kubeedge(),
            Self::Functions => skip::functions(),
            Self::WorkloadImage => skip::workload_image(),
            Self::OpenFaasPrograms => skip::openfaas_programs(),
            Self::Benchmark => skip::benchmark(),
        }
    }
}

/// Something that several tests look at: made by the first that needs it, gone after the last.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) name: &'static str,
    pub(crate) make: fn(&Arc<VmFixture>) -> anyhow::Result<Cluster>,
}

/// What a test does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body {
    /// By itself, on machines that nobody else has.
    Alone(fn(&Arc<VmFixture>) -> anyhow::Result<()>),
    /// With what others have used, and others will.
    With(&'static Fixture, fn(&Cluster) -> anyhow::Result<()>),
    /// The end of what tests share: nothing of it may be left.
    End(&'static Fixture),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Test {
    /// What is the case if it passes, below the name of the provider.
    pub(crate) name: &'static str,
    pub(crate) uml: When,
    pub(crate) qemu: When,
    pub(crate) needs: &'static [Need],
    pub(crate) body: Body,
}

impl Test {
    /// On guests of native speed in `make test`; where they may be emulated only in `make test-long`.
    pub(crate) const fn new(name: &'static str, needs: &'static [Need], body: Body) -> Self {
        Self {
            name,
            uml: When::Always,
            qemu: When::Long,
            needs,
            body,
        }
    }

    pub(crate) const fn on(self, uml: When, qemu: When) -> Self {
        Self { uml, qemu, ..self }
    }

    fn when(&self, provider: Provider) -> When {
        match provider {
            Provider::Uml => self.uml,
            Provider::Qemu => self.qemu,
        }
    }

    /// Its name on a provider, if it runs there at all.
    pub(crate) fn title(&self, provider: Provider) -> Option<String> {
        (self.when(provider) != When::Never).then(|| format!("{}::{}", provider.name(), self.name))
    }

    /// Why it does not run now.
    pub(crate) fn missing(&self, provider: Provider) -> Option<String> {
        let guests = match provider {
            Provider::Uml => skip::uml(),
            Provider::Qemu => skip::machines(),
        };
        let is_long = self.when(provider) == When::Long;
        guests
            .or_else(|| self.needs.iter().find_map(|need| need.missing()))
            .or_else(|| if is_long { skip::long() } else { None })
    }
}

/// A fixture on a provider, or why there is none.
struct CurrentCluster {
    name: &'static str,
    provider: Provider,
    made: Result<Arc<Cluster>, String>,
}

/// Runs tests, with what they share.
#[derive(Default)]
pub(crate) struct Fixtures {
    all_vms: Mutex<BTreeMap<&'static str, Result<Arc<VmFixture>, String>>>,
    current: Mutex<Option<CurrentCluster>>,
}

impl Fixtures {
    fn vms(&self, provider: Provider) -> anyhow::Result<Arc<VmFixture>> {
        let mut all_vms = self.all_vms.lock().unwrap_or_else(PoisonError::into_inner);
        let vms = all_vms.entry(provider.name()).or_insert_with(|| {
            VmFixture::start(provider)
                .map(Arc::new)
                .map_err(|why| format!("the testbed of {} did not start: {why:#}", provider.name()))
        });
        vms.clone().map_err(|why| anyhow!(why))
    }

    fn fixture(&self, fixture: &Fixture, provider: Provider) -> anyhow::Result<Arc<Cluster>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let stands = |s: &CurrentCluster| s.name == fixture.name && s.provider == provider;
        if !current.as_ref().is_some_and(stands) {
            // Two clusters at once would take memory and time from each other.
            *current = None;
            let vms = self.vms(provider)?;
            let begun = Instant::now();
            let made = catch_unwind(AssertUnwindSafe(|| (fixture.make)(&vms)))
                .unwrap_or_else(|_| Err(anyhow!("it panicked")))
                .map(Arc::new)
                .map_err(|why| format!("{} could not be made: {why:#}", fixture.name));
            tell(&format!(
                "{}::{}: made in {:.1} s",
                provider.name(),
                fixture.name,
                begun.elapsed().as_secs_f64()
            ));
            *current = Some(CurrentCluster {
                name: fixture.name,
                provider,
                made,
            });
        }
        let made = current.as_ref().map(|s| s.made.clone());
        made.context("a fixture")?.map_err(|why| anyhow!(why))
    }

    pub(crate) fn run(&self, test: &Test, provider: Provider) -> anyhow::Result<()> {
        let begun = Instant::now();
        let done = match test.body {
            Body::Alone(run) => {
                self.empty();
                self.vms(provider).and_then(|vms| run(&vms))
            }
            Body::With(fixture, run) => {
                let cluster = self.fixture(fixture, provider);
                cluster.and_then(|cluster| {
                    run(&cluster).inspect_err(|_| cluster.last_words("cloud_controller"))
                })
            }
            Body::End(fixture) => {
                let cluster = self.fixture(fixture, provider);
                let done = cluster.and_then(|cluster| {
                    cluster.ctl.expect(0, &["down", &cluster.name])?;
                    cluster.vms.check_nothing_left()
                });
                self.empty();
                done
            }
        };
        tell(&format!("{:.1} s", begun.elapsed().as_secs_f64()));
        done
    }

    /// What is shared goes.
    pub(crate) fn empty(&self) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[expect(clippy::print_stderr, reason = "where the time went")]
fn tell(text: &str) {
    eprintln!("{text}");
}
