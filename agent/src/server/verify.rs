//! Service `Verify`.

use super::convert::address;
use crate::{
    error::AgentError,
    state::AgentState,
    verify::{self, Peer},
};
use continuum_proto as wire;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::sync::{Mutex, Semaphore};
use tonic::{Request, Response, Status};

const LONGEST_OPEN: Duration = Duration::from_mins(2);
/// Of the ports of one call: another bench may measure at the same time.
const MOST_OPEN: usize = 16;
/// Of a sender's buffer.
const LEAST_BUFFER_BYTES: u32 = 4096;

pub(super) struct Service {
    state: Arc<AgentState>,
    /// Those that are still open keep one each.
    open: Arc<Semaphore>,
    /// One at a time: cores and disk are measured alone.
    machine: Arc<Mutex<()>>,
}

impl Service {
    pub(super) fn new(state: Arc<AgentState>) -> Self {
        Self {
            state,
            open: Arc::new(Semaphore::new(MOST_OPEN)),
            machine: Arc::default(),
        }
    }

    fn own(&self) -> IpAddr {
        self.state.config.listen.ip()
    }

    /// Runs what blocks, alone, to its end even when its caller goes away.
    async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, AgentError> + Send + 'static,
    ) -> Result<T, AgentError> {
        let alone = Arc::clone(&self.machine).lock_owned().await;
        let work = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(alone);
            done
        });
        match work.await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

fn port(number: u32) -> Result<u16, AgentError> {
    u16::try_from(number).map_err(|_| AgentError::Invalid(format!("{number} is no port")))
}

fn peer(address_text: &str, port_number: u32, token: &[u8]) -> Result<Peer, AgentError> {
    let token = token.try_into();
    Ok(Peer {
        address: SocketAddr::new(address(address_text)?, port(port_number)?),
        token: token.map_err(|_| AgentError::Invalid("the token has not 16 bytes".into()))?,
    })
}

#[tonic::async_trait]
impl wire::verify_server::Verify for Service {
    async fn listen(
        &self,
        request: Request<wire::ListenRequest>,
    ) -> Result<Response<wire::ListenResponse>, Status> {
        let request = request.into_inner();
        let Ok(place) = Arc::clone(&self.open).try_acquire_owned() else {
            return Err(Status::resource_exhausted(format!(
                "failed to open ports for peers: {MOST_OPEN} pairs are open; try again in a minute"
            )));
        };
        let open = Duration::from_millis(request.open_ms.into()).min(LONGEST_OPEN);
        let shutdown = self.state.shutdown.clone();
        let ports = verify::listen(self.own(), open, request.most_bytes, shutdown, place).await?;
        Ok(Response::new(wire::ListenResponse {
            tcp_port: ports.tcp.into(),
            udp_port: ports.udp.into(),
            token: ports.token.to_vec().into(),
        }))
    }

    async fn transfer(
        &self,
        request: Request<wire::TransferRequest>,
    ) -> Result<Response<wire::TransferResponse>, Status> {
        let request = request.into_inner();
        let own = self.own();
        let peer = peer(&request.address, request.tcp_port, &request.token)?;
        let taken = verify::transfer(
            peer,
            own,
            request.skip_ms,
            request.count_ms,
            request.most_bytes,
            request.buffer_bytes.max(LEAST_BUFFER_BYTES),
        );
        let taken = taken.await?;
        Ok(Response::new(wire::TransferResponse {
            received_bytes: taken.received_bytes,
            counted_bytes: taken.counted_bytes,
            counted_ns: taken.counted.as_nanos() as u64,
            mtu_bytes: verify::mtu_bytes(own) as u32,
        }))
    }

    async fn train(
        &self,
        request: Request<wire::TrainRequest>,
    ) -> Result<Response<wire::TrainResponse>, Status> {
        let request = request.into_inner();
        let peer = peer(&request.address, request.udp_port, &request.token)?;
        let report_port = port(request.tcp_port)?;
        let interval = Duration::from_micros(request.interval_us.into());
        let wait = Duration::from_millis(request.wait_ms.into());
        let train = verify::train(peer, report_port, self.own(), request.count, interval, wait);
        let train = train.await?;
        Ok(Response::new(wire::TrainResponse {
            sent: train.sent,
            received: train.received,
            reordered: train.reordered,
            duplicates: train.duplicates,
            bytes: train.bytes,
        }))
    }

    async fn processor(
        &self,
        request: Request<wire::ProcessorRequest>,
    ) -> Result<Response<wire::ProcessorResponse>, Status> {
        let busy = Duration::from_millis(request.into_inner().busy_ms.into());
        let shares = self.alone(move || verify::processor(busy)).await?;
        let cores = shares.into_iter().map(|share| wire::CoreShare {
            core: share.core,
            work_share: share.work,
            kernel_share: share.kernel,
        });
        Ok(Response::new(wire::ProcessorResponse {
            cores: cores.collect(),
        }))
    }

    async fn disk(
        &self,
        request: Request<wire::DiskRequest>,
    ) -> Result<Response<wire::DiskResponse>, Status> {
        let request = request.into_inner();
        let dir = self.state.config.data_dir.clone();
        let write = Duration::from_millis(request.write_ms.into());
        let read = Duration::from_millis(request.read_ms.into());
        let measure = move || verify::disk(&dir, write, read, request.most_bytes);
        let rates = self.alone(measure).await?;
        Ok(Response::new(wire::DiskResponse {
            write_bytes_per_s: rates.write_bytes_per_s,
            read_bytes_per_s: rates.read_bytes_per_s,
            written_bytes: rates.written_bytes,
            read_bytes: rates.read_bytes,
            is_direct: rates.is_direct,
        }))
    }

    async fn condition(
        &self,
        _request: Request<wire::ConditionRequest>,
    ) -> Result<Response<wire::ConditionResponse>, Status> {
        let now = verify::condition();
        Ok(Response::new(wire::ConditionResponse {
            memory_bytes: now.memory_bytes,
            cores: now.cores,
            cpu_ms: now.cpu_ms,
            idle_ms: now.idle_ms,
            steal_ms: now.steal_ms,
            throttled_ms: now.throttled_ms,
            load: now.load,
            governor: now.governor,
            clock_source: now.clock_source,
        }))
    }
}
