//! [`LogWriter`]: appends groups of frames to segments, and starts new segments.

use std::io;
use std::sync::Arc;

use super::error::Failure;
use super::files::{Files, LogFile};
use super::frame::{FILE_HEADER, FileHeader, FileKind};
use super::pace::Pace;

/// What all files of one log have in common.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) log: u128,
    pub(super) key_codec: String,
    pub(super) value_codec: String,
}

impl Identity {
    pub(super) fn header(&self, sequence: u64) -> FileHeader {
        FileHeader {
            log: self.log,
            sequence,
            key_codec: self.key_codec.clone(),
            value_codec: self.value_codec.clone(),
        }
    }
}

/// A segment on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) ordinal: u64,
    /// Its first record. Records from the next segment's first on count there, not here.
    pub(super) first_sequence: u64,
}

pub(super) fn segment_name(ordinal: u64) -> String {
    format!("wal-{ordinal:016x}.log")
}

pub(super) fn snapshot_name(sequence: u64) -> String {
    format!("snapshot-{sequence:016x}.snap")
}

/// The number in a name that [`segment_name`] or [`snapshot_name`] made.
pub(super) fn number_in(name: &str, prefix: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
    if digits.len() == 16 { u64::from_str_radix(digits, 16).ok() } else { None }
}

/// The writing end of a log.
pub(super) struct LogWriter {
    files: Arc<dyn Files>,
    identity: Identity,
    segment_bytes: u64,
    /// Whether a group is durable when `append` returns.
    syncs: bool,
    file: Box<dyn LogFile>,
    offset: u64,
    capacity: u64,
    /// All segments on disk; the last is the one that is written.
    segments: Vec<Segment>,
    /// Bytes of frames in all of them.
    bytes: u64,
    /// When to write, for the leaders who hold the lock of this log.
    pub(super) pace: Pace,
}

impl LogWriter {
    /// Starts a new segment behind `segments`, beginning with the frames in `tail`.
    pub(super) fn begin(
        files: Arc<dyn Files>,
        identity: Identity,
        (segment_bytes, syncs): (u64, bool),
        mut segments: Vec<Segment>,
        (first_sequence, tail): (u64, &[u8]),
        bytes: u64,
    ) -> Result<Self, Failure> {
        let ordinal = segments.last().map_or(1, |segment| segment.ordinal + 1);
        let segment = Segment { ordinal, first_sequence };
        let start = (FILE_HEADER + tail.len()) as u64;
        let capacity = start.max(segment_bytes);
        let file = prepare_segment(&*files, &identity, segment, capacity, tail)?;
        publish_segment(&*files, segment)?;
        segments.push(segment);
        Ok(Self {
            files,
            identity,
            segment_bytes,
            syncs,
            file,
            offset: start,
            capacity,
            segments,
            bytes,
            pace: Pace::default(),
        })
    }

    /// Writes frames, and syncs them if the log syncs. After an error the log must not be written any more: what the
    /// disk holds of the group is unknown, and a second sync could succeed without having written it.
    pub(super) fn append(&mut self, frames: &[u8], first_sequence: u64) -> Result<(), Failure> {
        let length = frames.len() as u64;
        if self.offset + length > self.capacity {
            self.rotate(self.prepare(first_sequence, length)?)?;
        }
        self.file.write_all(self.offset, frames).map_err(self.failed("writing"))?;
        self.offset += length;
        self.bytes += length;
        if self.syncs { self.file.sync().map_err(self.failed("syncing")) } else { Ok(()) }
    }

    /// Makes a segment that has room for `length` bytes, under a temporary name. An error leaves the log as it was.
    pub(super) fn prepare(&self, first_sequence: u64, length: u64) -> Result<Prepared, Failure> {
        let capacity = self.segment_bytes.max(FILE_HEADER as u64 + length);
        let segment = Segment { ordinal: self.current().ordinal + 1, first_sequence };
        let file = prepare_segment(&*self.files, &self.identity, segment, capacity, &[])?;
        Ok(Prepared { segment, file, capacity })
    }

