//! Which packets belong to which link. Filters of one priority have one mask and hash, so that a packet costs the same
//! however many peers there are.

use super::attributes::words;
use ipnet::Ipv4Net;
use rtnetlink::packet_core::DefaultNla;
use rtnetlink::packet_route::tc::{
    TcAction, TcActionAttribute, TcActionOption, TcAttribute, TcFilterFlowerOption, TcHandle,
    TcMessage, TcOption,
};

const EVERYTHING: u16 = 0x0003;
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;

/// Where filters on what comes in hang.
const INCOMING: TcHandle = TcHandle {
    major: 0xffff,
    minor: TcHandle::MIN_INGRESS,
};

/// A filter: what it looks at, in the order in which filters are asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Match {
    /// Sent to this card, in any protocol.
    Card([u8; 6]),
    /// Asks all for the card of this address.
    AskedFor(Ipv4Net),
    /// Sent to this network by way of another card.
    Network(Ipv4Net),
    /// Asks for any other card: of the host, which is no link.
    AskedForOthers,
    /// Sent to many at once.
    Many,
    /// Sent by this card.
    FromCard([u8; 6]),
}

impl Match {
    fn priority(self) -> u16 {
        match self {
            Self::Card(_) | Self::FromCard(_) => 1,
            Self::AskedFor(..) => 2,
            Self::Network(..) => 3,
            Self::AskedForOthers => 4,
            Self::Many => 5,
        }
    }

    fn protocol(self) -> u16 {
        match self {
            Self::Card(_) | Self::FromCard(_) | Self::Many => EVERYTHING,
            Self::AskedFor(..) | Self::AskedForOthers => ARP,
            Self::Network(..) => IPV4,
        }
    }

    fn keys(self) -> Vec<TcFilterFlowerOption> {
        use TcFilterFlowerOption as F;
        const WHOLE: [u8; 6] = [0xff; 6];
        const GROUP_BIT: [u8; 6] = [1, 0, 0, 0, 0, 0];
        match self {
            Self::Card(mac) => vec![F::EthDst(mac), F::EthDstMask(WHOLE)],
            Self::FromCard(mac) => vec![F::EthSrc(mac), F::EthSrcMask(WHOLE)],
            Self::Many => vec![F::EthDst(GROUP_BIT), F::EthDstMask(GROUP_BIT)],
            Self::AskedForOthers => vec![F::EthType(ARP)],
            Self::AskedFor(prefix) => vec![
                F::EthType(ARP),
                F::ArpTip(prefix.network()),
                F::ArpTipMask(prefix.netmask()),
            ],
            Self::Network(prefix) => vec![
                F::EthType(IPV4),
                F::Ipv4Dst(prefix.network()),
                F::Ipv4DstMask(prefix.netmask()),
            ],
        }
    }

    /// Where its filters are: parent, priority and protocol.
    fn place(self, device: i32, parent: TcHandle) -> TcMessage {
        let mut message = TcMessage::with_index(device);
        message.header.parent = parent;
        message.header.info = u32::from(self.priority()) << 16 | u32::from(self.protocol().to_be());
        message.attributes = vec![TcAttribute::Kind("flower".into())];
        message
    }

    /// Puts packets into a class.
    pub(super) fn into_class(self, device: i32, root: TcHandle, class: TcHandle) -> TcMessage {
        let mut message = self.place(device, root);
        let mut options = self.keys();
        options.push(TcFilterFlowerOption::ClassId(class.into()));
        message.attributes.push(flower(options));
        message
    }

    /// Drops packets that come in.
    pub(super) fn drop_incoming(self, device: i32, number: u32) -> TcMessage {
        const GACT_PARAMETERS: u16 = 2;
        const SHOT: u32 = 2;
        let mut message = self.incoming(device, number);
        let parameters = DefaultNla::new(GACT_PARAMETERS, words(&[0, 0, SHOT, 0, 0]));
        let mut action = TcAction::default();
        action.attributes = vec![
            TcActionAttribute::Kind("gact".into()),
            TcActionAttribute::Options(vec![TcActionOption::Other(parameters)]),
        ];
        let mut options = self.keys();
        options.push(TcFilterFlowerOption::Actions(vec![action]));
        message.attributes.push(flower(options));
        message
    }

    /// Names the filter that drops them.
    pub(super) fn incoming(self, device: i32, number: u32) -> TcMessage {
        let mut message = self.place(device, INCOMING);
        message.header.handle = number.into();
        message
    }
}

fn flower(options: Vec<TcFilterFlowerOption>) -> TcAttribute {
    TcAttribute::Options(options.into_iter().map(TcOption::Flower).collect())
}
