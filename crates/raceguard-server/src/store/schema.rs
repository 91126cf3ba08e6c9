//! The database's tables, in parts, and how older ones are brought to the newest form.
//!
//! Each part has a folder of numbered scripts, written for SQLite; [`for_postgres`] says them to PostgreSQL. The table
//! `format` says how many of a part's scripts a database has had.

use super::sql::{Connection, Dialect, values};
use super::{StoreError, partitions};
use crate::clock::now_ms;

/// A part of the tables, and what brings it from format `n` to `n + 1`, by `n`. A script never changes once released.
struct Part {
    name: &'static str,
    scripts: &'static [&'static str],
}

/// In the order in which they are made: later parts may refer to earlier ones.
const PARTS: &[Part] = &[
    Part { name: "collector", scripts: &[include_str!("schema/collector/0001.sql")] },
    Part { name: "alert", scripts: &[include_str!("schema/alert/0001.sql")] },
    Part { name: "cause", scripts: &[include_str!("schema/cause/0001.sql")] },
    Part {
        name: "slts",
        scripts: &[include_str!("schema/slts/0001.sql"), include_str!("schema/slts/0002.sql")],
    },
    Part { name: "lock", scripts: &[include_str!("schema/lock/0001.sql")] },
    Part { name: "operations", scripts: &[include_str!("schema/operations/0001.sql")] },
    Part {
        name: "policy",
        scripts: &[include_str!("schema/policy/0001.sql"), include_str!("schema/policy/0002.sql")],
    },
    Part { name: "session", scripts: &[include_str!("schema/session/0001.sql")] },
];

/// What PostgreSQL's tables have beyond that.
const POSTGRES: &[Part] =
    &[Part { name: "partitions", scripts: &[include_str!("schema/partitions/0001.postgres.sql")] }];

/// The number under which replicas agree that one at a time changes the tables.
const MIGRATION: i64 = 0x7261_6365_6775_6172;

/// Brings the database to the newest format.
///
/// # Errors
///
/// [`StoreError::Newer`] when a part is of a newer format than this version knows, or is not known at all.
pub(super) fn migrate(connection: &mut dyn Connection) -> Result<(), StoreError> {
    match connection.dialect() {
        Dialect::Sqlite => bring_forward(connection, &[PARTS]),
        Dialect::Postgres => {
            connection.query("SELECT 1 FROM pg_advisory_lock($1)", values![MIGRATION])?;
            let brought = bring_forward(connection, &[PARTS, POSTGRES])
                .and_then(|()| partitions::make_days(connection, now_ms()));
            connection.query("SELECT 1 FROM pg_advisory_unlock($1)", values![MIGRATION])?;
            brought
        }
    }
}

fn bring_forward(connection: &mut dyn Connection, parts: &[&[Part]]) -> Result<(), StoreError> {
    connection.run_script(
        "CREATE TABLE IF NOT EXISTS format (part TEXT NOT NULL PRIMARY KEY, number INTEGER NOT NULL)",
    )?;
    adopt(connection)?;
    for row in connection.query("SELECT part, number FROM format", &[])? {
        let (part, found): (String, u64) = (row.get(0)?, row.get(1)?);
        let known = parts.iter().copied().flatten().find(|known| known.name == part);
        let known = known.map_or(0, |known| known.scripts.len() as u64);
        if found > known {
            return Err(StoreError::Newer { part, found, supported: known });
        }
    }
    for part in parts.iter().copied().flatten() {
        migrate_part(connection, part)?;
    }
    Ok(())
}

fn migrate_part(connection: &mut dyn Connection, part: &Part) -> Result<(), StoreError> {
    let row = connection.row("SELECT number FROM format WHERE part = $1", values![part.name])?;
    let done: u64 = row.map_or(Ok(0), |row| row.get(0))?;
    let done = usize::try_from(done).unwrap_or(usize::MAX);
    for (number, script) in (1_i64..).zip(part.scripts).skip(done) {
        connection.transaction(|connection| {
            match connection.dialect() {
                Dialect::Sqlite => connection.run_script(script)?,
                Dialect::Postgres => connection.run_script(&for_postgres(script))?,
            }
            connection.execute(
                "INSERT INTO format (part, number) VALUES ($1, $2) ON CONFLICT (part) DO UPDATE SET number = $2",
                values![part.name, number],
            )?;
            Ok(())
        })?;
    }
    Ok(())
}

/// Databases of the first format said it in SQLite's `user_version`.
fn adopt(connection: &mut dyn Connection) -> Result<(), StoreError> {
    if connection.dialect() != Dialect::Sqlite {
        return Ok(());
    }
    let row = connection.row("PRAGMA user_version", &[])?;
    let found: i64 = row.map_or(Ok(0), |row| row.get(0))?;
    if found > 0 {
        connection.transaction(|connection| {
            connection.execute(
                "INSERT INTO format (part, number) VALUES ('collector', $1) ON CONFLICT DO NOTHING",
                values![found],
            )?;
            connection.run_script("PRAGMA user_version = 0")
        })?;
    }
    Ok(())
}

/// A script in PostgreSQL's words. One of PostgreSQL's own stays as it is.
fn for_postgres(script: &str) -> String {
    script
        .replace("INTEGER PRIMARY KEY", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY")
        .replace("INTEGER", "BIGINT")
        .replace("BLOB", "BYTEA")
        .replace("REAL", "DOUBLE PRECISION")
        .replace(") STRICT, WITHOUT ROWID;", ");")
        .replace(") STRICT;", ");")
}
