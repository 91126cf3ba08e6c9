//! The files that hold all entries as of one record: written by compaction, read first on opening.

use std::io;

use super::error::OpenError;
use super::files::{Files, LogFile};
use super::frame::{
    Encoder, FILE_HEADER, FRAME_HEADER, FileHeader, FileKind, HeaderError, payload_sum, read_header, salt,
    write_frame,
};
use super::log::{Identity, prepare, publish, snapshot_name};
use super::read::Expected;
use crate::error::MapError;
use crate::map::Operation;

/// Payloads are cut at about this size.
const BLOCK: usize = if cfg!(raceguard_stress) { 64 } else { 256 << 10 };

/// First byte of the payload that ends a snapshot, before the number of entries.
const END: u8 = 3;

/// Writes the snapshot of the state after record `sequence`; returns its size.
pub(super) fn write<'a, K: 'a, V: 'a>(
    files: &dyn Files,
    identity: &Identity,
    sequence: u64,
    encoder: &Encoder<'_, K, V>,
    entries: impl Iterator<Item = (&'a K, &'a V)>,
) -> io::Result<u64> {
    let mut size = 0;
    let name = snapshot_name(sequence);
    prepare(files, &name, 0, |file| {
        let mut out = Blocks { file, offset: 0, salt: salt(identity.log), next: 1, bytes: Vec::new() };
        out.write(&identity.header(sequence).encode(FileKind::Snapshot))?;
        let mut payload = Vec::with_capacity(BLOCK + 256);
        let mut count = 0_u64;
        for (key, value) in entries {
            encoder.push(key, Some(value), &mut payload).map_err(io::Error::other)?;
            count += 1;
            if payload.len() >= BLOCK {
                out.frame(&payload)?;
                payload.clear();
            }
        }
        if !payload.is_empty() {
            out.frame(&payload)?;
        }
        payload.clear();
        payload.push(END);
        payload.extend_from_slice(&count.to_le_bytes());
        out.frame(&payload)?;
        size = out.offset;
        Ok(())
    })?;
    publish(files, &name)?;
    Ok(size)
}

struct Blocks<'a> {
    file: &'a dyn LogFile,
    offset: u64,
    salt: u32,
    next: u64,
    bytes: Vec<u8>,
}

impl Blocks<'_> {
    fn frame(&mut self, payload: &[u8]) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        write_frame(&mut bytes, self.next, self.next, payload, payload_sum(self.salt, payload), self.salt);
        self.next += 1;
        self.write(&bytes)?;
        self.bytes = bytes;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(self.offset, bytes)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

/// Why a snapshot could not be read.
pub(super) enum Unread {
    /// Its bytes are damaged: from where on, and how.
    Damaged(u64, &'static str),
    /// Anything that another snapshot would not help against.
    Refused(OpenError),
}

impl From<OpenError> for Unread {
    fn from(error: OpenError) -> Self {
        Self::Refused(error)
    }
}

/// What a snapshot said.
pub(super) struct Loaded {
    pub(super) log: u128,
    pub(super) sequence: u64,
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

/// Reads a snapshot, block by block.
pub(super) fn read<K, V>(
    files: &dyn Files,
    name: &str,
    expected: &Expected<'_>,
    encoder: &Encoder<'_, K, V>,
    apply: &mut dyn FnMut(Vec<Operation<K, V>>) -> Result<(), MapError>,
) -> Result<Loaded, Unread> {
    let path = files.folder().join(name);
    let io = |error| Unread::Refused(OpenError::io("read", &path)(error));
    let file = files.open(name).map_err(io)?;
    let length = file.len().map_err(io)?;
    let mut bytes = vec![0; FILE_HEADER];
    let filled = file.read_full(0, &mut bytes).map_err(io)?;
    let header = match FileHeader::decode(FileKind::Snapshot, &bytes[..filled]) {
        Ok(header) => header,
        Err(HeaderError::Damaged(reason)) => return Err(Unread::Damaged(0, reason)),
        Err(HeaderError::Newer(found)) => return Err(expected.newer(name, found).into()),
    };
    expected.codecs(name, &header)?;
    let salt = salt(header.log);
    let mut loaded = Loaded { log: header.log, sequence: header.sequence, entries: 0, bytes: length };
    let mut offset = FILE_HEADER as u64;
    for block in 1.. {
        let mut head = [0; FRAME_HEADER];
        let filled = file.read_full(offset, &mut head).map_err(io)?;
        let damaged = |reason| Unread::Damaged(offset, reason);
        let frame = read_header(&head[..filled], salt).map_err(damaged)?;
        let start = offset + FRAME_HEADER as u64;
        if frame.sequence != block || start + frame.payload as u64 > length {
            return Err(damaged("a block that does not belong here"));
        }
        bytes.resize(frame.payload, 0);
        let filled = file.read_full(start, &mut bytes).map_err(io)?;
        if filled < bytes.len() || !frame.admits(&bytes, salt) {
            return Err(damaged("a wrong checksum"));
        }
        if let [END, count @ ..] = &bytes[..] {
            if count == loaded.entries.to_le_bytes() {
                return Ok(loaded);
            }
            return Err(damaged("another number of entries than there are"));
        }
        let operations = encoder.operations(&bytes).map_err(|cause| OpenError::Undecodable {
            path: path.clone(),
            sequence: block,
            cause: cause.to_string(),
        })?;
        loaded.entries += operations.len() as u64;
        apply(operations).map_err(OpenError::Map)?;
        offset = start + frame.padded() as u64;
    }
    unreachable!("a file has fewer than 2^64 blocks")
}
