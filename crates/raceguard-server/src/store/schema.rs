//! The database's tables, and how older ones are brought to the newest form.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::StoreError;

/// The newest format; `PRAGMA user_version` of the database.
pub(super) const FORMAT: i64 = 1;

/// What brings a database from format `n` to `n + 1`, by `n`. Never changed once released.
const MIGRATIONS: [&str; 1] = [include_str!("schema/0001.sql")];

/// Opens the database for writing, makes it if it is not there, and brings it to the newest format.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    let prepared = connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA busy_timeout = 5000;
         PRAGMA wal_autocheckpoint = 8000;
         PRAGMA cache_size = -65536;",
    );
    prepared.map_err(|error| damaged(path, error))?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// Opens the database for reading.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch("PRAGMA busy_timeout = 5000; PRAGMA cache_size = -16384;")?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|error| damaged(path, error))?;
    let Ok(done) = usize::try_from(found) else {
        return Err(StoreError::Damaged { path: path.to_owned(), what: format!("its format is {found}") });
    };
    if found > FORMAT {
        return Err(StoreError::Newer { path: path.to_owned(), found, supported: FORMAT });
    }
    for (format, migration) in (1..).zip(MIGRATIONS).skip(done) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", format)?;
        transaction.commit()?;
    }
    Ok(())
}

fn damaged(path: &Path, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StoreError::Damaged { path: path.to_owned(), what: error.to_string() }
        }
        _ => StoreError::Database(error),
    }
}
