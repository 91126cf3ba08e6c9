//! A disk in memory that tells what was written from what was synced, and fails as told.
//!
//! A crash of the machine keeps what was synced, and of the rest any pieces of 512 bytes, in any combination: writes are
//! torn and reordered. Names are as files: what was created, renamed or removed since the folder was last synced may or
//! may not have happened, each for itself. A sync that fails loses what it should have written, and the next one
//! succeeds without it, as Linux does.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raceguard_maps::durable::{Files, LogFile};

use crate::random::Random;

const SECTOR: usize = 512;

/// What to do wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// The machine stops in the middle of this operation; every later one fails.
    pub(crate) crash_at: Option<u64>,
    /// This operation fails, alone.
    pub(crate) fail_at: Option<u64>,
    /// The n-th sync of a file fails.
    pub(crate) fail_sync: Option<u64>,
    /// Writes take only some of their bytes.
    pub(crate) short_writes: bool,
    /// The disk is full with so many bytes.
    pub(crate) capacity: Option<usize>,
}

/// How the machine or the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The power failed: what was not synced may be gone.
    PowerCut,
    /// The process was killed: the system has all that was written.
    Kill,
}

/// The disk.
#[derive(Debug, Clone)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Changes of names since the folder was synced.
    renamings: Vec<Vec<(String, Option<usize>)>>,
    files: Vec<Content>,
    faults: Faults,
    random: Random,
    operations: u64,
    syncs: u64,
    crashed: bool,
}

#[derive(Debug, Clone, Default)]
struct Content {
    live: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Write>,
}

#[derive(Debug, Clone)]
enum Write {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

impl Disk {
    /// An empty disk.
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        Self(Arc::new(Mutex::new(State {
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            renamings: Vec::new(),
            files: Vec::new(),
            faults,
            random: Random::seeded(seed),
            operations: 0,
            syncs: 0,
            crashed: false,
        })))
    }

    /// What the next start finds, with other faults.
    pub(crate) fn after(&self, end: End, faults: Faults) -> Self {
        let mut state = self.state();
        let mut random = Random::seeded(state.random.next());
        let names = match end {
            End::Kill => state.names.clone(),
            End::PowerCut => {
                let mut names = state.durable_names.clone();
                for renaming in &state.renamings {
                    if random.percent(50) {
                        apply_names(&mut names, renaming);
                    }
                }
                names
            }
        };
        let mut files = state.files.clone();
        for file in &mut files {
            match end {
                End::Kill => file.synced.clone_from(&file.live),
                End::PowerCut => file.lose_power(&mut random),
            }
            file.live.clone_from(&file.synced);
            file.unsynced.clear();
        }
        let durable_names = names.clone();
        Self(Arc::new(Mutex::new(State {
            names,
            durable_names,
            renamings: Vec::new(),
            files,
            faults,
            random,
            operations: 0,
            syncs: 0,
            crashed: false,
        })))
    }

    /// The bytes of a file.
    pub(crate) fn contents(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.files[state.names[name]].live.clone()
    }

    /// Puts a file there, durable at once.
    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        let file = state.files.len();
        state.files.push(Content { live: bytes.clone(), synced: bytes, unsynced: Vec::new() });
        state.names.insert(name.to_owned(), file);
        state.durable_names.insert(name.to_owned(), file);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply_names(names: &mut BTreeMap<String, usize>, renaming: &[(String, Option<usize>)]) {
    for (name, file) in renaming {
        match file {
            Some(file) => names.insert(name.clone(), *file),
            None => names.remove(name),
        };
    }
}

impl Content {
    fn apply(bytes: &mut Vec<u8>, write: &Write) {
        match write {
            Write::Length(length) => bytes.resize(*length, 0),
            Write::Bytes(offset, data) => {
                let end = offset + data.len();
                bytes.resize(bytes.len().max(end), 0);
                bytes[*offset..end].copy_from_slice(data);
            }
        }
    }

