//! The first packet of a client: what rumqttd would end without a word is made acceptable, or refused with a reason.

/// A client says that it may be silent for ever; rumqttd has no such thing, and this is as long as MQTT can say.
const LONGEST_KEEP_ALIVE: u16 = u16::MAX;
/// In front of a name that rumqttd would not take as it is. A client's own name that begins so is written anew as well,
/// so that different clients stay different.
const RENAMED: &str = "id:";
/// rumqttd takes no names with these: it uses them as topics.
const FORBIDDEN: [char; 4] = ['+', '$', '#', '/'];

/// Which listener of rumqttd a client belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V5,
}

/// A client that may come in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) version: Version,
    /// Its own name for itself.
    pub(super) id: String,
    /// Its session ends with its connection.
    pub(super) is_clean: bool,
    /// The packet as rumqttd gets it.
    pub(super) packet: Vec<u8>,
}

/// A client that may not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What it is told.
    pub(super) answer: Vec<u8>,
    /// For the log.
    pub(super) why: String,
}

impl Refusal {
    fn silent(why: impl Into<String>) -> Self {
        Self {
            answer: Vec::new(),
            why: why.into(),
        }
    }

    /// No more clients than were asked for.
    pub(super) fn full(version: Version, most: u32) -> Self {
        let answer = match version {
            Version::V4 => vec![0x20, 2, 0, 3],
            // Server unavailable, no properties.
            Version::V5 => vec![0x20, 3, 0, 0x88, 0],
        };
        Self {
            answer,
            why: format!("there are {most} connections, which is the most"),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        std::str::from_utf8(self.take(length.into())?).ok()
    }

    fn length(&mut self) -> Option<usize> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

/// The length of a packet as it is written in front of it.
pub(super) fn write_length(mut length: usize, into: &mut Vec<u8>) {
    loop {
        let byte = (length & 0x7f) as u8;
        length >>= 7;
        into.push(if length > 0 { byte | 0x80 } else { byte });
        if length == 0 {
            return;
        }
    }
}

fn name_for_rumqttd(id: &str) -> String {
    if !id.contains(FORBIDDEN) && !id.starts_with(RENAMED) {
        return id.to_owned();
    }
    let mut name = RENAMED.to_owned();
    for c in id.chars() {
        if FORBIDDEN.contains(&c) || c == '%' {
            name.push_str(&format!("%{:02x}", c as u32));
        } else {
            name.push(c);
        }
    }
    name
}

/// Reads what follows the fixed header of a CONNECT.
pub(super) fn read(body: &[u8]) -> Result<Client, Refusal> {
    let cut = || Refusal::silent("its CONNECT ends early, or has text that is no UTF-8");
    let mut reader = Reader { bytes: body, at: 0 };
    let protocol = reader.text().ok_or_else(cut)?;
    let level = reader.byte().ok_or_else(cut)?;
    let version = match (protocol, level) {
        ("MQTT", 4) => Version::V4,
        ("MQTT", 5) => Version::V5,
        ("MQTT" | "MQIsdp", level) => {
            return Err(Refusal {
                // Unacceptable protocol version.
                answer: vec![0x20, 2, 0, 1],
                why: format!("it speaks MQTT level {level}; this broker speaks 4 (3.1.1) and 5"),
            });
        }
        _ => return Err(Refusal::silent("it does not speak MQTT")),
    };
    let flags = reader.byte().ok_or_else(cut)?;
    let keep_alive_at = reader.at;
    let keep_alive = reader.number().ok_or_else(cut)?;
    if version == Version::V5 {
        let properties = reader.length().ok_or_else(cut)?;
        reader.take(properties).ok_or_else(cut)?;
    }
    let id_at = reader.at;
    let id = reader.text().ok_or_else(cut)?;
    let after = body.get(reader.at..).unwrap_or_default();
    let mut packet = body.get(..id_at).unwrap_or_default().to_vec();
    if keep_alive == 0
        && let Some(place) = packet.get_mut(keep_alive_at..keep_alive_at + 2)
    {
        place.copy_from_slice(&LONGEST_KEEP_ALIVE.to_be_bytes());
    }
    let name = name_for_rumqttd(id);
    let length = u16::try_from(name.len()).map_err(|_| Refusal {
        answer: vec![0x20, 2, 0, 2],
        why: "its client id is too long".into(),
    })?;
    packet.extend(length.to_be_bytes());
    packet.extend(name.as_bytes());
    packet.extend(after);
    let mut whole = vec![0x10];
    write_length(packet.len(), &mut whole);
    whole.extend(packet);
    Ok(Client {
        version,
        id: id.to_owned(),
        is_clean: flags & 2 != 0,
        packet: whole,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(protocol: &str, level: u8, flags: u8, keep_alive: u16, id: &str) -> Vec<u8> {
        let mut body = (protocol.len() as u16).to_be_bytes().to_vec();
        body.extend(protocol.as_bytes());
        body.extend([level, flags]);
        body.extend(keep_alive.to_be_bytes());
        if level == 5 {
            // Session expiry in a second.
            body.extend([5, 0x11, 0, 0, 0, 1]);
        }
        body.extend((id.len() as u16).to_be_bytes());
        body.extend(id.as_bytes());
        body
    }

    #[test]
    fn what_rumqttd_takes_is_left_as_it_is() {
        for level in [4, 5] {
            let body = body("MQTT", level, 2, 60, "endpoint0");
            let client = read(&body).unwrap();
            assert_eq!(client.packet[2..], body[..]);
            assert_eq!((client.id.as_str(), client.is_clean), ("endpoint0", true));
        }
    }

    #[test]
    fn no_keep_alive_becomes_the_longest_and_a_forbidden_name_another_one() {
        let given = [body("MQTT", 4, 0, 0, "edge/0"), b"\0\x01t\0\x01m".to_vec()].concat();
        let client = read(&given).unwrap();
        assert!(!client.is_clean);
        let want = [
            body("MQTT", 4, 0, 65535, "id:edge%2f0"),
            b"\0\x01t\0\x01m".to_vec(),
        ]
        .concat();
        assert_eq!(client.packet[2..], want[..]);
        assert_eq!(usize::from(client.packet[1]), want.len());
    }

    #[test]
    fn different_clients_stay_different() {
        let ids = [
            "a/b", "a%2fb", "id:a%2fb", "a+b", "a#b", "a.b$c", "id:", "", "%", "ünï",
        ];
        let names: std::collections::BTreeSet<String> =
            ids.iter().map(|id| name_for_rumqttd(id)).collect();
        assert_eq!(names.len(), ids.len(), "{names:?}");
        assert!(names.iter().all(|n| !n.contains(FORBIDDEN)), "{names:?}");
    }

    #[test]
    fn other_versions_are_told_so() {
        for (protocol, level) in [("MQIsdp", 3), ("MQTT", 6)] {
            let refusal = read(&body(protocol, level, 2, 60, "x")).unwrap_err();
            assert_eq!(refusal.answer, [0x20, 2, 0, 1]);
        }
        assert!(
            read(&body("HTTP", 4, 2, 60, "x"))
                .unwrap_err()
                .answer
                .is_empty()
        );
    }

    #[test]
    fn every_truncation_is_refused() {
        for level in [4, 5] {
            let body = body("MQTT", level, 2, 60, "endpoint0");
            for cut in 0..body.len() {
                assert!(read(&body[..cut]).is_err(), "{cut}");
            }
        }
    }

    #[test]
    fn lengths_are_written_as_mqtt_has_them() {
        for (length, want) in [
            (0, vec![0]),
            (127, vec![127]),
            (128, vec![0x80, 1]),
            (2_097_152, vec![0x80, 0x80, 0x80, 1]),
        ] {
            let mut bytes = Vec::new();
            write_length(length, &mut bytes);
            assert_eq!(bytes, want);
        }
    }
}
