//! One file that is followed: what is new in it, as lines for the spool and a position to go on from.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use raceguard_evidence::Record;
use raceguard_evidence::foreign::LogFollower;

use super::config::{TailConfig, TailFormat};
use super::entry::Class;
use super::position::{FilePosition, Head};
use crate::fleet::source_text::SourceText;

/// Bytes that are read at once, unless a line is longer.
const PIECE: usize = 1 << 20;
/// Longest line of evidence. What is longer is passed over, and counted.
const MAX_LINE: usize = 24 << 20;
/// Bytes of a log after which a report that is still open is taken as it is.
const MAX_OPEN: u64 = 16 << 20;
/// How much longer than usual a torn line may wait for its end while nothing is open.
const PATIENCE: u32 = 10;

/// A followed file.
#[derive(Debug)]
pub struct Followed {
    /// The tail of the configuration that it belongs to.
    pub tail: usize,
    /// Where it was seen last.
    pub path: PathBuf,
    /// Since when it is at none of the paths that the configuration names.
    pub missing_since: Option<Instant>,
    file: Option<File>,
    head: Head,
    source: String,
    generation: u64,
    kind: Kind,
    /// Bytes that were read.
    read: u64,
    changed: Instant,
    modified_unix_ns: u64,
    told: u64,
    placed: Option<FilePosition>,
}

#[derive(Debug)]
enum Kind {
    Log(Box<LogFollower>),
    Evidence { lines: u64, source: Option<Box<SourceText>> },
}

/// What a look at a file gave.
#[derive(Debug, Default)]
pub struct News {
    /// Lines, by how much it hurts to lose them.
    pub lines: Vec<(Class, Vec<u8>)>,
    /// For evidence the number of the first of these lines.
    pub first: Option<u64>,
    /// Whether there is more to be read.
    pub more: bool,
    /// Whether another file is now at this place: what is left of this one is in here.
    pub replaced: bool,
    /// Bytes that were passed over.
    pub unread: u64,
}

impl Followed {
    /// Goes on with a file at a position.
    pub fn resume(tail: usize, config: &TailConfig, file: File, position: FilePosition) -> Self {
        let FilePosition { path, head, log, source, generation } = position;
        let kind = match config.format {
            TailFormat::Log => {
                Kind::Log(Box::new(LogFollower::resume(&source, &path.to_string_lossy(), log)))
            }
            TailFormat::Evidence => Kind::Evidence {
                lines: log.lines,
                source: config.source.then(|| source_text(&file, log.offset)),
            },
        };
        let (read, changed) = (log.offset, Instant::now());
        Self {
            tail,
            path,
            missing_since: None,
            file: Some(file),
            head,
            source,
            generation,
            kind,
            read,
            changed,
            modified_unix_ns: 0,
            told: 0,
            placed: None,
        }
    }

    /// Where to go on if the agent ends now.
    pub fn position(&self) -> FilePosition {
        let mut log = match &self.kind {
            Kind::Log(follower) => follower.position(),
            Kind::Evidence { lines, .. } => raceguard_evidence::foreign::LogPosition {
                offset: self.read,
                lines: *lines,
                ..Default::default()
            },
        };
        log.offset = log.offset.min(self.read);
        FilePosition {
            path: self.path.clone(),
            head: self.head.clone(),
            log,
            source: self.source.clone(),
            generation: self.generation,
        }
    }

    /// Where to go on, if that is another place than last time.
    pub fn moved(&mut self) -> Option<FilePosition> {
        let position = self.position();
        if self.placed.as_ref() == Some(&position) {
            return None;
        }
        self.placed = Some(position.clone());
        Some(position)
    }

