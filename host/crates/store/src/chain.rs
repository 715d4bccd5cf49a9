//! The journal's hash chain: what each row's two hashes cover.
//!
//! ```text
//! digest = SHA-256(payload as stored)
//! chain  = SHA-256(chain of the previous row ‖ header ‖ digest)      32 zero bytes before the first row
//!
//! header   bytes   what
//!          1       layout, 1
//!          2       partition
//!          8       sequence
//!          8       at, microseconds since the Unix epoch, two's complement
//!          1       1 where observed, 2 more where a turn begins with it
//!          4 + n   kind: length and UTF-8
//!          4 + n   subject: the same; length ff ff ff ff and no bytes where there is none
//!          4 + n   key: as subject
//! ```
//! All numbers are big-endian. A payload can be deleted without breaking the chain, because the digest stays.

use sha2::{Digest as _, Sha256};

pub(crate) type Hash = [u8; 32];

/// The chain value before a partition's first row.
pub(crate) const GENESIS: Hash = [0; 32];

const LAYOUT: u8 = 1;
const ABSENT: u32 = u32::MAX;

/// All of a row that the chain covers beside its payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    pub(crate) partition: u16,
    pub(crate) sequence: u64,
    pub(crate) at: i64,
    pub(crate) observed: bool,
    pub(crate) begins: bool,
    pub(crate) kind: &'a str,
    pub(crate) subject: Option<&'a str>,
    pub(crate) key: Option<&'a str>,
}

pub(crate) fn digest(payload: &[u8]) -> Hash {
    Sha256::digest(payload).into()
}

/// The chain value of the row with this header and digest.
pub(crate) fn link(previous: &Hash, header: &Header<'_>, digest: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update([LAYOUT]);
    hash.update(header.partition.to_be_bytes());
    hash.update(header.sequence.to_be_bytes());
    hash.update(header.at.to_be_bytes());
    hash.update([u8::from(header.observed) | u8::from(header.begins) << 1]);
    for text in [Some(header.kind), header.subject, header.key] {
        let length = text.map_or(ABSENT, |text| u32::try_from(text.len()).unwrap_or(ABSENT - 1));
        hash.update(length.to_be_bytes());
        hash.update(text.unwrap_or_default());
    }
    hash.update(digest);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header<'_> = Header {
        partition: 3,
        sequence: 9,
        at: -5,
        observed: true,
        begins: false,
        kind: "timer",
        subject: None,
        key: Some("k"),
    };

    #[test]
    fn the_layout_is_the_documented_one() {
        let mut bytes = vec![0; 32];
        bytes.extend([1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 9]);
        bytes.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfb, 1]);
        bytes.extend(b"\0\0\0\x05timer\xff\xff\xff\xff\0\0\0\x01k");
        bytes.extend(digest(b"payload"));
        assert_eq!(link(&GENESIS, &HEADER, &digest(b"payload")), digest(&bytes));
    }

    #[test]
    fn every_part_of_the_header_counts() {
        let chain = |header: Header<'_>| link(&GENESIS, &header, &GENESIS);
        let changed = [
            Header { partition: 4, ..HEADER },
            Header { sequence: 10, ..HEADER },
            Header { at: -4, ..HEADER },
            Header { observed: false, ..HEADER },
            Header { begins: true, ..HEADER },
            Header { kind: "timers", ..HEADER },
            Header { subject: Some(""), ..HEADER },
            Header { subject: Some("k"), key: None, ..HEADER },
            Header { key: Some("l"), ..HEADER },
        ];
        for header in changed {
            assert_ne!(chain(header), chain(HEADER), "{header:?}");
        }
    }
}
