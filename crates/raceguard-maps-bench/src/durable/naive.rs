//! The group commit that every text book has: a lock, a condition variable, a leader, a file that grows.
//!
//! Writers append to a shared buffer; one of them takes the buffer, writes it, syncs, and wakes everybody; those whose
//! record was in it return, of the others one leads next. It is what `Durable` has to beat, on the same disk in the same
//! run. Its map is one lock around a table, as `Durable<MutexMap>` has underneath.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use parking_lot::{Condvar, Mutex};

/// A map with a log, in the simplest way that is right.
#[derive(Debug)]
pub(crate) struct NaiveLog {
    state: Mutex<State>,
    written: Condvar,
    file: Mutex<File>,
    map: Mutex<HashMap<u64, u64, foldhash::fast::RandomState>>,
}

#[derive(Debug, Default)]
struct State {
    buffer: Vec<u8>,
    /// Records in `buffer` or before it, and those of them that are durable.
    issued: u64,
    durable: u64,
    leading: bool,
}

impl NaiveLog {
    /// Begins a log in this file.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            state: Mutex::default(),
            written: Condvar::new(),
            file: Mutex::new(OpenOptions::new().create(true).append(true).open(path)?),
            map: Mutex::default(),
        })
    }

    /// Sets a value; returns when it is durable.
    pub(crate) fn insert(&self, key: u64, value: u64, record: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock();
        self.map.lock().insert(key, value);
        state.buffer.extend_from_slice(record);
        state.issued += 1;
        let mine = state.issued;
        while state.durable < mine {
            if state.leading {
                self.written.wait(&mut state);
                continue;
            }
            state.leading = true;
            let buffer = std::mem::take(&mut state.buffer);
            let last = state.issued;
            drop(state);
            let mut file = self.file.lock();
            let outcome = file.write_all(&buffer).and_then(|()| file.sync_data());
            drop(file);
            state = self.state.lock();
            state.leading = false;
            outcome?;
            state.durable = last;
            self.written.notify_all();
        }
        Ok(())
    }
}
