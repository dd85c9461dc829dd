//! What is to be sent and what is not acknowledged yet. No network and no waiting in here.

use bytes::Bytes;
use rumqttc::{Publish, QoS};
use std::collections::VecDeque;

/// Messages under way to the broker at once.
const WINDOW: usize = 100;

/// What a message is known by while it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    Photo(u64),
    Reply,
    Ask,
    End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    /// What it is known by.
    pub(crate) tag: Tag,
}

struct Item {
    message: Message,
    /// Packet id while it is under way.
    under_way: Option<u16>,
    sends: u32,
}

/// Messages in the order they were given, until the broker has acknowledged them.
pub(super) struct Outbox {
    items: VecDeque<Item>,
    bytes: u64,
    limit_bytes: u64,
    last_id: u16,
    resent: Vec<Tag>,
}

impl Outbox {
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self {
            items: VecDeque::new(),
            bytes: 0,
            limit_bytes,
            last_id: 0,
            resent: Vec::new(),
        }
    }

    /// Whether so many bytes more are within the limit. One message is always.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.items.is_empty() || self.bytes + bytes <= self.limit_bytes
    }

    pub(super) fn push(&mut self, message: Message) {
        self.bytes += message.payload.len() as u64;
        self.items.push_back(Item {
            message,
            under_way: None,
            sends: 0,
        });
    }

    /// The next message that is to go out now, if any.
    pub(super) fn next(&mut self) -> Option<Publish> {
        let ids: Vec<u16> = self.items.iter().map_while(|i| i.under_way).collect();
        // What is under way is in front, except for what was acknowledged out of order and is gone.
        if ids.len() >= WINDOW {
            return None;
        }
        let item = self.items.get_mut(ids.len())?;
        let id = loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !ids.contains(&self.last_id) {
                break self.last_id;
            }
        };
        item.under_way = Some(id);
        item.sends += 1;
        if item.sends > 1 {
            self.resent.push(item.message.tag);
        }
        let Message { topic, payload, .. } = item.message.clone();
        let mut publish = Publish::from_bytes(topic, QoS::AtLeastOnce, payload);
        publish.pkid = id;
        Some(publish)
    }

    /// The broker has it. `false` if nothing of that number is under way.
    pub(super) fn acknowledge(&mut self, id: u16) -> bool {
        let found = self.items.iter().take(WINDOW);
        let place = found.enumerate().find(|(_, i)| i.under_way == Some(id));
        let Some((place, _)) = place else {
            return false;
        };
        if let Some(item) = self.items.remove(place) {
            self.bytes -= item.message.payload.len() as u64;
        }
        true
    }

    /// Nobody will acknowledge what is under way: it goes out again, in its order.
    pub(super) fn disconnected(&mut self) {
        for item in &mut self.items {
            item.under_way = None;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether such a message is in it.
    pub(super) fn has(&self, tag: Tag) -> bool {
        self.items.iter().any(|i| i.message.tag == tag)
    }

    /// Messages sent again since this was last asked.
    pub(super) fn take_resent(&mut self) -> Vec<Tag> {
        std::mem::take(&mut self.resent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(photo: u64) -> Message {
        Message {
            topic: "t".into(),
            payload: Bytes::from(vec![photo as u8; 10]),
            tag: Tag::Photo(photo),
        }
    }

    fn outbox(count: u64) -> Outbox {
        let mut outbox = Outbox::new(100);
        for photo in 0..count {
            outbox.push(message(photo));
        }
        outbox
    }

    fn sent(outbox: &mut Outbox) -> Vec<(u16, u8)> {
        std::iter::from_fn(|| outbox.next())
            .map(|p| (p.pkid, p.payload[0]))
            .collect()
    }

    #[test]
    fn what_is_not_acknowledged_goes_out_again_in_its_order() {
        let mut outbox = outbox(4);
        assert_eq!(sent(&mut outbox), [(1, 0), (2, 1), (3, 2), (4, 3)]);
        assert!(outbox.acknowledge(2) && !outbox.acknowledge(2));
        outbox.disconnected();
        assert!(
            !outbox.acknowledge(1),
            "a word of a connection that is gone"
        );
        outbox.push(message(4));
        assert_eq!(sent(&mut outbox), [(5, 0), (6, 2), (7, 3), (8, 4)]);
        assert_eq!(outbox.take_resent(), [0, 2, 3].map(Tag::Photo));
        for id in [8, 5, 7, 6] {
            assert!(outbox.acknowledge(id));
        }
        assert!(outbox.is_empty() && outbox.bytes() == 0);
    }

    #[test]
    fn room_is_counted_in_bytes_and_one_message_always_has_it() {
        let mut outbox = outbox(9);
        assert!(outbox.has_room(10) && !outbox.has_room(11));
        outbox.push(message(9));
        assert!(!outbox.has_room(1));
        let empty = Outbox::new(100);
        assert!(empty.has_room(1000));
    }

    #[test]
    fn so_many_are_under_way_and_numbers_in_use_are_not_given_again() {
        let mut outbox = Outbox::new(u64::MAX);
        for photo in 0..200 {
            outbox.push(message(photo));
        }
        outbox.last_id = u16::MAX - 1;
        let first = sent(&mut outbox);
        assert_eq!(first.len(), WINDOW);
        assert_eq!((first[0].0, first[1].0), (u16::MAX, 1));
        outbox.last_id = u16::MAX - 1;
        assert!(outbox.acknowledge(1));
        let next = outbox.next().unwrap();
        assert!(
            next.pkid != u16::MAX && !first[2..].iter().any(|(id, _)| *id == next.pkid),
            "{}",
            next.pkid
        );
    }
}
