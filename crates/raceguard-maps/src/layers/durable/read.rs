//! Reading a log: the newest snapshot, then the records behind it, up to the end or the first damage.
//!
//! The end of a log is where its last segment stops making sense. That is the place of a write that a crash cut off,
//! unless an intact record behind it says that what should be here had been durable when it was written: then
//! acknowledged records are damaged, and the reader says so instead of dropping them.

use std::collections::BTreeMap;

use super::error::OpenError;
use super::files::Files;
use super::frame::{self, Encoder, FILE_HEADER, FORMAT, FileHeader, FileKind, HeaderError};
use super::log::{Identity, Segment, UNFINISHED, number_in, segment_name, snapshot_name};
use super::report::{Damage, LogReport, SegmentReport, SnapshotReport};
use super::snapshot_file::{self, Unread};
use crate::error::MapError;
use crate::map::Operation;

/// What the files must say of themselves.
pub(super) struct Expected<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) key_codec: String,
    pub(super) value_codec: String,
}

impl Expected<'_> {
    pub(super) fn newer(&self, name: &str, found: u32) -> OpenError {
        OpenError::NewerFormat { path: self.files.folder().join(name), found, supported: FORMAT }
    }

    pub(super) fn codecs(&self, name: &str, header: &FileHeader) -> Result<(), OpenError> {
        for (what, found, expected) in
            [("key", &header.key_codec, &self.key_codec), ("value", &header.value_codec, &self.value_codec)]
        {
            if found != expected {
                return Err(OpenError::Encoding {
                    path: self.files.folder().join(name),
                    what,
                    found: found.clone(),
                    expected: expected.clone(),
                });
            }
        }
        Ok(())
    }
}

/// What a folder holds, and where writing goes on.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) report: LogReport,
    /// The identity of the log, if there is one.
    pub(super) log: Option<u128>,
    pub(super) segments: Vec<Segment>,
    /// Bytes of frames in the segments.
    pub(super) bytes: u64,
    /// Size of the snapshot.
    pub(super) snapshot_bytes: u64,
    /// Frames at the end that are not known to be durable: a crash may have left them in memory alone.
    pub(super) tail: Vec<u8>,
    /// Sequence number of the first of them, or of the next record.
    pub(super) tail_first: u64,
    /// Files of unfinished attempts, and snapshots that a newer one replaced.
    pub(super) leftovers: Vec<String>,
}

impl Found {
    pub(super) fn identity(&self, expected: Expected<'_>, fresh: impl FnOnce() -> u128) -> Identity {
        Identity {
            log: self.log.unwrap_or_else(fresh),
            key_codec: expected.key_codec,
            value_codec: expected.value_codec,
        }
    }
}

/// Takes in the operations of one record or block.
pub(super) type Apply<'a, K, V> = dyn FnMut(Vec<Operation<K, V>>) -> Result<(), MapError> + 'a;

/// Reads everything, giving the operations to `apply` in order; `clear` undoes all of that.
pub(super) fn read<K, V>(
    expected: &Expected<'_>,
    encoder: &Encoder<'_, K, V>,
    apply: &mut Apply<'_, K, V>,
    clear: &mut dyn FnMut() -> Result<(), MapError>,
) -> Result<Found, OpenError> {
    let files = expected.files;
    let mut found = Found {
        report: LogReport { folder: files.folder().to_owned(), ..LogReport::default() },
        ..Found::default()
    };
    let (snapshots, segments) = list(files, &mut found)?;
    let unread = read_snapshots(&snapshots, expected, encoder, apply, clear, &mut found)?;
    let mut segments = read_headers(&segments, expected, &mut found)?;
    if found.report.damage.is_none() {
        check_start(&segments, unread, &mut found);
    }
    if found.report.damage.is_none() {
        let last = segments.pop();
        let mut replay = Replay { files, encoder, apply, found: &mut found };
        for (index, segment) in segments.iter().enumerate() {
            let next = segments.get(index + 1).or(last.as_ref()).expect("the last was taken off");
            if !replay.sealed(*segment, next.first_sequence)? {
                break;
            }
        }
        if let Some(last) = last.filter(|_| replay.found.report.damage.is_none()) {
            replay.last(last)?;
        }
    }
    count_behind(&mut found, files)?;
    Ok(found)
}

type Numbered = BTreeMap<u64, String>;

fn list(files: &dyn Files, found: &mut Found) -> Result<(Numbered, Numbered), OpenError> {
    let (mut snapshots, mut segments) = (Numbered::new(), Numbered::new());
    for name in files.list().map_err(OpenError::io("list", files.folder()))? {
        if let Some(sequence) = number_in(&name, "snapshot-", ".snap") {
            snapshots.insert(sequence, name);
        } else if let Some(ordinal) = number_in(&name, "wal-", ".log") {
            segments.insert(ordinal, name);
        } else if let Some(stem) = name.strip_suffix(UNFINISHED) {
            let ours = number_in(stem, "snapshot-", ".snap").or(number_in(stem, "wal-", ".log"));
            found.leftovers.extend(ours.map(|_| name.clone()));
        }
    }
    Ok((snapshots, segments))
}

