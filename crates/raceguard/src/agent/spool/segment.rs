//! One file of the spool: frames, one behind the other.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::agent::entry::{Entry, FRAME_HEAD};
use crate::agent::error::AgentError;
use crate::agent::state::sync_folder_of;

/// A segment.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    /// What is appended to; `None` when nothing more is.
    file: Option<File>,
    bytes: u64,
    last: u64,
    has_bulk: bool,
    /// An entry, and where the one behind it begins.
    hint: (u64, u64),
}

/// Numbers of the segments in a folder, in their order.
pub(super) fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match name.strip_suffix(".seg").and_then(|number| number.parse().ok()) {
            Some(number) => numbers.push(number),
            // A replacement that was not finished.
            None if name.ends_with(".new") => fs::remove_file(&path)?,
            None => {}
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.seg"))
}

impl Segment {
    /// Makes an empty one.
    pub(super) fn create(folder: &Path, number: u64) -> Result<Self, AgentError> {
        let path = path_of(folder, number);
        let made = OpenOptions::new().append(true).create_new(true).open(&path);
        let made = made.and_then(|file| sync_folder_of(&path).map(|()| file));
        let file = made.map_err(|source| AgentError::Write { path: path.clone(), source })?;
        Ok(Self { path, file: Some(file), bytes: 0, last: 0, has_bulk: false, hint: (0, 0) })
    }

    /// What a killed agent left: the segment, its entries behind number `applied`, and how many the disk damaged.
    pub(super) fn recover(
        folder: &Path,
        number: u64,
        applied: u64,
    ) -> Result<(Self, Vec<Entry>, u64), AgentError> {
        let path = path_of(folder, number);
        let content =
            fs::read(&path).map_err(|source| AgentError::ReadConfig { path: path.clone(), source })?;
        let mut segment =
            Self { path, file: None, bytes: content.len() as u64, last: 0, has_bulk: false, hint: (0, 0) };
        let (mut frames, mut entries) = (Frames::new(&content), Vec::new());
        for (entry, _) in frames.by_ref() {
            segment.last = segment.last.max(entry.number);
            segment.has_bulk |= entry.has_bulk();
            if entry.number > applied {
                entries.push(entry);
            }
        }
        // The end may be torn: the agent was killed while it wrote, and what it wrote never counted.
        Ok((segment, entries, frames.damaged))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Number of the last entry; 0 when there is none.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Whether nothing more is appended to it.
    pub(super) fn is_sealed(&self) -> bool {
        self.file.is_none()
    }

    pub(super) fn has_bulk(&self) -> bool {
        self.has_bulk
    }

    /// Appends an entry durably. After an error the segment is as it was, and sealed.
    pub(super) fn append(&mut self, entry: &Entry, frame: &[u8]) -> Result<(), AgentError> {
        let file = self.file.as_mut().unwrap_or_else(|| unreachable!("sealed segments get no entries"));
        if let Err(source) = file.write_all(frame).and_then(|()| file.sync_data()) {
            let _ = file.set_len(self.bytes);
            self.file = None;
            return Err(AgentError::Write { path: self.path.clone(), source });
        }
        self.bytes += frame.len() as u64;
        self.last = entry.number;
        self.has_bulk |= entry.has_bulk();
        Ok(())
    }

    /// Adds the entries behind number `after` to `entries` until `size` bytes of text are `limit` or more.
    pub(super) fn read_after(
        &mut self,
        after: u64,
        limit: usize,
        size: &mut usize,
        entries: &mut Vec<Entry>,
    ) -> Result<(), AgentError> {
        let start = if self.hint.0 == after { self.hint.1 } else { 0 };
        let content = self.content(start)?;
        let mut frames = Frames::new(&content);
        for (entry, at) in frames.by_ref().skip_while(|(entry, _)| entry.number <= after) {
            if *size >= limit {
                break;
            }
            *size += entry.parts.iter().map(|part| part.plain_len() + 1).sum::<usize>();
            self.hint = (entry.number, start + at as u64);
            entries.push(entry);
        }
        Ok(())
    }

    /// Throws away what may go. The segment is sealed.
    pub(super) fn drop_bulk(&mut self) -> Result<(), AgentError> {
        let content = self.content(0)?;
        let mut kept = Vec::with_capacity(content.len());
        for (mut entry, _) in Frames::new(&content) {
            entry.drop_bulk();
            kept.extend_from_slice(&entry.frame());
        }
        crate::agent::state::replace(&self.path, &kept)
            .map_err(|source| AgentError::Write { path: self.path.clone(), source })?;
        (self.file, self.bytes, self.has_bulk, self.hint) = (None, kept.len() as u64, false, (0, 0));
        Ok(())
    }

    pub(super) fn remove(&self) {
        // One that stays is removed when the agent starts again.
        let _ = fs::remove_file(&self.path);
    }

    fn content(&self, start: u64) -> Result<Vec<u8>, AgentError> {
        let mut content = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(start))?;
            file.take(self.bytes.saturating_sub(start)).read_to_end(&mut content)
        });
        read.map_err(|source| AgentError::ReadConfig { path: self.path.clone(), source })?;
        Ok(content)
    }
}

/// The frames in a segment, each with where it ends. One that is damaged is passed over if the next one can be found.
struct Frames<'a> {
    content: &'a [u8],
    at: usize,
    damaged: u64,
}

impl<'a> Frames<'a> {
    fn new(content: &'a [u8]) -> Self {
        Self { content, at: 0, damaged: 0 }
    }
}

impl Iterator for Frames<'_> {
    type Item = (Entry, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.content.get(self.at..)?;
        if let Some((entry, length)) = Entry::read(rest) {
            self.at += length;
            return Some((entry, self.at));
        }
        let claimed = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?);
        let next = usize::try_from(claimed).ok()?.checked_add(FRAME_HEAD)?;
        let (entry, length) = Entry::read(rest.get(next..)?)?;
        self.damaged += 1;
        self.at += next + length;
        Some((entry, self.at))
    }
}
