//! Keys, and the envelope every value lies in: a format byte before it, a CRC32C behind.
//!
//! Keys are big-endian behind a prefix byte, so that sled's order is ours. The checksum covers the key too:
//! a whole value under the wrong key is damage as well.

use super::error::Corrupt;
use crate::{
    domain::{DocumentKey, Seq, Timestamp},
    store::PayloadRef,
};

/// The format of every value. There is no conversion: a state of another one is rebuilt from the journal.
const FORMAT: u8 = 3;
const CRC_BYTES: usize = 4;
/// What is said of a whole value of an older format.
pub(super) const OLDER: Corrupt = Corrupt("it was written by an older hookgate");

/// Columns of a block.
pub(super) const HOT: u8 = b'h';
/// A part of a block.
const COLD: u8 = b'c';
/// A pending event that is not due when it was created.
const DUE: u8 = b'd';
/// A chunk of requests.
pub(super) const REQUESTS: u8 = b'q';
/// A document.
const DOCUMENT: u8 = b'n';
/// A handle's id.
pub(super) const HANDLE: u8 = b'i';
/// Something by name.
const META: u8 = b'm';

pub(super) fn hot(block: u64) -> [u8; 9] {
    let mut key = [HOT; 9];
    key[1..].copy_from_slice(&block.to_be_bytes());
    key
}

/// Reads the number back from a key of [`hot`].
pub(super) fn block_of_hot(key: &[u8]) -> Option<u64> {
    key.get(1..).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes)
}

pub(super) fn cold(block: u64, part: u8) -> [u8; 10] {
    let mut key = [COLD; 10];
    key[1..9].copy_from_slice(&block.to_be_bytes());
    key[9] = part;
    key
}

pub(super) fn requests(first: PayloadRef) -> [u8; 17] {
    let mut key = [REQUESTS; 17];
    key[1..9].copy_from_slice(&first.0.to_be_bytes());
    key[9..].copy_from_slice(&first.1.to_be_bytes());
    key
}

/// Reads the place back from a key of [`requests`].
pub(super) fn first_of_requests(key: &[u8]) -> Option<PayloadRef> {
    let key: &[u8; 17] = key.try_into().ok()?;
    let (segment, offset) = (key[1..9].try_into().ok()?, key[9..].try_into().ok()?);
    Some(PayloadRef(u64::from_be_bytes(segment), u64::from_be_bytes(offset)))
}

pub(super) fn document(document: DocumentKey) -> [u8; 18] {
    let mut key = [DOCUMENT; 18];
    key[1] = document.family.number();
    key[2..].copy_from_slice(&document.id.to_be_bytes());
    key
}

/// Reads the id back from a key of [`document`].
pub(super) fn id_of_document(key: &[u8]) -> Option<u128> {
    let key: &[u8; 18] = key.try_into().ok()?;
    Some(u128::from_be_bytes(key[2..].try_into().ok()?))
}

pub(super) fn handle(handle: u32) -> [u8; 5] {
    let mut key = [HANDLE; 5];
    key[1..].copy_from_slice(&handle.to_be_bytes());
    key
}

pub(super) fn meta(name: &str) -> Vec<u8> {
    [&[META], name.as_bytes()].concat()
}

/// Generations of a connection lie apart, so that events it cut are never read again. So do ready and waiting events:
/// waiting ones are read up to a moment, ready ones whatever their due time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DueKey {
    pub(super) connection: u32,
    pub(super) generation: u32,
    pub(super) waiting: bool,
    pub(super) due: Timestamp,
    pub(super) seq: Seq,
}

impl DueKey {
    pub(super) fn bytes(self) -> [u8; 26] {
        let mut key = [DUE; 26];
        key[1..5].copy_from_slice(&self.connection.to_be_bytes());
        key[5..9].copy_from_slice(&self.generation.to_be_bytes());
        key[9] = u8::from(self.waiting);
        key[10..18].copy_from_slice(&(self.due.ms().cast_unsigned() ^ (1 << 63)).to_be_bytes());
        key[18..].copy_from_slice(&self.seq.to_be_bytes());
        key
    }

    pub(super) fn parse(key: &[u8]) -> Option<Self> {
        let key: &[u8; 26] = key.try_into().ok()?;
        Some(Self {
            connection: u32::from_be_bytes(key[1..5].try_into().ok()?),
            generation: u32::from_be_bytes(key[5..9].try_into().ok()?),
            waiting: key[9] == 1,
            due: Timestamp::from_ms((u64::from_be_bytes(key[10..18].try_into().ok()?) ^ (1 << 63)).cast_signed()),
            seq: u64::from_be_bytes(key[18..].try_into().ok()?),
        })
    }
}

/// Puts a value into its envelope.
pub(super) fn seal(key: &[u8], body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(body.len() + 1 + CRC_BYTES);
    value.push(FORMAT);
    value.extend_from_slice(body);
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), &value);
    value.extend_from_slice(&crc.to_le_bytes());
    value
}

/// Takes a value out of its envelope.
pub(super) fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], Corrupt> {
    let (content, crc) = value.split_last_chunk::<CRC_BYTES>().ok_or(Corrupt("it is too short"))?;
    if crc32c::crc32c_append(crc32c::crc32c(key), content) != u32::from_le_bytes(*crc) {
        return Err(Corrupt("its checksum does not match"));
    }
    match content.split_first() {
        Some((&FORMAT, body)) => Ok(body),
        Some((older, _)) if *older < FORMAT => Err(OLDER),
        _ => Err(Corrupt("its format is unknown")),
    }
}

/// A key for people: its prefix, then hexadecimal digits, or the name.
pub(super) fn describe(key: &[u8]) -> String {
    match key.split_first() {
        Some((&META, name)) => format!("m {}", String::from_utf8_lossy(name)),
        Some((&prefix, rest)) => {
            let digits: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{} {digits}", char::from(prefix))
        }
        None => "an empty key".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_keys_sort_as_the_queue_does_even_before_1970() {
        let key = |due, seq| DueKey { connection: 7, generation: 2, waiting: true, due: Timestamp::from_ms(due), seq };
        let keys = [key(-5, 9), key(0, 3), key(0, 4), key(1 << 40, 0)];
        assert!(keys.windows(2).all(|two| two[0].bytes() < two[1].bytes()));
        assert!(keys.iter().all(|key| DueKey::parse(&key.bytes()) == Some(*key)));
    }

    #[test]
    fn a_value_under_another_key_or_with_a_flipped_bit_is_refused() {
        let value = seal(b"h1", b"body");
        assert_eq!(unseal(b"h1", &value), Ok(&b"body"[..]));
        assert!(unseal(b"h2", &value).is_err());
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(b"h1", &damaged).is_err(), "bit {bit}");
        }
    }
}
