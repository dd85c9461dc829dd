//! Links in the kernel, by netlink: one socket and no program, however many links change.

mod attributes;
mod filters;
mod qdiscs;
mod tree;

use super::link::LinkClass;
use crate::error::AgentError;
use continuum_common::wait;
use futures_util::{StreamExt, TryStreamExt};
use rtnetlink::{
    Handle, LinkUnspec, new_connection,
    packet_core::{
        ErrorMessage, NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload, NlasIterator,
    },
    packet_route::{address::AddressAttribute, link::LinkAttribute},
    sys::AsyncSocket,
};
use std::{io, net::IpAddr, time::Duration};
use tokio::task::AbortHandle;
use tree::Request;

/// Answers wait in the socket's buffer, and more of them than fit there would be lost.
const AT_ONCE: usize = 64;
/// It answers within milliseconds, unless somebody holds the lock of all network settings.
const DEADLINE: Duration = Duration::from_mins(1);

/// A device, and a way to change its links.
#[derive(Debug)]
pub(super) struct Kernel {
    handle: Handle,
    connection: AbortHandle,
    device: i32,
    pub(super) name: String,
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn failed(doing: &str, source: io::Error) -> AgentError {
    AgentError::Kernel {
        doing: doing.to_owned(),
        source,
    }
}

impl Kernel {
    /// For the device that carries an address.
    pub(super) async fn open(address: IpAddr) -> Result<Self, AgentError> {
        let opened = new_connection();
        let (mut connection, handle, _) = opened.map_err(|e| failed("open netlink", e))?;
        let socket = connection.socket_mut().socket_mut();
        // With its reasons, and without repeating the request.
        let explained = socket
            .set_ext_ack(true)
            .and_then(|()| socket.set_cap_ack(true));
        explained.map_err(|e| failed("open netlink", e))?;
        let connection = tokio::spawn(connection).abort_handle();
        let mut kernel = Self {
            handle,
            connection,
            device: 0,
            name: String::new(),
        };
        let found = within("find the network device", kernel.find(address)).await?;
        let (device, name) = found.ok_or_else(|| AgentError::NotFound {
            what: "network device with address",
            name: address.to_string(),
            known: Vec::new(),
        })?;
        (kernel.device, kernel.name) = (device, name);
        Ok(kernel)
    }

    async fn find(&self, address: IpAddr) -> Result<Option<(i32, String)>, AgentError> {
        let failed = |e: rtnetlink::Error| failed("list network devices", io::Error::other(e));
        let mut addresses = self.handle.address().get().execute();
        while let Some(found) = addresses.try_next().await.map_err(failed)? {
            let is_it = |a: &AddressAttribute| match a {
                AddressAttribute::Local(own) | AddressAttribute::Address(own) => *own == address,
                _ => false,
            };
            if !found.attributes.iter().any(is_it) {
                continue;
            }
            let index = found.header.index;
            let mut links = self.handle.link().get().match_index(index).execute();
            let link = links.try_next().await.map_err(failed)?;
            let name = link.and_then(|link| {
                link.attributes.into_iter().find_map(|a| match a {
                    LinkAttribute::IfName(name) => Some(name),
                    _ => None,
                })
            });
            return Ok(name.map(|name| (index as i32, name)));
        }
        Ok(None)
    }

    /// Largest IP packet.
    pub(super) async fn set_mtu(&self, mtu_bytes: u32) -> Result<(), AgentError> {
        let change = LinkUnspec::new_with_index(self.device as u32).mtu(mtu_bytes);
        let work = async {
            let set = self.handle.link().change(change.build()).execute().await;
            set.map_err(|e| failed("change the largest packet", io::Error::other(e)))
        };
        within("change the largest packet", work).await
    }

    /// These links and no others. None where one of them cannot be made.
    pub(super) async fn replace(
        &self,
        classes: &[LinkClass],
        mtu_bytes: u32,
    ) -> Result<(), AgentError> {
        self.send(tree::remove(self.device)).await?;
        let made = self
            .send(tree::create(self.device, classes, mtu_bytes))
            .await;
        if made.is_err() {
            self.send(tree::remove(self.device)).await?;
        }
        made
    }

