//! What the server keeps: one database, and one thread that takes evidence to it and commits in groups.
//!
//! ```text
//! DATA/server.db      everything below, in SQLite
//! DATA/lock           held by the server that uses the folder
//! ```
//!
//! Nothing here knows which database it is: statements are in the SQL that [`sql`] defines.
//!
//! Evidence is kept as it came, a batch as one compressed block: that is what makes tens of thousands of records a
//! second durable. What people ask for is counted while it is written, in the same transaction: findings, and for each
//! finding the hours, services, versions and instances it was seen in. So an answer never reads the blocks, and what it
//! says never differs from what is kept.
//!
//! A record is known by its stream and its number in it; what was received of a stream is a set of intervals
//! ([`intervals`]), which stays a handful however long the stream is.

mod committed;
mod counting;
mod error;
pub mod intervals;
mod reader;
mod recorder;
mod schema;
pub mod sql;
mod writer;

pub use committed::{Committed, Observer, Seen};
pub use error::StoreError;
pub use reader::{FindingRow, Reader, Totals};
pub use writer::{Receipt, Writer, WriterThread};

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use sql::sqlite::SqliteDatabase;
use sql::{Connection, Database};

use crate::token::table::{self, NewToken};
use crate::token::{Role, Token};

/// Keeps other servers away from the folder as long as it lives.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "it is held, not used")] File);

/// The store, opened.
#[derive(Debug)]
pub struct Store {
    /// Takes batches.
    pub writer: Writer,
    /// Answers questions.
    pub reader: Reader,
    /// The thread behind `writer`.
    pub thread: WriterThread,
    /// To be dropped last.
    pub lock: Lock,
}

impl Store {
    /// Opens the store in a folder, and makes both if they are not there. The observers are told of what was written,
    /// in this order.
    pub fn open(folder: &Path, observers: Vec<Arc<dyn Observer>>) -> Result<Self, StoreError> {
        fs::create_dir_all(folder)
            .map_err(|source| StoreError::Folder { folder: folder.to_owned(), source })?;
        let lock = lock(folder)?;
        let database: Arc<dyn Database> = Arc::new(SqliteDatabase::new(folder.join("server.db")));
        let (writer, thread) = Writer::start(open(&*database)?, observers);
        Ok(Self { writer, reader: Reader::new(database), thread, lock: Lock(lock) })
    }

    /// Makes a change to the database in a folder, which a server may be using; all of it or nothing.
    pub fn change<T>(
        folder: &Path,
        change: impl FnOnce(&mut (dyn Connection + 'static)) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        fs::create_dir_all(folder)
            .map_err(|source| StoreError::Folder { folder: folder.to_owned(), source })?;
        open(&SqliteDatabase::new(folder.join("server.db")))?.transaction(change)
    }

    /// Asks the database in a folder, which a server may be using.
    pub fn read<T>(
        folder: &Path,
        question: impl FnOnce(&mut (dyn Connection + 'static)) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        question(&mut *open(&SqliteDatabase::new(folder.join("server.db")))?)
    }

    /// Makes a token of the role, under a name of its own, that holds until it is revoked.
    pub fn add_token(folder: &Path, name: &str, role: Role, now_ms: i64) -> Result<Token, StoreError> {
        let new = NewToken { name, role, expires_ms: None };
        Self::change(folder, |connection| table::add(connection, new, "local", now_ms))
    }
}

/// A connection that may change things, to a database of the newest format.
fn open(database: &dyn Database) -> Result<Box<dyn Connection>, StoreError> {
    let mut connection = database.writing()?;
    schema::migrate(&mut *connection)?;
    Ok(connection)
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let refused = |source| StoreError::Folder { folder: folder.to_owned(), source };
    let mut file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(refused)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&path).ok().filter(|pid| !pid.is_empty());
            let pid = pid.map_or_else(|| "unknown".to_owned(), |pid| pid.trim().to_owned());
            return Err(StoreError::InUse { folder: folder.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(refused(source)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(refused)?;
    Ok(file)
}
