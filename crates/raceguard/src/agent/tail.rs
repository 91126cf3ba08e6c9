//! Follows all files that the configuration names.
//!
//! A file is known by its device and inode, and by its first bytes, since inodes are used again: so one that is renamed is
//! read to its end, and one that is replaced or truncated is read from its beginning. How far each was read goes into the
//! spool together with what was found in it.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use raceguard_server::origin::Origin;

use super::config::{Config, TailFormat};
use super::error::AgentError;
use super::follow::{Followed, News};
use super::position::{FilePosition, Head, key};
use super::spool::{Lines, Spool, Step};
use crate::fleet::client::stream_name;

/// Bytes of lines after which a step is taken.
const STEP_BYTES: usize = 2 << 20;
/// How long a file is held open after the last news.
const OPEN_SILENCE: Duration = Duration::from_mins(1);
/// Files that are held open at once.
const MAX_OPEN: usize = 400;
/// How long a renamed file is followed after the last news.
const RENAMED_SILENCE: Duration = Duration::from_mins(5);
/// Files that are followed at once.
pub const MAX_FILES: usize = 20_000;

/// All followed files.
#[derive(Debug)]
pub struct Tails<'a> {
    config: &'a Config,
    spool: &'a Spool,
    origins: Vec<Origin>,
    files: HashMap<String, Followed>,
    /// How large files were when they were seen last.
    sizes: HashMap<String, u64>,
    /// Whether files of the saved state that are nowhere to be seen were looked for.
    adopted: bool,
    told: HashSet<PathBuf>,
}

/// A file that a pattern names.
#[derive(Debug)]
struct Seen {
    path: PathBuf,
    tail: usize,
    size: u64,
}

impl<'a> Tails<'a> {
    /// Follows what the configuration names, from where the spool says.
    pub fn new(config: &'a Config, spool: &'a Spool) -> Self {
        let instance = config.server.instance();
        let origins = config.tail.iter().map(|tail| tail.origin(&instance)).collect();
        Self {
            config,
            spool,
            origins,
            files: HashMap::new(),
            sizes: HashMap::new(),
            adopted: false,
            told: HashSet::new(),
        }
    }

    /// How many files are followed.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Looks at each file once; returns whether there is more to be read. After an error all goes on from what is durable.
    pub fn round(&mut self) -> Result<bool, AgentError> {
        let result = self.try_round();
        if result.is_err() {
            self.files.clear();
            self.adopted = false;
        }
        result
    }

    fn try_round(&mut self) -> Result<bool, AgentError> {
        let seen = self.seen();
        self.discover(&seen);
        if !self.adopted {
            self.adopt(&seen)?;
        }
        let (mut step, mut bytes, mut more) = (Step::default(), 0, false);
        for key in self.files.keys().cloned().collect::<Vec<_>>() {
            let Some(news) = self.look(&key, seen.get(&key), &mut step) else { continue };
            more |= news.more;
            bytes += news.lines.iter().map(|(_, text)| text.len()).sum::<usize>();
            self.add(&key, news, &mut step);
            if bytes > STEP_BYTES {
                self.spool.append(std::mem::take(&mut step))?;
                bytes = 0;
            }
        }
        self.spool.append(step)?;
        self.close_some();
        Ok(more)
    }

    /// All files that the patterns name, each once.
    fn seen(&self) -> HashMap<String, Seen> {
        let mut seen = HashMap::new();
        for (tail, config) in self.config.tail.iter().enumerate() {
            for pattern in &config.paths {
                let options = glob::MatchOptions { require_literal_leading_dot: false, ..Default::default() };
                for path in glob::glob_with(&pattern.0, options).into_iter().flatten().flatten() {
                    let Ok(metadata) = fs::metadata(&path) else { continue };
                    if metadata.is_file() && seen.len() < MAX_FILES {
                        let size = metadata.len();
                        seen.entry(key(&metadata)).or_insert(Seen { path, tail, size });
                    }
                }
            }
        }
        seen
    }

    /// Follows what is new.
    fn discover(&mut self, seen: &HashMap<String, Seen>) {
        let new: Vec<_> = seen.iter().filter(|(key, _)| !self.files.contains_key(*key)).collect();
        if new.is_empty() {
            return;
        }
        let known = self.spool.state().files;
        for (key, file) in new {
            if self.open_files() >= MAX_OPEN {
                return;
            }
            // An empty file has nothing to be known by yet.
            if file.size == 0 && !known.contains_key(key) {
                continue;
            }
            if let Err(error) = self.follow(key, file, known.get(key)) {
                self.tell(&file.path, &format!("can't be read: {error}"));
            }
        }
    }

    fn follow(&mut self, key: &str, seen: &Seen, known: Option<&FilePosition>) -> io::Result<()> {
        let file = File::open(&seen.path)?;
        let head = Head::of(&file)?;
        let position = match known {
            Some(known) if known.head.fits(&file)? && known.log.offset <= seen.size => {
                FilePosition { path: seen.path.clone(), ..known.clone() }
            }
            known => self.beginning(seen, head, known.map_or(0, |known| known.generation + 1)),
        };
        let config = &self.config.tail[seen.tail];
        if config.format == TailFormat::Log && is_compressed(&file)? {
            self.tell(&seen.path, "is compressed, so it is not followed: it is a copy of what was read");
            return Ok(());
        }
        self.files.insert(key.to_owned(), Followed::resume(seen.tail, config, file, position));
        Ok(())
    }

