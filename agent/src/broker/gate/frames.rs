//! The packets of a connection as far as the gate must know them: where each begins and ends, topics, filters.

/// What stands in front of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) first: u8,
    /// With what stands in front of it.
    pub(super) bytes: usize,
    /// Of what stands in front of it.
    pub(super) head: usize,
}

impl Frame {
    /// `Ok(None)` = more bytes are needed; an error = this is no MQTT.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, ()> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let mut length = 0;
        for (place, shift) in [0, 7, 14, 21].into_iter().enumerate() {
            let Some(&byte) = bytes.get(1 + place) else {
                return Ok(None);
            };
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let head = 2 + place;
                return Ok(Some(Self {
                    first,
                    bytes: head + length,
                    head,
                }));
            }
        }
        Err(())
    }

    /// Bytes without what stands in front.
    pub(super) fn body(&self) -> usize {
        self.bytes - self.head
    }

    pub(super) fn is_publish(&self) -> bool {
        self.first >> 4 == 3
    }

    pub(super) fn is_subscribe(&self) -> bool {
        self.first >> 4 == 8
    }

    pub(super) fn is_retained(&self) -> bool {
        self.is_publish() && self.first & 1 == 1
    }
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_at_checked(2)?;
    let length = u16::from_be_bytes(length.try_into().ok()?);
    let (text, rest) = rest.split_at_checked(length.into())?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

/// Bytes from the beginning of a publish that its topic takes; `None` = more are needed to say.
pub(super) fn topic_end(frame: Frame, bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(frame.head..frame.head + 2)?;
    Some(frame.head + 2 + usize::from(u16::from_be_bytes(length.try_into().ok()?)))
}

/// Topic of a publish; `None` where there is none, as with an alias of MQTT 5.
pub(super) fn topic(frame: Frame, bytes: &[u8]) -> Option<&str> {
    let (topic, _) = text(bytes.get(frame.head..)?)?;
    (!topic.is_empty()).then_some(topic)
}

/// Filters of a whole subscribe.
pub(super) fn filters(frame: Frame, packet: &[u8], has_properties: bool) -> Vec<String> {
    let mut rest = packet.get(frame.head + 2..).unwrap_or_default();
    if has_properties {
        // Their length is written as that of a packet, in place of its first byte anything.
        let as_frame = [&[0], rest].concat();
        let properties = Frame::read(&as_frame).ok().flatten();
        rest = properties
            .and_then(|p| rest.get(p.bytes - 1..))
            .unwrap_or_default();
    }
    let mut filters = Vec::new();
    while let Some((filter, after)) = text(rest) {
        filters.push(filter.to_owned());
        rest = after.get(1..).unwrap_or_default();
    }
    filters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_known_by_its_first_bytes() {
        assert_eq!(Frame::read(b""), Ok(None));
        assert_eq!(Frame::read(b"\x30"), Ok(None));
        assert_eq!(Frame::read(b"\x30\x80"), Ok(None));
        assert_eq!(Frame::read(b"\x30\xff\xff\xff\xff"), Err(()));
        let frame = Frame::read(b"\x31\x80\x01").unwrap().unwrap();
        assert_eq!((frame.bytes, frame.head), (131, 3));
        assert!(frame.is_publish() && frame.is_retained() && !frame.is_subscribe());
    }

    #[test]
    fn topics_and_filters_are_found() {
        let publish = b"\x30\x06\x00\x03a/bx";
        let frame = Frame::read(publish).unwrap().unwrap();
        assert_eq!(topic_end(frame, publish), Some(7));
        assert_eq!(topic_end(frame, &publish[..3]), None);
        assert_eq!(topic(frame, publish), Some("a/b"));
        let subscribe = b"\x82\x0b\x00\x01\x00\x01a\x01\x00\x02b+\x00";
        let frame = Frame::read(subscribe).unwrap().unwrap();
        assert_eq!(filters(frame, subscribe, false), ["a", "b+"]);
        let subscribe = b"\x82\x0a\x00\x01\x02\x0b\x07\x00\x02a/\x01";
        let frame = Frame::read(subscribe).unwrap().unwrap();
        assert_eq!(filters(frame, subscribe, true), ["a/"]);
    }
}
