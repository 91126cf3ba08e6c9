//! The SQL that the store speaks: one text for SQLite and PostgreSQL, and a connection that either of them can be.
//!
//! Statements keep to what both understand:
//!
//! - parameters are `$1`, `$2`, …; `ON CONFLICT (columns) DO UPDATE`, `RETURNING id`;
//! - columns are `INTEGER` (64 bits, also for times in milliseconds and for 0 and 1 as truth), `REAL`, `TEXT`, `BLOB`;
//! - sums are `CAST(sum(x) AS BIGINT)`, the larger of two is a `CASE`, since the two name that differently.
//!
//! All calls block; asynchronous code makes them on a thread that may.

pub mod postgres;
pub mod sqlite;

use super::StoreError;

/// A parameter of a statement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// A number, a time in milliseconds, 0 or 1.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// A text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

/// What a column of a row holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// A row of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Row(pub(super) Vec<Cell>);

/// Which database a connection leads to, where a statement can't be the same for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// One process writes, so what it remembers of the tables stays true.
    Sqlite,
    /// Other replicas write at the same time.
    Postgres,
}

/// A connection to the database. Changes outside of a transaction are each their own.
pub trait Connection: Send {
    /// Which database it leads to.
    fn dialect(&self) -> Dialect;
    /// Runs a statement; gives the number of rows that it changed.
    fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError>;
    /// Runs a statement that answers with rows.
    fn query(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError>;
    /// Runs a statement for each group of `width` values, in their order; gives the answer to each. A database at the
    /// other end of a wire is sent all of them before the first answer is waited for.
    fn query_each(
        &mut self,
        sql: &str,
        width: usize,
        values: &[Value<'_>],
    ) -> Result<Vec<Vec<Row>>, StoreError>;
    /// Runs statements without parameters, one after the other.
    fn run_script(&mut self, sql: &str) -> Result<(), StoreError>;
    /// Begins a transaction.
    fn begin(&mut self) -> Result<(), StoreError>;
    /// Ends the transaction; all it changed is durable then.
    fn commit(&mut self) -> Result<(), StoreError>;
    /// Ends the transaction; nothing it changed is kept. Harmless when there is none.
    fn rollback(&mut self);
}

/// Where connections come from.
pub trait Database: Send + Sync + std::fmt::Debug {
    /// A connection that may change things.
    fn writing(&self) -> Result<Box<dyn Connection>, StoreError>;
    /// A connection for questions.
    fn reading(&self) -> Result<Box<dyn Connection>, StoreError>;
    /// Flushes the file that it is in to the disk, where it is one of this machine.
    fn flush(&self) -> std::io::Result<()>;
    /// Makes the file of its log so long, where it has one. Nothing may be written to the log meanwhile.
    fn reserve_log(&self, bytes: u64) -> std::io::Result<()>;
}

impl dyn Connection + '_ {
    /// The first row of the answer.
    pub fn row(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, values)?.into_iter().next())
    }

    /// Runs a statement with each of the rows of values, in their order, as one step.
    pub fn execute_all<const N: usize>(
        &mut self,
        sql: &str,
        rows: &[[Value<'_>; N]],
    ) -> Result<(), StoreError> {
        self.query_all(sql, rows).map(drop)
    }

    /// Runs a statement with each of the rows of values, in their order, as one step; gives the answer to each.
    pub fn query_all<const N: usize>(
        &mut self,
        sql: &str,
        rows: &[[Value<'_>; N]],
    ) -> Result<Vec<Vec<Row>>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        self.query_each(sql, N, rows.as_flattened())
    }

    /// Makes all of a change or, when it fails, nothing of it.
    pub fn transaction<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.begin()?;
        let changed = change(self).and_then(|value| self.commit().map(|()| value));
        if changed.is_err() {
            self.rollback();
        }
        changed
    }
}

/// The parameters of a statement, each turned into a [`Value`].
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::sql::Value::from($value)),*] };
}
pub(crate) use values;

/// The same as a row of several that [`execute_all`](Connection#method.execute_all) takes.
macro_rules! row_of {
    ($($value:expr),* $(,)?) => { [$($crate::store::sql::Value::from($value)),*] };
}
pub(crate) use row_of;

impl Row {
    /// What the column holds, counted from 0.
    pub fn get<T: FromCell>(&self, column: usize) -> Result<T, StoreError> {
        let cell = self.0.get(column).unwrap_or(&Cell::Null);
        T::from_cell(cell).ok_or_else(|| StoreError::Column { column, wanted: T::KIND, found: cell.clone() })
    }
}

/// A type that a column can be read as.
pub trait FromCell: Sized {
    /// What it is called in an error.
    const KIND: &'static str;
    /// The value, if the cell holds one of this type.
    fn from_cell(cell: &Cell) -> Option<Self>;
}

macro_rules! from_cell {
    ($($type:ty, $kind:literal, $pattern:pat => $value:expr;)*) => { $(
        impl FromCell for $type {
            const KIND: &'static str = $kind;
            fn from_cell(cell: &Cell) -> Option<Self> {
                match cell { $pattern => $value, _ => None }
            }
        }
    )* };
}

from_cell! {
    i64, "a number", Cell::Integer(number) => Some(*number);
    u64, "a count", Cell::Integer(number) => u64::try_from(*number).ok();
    bool, "0 or 1", Cell::Integer(number @ 0..=1) => Some(*number == 1);
    String, "a text", Cell::Text(text) => Some(text.clone());
    Vec<u8>, "bytes", Cell::Blob(bytes) => Some(bytes.clone());
}

impl FromCell for f64 {
    const KIND: &'static str = "a number";
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Real(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "whoever reads a number as f64 takes that")]
            Cell::Integer(number) => Some(*number as f64),
            _ => None,
        }
    }
}

impl<T: FromCell> FromCell for Option<T> {
    const KIND: &'static str = T::KIND;
    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}

macro_rules! into_value {
    ($($type:ty, $from:ident => $value:expr;)*) => { $(
        impl<'a> From<$type> for Value<'a> {
            fn from($from: $type) -> Self { $value }
        }
    )* };
}

into_value! {
    i64, number => Self::Integer(number);
    &'a i64, number => Self::Integer(*number);
    // The databases' integers are signed; no count gets near the end of them.
    u64, number => Self::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    bool, truth => Self::Integer(i64::from(truth));
    f64, number => Self::Real(number);
    &'a str, text => Self::Text(text);
    &'a String, text => Self::Text(text);
    &'a [u8], bytes => Self::Blob(bytes);
    &'a Vec<u8>, bytes => Self::Blob(bytes);
    &'a [u8; 32], bytes => Self::Blob(bytes);
}

impl<T: Into<Self>> From<Option<T>> for Value<'_> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
