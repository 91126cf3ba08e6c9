//! What the spool is made of: entries, each of which holds records and how far files were read to get them.
//!
//! ```text
//! frame    = length of payload (u32, little endian) · CRC-32C of payload (u32) · payload
//! payload  = length of head (u32) · head (JSON) · text of each part (zstd)
//! ```
//!
//! Records and positions lie in one frame, so that a crash keeps both or neither.

use std::collections::BTreeMap;

use raceguard_server::origin::Origin;
use serde::{Deserialize, Serialize};

use super::position::FilePosition;

/// Largest payload.
pub const MAX_PAYLOAD: usize = 128 << 20;

/// Bytes in front of the payload.
pub const FRAME_HEAD: usize = 8;

/// How much it hurts to lose a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Races, crashes, runs: kept as long as there is any room.
    Finding,
    /// Profiles and dumps, of which the next one says nearly the same: the first to go.
    Bulk,
}

/// Records that follow each other in one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Name of the stream.
    pub stream: String,
    /// Number in it of the first line.
    pub first: u64,
    /// How many lines.
    pub lines: u64,
    /// How much it hurts to lose them.
    pub class: Class,
    /// The program they are from.
    pub origin: Origin,
    /// Whether the text was thrown away for want of room.
    #[serde(default)]
    pub dropped: bool,
    /// Bytes of the text in the frame.
    packed: usize,
    /// Bytes of the text when unpacked.
    plain: usize,
    /// The text, packed.
    #[serde(skip)]
    text: Vec<u8>,
}

/// One step of the agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Entries are numbered from 1.
    pub number: u64,
    /// The records.
    pub parts: Vec<Part>,
    /// How far files were read; `None` for those that are gone.
    pub files: BTreeMap<String, Option<FilePosition>>,
    /// Number of the next source.
    pub next_source: u64,
}

impl Part {
    /// A part of lines, each with its newline.
    pub fn new(stream: String, first: u64, class: Class, origin: Origin, text: &[u8]) -> Self {
        let packed = zstd::bulk::compress(text, 1)
            .unwrap_or_else(|error| unreachable!("memory can be compressed: {error}"));
        Self {
            stream,
            first,
            lines: memchr::memchr_iter(b'\n', text).count() as u64,
            class,
            origin,
            dropped: false,
            packed: packed.len(),
            plain: text.len(),
            text: packed,
        }
    }

    /// The lines; nothing when they were dropped.
    pub fn text(&self) -> Vec<u8> {
        if self.dropped {
            return Vec::new();
        }
        // The frame's checksum held, so this is what was packed.
        zstd::bulk::decompress(&self.text, self.plain).unwrap_or_default()
    }

    /// Bytes of the lines.
    pub fn plain_len(&self) -> usize {
        if self.dropped { 0 } else { self.plain }
    }

    /// Throws the text away.
    pub fn drop_text(&mut self) {
        (self.dropped, self.packed, self.text) = (true, 0, Vec::new());
    }
}

impl Entry {
    /// Whether it has text that may go.
    pub fn has_bulk(&self) -> bool {
        self.parts.iter().any(|part| part.class == Class::Bulk && !part.dropped)
    }

    /// Throws away what may go.
    pub fn drop_bulk(&mut self) {
        self.parts.iter_mut().filter(|part| part.class == Class::Bulk).for_each(Part::drop_text);
    }

    /// Records that were thrown away.
    pub fn dropped(&self) -> u64 {
        self.parts.iter().filter(|part| part.dropped).map(|part| part.lines).sum()
    }

    /// The entry as a frame.
    pub fn frame(&self) -> Vec<u8> {
        let head = serde_json::to_vec(self)
            .unwrap_or_else(|error| unreachable!("an entry can be written as JSON: {error}"));
        let mut payload = Vec::with_capacity(head.len() + 4);
        payload.extend_from_slice(&u32_of(head.len()));
        payload.extend_from_slice(&head);
        for part in &self.parts {
            payload.extend_from_slice(&part.text);
        }
        let mut frame = Vec::with_capacity(payload.len() + FRAME_HEAD);
        frame.extend_from_slice(&u32_of(payload.len()));
        frame.extend_from_slice(&crc32c::crc32c(&payload).to_le_bytes());
        frame.extend_from_slice(&payload);
        frame
    }

    /// The entry at the beginning of `bytes`, and the length of its frame. `None` when it is torn or damaged.
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let length = number(bytes, 0)?;
        let checksum = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
        let payload = bytes.get(FRAME_HEAD..FRAME_HEAD.checked_add(length)?)?;
        if length > MAX_PAYLOAD || crc32c::crc32c(payload) != checksum {
            return None;
        }
        let head = number(payload, 0)?;
        let mut entry: Self = serde_json::from_slice(payload.get(4..4 + head)?).ok()?;
        let mut rest = &payload[4 + head..];
        for part in &mut entry.parts {
            let (text, after) = rest.split_at_checked(part.packed)?;
            part.text = text.to_vec();
            rest = after;
        }
        Some((entry, FRAME_HEAD + length))
    }
}

fn u32_of(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let part =
            |class, text: &str| Part::new("s".to_owned(), 7, class, Origin::default(), text.as_bytes());
        Entry {
            number: 3,
            parts: vec![part(Class::Bulk, "a\nb\n"), part(Class::Finding, "c\n")],
            files: BTreeMap::from([("1:2".to_owned(), None)]),
            next_source: 9,
        }
    }

    #[test]
    fn a_frame_gives_its_entry_back_unless_a_bit_of_it_changed() {
        let entry = entry();
        let frame = entry.frame();
        assert_eq!(Entry::read(&[frame.as_slice(), b"more"].concat()), Some((entry.clone(), frame.len())));
        for at in 0..frame.len() {
            assert_eq!(Entry::read(&frame[..at]), None, "torn at {at}");
            let mut damaged = frame.clone();
            damaged[at] ^= 0x10;
            assert_eq!(Entry::read(&damaged), None, "damaged at {at}");
        }
    }

    #[test]
    fn what_is_dropped_is_counted_and_the_rest_stays() {
        let mut entry = entry();
        assert!(entry.has_bulk());
        entry.drop_bulk();
        let (entry, _) = Entry::read(&entry.frame()).expect("it is whole");
        assert_eq!((entry.dropped(), entry.has_bulk()), (2, false));
        assert_eq!((entry.parts[0].text(), entry.parts[1].text()), (Vec::new(), b"c\n".to_vec()));
    }
}