    /// Goes on with the prepared segment. All of the old one is durable then. After an error the log must not be
    /// written any more: opening may find the new segment, and then ends the old one where the new one begins.
    pub(super) fn rotate(&mut self, prepared: Prepared) -> Result<(), Failure> {
        if !self.syncs {
            self.sync()?;
        }
        publish_segment(&*self.files, prepared.segment)?;
        self.file = prepared.file;
        self.segments.push(prepared.segment);
        self.offset = FILE_HEADER as u64;
        self.capacity = prepared.capacity;
        Ok(())
    }

    /// Makes what was written durable and gives back the reserved room.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.file.set_len(self.offset).map_err(self.failed("cutting off"))?;
        self.capacity = self.offset;
        self.file.sync().map_err(self.failed("syncing"))
    }

    /// All records up to this one were durable when the current segment was made.
    pub(super) fn durable(&self) -> u64 {
        self.current().first_sequence - 1
    }

    /// Makes what was written durable.
    pub(super) fn sync(&mut self) -> Result<(), Failure> {
        self.file.sync().map_err(self.failed("syncing"))
    }

    /// Whether the current segment holds any frames.
    pub(super) fn has_frames(&self) -> bool {
        self.offset > FILE_HEADER as u64
    }

    /// All segments, and the bytes of frames in them.
    pub(super) fn extent(&self) -> (usize, u64) {
        (self.segments.len(), self.bytes)
    }

    /// Forgets the oldest segments, which a snapshot has replaced, and returns their names.
    pub(super) fn drop_oldest(&mut self, count: usize) -> Vec<String> {
        let count = count.min(self.segments.len() - 1);
        let old = self.segments.drain(..count).map(|segment| segment_name(segment.ordinal)).collect();
        if self.segments.len() == 1 {
            self.bytes = self.offset - FILE_HEADER as u64;
        }
        old
    }

    fn current(&self) -> Segment {
        *self.segments.last().expect("one is always written")
    }

    fn failed(&self, operation: &'static str) -> impl FnOnce(io::Error) -> Failure {
        let path = self.files.folder().join(segment_name(self.current().ordinal));
        move |error| Failure::new(operation, path, &error)
    }
}

/// A segment that has no name yet.
pub(super) struct Prepared {
    segment: Segment,
    file: Box<dyn LogFile>,
    capacity: u64,
}

fn prepare_segment(
    files: &dyn Files,
    identity: &Identity,
    segment: Segment,
    capacity: u64,
    frames: &[u8],
) -> Result<Box<dyn LogFile>, Failure> {
    let name = segment_name(segment.ordinal);
    let mut bytes = identity.header(segment.first_sequence).encode(FileKind::Segment);
    bytes.extend_from_slice(frames);
    prepare(files, &name, capacity, |file| file.write_all(0, &bytes))
        .map_err(|error| Failure::new("creating", files.folder().join(&name), &error))
}

fn publish_segment(files: &dyn Files, segment: Segment) -> Result<(), Failure> {
    let name = segment_name(segment.ordinal);
    publish(files, &name).map_err(|error| Failure::new("creating", files.folder().join(&name), &error))
}

/// Writes a file under a temporary name and makes it durable. It is there entirely or, after a crash, not at all.
pub(super) fn prepare(
    files: &dyn Files,
    name: &str,
    reserve: u64,
    write: impl FnOnce(&dyn LogFile) -> io::Result<()>,
) -> io::Result<Box<dyn LogFile>> {
    let unfinished = format!("{name}{UNFINISHED}");
    let attempt = || {
        let file = files.create(&unfinished, reserve)?;
        write(&*file)?;
        file.sync()?;
        Ok(file)
    };
    attempt().inspect_err(|_| {
        // What is left of it takes room that the next attempt may need. Opening removes it too.
        let _ = files.remove(&unfinished);
    })
}

/// Gives a prepared file its name.
pub(super) fn publish(files: &dyn Files, name: &str) -> io::Result<()> {
    files.rename(&format!("{name}{UNFINISHED}"), name)?;
    files.sync_folder()
}

/// The end of the names of files that are not finished.
pub(super) const UNFINISHED: &str = ".tmp";
