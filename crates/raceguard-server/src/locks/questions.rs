//! Questions about waiting for locks.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::slts::{WINDOW_MS, window_of};
use crate::store::sql::{Connection, Row, values};
use crate::store::{Reader, StoreError};

/// `GET /v1/locks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockTable {
    /// Length of a window.
    pub window_ms: i64,
    /// The calls, most waiting first.
    pub calls: Vec<LockCallRow>,
}

/// Waiting at one call of one service, as one kind of profile saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockCallRow {
    /// The service; empty when unknown.
    pub service: String,
    /// The lock, or `a lock of FUNCTION` when the call does not tell.
    pub lock: String,
    /// `Mutex` or `RWMutex`.
    pub kind: String,
    /// The function that calls.
    pub function: String,
    /// Its file.
    pub file: String,
    /// From 1; 0 when unknown.
    pub line: u32,
    /// `Lock` and `RLock`: goroutines waited here. `Unlock` and `RUnlock`: others waited for this one.
    pub call: String,
    /// `mutex profile`, `block profile`, `execution trace`. The same wait may be in several, so they don't add up.
    pub source: String,
    /// How often a goroutine waited.
    pub contentions: u64,
    /// All those waits together, in nanoseconds.
    pub total_ns: u64,
    /// A wait on average.
    pub mean_ns: u64,
    /// The longest wait; 0 when the profiles hold sums alone.
    pub max_ns: u64,
    /// The windows with waits, oldest first.
    pub windows: Vec<LockWindow>,
}

/// Waiting in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LockWindow {
    /// When it begins, in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// How often a goroutine waited.
    pub contentions: u64,
    /// All those waits together, in nanoseconds.
    pub total_ns: u64,
}

impl Reader {
    /// Waiting in the last `hours` hours, of one service or of all: the `limit` calls with most of it.
    pub fn locks(
        &self,
        service: Option<&str>,
        hours: i64,
        limit: usize,
        now_ms: i64,
    ) -> Result<LockTable, StoreError> {
        self.ask(|connection| locks(connection, service, window_of(now_ms - hours * 3_600_000), limit))
    }
}

fn locks(
    connection: &mut dyn Connection,
    service: Option<&str>,
    after: i64,
    limit: usize,
) -> Result<LockTable, StoreError> {
    let rows = connection.query(
        "SELECT service, function, line, call_name, source, min(lock_name), min(kind), min(file),
             CAST(sum(contentions) AS BIGINT), CAST(sum(total_ns) AS BIGINT), max(max_ns)
         FROM lock_window WHERE win > $1 AND ($2 = 0 OR service = $3)
         GROUP BY service, function, line, call_name, source
         ORDER BY CAST(sum(total_ns) AS BIGINT) DESC, service, function, line, call_name, source LIMIT $4",
        values![after, service.is_some(), service.unwrap_or_default(), limit as u64],
    )?;
    let mut calls = Vec::new();
    for row in &rows {
        let call = call(row)?;
        let windows = connection.query(
            "SELECT win, contentions, total_ns FROM lock_window
             WHERE service = $1 AND function = $2 AND line = $3 AND call_name = $4 AND source = $5 AND win > $6
             ORDER BY win",
            values![&call.service, &call.function, i64::from(call.line), &call.call, &call.source, after],
        )?;
        let window = |row: &Row| {
            let start_ms = row.get::<i64>(0)? * WINDOW_MS;
            Ok::<_, StoreError>(LockWindow { start_ms, contentions: row.get(1)?, total_ns: row.get(2)? })
        };
        calls.push(LockCallRow { windows: windows.iter().map(window).collect::<Result<_, _>>()?, ..call });
    }
    Ok(LockTable { window_ms: WINDOW_MS, calls })
}

fn call(row: &Row) -> Result<LockCallRow, StoreError> {
    let (contentions, total_ns): (u64, u64) = (row.get(8)?, row.get(9)?);
    Ok(LockCallRow {
        service: row.get(0)?,
        function: row.get(1)?,
        line: u32::try_from(row.get::<u64>(2)?).unwrap_or(0),
        call: row.get(3)?,
        source: row.get(4)?,
        lock: row.get(5)?,
        kind: row.get(6)?,
        file: row.get(7)?,
        contentions,
        total_ns,
        mean_ns: total_ns.checked_div(contentions).unwrap_or(0),
        max_ns: row.get(10)?,
        windows: Vec::new(),
    })
}

/// Functions that waited for locks for long on average, with the service and window in which they did.
pub(crate) fn contended(
    connection: &mut dyn Connection,
    after: i64,
    limit_ns: u64,
) -> Result<BTreeMap<String, Vec<(String, i64)>>, StoreError> {
    let rows = connection.query(
        "SELECT service, function, win FROM lock_window
         WHERE win > $1 AND call_name IN ('Lock', 'RLock') AND total_ns >= contentions * $2
         ORDER BY service, win, function, line, call_name, source LIMIT 10000",
        values![after, limit_ns],
    )?;
    let mut services: BTreeMap<String, Vec<(String, i64)>> = BTreeMap::new();
    for row in &rows {
        services.entry(row.get(0)?).or_default().push((row.get(1)?, row.get(2)?));
    }
    Ok(services)
}