/// Reads the newest intact snapshot; returns what is wrong with the newest, if it is not that.
fn read_snapshots<K, V>(
    snapshots: &Numbered,
    expected: &Expected<'_>,
    encoder: &Encoder<'_, K, V>,
    apply: &mut Apply<'_, K, V>,
    clear: &mut dyn FnMut() -> Result<(), MapError>,
    found: &mut Found,
) -> Result<Option<Damage>, OpenError> {
    let mut first = None;
    for name in snapshots.values().rev() {
        if found.report.snapshot.is_some() {
            found.leftovers.push(name.clone());
            continue;
        }
        match snapshot_file::read(expected.files, name, expected, encoder, apply) {
            Ok(loaded) => {
                found.log = Some(loaded.log);
                found.snapshot_bytes = loaded.bytes;
                found.report.last_sequence = loaded.sequence;
                found.report.snapshot = Some(SnapshotReport {
                    file: name.clone(),
                    sequence: loaded.sequence,
                    entries: loaded.entries,
                });
            }
            Err(Unread::Damaged(offset, reason)) => {
                clear()?;
                first.get_or_insert(Damage {
                    file: name.clone(),
                    offset,
                    sequence: 0,
                    reason: reason.to_owned(),
                    bytes_behind: 0,
                    records_behind: 0,
                });
            }
            Err(Unread::Refused(error)) => return Err(error),
        }
    }
    found.tail_first = found.report.last_sequence + 1;
    Ok(first)
}

fn read_headers(
    names: &Numbered,
    expected: &Expected<'_>,
    found: &mut Found,
) -> Result<Vec<Segment>, OpenError> {
    let mut segments = Vec::new();
    for (ordinal, name) in names {
        let path = expected.files.folder().join(name);
        let file = expected.files.open(name).map_err(OpenError::io("open", &path))?;
        let mut bytes = vec![0; FILE_HEADER];
        let filled = file.read_full(0, &mut bytes).map_err(OpenError::io("read", &path))?;
        let reason = match FileHeader::decode(FileKind::Segment, &bytes[..filled]) {
            Ok(header) => {
                expected.codecs(name, &header)?;
                segments.push(Segment { ordinal: *ordinal, first_sequence: header.sequence });
                if *found.log.get_or_insert(header.log) == header.log {
                    continue;
                }
                "the file belongs to another log"
            }
            Err(HeaderError::Newer(format)) => return Err(expected.newer(name, format)),
            Err(HeaderError::Damaged(reason)) => reason,
        };
        let damage = damage_at(name, 0, found.report.last_sequence + 1, reason);
        found.report.damage.get_or_insert(damage);
    }
    found.segments.clone_from(&segments);
    Ok(segments)
}

/// The first segment must follow the snapshot, or begin the log.
fn check_start(segments: &[Segment], unread: Option<Damage>, found: &mut Found) {
    let next = found.report.last_sequence + 1;
    let gap = match segments.first() {
        Some(first) => first.first_sequence > next,
        // Beside a snapshot there is always a segment.
        None => found.report.snapshot.is_some() || unread.is_some(),
    };
    if gap {
        let name = segments.first().map_or_else(|| segment_name(1), |first| segment_name(first.ordinal));
        let missing = damage_at(&name, 0, next, "the records before it are missing");
        found.report.damage = Some(unread.unwrap_or(missing));
    }
}

fn damage_at(file: &str, offset: usize, sequence: u64, reason: &str) -> Damage {
    Damage {
        file: file.to_owned(),
        offset: offset as u64,
        sequence,
        reason: reason.to_owned(),
        bytes_behind: 0,
        records_behind: 0,
    }
}

struct Replay<'a, 'b, K, V> {
    files: &'a dyn Files,
    encoder: &'a Encoder<'a, K, V>,
    apply: &'a mut Apply<'b, K, V>,
    found: &'a mut Found,
}

/// Where reading a segment ended.
struct End {
    bytes: Vec<u8>,
    name: String,
    offset: usize,
    /// The record that was expected there.
    sequence: u64,
    reason: &'static str,
    /// Where the record with this sequence number began, from the segment's first on.
    offsets: Vec<usize>,
    /// All records up to this one are known to be durable.
    durable: u64,
}

impl<K, V> Replay<'_, '_, K, V> {
    /// Reads a segment that another follows; whether it was whole.
    fn sealed(&mut self, segment: Segment, next: u64) -> Result<bool, OpenError> {
        if next <= segment.first_sequence {
            return Ok(true);
        }
        let end = self.records(segment, next)?;
        // What the snapshot covers may be missing: nobody needs it.
        if end.sequence >= next || self.found.report.last_sequence + 1 >= next {
            return Ok(true);
        }
        self.found.report.damage = Some(damage_at(&end.name, end.offset, end.sequence, end.reason));
        Ok(false)
    }

