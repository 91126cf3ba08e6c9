//! What the agent remembers: how far files were read, how far the spool was sent, and what was counted.
//!
//! The file `state.json` is replaced as a whole. It says up to which entry of the spool it holds; entries behind that are
//! applied to it when the agent starts.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::error::AgentError;
use super::position::FilePosition;

/// Format of the file.
const VERSION: u64 = 1;
const NAME: &str = "state.json";

/// What the agent remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u64,
    /// This agent's name in streams; random, so that no two agents have the same.
    pub agent: String,
    /// The last entry that is in here.
    pub applied: u64,
    /// The last entry that the server has.
    pub sent: u64,
    /// Number of the next source.
    pub next_source: u64,
    /// Number of the next line, of each of this agent's own streams.
    pub streams: BTreeMap<String, u64>,
    /// Files, by device and inode.
    pub files: BTreeMap<String, FilePosition>,
    /// What was counted.
    pub counts: Counts,
}

/// What was counted since the agent was first started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records that the server took.
    pub accepted: u64,
    /// Records that it had already.
    pub duplicates: u64,
    /// Lines that it will never take.
    pub dead: u64,
    /// Records that were dropped from the spool for want of room.
    pub dropped: u64,
    /// Bytes of files that vanished before they were read.
    pub unread_bytes: u64,
    /// Entries of the spool that the disk damaged.
    pub damaged: u64,
}

impl State {
    /// Reads the state of a folder, or makes a new one.
    pub fn load(folder: &Path) -> Result<Self, AgentError> {
        let path = folder.join(NAME);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::fresh(),
            Err(source) => return Err(AgentError::ReadConfig { path, source }),
        };
        let damaged = |what: String| AgentError::Damaged { path: path.clone(), what };
        let state: Self = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if state.version != VERSION {
            return Err(damaged(format!("its version is {}, this one reads {VERSION}", state.version)));
        }
        Ok(state)
    }

    fn fresh() -> Result<Self, AgentError> {
        Ok(Self {
            version: VERSION,
            agent: random_name()?,
            applied: 0,
            sent: 0,
            next_source: 1,
            streams: BTreeMap::new(),
            files: BTreeMap::new(),
            counts: Counts::default(),
        })
    }

    /// Takes another name, so that its streams are others.
    pub fn rename(&mut self) -> Result<(), AgentError> {
        self.agent = random_name()?;
        self.streams.clear();
        Ok(())
    }

    /// Takes in an entry that is durable.
    pub fn apply(&mut self, entry: &Entry) {
        self.applied = entry.number;
        self.next_source = self.next_source.max(entry.next_source);
        for part in entry.parts.iter().filter(|part| part.stream.starts_with(&self.agent)) {
            let next = self.streams.entry(part.stream.clone()).or_default();
            *next = (*next).max(part.first + part.lines);
        }
        self.place(&entry.files);
    }

    /// Notes how far files were read.
    pub fn place(&mut self, files: &BTreeMap<String, Option<FilePosition>>) {
        for (key, position) in files {
            match position {
                Some(position) => self.files.insert(key.clone(), position.clone()),
                None => self.files.remove(key),
            };
        }
    }

    /// Writes it; what was there before stays until all of it is on the disk.
    pub fn save(&self, folder: &Path) -> Result<(), AgentError> {
        let path = folder.join(NAME);
        let failed = |source| AgentError::Write { path: path.clone(), source };
        let text = serde_json::to_vec(self)
            .unwrap_or_else(|error| unreachable!("the state can be written as JSON: {error}"));
        replace(&path, &text).map_err(failed)
    }
}

fn random_name() -> Result<String, AgentError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(AgentError::Random)?;
    Ok(format!("agent-{:016x}", u64::from_le_bytes(bytes)))
}

/// Replaces a file as a whole, durably.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_folder_of(path)
}

/// Makes names in the folder of `path` durable.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