    /// The source of its records, or for evidence the name of its stream.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it is held open.
    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Holds it open again, if it is not.
    pub fn reopen(&mut self, open: impl FnOnce() -> io::Result<File>) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(open()?);
        }
        Ok(())
    }

    /// Lets go of it, if nothing is open in it and it has been silent for so long.
    pub fn close_if_silent(&mut self, silence: Duration) {
        let is_idle = match &self.kind {
            Kind::Log(follower) => follower.is_idle(),
            Kind::Evidence { .. } => true,
        };
        if is_idle && self.changed.elapsed() >= silence {
            self.file = None;
        }
    }

    /// Whether a look at it would give something: it grew, shrank, or something in it is open.
    pub fn may_have_news(&self, size: u64) -> bool {
        self.file.is_some() || size != self.read
    }

    /// How long nothing came.
    pub fn silence(&self) -> Duration {
        self.changed.elapsed()
    }

    /// Reads what is new, a piece of it. What is open is ended after a silence of `settle`.
    pub fn look(&mut self, settle: Duration) -> io::Result<News> {
        let Some(file) = &self.file else { return Ok(News::default()) };
        let metadata = file.metadata()?;
        self.modified_unix_ns = u64::try_from(metadata.mtime()).unwrap_or_default() * 1_000_000_000
            + u64::try_from(metadata.mtime_nsec()).unwrap_or_default();
        let size = metadata.len();
        let grew = size > self.read;
        if size < self.read || (grew && !self.head.fits(file)?) {
            return Ok(self.end(true));
        }
        if grew && self.head.is_short() {
            self.head = Head::of(file)?;
        }
        let piece = if grew { read_lines(file, self.read, size)? } else { Piece::default() };
        let taken = !piece.lines.is_empty() || piece.passed_over > 0;
        let mut news = if taken { self.take(piece) } else { News::default() };
        news.more = taken && self.read < size;
        if taken {
            self.changed = Instant::now();
        } else if self.is_settled(settle, size) {
            let torn = if self.read < size { self.read_torn(size)? } else { Vec::new() };
            self.settle(&torn, &mut news);
        }
        Ok(news)
    }

    /// The last look: whatever is open is ended. `replaced` says that another file is in its place.
    pub fn end(&mut self, replaced: bool) -> News {
        let mut news = News { replaced, ..News::default() };
        let size =
            self.file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |metadata| metadata.len());
        let torn = if replaced { Vec::new() } else { self.read_torn(size).unwrap_or_default() };
        self.settle(&torn, &mut news);
        news.unread = if replaced { 0 } else { size.saturating_sub(self.read) };
        news
    }

    fn take(&mut self, piece: Piece) -> News {
        let mut news = News { unread: piece.passed_over, ..News::default() };
        self.read += piece.lines.len() as u64 + piece.passed_over;
        match &mut self.kind {
            Kind::Log(follower) => {
                let mut records = Vec::new();
                follower.take(&piece.lines, &mut records);
                if follower.open_bytes() > MAX_OPEN {
                    follower.finish(&mut records);
                }
                self.hand_out(records, &mut news);
            }
            Kind::Evidence { lines, source } => {
                news.first = Some(*lines);
                *lines += memchr::memchr_iter(b'\n', &piece.lines).count() as u64;
                let text = match source {
                    Some(source) => source.add_to(&piece.lines).into_owned(),
                    None => piece.lines,
                };
                news.lines.push((Class::Finding, text));
                // The line that was too long has a number too.
                *lines += u64::from(piece.passed_over > 0);
            }
        }
        news
    }

    fn is_settled(&self, settle: Duration, size: u64) -> bool {
        let Kind::Log(follower) = &self.kind else { return false };
        let is_torn = self.read < size;
        let patience = if follower.is_idle() { settle * PATIENCE } else { settle };
        (is_torn || !follower.is_idle() || follower.source().records + skipped(follower) > self.told)
            && self.changed.elapsed() >= if is_torn { patience } else { settle }
    }

    /// The beginning of a line that has no end yet.
    fn read_torn(&self, size: u64) -> io::Result<Vec<u8>> {
        let (Kind::Log(_), Some(file)) = (&self.kind, &self.file) else { return Ok(Vec::new()) };
        let length = usize::try_from(size.saturating_sub(self.read)).unwrap_or(PIECE).min(PIECE);
        let mut torn = vec![0; length];
        file.read_exact_at(&mut torn, self.read)?;
        Ok(torn)
    }

    /// Ends what is open, and tells about the file itself what is new.
    fn settle(&mut self, torn: &[u8], news: &mut News) {
        let Kind::Log(follower) = &mut self.kind else { return };
        let mut records = Vec::new();
        if !torn.is_empty() {
            follower.take(torn, &mut records);
            self.read += torn.len() as u64;
        }
        follower.finish(&mut records);
        let known = follower.source().records + skipped(follower);
        if known > self.told {
            self.told = known;
            let mut source = follower.source().clone();
            source.bytes = self.read;
            records.push(source.into());
        }
        self.changed = Instant::now();
        self.hand_out(records, news);
    }

    fn hand_out(&self, records: Vec<Record>, news: &mut News) {
        for mut record in records {
            give_time(&mut record, self.modified_unix_ns);
            let class = class_of(&record);
            let place = news.lines.iter().position(|(known, _)| *known == class).unwrap_or_else(|| {
                news.lines.push((class, Vec::new()));
                news.lines.len() - 1
            });
            record.append_line(&mut news.lines[place].1);
        }
    }
}

