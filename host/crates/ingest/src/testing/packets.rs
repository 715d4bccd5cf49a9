//! MQTT 3.1.1 packets, as a device would write them.

/// A clean session or one that the broker keeps.
pub(crate) fn connect(client: &str, clean: bool) -> Vec<u8> {
    connect_with(client, clean, None)
}

/// With a will: topic, payload, retained.
pub(crate) fn connect_with(client: &str, clean: bool, will: Option<(&str, &str, bool)>) -> Vec<u8> {
    let flags = u8::from(clean) << 1 | will.map_or(0, |(_, _, retained)| 0b0000_1100 | u8::from(retained) << 5);
    let mut body = [text("MQTT"), vec![4, flags, 0, 60], text(client)].concat();
    if let Some((topic, payload, _)) = will {
        body.extend(text(topic));
        body.extend(text(payload));
    }
    packet(0x10, &body)
}

#[derive(Debug, Clone)]
pub(crate) struct Publish<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: u8,
    pub(crate) packet: u16,
    pub(crate) again: bool,
    pub(crate) retained: bool,
}

impl<'a> Publish<'a> {
    pub(crate) fn qos1(topic: &'a str, packet: u16, payload: &'a [u8]) -> Self {
        Self { topic, payload, qos: 1, packet, again: false, retained: false }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let flags = u8::from(self.again) << 3 | self.qos << 1 | u8::from(self.retained);
        let id = if self.qos > 0 { self.packet.to_be_bytes().to_vec() } else { Vec::new() };
        packet(0x30 | flags, &[text(self.topic), id, self.payload.to_vec()].concat())
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short text");
    [length.to_be_bytes().as_slice(), text.as_bytes()].concat()
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        let low = u8::try_from(length & 0x7f).expect("seven bits");
        length >>= 7;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}