    /// From some classes to others of the same peers.
    pub(super) async fn update(
        &self,
        classes: (&[LinkClass], &[LinkClass]),
        mtu_bytes: u32,
    ) -> Result<(), AgentError> {
        self.send(tree::update(self.device, classes, mtu_bytes))
            .await
    }

    /// A step of the trace of class number `index`: from its own numbers, to those of the moment.
    pub(super) async fn step(
        &self,
        index: usize,
        numbers: (&LinkClass, &LinkClass),
    ) -> Result<(), AgentError> {
        self.send(tree::step(self.device, index, numbers)).await
    }

    /// Whether all queues of these links are there: another program may have removed some.
    pub(super) async fn has(
        &self,
        classes: &[LinkClass],
        mtu_bytes: u32,
    ) -> Result<bool, AgentError> {
        let missing = async {
            let mut missing = tree::queues(self.device, classes, mtu_bytes);
            let mut queues = self.handle.qdisc().get().index(self.device).execute();
            while let Some(queue) = queues.next().await {
                let queue = queue.map_err(|e| failed("list queues", io::Error::other(e)))?;
                if queue.header.index == self.device {
                    missing.retain(|handle| *handle != queue.header.handle);
                }
            }
            Ok(missing)
        };
        Ok(within("list queues", missing).await?.is_empty())
    }

    async fn send(&self, requests: Vec<Request>) -> Result<(), AgentError> {
        let mut requests = requests.into_iter().peekable();
        while requests.peek().is_some() {
            let some: Vec<Request> = requests.by_ref().take(AT_ONCE).collect();
            within("change links", self.send_some(some)).await?;
        }
        Ok(())
    }

    /// All are sent before the first answer is waited for; the kernel takes them in their order.
    async fn send_some(&self, requests: Vec<Request>) -> Result<(), AgentError> {
        let mut handle = self.handle.clone();
        let mut answers = Vec::new();
        for request in requests {
            let about = about(&request);
            let mut message = NetlinkMessage::from(request.message);
            message.header.flags = NLM_F_REQUEST | NLM_F_ACK | request.flags;
            let sent = handle.request(message);
            let answer = sent.map_err(|e| failed(&about, io::Error::other(e)))?;
            answers.push((about, request.may_fail, answer));
        }
        for (about, may_fail, mut answer) in answers {
            while let Some(message) = answer.next().await {
                if let NetlinkPayload::Error(error) = message.payload
                    && error.code.is_some()
                    && !may_fail
                {
                    return Err(failed(&about, explained(&error)));
                }
            }
        }
        Ok(())
    }
}

/// What a request does, for errors.
fn about(request: &Request) -> String {
    use rtnetlink::packet_route::{RouteNetlinkMessage as Message, tc::TcAttribute};
    let (what, message) = match &request.message {
        Message::NewQueueDiscipline(m) | Message::DelQueueDiscipline(m) => ("queue", m),
        Message::NewTrafficClass(m) => ("class", m),
        Message::NewTrafficFilter(m) | Message::DelTrafficFilter(m) => ("filter", m),
        _ => return "change a device".into(),
    };
    let kind = message.attributes.iter().find_map(|a| match a {
        TcAttribute::Kind(kind) => Some(kind.as_str()),
        _ => None,
    });
    let handle = message.header.handle;
    format!(
        "set {what} {} {:x}:{:x}",
        kind.unwrap_or_default(),
        handle.major,
        handle.minor
    )
}

/// An error of the kernel, with what it says about it.
fn explained(error: &ErrorMessage) -> io::Error {
    const REQUEST_HEADER_BYTES: usize = 16;
    const TEXT: u16 = 1;
    let plain = error.to_io();
    let said = error.header.get(REQUEST_HEADER_BYTES..).unwrap_or_default();
    let said = NlasIterator::new(said)
        .filter_map(Result::ok)
        .find(|attribute| attribute.kind() == TEXT)
        .map(|attribute| String::from_utf8_lossy(attribute.value()).into_owned());
    match said {
        Some(said) => io::Error::new(
            plain.kind(),
            format!("{plain}: {}", said.trim_end_matches('\0')),
        ),
        None => plain,
    }
}

async fn within<T>(
    what: &str,
    work: impl Future<Output = Result<T, AgentError>>,
) -> Result<T, AgentError> {
    wait::within(DEADLINE, format!("the kernel to {what}"), work).await?
}
