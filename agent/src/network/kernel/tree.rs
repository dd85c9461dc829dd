//! The messages that make, change and remove all of a device's links. No I/O here.

use super::{
    filters::Match,
    qdiscs::{Described, impairments, rate, root, segments},
};
use crate::network::link::{LinkClass, Peer, to_many};
use rtnetlink::{
    packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL},
    packet_route::{
        RouteNetlinkMessage,
        tc::{TcAttribute, TcHandle, TcMessage},
    },
};

/// What is asked of the kernel, with flags of its message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    pub(super) message: RouteNetlinkMessage,
    pub(super) flags: u16,
    /// Where it is about something that may not be there.
    pub(super) may_fail: bool,
}

const ROOT: TcHandle = handle(1, 0);
/// Of filters on what comes in.
const INCOMING: TcHandle = handle(0xffff, 0);
/// Of what goes to many at once; more nodes than one network holds.
const MANY: u16 = 0xfff;
const SEGMENTS: u16 = 0x2000;
const IMPAIRMENTS: u16 = 0x3000;

const fn handle(major: u16, minor: u16) -> TcHandle {
    TcHandle { major, minor }
}

fn described(device: i32, at: (TcHandle, TcHandle), what: Described) -> TcMessage {
    const OPTIONS: u16 = 2;
    let ((parent, own), (kind, options)) = (at, what);
    let mut message = TcMessage::with_index(device);
    (message.header.parent, message.header.handle) = (parent, own);
    message.attributes = vec![TcAttribute::Kind(kind.into())];
    if !options.is_empty() {
        let options = TcAttribute::Other(DefaultNla::new(OPTIONS, options));
        message.attributes.push(options);
    }
    message
}

fn make(message: RouteNetlinkMessage) -> Request {
    Request {
        message,
        flags: NLM_F_CREATE | NLM_F_EXCL,
        may_fail: false,
    }
}

fn change(message: RouteNetlinkMessage) -> Request {
    Request {
        flags: 0,
        ..make(message)
    }
}

/// Rate, then segments, then impairments below each other.
fn of_class(
    device: i32,
    number: u16,
    class: &LinkClass,
    mtu_bytes: u32,
) -> [RouteNetlinkMessage; 3] {
    use RouteNetlinkMessage::{NewQueueDiscipline, NewTrafficClass};
    let (bucket, netem) = (SEGMENTS + number, IMPAIRMENTS + number);
    let rate_at = (ROOT, handle(1, number));
    let segments_at = (handle(1, number), handle(bucket, 0));
    let impairments_at = (handle(bucket, 1), handle(netem, 0));
    [
        NewTrafficClass(described(device, rate_at, rate(class))),
        NewQueueDiscipline(described(device, segments_at, segments(class, mtu_bytes))),
        NewQueueDiscipline(described(device, impairments_at, impairments(class, false))),
    ]
}

/// Classes with their numbers: those of peers, and that of what goes to many.
fn numbered(classes: &[LinkClass]) -> Vec<(u16, LinkClass)> {
    let own = (1..).zip(classes.iter().cloned());
    let many = to_many(classes).map(|class| (MANY, class));
    own.chain(many).collect()
}

/// Peers with the numbers of their filters.
fn peers(classes: &[LinkClass]) -> impl Iterator<Item = (u32, &Peer)> {
    (1..).zip(classes.iter().flat_map(|class| &class.peers))
}

/// Removes all, where there is any.
pub(super) fn remove(device: i32) -> Vec<Request> {
    let at = |parent: TcHandle| {
        let mut message = TcMessage::with_index(device);
        message.header.parent = parent;
        Request {
            message: RouteNetlinkMessage::DelQueueDiscipline(message),
            flags: 0,
            may_fail: true,
        }
    };
    vec![at(TcHandle::ROOT), at(TcHandle::CLSACT)]
}

