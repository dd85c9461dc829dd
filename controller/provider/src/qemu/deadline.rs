//! A hypervisor whose calls end: each is made on a thread of its own, and given up by its deadline.
//!
//! libvirt's calls block for as long as its daemon does. A call that was given up still holds its thread, so the
//! connection is not used again: later calls fail at once.

use super::hypervisor::{DomainInfo, HostInfo, Hypervisor, NetworkInfo, Upload};
use crate::{MachineState, error::ProviderError};
use continuum_host::error::Error;
use std::{
    path::Path,
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

/// For a question or a small change.
pub(super) const CALL: Duration = Duration::from_mins(1);
/// For a gigabyte written to a slow disk.
const UPLOAD: Duration = Duration::from_mins(15);

type Call = Box<dyn FnOnce(&dyn Hypervisor) + Send>;

/// Calls a hypervisor on its thread.
#[derive(Debug)]
pub(super) struct TimeoutHypervisor {
    calls: mpsc::Sender<Call>,
    within: Duration,
}

impl TimeoutHypervisor {
    /// Opens the hypervisor on the thread that will call it.
    pub(super) fn open<H: Hypervisor + 'static>(
        within: Duration,
        open: impl FnOnce() -> Result<H, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let (calls, queue) = mpsc::channel::<Call>();
        let (opened, answer) = mpsc::sync_channel(1);
        std::thread::Builder::new()
            .name("hypervisor".into())
            .spawn(move || {
                let hypervisor = match open() {
                    Ok(hypervisor) => hypervisor,
                    Err(error) => {
                        opened.send(Err(error)).ok();
                        return;
                    }
                };
                opened.send(Ok(())).ok();
                for call in queue {
                    call(&hypervisor);
                }
            })
            .map_err(ProviderError::kernel("start a thread for libvirt"))?;
        wait(&answer, "connect", within)??;
        Ok(Self { calls, within })
    }

    fn call<T: Send + 'static>(
        &self,
        doing: &str,
        within: Duration,
        work: impl FnOnce(&dyn Hypervisor) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (done, answer) = mpsc::sync_channel(1);
        let call = move |hypervisor: &dyn Hypervisor| {
            done.send(work(hypervisor)).ok();
        };
        // A thread that is gone drops `done`, which the wait below sees.
        self.calls.send(Box::new(call)).ok();
        wait(&answer, doing, within)?
    }

    /// A small call about one thing.
    fn named<T: Send + 'static>(
        &self,
        doing: &str,
        name: &str,
        work: impl FnOnce(&dyn Hypervisor, &str) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let own = name.to_owned();
        self.call(&format!("{doing} {name}"), self.within, move |h| {
            work(h, &own)
        })
    }
}

fn wait<T>(answer: &mpsc::Receiver<T>, doing: &str, within: Duration) -> Result<T, Error> {
    let receive = || answer.recv_timeout(within);
    // Other tasks go on meanwhile; outside of the runtime there are none.
    let received = if tokio::runtime::Handle::try_current().is_ok() {
        tokio::task::block_in_place(receive)
    } else {
        receive()
    };
    received.map_err(|error| match error {
        RecvTimeoutError::Timeout => Error::Deadline {
            what: format!("libvirt to {doing}"),
            after: within,
            last: "no answer; look whether its daemon still runs: continuum-ctl doctor".into(),
        },
        RecvTimeoutError::Disconnected => ProviderError::Hypervisor {
            doing: doing.to_owned(),
            why: "the thread that calls libvirt ended early".into(),
        }
        .into(),
    })
}

impl Hypervisor for TimeoutHypervisor {
    fn host(&self) -> Result<HostInfo, Error> {
        self.call("describe its host", self.within, |h| h.host())
    }

    fn domains(&self) -> Result<Vec<DomainInfo>, Error> {
        self.call("list domains", self.within, |h| h.domains())
    }

    fn domain_state(&self, name: &str) -> Result<MachineState, Error> {
        self.named("look at domain", name, |h, name| h.domain_state(name))
    }

    fn define_domain(&self, xml: &str) -> Result<(), Error> {
        let xml = xml.to_owned();
        self.call("define a domain", self.within, move |h| {
            h.define_domain(&xml)
        })
    }

    fn start_domain(&self, name: &str) -> Result<(), Error> {
        self.named("start domain", name, |h, name| h.start_domain(name))
    }

