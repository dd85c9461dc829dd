//! Service `Verify`.

use super::{CALL_DEADLINE, GrpcAgent};
use crate::measure::{
    Condition, CoreShare, DiskRates, Measure, OpenPorts, TrainResult, TrainSpec, TransferSpec,
    Transferred,
};
use continuum_host::error::Error;
use continuum_proto as wire;
use std::time::Duration;
use tonic::transport::Channel;

impl GrpcAgent {
    fn verify(&self) -> wire::verify_client::VerifyClient<Channel> {
        wire::verify_client::VerifyClient::new(self.channel.clone())
    }
}

fn ms(time: Duration) -> u32 {
    time.as_millis() as u32
}

#[async_trait::async_trait]
impl Measure for GrpcAgent {
    async fn open_ports(&self, open: Duration, most_bytes: u64) -> Result<OpenPorts, Error> {
        let request = wire::ListenRequest {
            open_ms: ms(open),
            most_bytes,
        };
        let mut client = self.verify();
        let call = client.listen(request);
        let ports = self
            .call("open ports for measuring", CALL_DEADLINE, call)
            .await?
            .into_inner();
        Ok(OpenPorts {
            address: self.address.ip().to_string(),
            tcp_port: ports.tcp_port,
            udp_port: ports.udp_port,
            token: ports.token.to_vec(),
        })
    }

    async fn transfer(&self, to: &OpenPorts, spec: TransferSpec) -> Result<Transferred, Error> {
        let request = wire::TransferRequest {
            address: to.address.clone(),
            tcp_port: to.tcp_port,
            token: to.token.clone().into(),
            skip_ms: ms(spec.skip),
            count_ms: ms(spec.count),
            most_bytes: spec.most_bytes,
            buffer_bytes: spec.buffer_bytes,
        };
        let mut client = self.verify();
        let deadline = CALL_DEADLINE + spec.skip + spec.count;
        let call = client.transfer(request);
        let taken = self
            .call(&format!("send bytes to {}", to.address), deadline, call)
            .await?
            .into_inner();
        Ok(Transferred {
            received_bytes: taken.received_bytes,
            counted_bytes: taken.counted_bytes,
            counted: Duration::from_nanos(taken.counted_ns),
            mtu_bytes: taken.mtu_bytes,
        })
    }

    async fn train(&self, to: &OpenPorts, spec: TrainSpec) -> Result<TrainResult, Error> {
        let request = wire::TrainRequest {
            address: to.address.clone(),
            udp_port: to.udp_port,
            tcp_port: to.tcp_port,
            token: to.token.clone().into(),
            count: spec.count,
            interval_us: spec.interval.as_micros() as u32,
            wait_ms: ms(spec.wait),
        };
        let mut client = self.verify();
        let deadline = CALL_DEADLINE + spec.interval * spec.count + spec.wait;
        let call = client.train(request);
        let train = self
            .call(&format!("send datagrams to {}", to.address), deadline, call)
            .await?
            .into_inner();
        Ok(TrainResult {
            sent: train.sent,
            received: train.received,
            reordered: train.reordered,
            duplicates: train.duplicates,
            bytes: train.bytes,
        })
    }

    async fn processor(&self, busy: Duration) -> Result<Vec<CoreShare>, Error> {
        let request = wire::ProcessorRequest { busy_ms: ms(busy) };
        let mut client = self.verify();
        let call = client.processor(request);
        let answer = self
            .call("keep its cores busy", CALL_DEADLINE + busy, call)
            .await?;
        let cores = answer.into_inner().cores.into_iter();
        let share = |share: wire::CoreShare| CoreShare {
            core: share.core,
            work: share.work_share,
            kernel: share.kernel_share,
        };
        Ok(cores.map(share).collect())
    }

    async fn disk(
        &self,
        write: Duration,
        read: Duration,
        most_bytes: u64,
    ) -> Result<DiskRates, Error> {
        let request = wire::DiskRequest {
            write_ms: ms(write),
            read_ms: ms(read),
            most_bytes,
        };
        let mut client = self.verify();
        let call = client.disk(request);
        let rates = self
            .call("measure its disk", CALL_DEADLINE + write + read, call)
            .await?
            .into_inner();
        Ok(DiskRates {
            write_bytes_per_s: rates.write_bytes_per_s,
            read_bytes_per_s: rates.read_bytes_per_s,
            bytes: rates.written_bytes + rates.read_bytes,
            is_direct: rates.is_direct,
        })
    }

    async fn condition(&self) -> Result<Condition, Error> {
        let mut client = self.verify();
        let call = client.condition(wire::ConditionRequest {});
        let now = self
            .call("say how it is", CALL_DEADLINE, call)
            .await?
            .into_inner();
        Ok(Condition {
            memory_bytes: now.memory_bytes,
            cores: now.cores,
            cpu_ms: now.cpu_ms,
            idle_ms: now.idle_ms,
            steal_ms: now.steal_ms,
            throttled_ms: now.throttled_ms,
            load: now.load,
            governor: now.governor,
            clock_source: now.clock_source,
        })
    }
}