/// Makes all, on a device without any.
pub(super) fn create(device: i32, classes: &[LinkClass], mtu_bytes: u32) -> Vec<Request> {
    use RouteNetlinkMessage::{NewQueueDiscipline, NewTrafficFilter};
    if classes.is_empty() {
        return Vec::new();
    }
    let incoming = (TcHandle::CLSACT, INCOMING);
    let mut all = vec![
        NewQueueDiscipline(described(device, (TcHandle::ROOT, ROOT), root())),
        NewQueueDiscipline(described(device, incoming, ("clsact", Vec::new()))),
    ];
    for (number, class) in numbered(classes) {
        all.extend(of_class(device, number, &class, mtu_bytes));
    }
    let filter =
        |what: Match, number| NewTrafficFilter(what.into_class(device, ROOT, handle(1, number)));
    for (number, class) in (1..).zip(classes) {
        for peer in &class.peers {
            all.extend(peer.mac().map(|mac| filter(Match::Card(mac), number)));
            for prefix in &peer.prefixes {
                all.push(filter(Match::AskedFor(*prefix), number));
                all.push(filter(Match::Network(*prefix), number));
            }
        }
    }
    // Class 0 is the root itself: sent at once.
    all.push(filter(Match::AskedForOthers, 0));
    all.push(filter(Match::Many, MANY));
    let mut all: Vec<Request> = all.into_iter().map(make).collect();
    for (number, peer) in peers(classes).filter(|(_, peer)| peer.is_cut_off) {
        all.extend(drop_from(device, number, peer));
    }
    all
}

/// Handles of the queues of these links.
pub(super) fn queues(device: i32, classes: &[LinkClass], mtu_bytes: u32) -> Vec<TcHandle> {
    let requests = create(device, classes, mtu_bytes);
    let handles = requests.into_iter().map(|request| match request.message {
        RouteNetlinkMessage::NewQueueDiscipline(message) => Some(message.header.handle),
        _ => None,
    });
    handles.flatten().collect()
}

fn drop_from(device: i32, number: u32, peer: &Peer) -> Option<Request> {
    let message = Match::FromCard(peer.mac()?).drop_incoming(device, number);
    Some(make(RouteNetlinkMessage::NewTrafficFilter(message)))
}

/// From some classes to others of the same peers, in place: packets under way stay in their queues.
pub(super) fn update(
    device: i32,
    (old, new): (&[LinkClass], &[LinkClass]),
    mtu_bytes: u32,
) -> Vec<Request> {
    let mut all = Vec::new();
    for ((number, new), (_, old)) in numbered(new).into_iter().zip(numbered(old)) {
        if !new.has_numbers_of(&old) {
            all.extend(
                of_class(device, number, &new, mtu_bytes)
                    .into_iter()
                    .map(change),
            );
        }
    }
    for ((number, new), (_, old)) in peers(new).zip(peers(old)) {
        match (old.is_cut_off, new.is_cut_off) {
            (false, true) => all.extend(drop_from(device, number, new)),
            (true, false) => all.extend(new.mac().map(|mac| {
                let message = Match::FromCard(mac).incoming(device, number);
                change(RouteNetlinkMessage::DelTrafficFilter(message))
            })),
            _ => {}
        }
    }
    all
}