    /// Keeps any part of what was not synced.
    fn lose_power(&mut self, random: &mut Random) {
        let share = random.below(6) * 20;
        for write in std::mem::take(&mut self.unsynced) {
            match write {
                Write::Length(_) => {
                    if random.percent(share) {
                        Self::apply(&mut self.synced, &write);
                    }
                }
                Write::Bytes(offset, data) => {
                    let mut start = 0;
                    while start < data.len() {
                        let end = data.len().min(start + SECTOR - (offset + start) % SECTOR);
                        if random.percent(share) {
                            let piece = Write::Bytes(offset + start, data[start..end].to_vec());
                            Self::apply(&mut self.synced, &piece);
                        }
                        start = end;
                    }
                }
            }
        }
    }
}

impl State {
    /// Counts an operation; `Err` if it is to fail, `Ok(true)` if the machine stops in it.
    fn begin(&mut self) -> io::Result<bool> {
        self.operations += 1;
        if self.crashed {
            return Err(io::Error::other("the machine has stopped"));
        }
        if self.faults.fail_at == Some(self.operations) {
            return Err(io::Error::other("injected"));
        }
        self.crashed = self.faults.crash_at == Some(self.operations);
        Ok(self.crashed)
    }

    fn rename(&mut self, renaming: Vec<(String, Option<usize>)>) -> io::Result<()> {
        let stops = self.begin()?;
        // An operation that the machine stopped in may have happened.
        apply_names(&mut self.names, &renaming);
        self.renamings.push(renaming);
        if stops { Err(io::Error::other("the machine stops")) } else { Ok(()) }
    }

    fn used(&self) -> usize {
        self.names.values().map(|file| self.files[*file].live.len()).sum()
    }

    fn room_for(&self, more: usize) -> io::Result<()> {
        match self.faults.capacity {
            Some(capacity) if self.used() + more > capacity => Err(ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

impl Files for Disk {
    fn folder(&self) -> &Path {
        Path::new("/memory")
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.begin()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn create(&self, name: &str, reserve: u64) -> io::Result<Box<dyn LogFile>> {
        let reserve = usize::try_from(reserve).expect("small");
        let mut state = self.state();
        state.room_for(reserve)?;
        let file = state.files.len();
        let live = vec![0; reserve];
        state.files.push(Content { live, synced: Vec::new(), unsynced: vec![Write::Length(reserve)] });
        state.rename(vec![(name.to_owned(), Some(file))])?;
        Ok(Box::new(DiskFile { disk: self.clone(), file }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        let mut state = self.state();
        state.begin()?;
        let file = *state.names.get(name).ok_or(ErrorKind::NotFound)?;
        Ok(Box::new(DiskFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let file = *state.names.get(from).ok_or(ErrorKind::NotFound)?;
        state.rename(vec![(from.to_owned(), None), (to.to_owned(), Some(file))])
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.state().rename(vec![(name.to_owned(), None)])
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.begin()? {
            return Err(io::Error::other("the machine stops"));
        }
        state.durable_names = state.names.clone();
        state.renamings.clear();
        Ok(())
    }
}

#[derive(Debug)]
struct DiskFile {
    disk: Disk,
    file: usize,
}

impl LogFile for DiskFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.file].live.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.begin()?;
        let rest =
            state.files[self.file].live.get(usize::try_from(offset).expect("small")..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let offset = usize::try_from(offset).expect("small");
        let mut state = self.disk.state();
        let stops = state.begin()?;
        let mut taken = bytes.len();
        if stops || state.faults.short_writes && bytes.len() > 1 {
            taken = 1 + usize::try_from(state.random.below(bytes.len() as u64)).expect("small");
        }
        let grows = (offset + taken).saturating_sub(state.files[self.file].live.len());
        state.room_for(grows)?;
        let write = Write::Bytes(offset, bytes[..taken].to_vec());
        Content::apply(&mut state.files[self.file].live, &write);
        state.files[self.file].unsynced.push(write);
        if stops { Err(io::Error::other("the machine stops")) } else { Ok(taken) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let stops = state.begin()?;
        state.syncs += 1;
        if state.faults.fail_sync == Some(state.syncs) {
            let mut random = Random::seeded(state.random.next());
            state.files[self.file].lose_power(&mut random);
            return Err(io::Error::other("the disk failed to write"));
        }
        if stops {
            return Err(io::Error::other("the machine stops"));
        }
        let file = &mut state.files[self.file];
        // What an earlier sync lost is not written by this one: only what came since is.
        for write in std::mem::take(&mut file.unsynced) {
            Content::apply(&mut file.synced, &write);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let stops = state.begin()?;
        let write = Write::Length(usize::try_from(len).expect("small"));
        Content::apply(&mut state.files[self.file].live, &write);
        state.files[self.file].unsynced.push(write);
        if stops { Err(io::Error::other("the machine stops")) } else { Ok(()) }
    }
}
