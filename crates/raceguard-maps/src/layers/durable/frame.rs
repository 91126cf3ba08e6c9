//! The bytes of a log: frames and file headers. Pure functions; `format.md` describes what they write.
//!
//! Every reader here takes arbitrary bytes: none panics, and none allocates more than it was given.

use crc32c::{crc32c, crc32c_append};

use super::codec::{Codec, CodecError};
use crate::map::Operation;

/// The version of the format that is written, and the newest that is read.
pub(super) const FORMAT: u32 = 1;

/// Bytes before the payload of a frame.
pub(super) const FRAME_HEADER: usize = 24;

/// Bytes that a file header takes up, whatever it says.
pub(super) const FILE_HEADER: usize = 4096;

/// The longest payload.
pub(super) const MOST_PAYLOAD: usize = 1 << 30;

/// Sequence numbers end here, long before a sum with one of them overflows.
const LAST_SEQUENCE: u64 = 1 << 62;

const PUT: u8 = 1;
const REMOVE: u8 = 2;

/// The two kinds of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Segment,
    Snapshot,
}

impl FileKind {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Segment => b"rgmapwal",
            Self::Snapshot => b"rgmapsnp",
        }
    }
}

/// What the first bytes of a file say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileHeader {
    /// Which log the file belongs to; random.
    pub(super) log: u128,
    /// Segment: its first record. Snapshot: the last record whose effect it holds.
    pub(super) sequence: u64,
    pub(super) key_codec: String,
    pub(super) value_codec: String,
}

/// Why the first bytes of a file are no header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HeaderError {
    Damaged(&'static str),
    Newer(u32),
}

impl FileHeader {
    pub(super) fn encode(&self, kind: FileKind) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FILE_HEADER);
        bytes.extend_from_slice(kind.magic());
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.log.to_le_bytes());
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        for name in [&self.key_codec, &self.value_codec] {
            bytes.push(u8::try_from(name.len()).expect("checked on opening"));
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes.extend_from_slice(&crc32c(&bytes).to_le_bytes());
        bytes.resize(FILE_HEADER, 0);
        bytes
    }

    pub(super) fn decode(kind: FileKind, bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut rest = bytes;
        let header = Self::fields(kind, &mut rest)?;
        let covered = bytes.len() - rest.len();
        let sum = take::<4>(&mut rest).map(u32::from_le_bytes).ok_or(CUT_OFF)?;
        if sum != crc32c(&bytes[..covered]) {
            return Err(HeaderError::Damaged("the checksum of the file header is wrong"));
        }
        Ok(header)
    }

    fn fields(kind: FileKind, rest: &mut &[u8]) -> Result<Self, HeaderError> {
        if take::<8>(rest).ok_or(CUT_OFF)? != *kind.magic() {
            return Err(HeaderError::Damaged("the file does not begin as one of a log"));
        }
        let format = take::<4>(rest).map(u32::from_le_bytes).ok_or(CUT_OFF)?;
        // A newer format may have any header, so its version counts before its checksum.
        if format > FORMAT {
            return Err(HeaderError::Newer(format));
        }
        let log = take::<16>(rest).map(u128::from_le_bytes).ok_or(CUT_OFF)?;
        let sequence = take::<8>(rest).map(u64::from_le_bytes).ok_or(CUT_OFF)?;
        if !(1..=LAST_SEQUENCE).contains(&sequence) {
            return Err(HeaderError::Damaged("the file header names an impossible record"));
        }
        let key_codec = take_name(rest).ok_or(CUT_OFF)?;
        let value_codec = take_name(rest).ok_or(CUT_OFF)?;
        Ok(Self { log, sequence, key_codec, value_codec })
    }
}

const CUT_OFF: HeaderError = HeaderError::Damaged("the file header is cut off");

/// Starts the checksums of one log's frames, so that frames of another log are not taken for its own.
pub(super) fn salt(log: u128) -> u32 {
    crc32c(&log.to_le_bytes())
}

/// One frame as found in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) sequence: u64,
    /// All records up to this one were on disk when this frame was written.
    pub(super) durable: u64,
    pub(super) payload: &'a [u8],
    /// Bytes of the frame, with header and padding.
    pub(super) length: usize,
}

/// Appends a frame. `sum` is `payload_sum(salt, payload)`: made by the writer before it holds the lock of the log.
pub(super) fn write_frame(
    out: &mut Vec<u8>,
    sequence: u64,
    durable: u64,
    payload: &[u8],
    sum: u32,
    salt: u32,
) {
    let length = u32::try_from(payload.len()).expect("at most MOST_PAYLOAD");
    // Saturating says "less is known to be durable", which only makes a reader trust less.
    let behind = u32::try_from(sequence - durable).unwrap_or(u32::MAX);
    let mut header = [0; FRAME_HEADER];
    header[0..4].copy_from_slice(&length.to_le_bytes());
    header[4..8].copy_from_slice(&sum.to_le_bytes());
    header[8..16].copy_from_slice(&sequence.to_le_bytes());
    header[16..20].copy_from_slice(&behind.to_le_bytes());
    let own = crc32c_append(salt, &header[..20]);
    header[20..24].copy_from_slice(&own.to_le_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(payload);
    out.resize(out.len().next_multiple_of(8), 0);
}

/// The checksum of a payload.
pub(super) fn payload_sum(salt: u32, payload: &[u8]) -> u32 {
    crc32c_append(salt, payload)
}

/// The header of a frame, whose own checksum is right.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameHeader {
    pub(super) sequence: u64,
    pub(super) durable: u64,
    pub(super) payload: usize,
    sum: u32,
}

