//! Evidence in PostgreSQL lies in one table for each day on which it came: days are made ahead, and dropped when they are too old.
//!
//! Days are those of UTC, counted from the Unix epoch.

use super::StoreError;
use super::sql::{Connection, Dialect, values};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Days that are made ahead: a database that nobody tends for so long takes evidence all the same, into `block_other`.
const AHEAD: i64 = 7;

/// What a day's table is called, before its number.
const PREFIX: &str = "block_day_";

/// Makes the tables of today and the days to come. Does nothing where evidence is one table.
pub fn make_days(connection: &mut dyn Connection, now_ms: i64) -> Result<(), StoreError> {
    if connection.dialect() != Dialect::Postgres {
        return Ok(());
    }
    let there = days(connection)?;
    let today = now_ms.div_euclid(DAY_MS);
    for day in (today..=today + AHEAD).filter(|day| !there.contains(day)) {
        let (from, to) = (day * DAY_MS, (day + 1) * DAY_MS);
        let stray = "SELECT 1 FROM block_other WHERE received_ms >= $1 AND received_ms < $2 LIMIT 1";
        if connection.row(stray, values![from, to])?.is_none() {
            connection.run_script(&format!(
                "CREATE TABLE IF NOT EXISTS {PREFIX}{day} PARTITION OF block FOR VALUES FROM ({from}) TO ({to})"
            ))?;
        }
    }
    Ok(())
}

/// Drops the days that had ended at `before_ms`; gives how many blocks they held.
pub fn drop_days(connection: &mut dyn Connection, before_ms: i64) -> Result<u64, StoreError> {
    if connection.dialect() != Dialect::Postgres {
        return Ok(0);
    }
    let mut dropped = 0;
    for day in days(connection)?.into_iter().filter(|day| (day + 1) * DAY_MS <= before_ms) {
        let count = format!("SELECT count(*) FROM {PREFIX}{day}");
        dropped += connection.row(&count, &[])?.map_or(Ok(0), |row| row.get::<u64>(0))?;
        connection.run_script(&format!("DROP TABLE IF EXISTS {PREFIX}{day}"))?;
    }
    connection.execute("UPDATE total SET blocks = blocks - $1", values![dropped])?;
    Ok(dropped)
}

/// The days that have a table.
fn days(connection: &mut dyn Connection) -> Result<Vec<i64>, StoreError> {
    let rows = connection.query(
        "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
             JOIN pg_class parent ON parent.oid = inhparent WHERE parent.relname = 'block'",
        &[],
    )?;
    let names = rows.iter().map(|row| row.get::<String>(0)).collect::<Result<Vec<_>, _>>()?;
    Ok(names.iter().filter_map(|name| name.strip_prefix(PREFIX)?.parse().ok()).collect())
}
