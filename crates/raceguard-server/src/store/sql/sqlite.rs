//! SQLite in WAL mode: a file, one process that writes, any number of questions meanwhile.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection as Sqlite, ErrorCode, OpenFlags, ToSql};

use super::{Cell, Connection, Database, Dialect, Row, StoreError, Value};

/// Statements that a connection keeps prepared.
const PREPARED: usize = 128;

/// Names of parameters: SQLite takes `$1` for a name, not for a place.
const PARAMETERS: [&str; 20] = [
    "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$16",
    "$17", "$18", "$19", "$20",
];

/// The database of a file.
#[derive(Debug)]
pub struct SqliteDatabase {
    path: PathBuf,
    /// The file, once it was flushed. It stays open as long as there are connections: closing it would take SQLite's locks
    /// on the file away, which belong to the process.
    file: Mutex<Option<File>>,
}

impl SqliteDatabase {
    /// The one in this file, which is made when it is opened for writing first.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: Mutex::default() }
    }
}

impl Database for SqliteDatabase {
    fn writing(&self) -> Result<Box<dyn Connection>, StoreError> {
        let connection = Sqlite::open(&self.path)?;
        let prepared = connection.execute_batch(
            "PRAGMA auto_vacuum = INCREMENTAL;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;
             PRAGMA busy_timeout = 5000;
             PRAGMA wal_autocheckpoint = 8000;
             PRAGMA cache_size = -65536;
             SELECT count(*) FROM sqlite_schema;",
        );
        prepared.map_err(|error| damaged(&self.path, error))?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        Ok(Box::new(connection))
    }

    fn reading(&self) -> Result<Box<dyn Connection>, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Sqlite::open_with_flags(&self.path, flags)?;
        connection.execute_batch("PRAGMA busy_timeout = 5000; PRAGMA cache_size = -16384;")?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        Ok(Box::new(connection))
    }

    fn flush(&self) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match &mut *file {
            Some(file) => file,
            none => none.insert(OpenOptions::new().write(true).open(&self.path)?),
        };
        file.sync_data()
    }

    fn reserve_log(&self, bytes: u64) -> io::Result<()> {
        let mut name = self.path.clone().into_os_string();
        name.push("-wal");
        let mut log = OpenOptions::new().append(true).open(name)?;
        let missing = bytes.saturating_sub(log.metadata()?.len());
        // Zeros are no part of a log: where they begin it ends.
        io::copy(&mut io::repeat(0).take(missing), &mut log)?;
        log.sync_all()
    }
}

impl Connection for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        let mut statement = self.prepare_cached(sql)?;
        bind(&mut statement, values)?;
        Ok(statement.raw_execute()? as u64)
    }

    fn query(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.prepare_cached(sql)?;
        bind(&mut statement, values)?;
        rows(&mut statement)
    }

    fn query_each(
        &mut self,
        sql: &str,
        width: usize,
        values: &[Value<'_>],
    ) -> Result<Vec<Vec<Row>>, StoreError> {
        let mut statement = self.prepare_cached(sql)?;
        let mut answers = Vec::with_capacity(values.len() / width.max(1));
        for values in values.chunks(width.max(1)) {
            bind(&mut statement, values)?;
            answers.push(rows(&mut statement)?);
        }
        Ok(answers)
    }

    fn run_script(&mut self, sql: &str) -> Result<(), StoreError> {
        Ok(self.execute_batch(sql)?)
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        // At once as a writer: a transaction that first reads and then writes could find that another one wrote between.
        Ok(self.execute_batch("BEGIN IMMEDIATE")?)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        Ok(self.execute_batch("COMMIT")?)
    }

    fn rollback(&mut self) {
        if !self.is_autocommit() {
            // When even this fails the connection is of no use, and the next statement on it says so.
            let _ = self.execute_batch("ROLLBACK");
        }
    }
}

/// Runs a statement whose values are bound.
fn rows(statement: &mut CachedStatement<'_>) -> Result<Vec<Row>, StoreError> {
    let columns = statement.column_count();
    let (mut rows, mut answer) = (statement.raw_query(), Vec::new());
    while let Some(row) = rows.next()? {
        let cells = (0..columns).map(|column| row.get_ref(column).map(Cell::from));
        answer.push(Row(cells.collect::<Result<_, _>>()?));
    }
    Ok(answer)
}

fn bind(statement: &mut CachedStatement<'_>, values: &[Value<'_>]) -> Result<(), StoreError> {
    debug_assert_eq!(statement.parameter_count(), values.len(), "as many values as parameters");
    for (name, value) in PARAMETERS.iter().zip(values) {
        if let Some(index) = statement.parameter_index(name)? {
            statement.raw_bind_parameter(index, value)?;
        }
    }
    Ok(())
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }
}

fn damaged(path: &Path, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StoreError::Damaged { path: path.to_owned(), what: error.to_string() }
        }
        _ => StoreError::Database(error),
    }
}