impl FrameHeader {
    /// Bytes of the payload with its padding.
    pub(super) fn padded(&self) -> usize {
        self.payload.next_multiple_of(8)
    }

    pub(super) fn admits(&self, payload: &[u8], salt: u32) -> bool {
        payload_sum(salt, payload) == self.sum
    }
}

/// The header at the start of `bytes`, or what is wrong with it.
pub(super) fn read_header(bytes: &[u8], salt: u32) -> Result<FrameHeader, &'static str> {
    let mut rest = bytes;
    let fields = (take::<4>(&mut rest), take::<4>(&mut rest), take::<8>(&mut rest), take::<4>(&mut rest));
    let own = take::<4>(&mut rest);
    let (Some(length), Some(sum), Some(sequence), Some(behind), Some(own)) =
        (fields.0, fields.1, fields.2, fields.3, own)
    else {
        return Err("the file ends");
    };
    if u32::from_le_bytes(own) != crc32c_append(salt, &bytes[..20]) {
        return Err(if bytes[..FRAME_HEADER].iter().all(|byte| *byte == 0) {
            "zeros"
        } else {
            "a wrong checksum"
        });
    }
    let sequence = u64::from_le_bytes(sequence);
    Ok(FrameHeader {
        sequence,
        durable: sequence.saturating_sub(u32::from_le_bytes(behind).into()),
        payload: u32::from_le_bytes(length) as usize,
        sum: u32::from_le_bytes(sum),
    })
}

/// The frame at the start of `bytes`, or what is wrong with it.
pub(super) fn read_frame(bytes: &[u8], salt: u32) -> Result<Frame<'_>, &'static str> {
    let header = read_header(bytes, salt)?;
    let rest = &bytes[FRAME_HEADER..];
    let payload = rest.get(..header.payload).ok_or("a frame that is longer than the file")?;
    if !header.admits(payload, salt) {
        return Err("a wrong checksum");
    }
    let length = FRAME_HEADER + header.padded().min(rest.len());
    Ok(Frame { sequence: header.sequence, durable: header.durable, payload, length })
}

/// Encodes operations one after the other.
pub(super) struct Encoder<'a, K, V> {
    pub(super) keys: &'a dyn Codec<K>,
    pub(super) values: &'a dyn Codec<V>,
}

impl<K, V> Encoder<'_, K, V> {
    /// Appends the removal of a key (`None`) or its new value.
    pub(super) fn push(&self, key: &K, value: Option<&V>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.push(if value.is_some() { PUT } else { REMOVE });
        prefixed(out, |out| self.keys.encode(key, out))?;
        if let Some(value) = value {
            prefixed(out, |out| self.values.encode(value, out))?;
        }
        if out.len() > MOST_PAYLOAD {
            return Err(CodecError::new(format!("{} bytes are more than a record can have", out.len())));
        }
        Ok(())
    }

    /// The operations of a payload.
    pub(super) fn operations(&self, payload: &[u8]) -> Result<Vec<Operation<K, V>>, CodecError> {
        let mut rest = payload;
        let mut operations = Vec::new();
        while let Some(kind) = take::<1>(&mut rest) {
            let key = self.keys.decode(take_prefixed(&mut rest)?)?;
            operations.push(match kind[0] {
                PUT => Operation::Insert(key, self.values.decode(take_prefixed(&mut rest)?)?),
                REMOVE => Operation::Remove(key),
                other => return Err(CodecError::new(format!("there is no operation {other}"))),
            });
        }
        Ok(operations)
    }
}

/// Runs `encode` and puts the number of bytes it appended before them.
fn prefixed(
    out: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    encode(out)?;
    let length = out.len() - start - 4;
    let prefix =
        u32::try_from(length).map_err(|_| CodecError::new(format!("{length} bytes are too many")))?;
    out[start..start + 4].copy_from_slice(&prefix.to_le_bytes());
    Ok(())
}

fn take_prefixed<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], CodecError> {
    let length = take::<4>(rest).map(u32::from_le_bytes);
    length
        .and_then(|length| rest.split_off(..length as usize))
        .ok_or_else(|| CodecError::new("a length points behind the record"))
}

fn take_name(rest: &mut &[u8]) -> Option<String> {
    let length = take::<1>(rest)?[0];
    let name = rest.split_off(..usize::from(length))?;
    String::from_utf8(name.to_vec()).ok()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    rest.split_off(..N)?.try_into().ok()
}