    fn beginning(&self, seen: &Seen, head: Head, generation: u64) -> FilePosition {
        let source = match self.config.tail[seen.tail].format {
            TailFormat::Log => format!("f{}", self.spool.new_source()),
            // The name that `raceguard push` gives it, so that who sends both sends nothing twice.
            TailFormat::Evidence if generation == 0 => stream_name(&seen.path),
            TailFormat::Evidence => format!("{}#{generation}", stream_name(&seen.path)),
        };
        FilePosition { path: seen.path.clone(), head, source, generation, ..FilePosition::default() }
    }

    /// Goes on with files that were renamed while nobody looked, and forgets those that are gone.
    fn adopt(&mut self, seen: &HashMap<String, Seen>) -> Result<(), AgentError> {
        self.adopted = true;
        let mut step = Step::default();
        for (key, position) in self.spool.state().files {
            if seen.contains_key(&key) || self.files.contains_key(&key) {
                continue;
            }
            let tail = self.tail_of(&position.path);
            match (tail, renamed(&key, &position.path)) {
                (Some(tail), Some((path, file))) if position.head.fits(&file).unwrap_or(false) => {
                    let position = FilePosition { path, ..position };
                    let mut followed = Followed::resume(tail, &self.config.tail[tail], file, position);
                    followed.missing_since = Some(Instant::now());
                    self.files.insert(key, followed);
                }
                _ => {
                    let size = self.sizes.remove(&key).unwrap_or_default();
                    step.unread_bytes += size.saturating_sub(position.log.offset);
                    step.files.insert(key, None);
                }
            }
        }
        self.spool.append(step)
    }

    fn tail_of(&self, path: &Path) -> Option<usize> {
        let matches =
            |pattern: &str| glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_path(path));
        self.config.tail.iter().position(|tail| tail.paths.iter().any(|pattern| matches(&pattern.0)))
    }

    /// What is new in a file; `None` when it can't be read now, or is followed no more.
    fn look(&mut self, key: &str, seen: Option<&Seen>, step: &mut Step) -> Option<News> {
        let settle = self.config.settle.0;
        let followed = self.files.get_mut(key)?;
        if let Some(seen) = seen {
            (followed.missing_since, followed.path) = (None, seen.path.clone());
            self.sizes.insert(key.to_owned(), seen.size);
            if !followed.may_have_news(seen.size) {
                return None;
            }
            followed.reopen(|| File::open(&seen.path)).ok()?;
        } else {
            followed.missing_since.get_or_insert_with(Instant::now);
        }
        let news = match followed.look(settle) {
            Ok(news) => news,
            Err(error) => {
                let path = followed.path.clone();
                self.tell(&path, &format!("can't be read: {error}"));
                return None;
            }
        };
        let followed = self.files.get_mut(key)?;
        if followed.missing_since.is_some() && !news.more && news.lines.is_empty() {
            let is_renamed = renamed(key, &followed.path).is_some();
            if !followed.is_open() || followed.silence() >= if is_renamed { RENAMED_SILENCE } else { settle }
            {
                let mut last = followed.end(false);
                last.unread += news.unread;
                self.put(key, &mut last, step);
                self.files.remove(key);
                self.sizes.remove(key);
                step.files.insert(key.to_owned(), None);
                step.unread_bytes += last.unread;
                return None;
            }
        }
        Some(news)
    }

    /// Puts news into a step, with how far the file was read.
    fn add(&mut self, key: &str, mut news: News, step: &mut Step) {
        self.put(key, &mut news, step);
        step.unread_bytes += news.unread;
        let Some(followed) = self.files.get_mut(key) else { return };
        if !news.replaced {
            if let Some(position) = followed.moved() {
                step.files.insert(key.to_owned(), Some(position));
            }
            return;
        }
        // From the beginning, in the next round.
        let generation = followed.position().generation + 1;
        let seen = Seen { path: followed.path.clone(), tail: followed.tail, size: 0 };
        let head = Head::default();
        step.files.insert(key.to_owned(), Some(self.beginning(&seen, head, generation)));
        self.files.remove(key);
    }

    fn put(&self, key: &str, news: &mut News, step: &mut Step) {
        let Some(followed) = self.files.get(key) else { return };
        for (class, text) in std::mem::take(&mut news.lines) {
            if !text.is_empty() {
                let place = news.first.map(|first| (followed.source().to_owned(), first));
                step.lines.push(Lines { place, class, origin: self.origins[followed.tail].clone(), text });
            }
        }
    }

    fn open_files(&self) -> usize {
        self.files.values().filter(|file| file.is_open()).count()
    }

    fn close_some(&mut self) {
        let silence = if self.open_files() > MAX_OPEN / 2 { self.config.settle.0 } else { OPEN_SILENCE };
        for file in self.files.values_mut().filter(|file| file.missing_since.is_none()) {
            file.close_if_silent(silence);
        }
    }

    /// Says something about a file, once.
    fn tell(&mut self, path: &Path, what: &str) {
        if self.told.len() < MAX_FILES && self.told.insert(path.to_owned()) {
            crate::error::print_warning(format!("{} {what}", path.display()));
        }
    }
}

/// A file that is now at another name in the same folder, as rotation leaves it.
fn renamed(wanted: &str, path: &Path) -> Option<(PathBuf, File)> {
    let folder = fs::read_dir(path.parent()?).ok()?;
    folder.flatten().find_map(|entry| {
        let path = entry.path();
        let is_it = fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && key(&metadata) == wanted);
        is_it.then(|| File::open(&path).ok().map(|file| (path, file))).flatten()
    })
}

fn is_compressed(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let mut magic = [0; 2];
    let read = file.read_at(&mut magic, 0)?;
    Ok(read == 2 && magic == [0x1f, 0x8b])
}
