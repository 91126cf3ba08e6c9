//! Takes what SQLite's log holds to its place in the database file, beside the writing thread.
//!
//! A commit appends to the log and flushes it. Taking the log's pages to the file means writing all over it and flushing
//! that too, for which no sender should have to wait. The log begins anew only when all of it has been taken, and while
//! batches come some of it never has. So the thread here takes what there is and flushes the file; then the writing
//! thread takes the little that came meanwhile, between two transactions.
//!
//! A log that begins anew is written over, which file systems flush much quicker than a file that grows. So it is
//! made as long as it gets before it is used.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::StoreError;
use super::sql::{Connection, Database};

/// Pages in the log that are not in the file after which they are taken there.
const TAKE: u64 = 1_000;

/// Pages of the log after which it is to begin anew: 16 MiB.
const RESTART: u64 = 4_000;

/// Bytes that the log is made long at the start: it goes on growing until all of it is taken.
const RESERVED: u64 = 32 << 20;

/// The log of the writing thread's connection.
pub(super) struct Log {
    wake: SyncSender<()>,
    is_long: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How many pages the log has, and how many of them are in the file.
struct Pages {
    all: u64,
    taken: u64,
}

impl Log {
    /// Starts the thread; from now on `connection` leaves the log to it.
    pub(super) fn start(
        database: &Arc<dyn Database>,
        connection: &mut dyn Connection,
    ) -> Result<Self, StoreError> {
        let taking = database.writing()?;
        // Nobody else writes meanwhile. A disk without room for it makes flushes slower, no more.
        connection.begin()?;
        let _ = database.reserve_log(RESERVED);
        connection.rollback();
        connection.query("PRAGMA wal_autocheckpoint = 0", &[])?;
        let (wake, woken) = sync_channel(1);
        let is_long = Arc::new(AtomicBool::new(false));
        let (database, told) = (Arc::clone(database), Arc::clone(&is_long));
        let thread = thread::spawn(move || take(&*database, taking, &woken, &told));
        Ok(Self { wake, is_long, thread: Some(thread) })
    }

    /// To be told on the writing thread after transactions, when nobody waits for their answers any more.
    pub(super) fn grew(&self, connection: &mut dyn Connection) {
        // ORDERING: the flag alone; the database orders what the two threads do to it.
        if self.is_long.swap(false, Ordering::Relaxed) {
            // One that fails, or waits for a reader, is done with the next pages.
            let _ = pages(connection, "PASSIVE");
        }
        let is_due = pages(connection, "NOOP").is_ok_and(|pages| pages.all > pages.taken + TAKE);
        if is_due {
            // Already told, when it is full.
            let _ = self.wake.try_send(());
        }
    }

    /// Ends the thread, and leaves no log behind that the next start would have to read.
    pub(super) fn end(mut self, connection: &mut dyn Connection) {
        drop(self.wake);
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell.
            let _ = thread.join();
        }
        let _ = connection.run_script("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize;");
    }
}

fn take(
    database: &dyn Database,
    mut connection: Box<dyn Connection>,
    woken: &Receiver<()>,
    is_long: &AtomicBool,
) {
    while woken.recv().is_ok() {
        // A disk that is full or broken shows in what the writing thread writes.
        let Ok(pages) = pages(&mut *connection, "PASSIVE") else { continue };
        // SQLite flushes the file only when it took all of the log, which then is for the writing thread to wait for.
        if database.flush().is_ok() && pages.all > RESTART {
            // ORDERING: as above.
            is_long.store(true, Ordering::Relaxed);
        }
    }
}

fn pages(connection: &mut dyn Connection, mode: &str) -> Result<Pages, StoreError> {
    let row = connection.row(&format!("PRAGMA wal_checkpoint({mode})"), &[])?;
    let row = row.ok_or(StoreError::Incomplete("wal_checkpoint"))?;
    // Both are -1 where there is no log.
    let count = |column| Ok::<_, StoreError>(u64::try_from(row.get::<i64>(column)?).unwrap_or(0));
    Ok(Pages { all: count(1)?, taken: count(2)? })
}