    /// Reads the segment that was written last.
    fn last(&mut self, segment: Segment) -> Result<(), OpenError> {
        let end = self.records(segment, u64::MAX)?;
        let salt = frame::salt(self.found.log.expect("its header was read"));
        let rest = &end.bytes[end.offset.min(end.bytes.len())..];
        if rest.iter().any(|byte| *byte != 0) {
            let damage = damage_at(&end.name, end.offset, end.sequence, end.reason);
            let missed = intact(rest, salt).any(|frame| frame.durable >= end.sequence);
            if missed {
                self.found.report.damage = Some(damage);
            } else {
                self.found.report.torn_tail = Some(damage);
            }
        }
        let durable = end.durable.max(self.found.tail_first - 1);
        self.found.tail_first = durable + 1;
        let start = (durable + 1).saturating_sub(segment.first_sequence);
        if let Some(start) = usize::try_from(start).ok().and_then(|start| end.offsets.get(start)) {
            self.found.tail = end.bytes[*start..end.offset].to_vec();
        }
        Ok(())
    }

    /// Applies the records before `limit`.
    fn records(&mut self, segment: Segment, limit: u64) -> Result<End, OpenError> {
        let name = segment_name(segment.ordinal);
        let path = self.files.folder().join(&name);
        let bytes =
            self.files.open(&name).and_then(|file| file.read_all()).map_err(OpenError::io("read", &path))?;
        let salt = frame::salt(self.found.log.expect("its header was read"));
        let (mut offset, mut sequence, mut reason) = (FILE_HEADER, segment.first_sequence, "zeros");
        let (mut offsets, mut durable) = (Vec::new(), segment.first_sequence - 1);
        while sequence < limit {
            let frame = match frame::read_frame(bytes.get(offset..).unwrap_or_default(), salt) {
                Ok(frame) if frame.sequence == sequence => frame,
                Ok(_) => {
                    reason = "another record";
                    break;
                }
                Err(why) => {
                    reason = why;
                    break;
                }
            };
            if sequence > self.found.report.last_sequence {
                let operations = self.encoder.operations(frame.payload).map_err(|cause| {
                    OpenError::Undecodable { path: path.clone(), sequence, cause: cause.to_string() }
                })?;
                (self.apply)(operations)?;
                self.found.report.last_sequence = sequence;
            }
            offsets.push(offset);
            durable = durable.max(frame.durable.min(sequence));
            offset += frame.length;
            sequence += 1;
        }
        self.found.bytes += (offset - FILE_HEADER) as u64;
        self.found.report.segments.push(SegmentReport {
            file: name.clone(),
            first_sequence: segment.first_sequence,
            records: sequence - segment.first_sequence,
            bytes: offset as u64,
        });
        Ok(End { bytes, name, offset, sequence, reason, offsets, durable })
    }
}

/// The intact frames anywhere in these bytes.
fn intact(bytes: &[u8], salt: u32) -> impl Iterator<Item = frame::Frame<'_>> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        while offset < bytes.len() {
            let at = &bytes[offset..];
            // Reserved room is zeros, and a record has a number: no need to compute a checksum for every eight bytes.
            if at.get(8..16).is_none_or(|sequence| sequence == [0; 8]) {
                offset += 8;
                continue;
            }
            match frame::read_frame(at, salt) {
                Ok(frame) => {
                    offset += frame.length;
                    return Some(frame);
                }
                Err(_) => offset += 8,
            }
        }
        None
    })
}

/// Fills in how much lies behind the damage: in its own file and in the segments after it.
fn count_behind(found: &mut Found, files: &dyn Files) -> Result<(), OpenError> {
    let salt = frame::salt(found.log.unwrap_or_default());
    let segments = found.segments.clone();
    let report = &mut found.report;
    let Some(damage) = report.damage.as_mut().or(report.torn_tail.as_mut()) else { return Ok(()) };
    let own = number_in(&damage.file, "wal-", ".log");
    for segment in segments {
        if own.is_some_and(|own| segment.ordinal < own) {
            continue;
        }
        let name = segment_name(segment.ordinal);
        let path = files.folder().join(&name);
        let bytes =
            files.open(&name).and_then(|file| file.read_all()).map_err(OpenError::io("read", &path))?;
        let start = if own == Some(segment.ordinal) { damage.offset } else { FILE_HEADER as u64 };
        let rest = bytes.get(usize::try_from(start).unwrap_or(usize::MAX)..).unwrap_or_default();
        let used = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        damage.bytes_behind += used as u64;
        damage.records_behind += intact(rest, salt).count() as u64;
    }
    if number_in(&damage.file, "snapshot-", ".snap").is_some() {
        let path = files.folder().join(&damage.file);
        let length =
            files.open(&damage.file).and_then(|file| file.len()).map_err(OpenError::io("read", &path))?;
        damage.bytes_behind += length.saturating_sub(damage.offset);
    }
    Ok(())
}

/// The names of the snapshots other than that of `sequence`.
pub(super) fn other_snapshots(files: &dyn Files, sequence: u64) -> std::io::Result<Vec<String>> {
    let keep = snapshot_name(sequence);
    let names = files.list()?.into_iter();
    Ok(names.filter(|name| number_in(name, "snapshot-", ".snap").is_some() && *name != keep).collect())
}