/// One step of a trace: class number `index`, from 0, gets other numbers; its queue stays.
pub(super) fn step(
    device: i32,
    index: usize,
    (base, now): (&LinkClass, &LinkClass),
) -> Vec<Request> {
    use RouteNetlinkMessage::{NewQueueDiscipline, NewTrafficClass};
    let number = index as u16 + 1;
    let at = (ROOT, handle(1, number));
    let mut all = vec![NewTrafficClass(described(device, at, rate(now)))];
    let with_base_rate = LinkClass {
        rate_mbit: base.rate_mbit,
        ..now.clone()
    };
    if with_base_rate != *base {
        let at = (
            handle(SEGMENTS + number, 1),
            handle(IMPAIRMENTS + number, 0),
        );
        let netem = impairments(&with_base_rate, true);
        all.push(NewQueueDiscipline(described(device, at, netem)));
    }
    all.into_iter().map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::link::tests::{class, peer};

    fn classes() -> Vec<LinkClass> {
        let mut cloud = class("cloud", 45.0, 7.21);
        cloud.peers = vec![peer(
            "cloud0",
            "52:54:00:00:00:01",
            &["10.0.0.2/32", "10.244.0.0/24"],
        )];
        let mut edge = class("edge", 7.5, 1000.0);
        edge.peers = vec![peer("edge0", "52:54:00:00:00:02", &["10.0.0.3/32"])];
        vec![cloud, edge]
    }

    fn kinds(requests: &[Request]) -> Vec<String> {
        let kind = |m: &TcMessage| {
            let name = |a: &TcAttribute| match a {
                TcAttribute::Kind(name) => Some(name.clone()),
                _ => None,
            };
            let name = m.attributes.iter().find_map(name).unwrap_or_default();
            format!(
                "{name} {:x}:{:x}",
                m.header.handle.major, m.header.handle.minor
            )
        };
        let text = |request: &Request| match &request.message {
            RouteNetlinkMessage::NewQueueDiscipline(m) => format!("qdisc {}", kind(m)),
            RouteNetlinkMessage::NewTrafficClass(m) => format!("class {}", kind(m)),
            RouteNetlinkMessage::NewTrafficFilter(m) => {
                format!("filter {:x} {}", m.header.info >> 16, kind(m))
            }
            RouteNetlinkMessage::DelTrafficFilter(m) => format!("no filter {}", kind(m)),
            other => format!("{other:?}"),
        };
        requests.iter().map(text).collect()
    }

    #[test]
    fn each_link_has_rate_segments_and_impairments_and_each_peer_its_filters() {
        let made = kinds(&create(3, &classes(), 1500));
        assert_eq!(
            made,
            [
                "qdisc htb 1:0",
                "qdisc clsact ffff:0",
                "class htb 1:1",
                "qdisc tbf 2001:0",
                "qdisc netem 3001:0",
                "class htb 1:2",
                "qdisc tbf 2002:0",
                "qdisc netem 3002:0",
                "class htb 1:fff",
                "qdisc tbf 2fff:0",
                "qdisc netem 3fff:0",
                "filter 1 flower 0:0",
                "filter 2 flower 0:0",
                "filter 3 flower 0:0",
                "filter 2 flower 0:0",
                "filter 3 flower 0:0",
                "filter 1 flower 0:0",
                "filter 2 flower 0:0",
                "filter 3 flower 0:0",
                "filter 4 flower 0:0",
                "filter 5 flower 0:0",
            ]
        );
        assert!(create(3, &[], 1500).is_empty());
    }

    #[test]
    fn the_queues_of_links_are_all_that_are_made() {
        let made = create(2, &classes(), 1500);
        let made = made
            .iter()
            .filter(|r| matches!(r.message, RouteNetlinkMessage::NewQueueDiscipline(_)));
        let queues = queues(2, &classes(), 1500);
        assert_eq!(queues.len(), made.count());
        assert!(
            queues.contains(&ROOT) && queues.contains(&INCOMING),
            "{queues:?}"
        );
        assert_eq!(super::queues(2, &[], 1500), []);
    }

    #[test]
    fn a_change_touches_what_is_another_and_nothing_else() {
        let old = classes();
        let mut new = classes();
        assert!(update(3, (&old, &new), 1500).is_empty());
        // The worst of all links becomes worse with it.
        new[0].latency_ms = 60.0;
        let of_both = [
            "class htb 1:1",
            "qdisc tbf 2001:0",
            "qdisc netem 3001:0",
            "class htb 1:fff",
            "qdisc tbf 2fff:0",
            "qdisc netem 3fff:0",
        ];
        assert_eq!(kinds(&update(3, (&old, &new), 1500)), of_both);
        let mut new = classes();
        new[1].latency_ms = 8.0;
        assert_eq!(kinds(&update(3, (&old, &new), 1500)).len(), 3);
    }

    #[test]
    fn what_a_cut_peer_sends_to_many_is_dropped_until_it_is_restored() {
        let old = classes();
        let mut cut = classes();
        cut[1].peers[0].is_cut_off = true;
        assert_eq!(
            kinds(&update(3, (&old, &cut), 1500)),
            ["filter 1 flower 0:2"]
        );
        assert_eq!(
            kinds(&update(3, (&cut, &old), 1500)),
            ["no filter flower 0:2"]
        );
        let made = kinds(&create(3, &cut, 1500));
        assert_eq!(made.last().unwrap(), "filter 1 flower 0:2");
    }
}
