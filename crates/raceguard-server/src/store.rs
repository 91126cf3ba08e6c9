//! What the server keeps: one database, and one thread that takes evidence to it and commits in groups.
//!
//! ```text
//! DATA/server.db      everything below, in SQLite
//! DATA/lock           held by the server that uses the folder
//! ```
//!
//! or a database of a PostgreSQL server, which replicas share.
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

mod checkpoint;
mod committed;
mod counting;
mod error;
pub mod intervals;
pub mod partitions;
mod place;
mod reader;
mod recorder;
mod schema;
pub mod sql;
mod writer;

pub use committed::{Committed, Observer, Seen};
pub use error::StoreError;
pub use place::Place;
pub use reader::{FindingRow, Reader, Totals};
pub use writer::{Receipt, Writer, WriterThread};

use std::fs::File;
use std::sync::Arc;

use checkpoint::Log;
use sql::{Connection, Database, Dialect};

use crate::token::table::{self, NewToken};
use crate::token::{Role, Token};

/// Keeps other servers away from the folder as long as it lives.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "it is held, not used")] Option<File>);

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
    /// Opens the store at a place, and makes it if it is not there. The observers are told of what was written, in
    /// this order.
    pub fn open(place: impl Into<Place>, observers: Vec<Arc<dyn Observer>>) -> Result<Self, StoreError> {
        Self::open_with_outlet(&place.into(), observers, None)
    }

    /// Does the same for a replica: the outlet is told what this process wrote, the observers also what others wrote.
    pub fn open_with_outlet(
        place: &Place,
        observers: Vec<Arc<dyn Observer>>,
        outlet: Option<Arc<dyn Observer>>,
    ) -> Result<Self, StoreError> {
        let lock = place.lock()?;
        let database = place.database()?;
        let mut connection = open(&*database)?;
        let log = match connection.dialect() {
            Dialect::Sqlite => Some(Log::start(&database, &mut *connection)?),
            Dialect::Postgres => None,
        };
        let (writer, thread) = Writer::start(connection, log, observers, outlet);
        Ok(Self { writer, reader: Reader::new(database), thread, lock })
    }

    /// Makes a change to the database at a place, which servers may be using; all of it or nothing.
    pub fn change<T>(
        place: impl Into<Place>,
        change: impl FnOnce(&mut (dyn Connection + 'static)) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        open(&*place.into().database()?)?.transaction(change)
    }

    /// Asks the database at a place, which servers may be using.
    pub fn read<T>(
        place: impl Into<Place>,
        question: impl FnOnce(&mut (dyn Connection + 'static)) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        question(&mut *open(&*place.into().database()?)?)
    }

    /// Makes a token of the role, under a name of its own, that holds until it is revoked.
    pub fn add_token(
        place: impl Into<Place>,
        name: &str,
        role: Role,
        now_ms: i64,
    ) -> Result<Token, StoreError> {
        let new = NewToken { name, role, expires_ms: None };
        Self::change(place, |connection| table::add(connection, new, "local", now_ms))
    }
}

/// A connection that may change things, to a database of the newest format.
fn open(database: &dyn Database) -> Result<Box<dyn Connection>, StoreError> {
    let mut connection = database.writing()?;
    schema::migrate(&mut *connection)?;
    Ok(connection)
}