    fn remove_domain(&self, name: &str) -> Result<bool, Error> {
        self.named("remove domain", name, |h, name| h.remove_domain(name))
    }

    fn set_cpu_quota(&self, name: &str, quota: f64) -> Result<f64, Error> {
        self.named("set the CPU quota of", name, move |h, name| {
            h.set_cpu_quota(name, quota)
        })
    }

    fn set_disk_limits(&self, name: &str, read: u64, write: u64) -> Result<(f64, f64), Error> {
        self.named("set the disk limits of", name, move |h, name| {
            h.set_disk_limits(name, read, write)
        })
    }

    fn networks(&self) -> Result<Vec<NetworkInfo>, Error> {
        self.call("list networks", self.within, |h| h.networks())
    }

    fn define_network(&self, xml: &str, name: &str) -> Result<(), Error> {
        let xml = xml.to_owned();
        self.named("make network", name, move |h, name| {
            h.define_network(&xml, name)
        })
    }

    fn start_network(&self, name: &str) -> Result<(), Error> {
        self.named("start network", name, |h, name| h.start_network(name))
    }

    fn remove_network(&self, name: &str) -> Result<bool, Error> {
        self.named("remove network", name, |h, name| h.remove_network(name))
    }

    fn prepare_pool(&self, pool: &Path) -> Result<(), Error> {
        let pool = pool.to_owned();
        self.call("prepare the pool", self.within, move |h| {
            h.prepare_pool(&pool)
        })
    }

    fn volumes(&self, pool: &Path) -> Result<Vec<String>, Error> {
        let pool = pool.to_owned();
        self.call("list volumes", self.within, move |h| h.volumes(&pool))
    }

    fn create_volume(&self, pool: &Path, xml: &str, name: &str) -> Result<String, Error> {
        let (pool, xml) = (pool.to_owned(), xml.to_owned());
        self.named("make volume", name, move |h, name| {
            h.create_volume(&pool, &xml, name)
        })
    }

    fn volume_path(&self, pool: &Path, name: &str) -> Result<Option<String>, Error> {
        let pool = pool.to_owned();
        self.named("find volume", name, move |h, name| {
            h.volume_path(&pool, name)
        })
    }

    fn upload(&self, pool: &Path, name: &str, content: Upload, bytes: u64) -> Result<(), Error> {
        let (pool, own) = (pool.to_owned(), name.to_owned());
        let within = self.within.max(UPLOAD);
        self.call(&format!("take in volume {name}"), within, move |h| {
            h.upload(&pool, &own, content, bytes)
        })
    }

    fn remove_volume(&self, pool: &Path, name: &str) -> Result<bool, Error> {
        let pool = pool.to_owned();
        self.named("remove volume", name, move |h, name| {
            h.remove_volume(&pool, name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::fake::{FakeHypervisor, refused},
        *,
    };

    #[test]
    fn answers_come_through() {
        let fake = FakeHypervisor::default();
        let own = fake.clone();
        let deadlined = TimeoutHypervisor::open(CALL, move || Ok(own)).unwrap();
        deadlined.define_network("<network/>", "ct-1-x").unwrap();
        assert_eq!(fake.left(), ["network ct-1-x"]);
        assert!(deadlined.remove_network("ct-1-x").unwrap());
        assert!(!deadlined.remove_network("ct-1-x").unwrap());
    }

    #[test]
    fn a_daemon_that_hangs_is_given_up_and_named() {
        let fake = FakeHypervisor::default();
        fake.hang_at("list domains");
        let own = fake.clone();
        let deadlined =
            TimeoutHypervisor::open(Duration::from_millis(50), move || Ok(own)).unwrap();
        let error = deadlined.domains().unwrap_err().to_string();
        assert!(
            error.contains("wait for libvirt to list domains: gave up"),
            "{error}"
        );
        // Its thread is lost; the next call must not wait for it for ever either.
        assert!(deadlined.networks().is_err());
        fake.release();
    }

    #[test]
    fn one_that_does_not_open_says_why() {
        let refuse = || Err::<FakeHypervisor, _>(refused("connect".into(), "refused"));
        let error = TimeoutHypervisor::open(CALL, refuse)
            .unwrap_err()
            .to_string();
        assert!(error.contains("refused"), "{error}");
    }
}
