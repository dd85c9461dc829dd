//! What simulated agents measure: links as they are in force, limits as their machines were made with, unless somebody has
//! taken them away.

use super::{agent::SimulatedAgent, runs};
use continuum_agents::{
    Condition, CoreShare, DiskRates, Measure, OpenPorts, TrainResult, TrainSpec, TransferSpec,
    Transferred,
};
use continuum_host::error::Error;
use std::{net::Ipv4Addr, time::Duration};

const DEADLINE: Duration = Duration::from_secs(30);
const MTU_BYTES: f64 = 1500.0;
/// Of a full packet on the wire, what is payload.
const PAYLOAD: f64 = 1448.0 / 1514.0;
/// What carries bytes where nothing holds them up.
const FREE_MBIT: f64 = 400.0;
const FREE_MB_S: f64 = 500.0;

/// Whoever sends to these ports.
fn peer(to: &OpenPorts) -> Ipv4Addr {
    to.address.parse().unwrap_or(Ipv4Addr::LOCALHOST)
}

#[async_trait::async_trait]
impl Measure for SimulatedAgent {
    async fn open_ports(&self, _open: Duration, _most_bytes: u64) -> Result<OpenPorts, Error> {
        let address = self.address.to_string();
        self.call("open ports for measuring", DEADLINE, |_, _, _| {
            Ok(OpenPorts {
                address,
                tcp_port: 1,
                udp_port: 1,
                token: Vec::new(),
            })
        })
        .await
    }

    async fn transfer(&self, to: &OpenPorts, spec: TransferSpec) -> Result<Transferred, Error> {
        let doing = format!("send bytes to {}", to.address);
        self.call(&doing, DEADLINE, |_, _, _| Ok(())).await?;
        tokio::time::sleep(spec.skip + spec.count).await;
        let rate_mbit = {
            let inner = self.world.now();
            let class = runs::way(&inner.machines, self.address, peer(to));
            class.map_or(FREE_MBIT, |class| class.link.rate_mbit)
        };
        let bytes = rate_mbit * 1e6 / 8.0 * PAYLOAD * spec.count.as_secs_f64();
        Ok(Transferred {
            received_bytes: bytes as u64,
            counted_bytes: bytes as u64,
            counted: spec.count,
            mtu_bytes: MTU_BYTES as u32,
        })
    }

    async fn train(&self, to: &OpenPorts, spec: TrainSpec) -> Result<TrainResult, Error> {
        let doing = format!("send datagrams to {}", to.address);
        self.call(&doing, DEADLINE, |_, _, _| Ok(())).await?;
        tokio::time::sleep(spec.interval * spec.count + spec.wait).await;
        let inner = self.world.now();
        let class = runs::way(&inner.machines, self.address, peer(to));
        let came = 1.0 - class.map_or(0.0, |class| class.link.loss_percent) / 100.0;
        Ok(TrainResult {
            sent: spec.count,
            received: (f64::from(spec.count) * came).round() as u32,
            bytes: u64::from(spec.count) * 74,
            ..TrainResult::default()
        })
    }

    async fn processor(&self, busy: Duration) -> Result<Vec<CoreShare>, Error> {
        self.call("keep its cores busy", DEADLINE, |_, _, _| Ok(()))
            .await?;
        tokio::time::sleep(busy).await;
        self.call("say how busy it was", DEADLINE, |machine, _, _| {
            let work = if machine.is_quota_lifted {
                1.0
            } else {
                machine.made.quota
            };
            let kernel = 1.0;
            let core = |core| CoreShare { core, work, kernel };
            Ok((0..machine.made.cores).map(core).collect())
        })
        .await
    }

    async fn disk(
        &self,
        write: Duration,
        read: Duration,
        _most_bytes: u64,
    ) -> Result<DiskRates, Error> {
        self.call("measure its disk", DEADLINE, |_, _, _| Ok(()))
            .await?;
        tokio::time::sleep(write + read).await;
        self.call("say how fast its disk is", DEADLINE, |machine, _, _| {
            if machine.is_disk_full {
                return Err("No space left on device".into());
            }
            let limit = |mb_s: u64| {
                if machine.is_disk_lifted || mb_s == 0 {
                    FREE_MB_S
                } else {
                    mb_s as f64
                }
            };
            let (write_mb_s, read_mb_s) = (
                limit(machine.made.disk_write_mb_s),
                limit(machine.made.disk_read_mb_s),
            );
            Ok(DiskRates {
                write_bytes_per_s: 1e6 * write_mb_s,
                read_bytes_per_s: 1e6 * read_mb_s,
                bytes: (1e6 * (write_mb_s + read_mb_s)) as u64,
                is_direct: true,
            })
        })
        .await
    }

    async fn condition(&self) -> Result<Condition, Error> {
        self.call("say how it is", DEADLINE, |machine, _, times| {
            Ok(Condition {
                memory_bytes: machine.made.memory_mib << 20,
                cores: machine.made.cores,
                cpu_ms: times.now.as_millis() as u64,
                clock_source: "simulated".into(),
                ..Condition::default()
            })
        })
        .await
    }
}