/// What adds source to the evidence in a file that was read up to there. Which module it is about stands in its first line.
fn source_text(file: &File, read: u64) -> Box<SourceText> {
    let mut source = Box::<SourceText>::default();
    let mut first = vec![0; PIECE.min(usize::try_from(read).unwrap_or(PIECE))];
    if let Ok(length) = file.read_at(&mut first, 0) {
        let end = memchr::memchr(b'\n', &first[..length]).map_or(0, |end| end + 1);
        let _ = source.add_to(&first[..end]);
    }
    source
}

/// How much it hurts to lose the record.
pub fn class_of(record: &Record) -> Class {
    match record {
        Record::GoroutineDump(_) | Record::Profile(_) | Record::ExecutionTrace(_) => Class::Bulk,
        _ => Class::Finding,
    }
}

/// Says when a record happened that does not say so itself.
pub fn give_time(record: &mut Record, unix_ns: u64) {
    let time = match record {
        Record::Race(race) => &mut race.time_unix_ns,
        Record::Crash(crash) => &mut crash.time_unix_ns,
        Record::GoroutineDump(dump) => &mut dump.time_unix_ns,
        Record::Profile(profile) => &mut profile.time_unix_ns,
        _ => return,
    };
    if *time == 0 {
        *time = unix_ns;
    }
}

fn skipped(follower: &LogFollower) -> u64 {
    follower.source().skipped.iter().map(|skipped| skipped.count).sum()
}

/// Whole lines.
#[derive(Debug, Default)]
struct Piece {
    lines: Vec<u8>,
    /// Bytes behind them of a line that is too long.
    passed_over: u64,
}

/// Whole lines from `start` on: about [`PIECE`] bytes, or one line.
fn read_lines(file: &File, start: u64, size: u64) -> io::Result<Piece> {
    let mut lines = Vec::new();
    let mut wanted = PIECE;
    loop {
        let available = usize::try_from(size - start).unwrap_or(usize::MAX);
        let from = lines.len();
        lines.resize(wanted.min(available), 0);
        file.read_exact_at(&mut lines[from..], start + from as u64)?;
        if let Some(last) = memchr::memrchr(b'\n', &lines[from..]) {
            lines.truncate(from + last + 1);
            return Ok(Piece { lines, passed_over: 0 });
        }
        if lines.len() == available {
            return Ok(Piece::default());
        }
        if lines.len() >= MAX_LINE {
            return pass_over(file, start, size);
        }
        wanted *= 2;
    }
}

/// The length of a line that is too long, when its end is there.
fn pass_over(file: &File, start: u64, size: u64) -> io::Result<Piece> {
    let mut buffer = vec![0; PIECE];
    let mut at = start;
    while at < size {
        let length = usize::try_from(size - at).unwrap_or(PIECE).min(PIECE);
        file.read_exact_at(&mut buffer[..length], at)?;
        if let Some(end) = memchr::memchr(b'\n', &buffer[..length]) {
            return Ok(Piece { lines: Vec::new(), passed_over: at + end as u64 + 1 - start });
        }
        at += length as u64;
    }
    Ok(Piece::default())
}
