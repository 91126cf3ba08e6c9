//! Adds up waiting for locks, in the transaction of the records that tell of it.

use std::collections::BTreeMap;

use super::{LockWait, LockWaits};
use crate::origin::Origin;
use crate::slts::window_of;
use crate::store::StoreError;
use crate::store::sql::{Connection, values};

/// By service, window, function, line, call and source: in this order everybody locks rows.
type Key = (String, i64, String, u32, &'static str, String);

/// What one transaction adds.
#[derive(Debug, Default)]
pub(crate) struct LockCounting {
    waits: BTreeMap<Key, LockWait>,
}

impl LockCounting {
    /// Adds what a profile saw.
    pub(crate) fn add(
        &mut self,
        connection: &mut dyn Connection,
        origin: &Origin,
        profile: &LockWaits,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let taken = if (1..=now_ms).contains(&profile.taken_ms) { profile.taken_ms } else { now_ms };
        for wait in &profile.waits {
            let mut wait = wait.clone();
            if profile.since_start {
                let before = before(connection, origin, &wait)?;
                subtract(&mut wait, before);
            }
            if wait.contentions == 0 {
                continue;
            }
            let key = (
                origin.service.clone(),
                window_of(taken),
                wait.function.clone(),
                wait.line,
                wait.call,
                wait.source.clone(),
            );
            match self.waits.get_mut(&key) {
                Some(sum) => {
                    sum.contentions += wait.contentions;
                    sum.total_ns += wait.total_ns;
                    sum.max_ns = sum.max_ns.max(wait.max_ns);
                }
                None => {
                    self.waits.insert(key, wait);
                }
            }
        }
        Ok(())
    }

    /// Writes what was added.
    pub(crate) fn finish(self, connection: &mut dyn Connection) -> Result<(), StoreError> {
        for ((service, window, function, line, call, source), wait) in &self.waits {
            connection.execute(
                "INSERT INTO lock_window (service, win, function, line, call_name, source, lock_name, kind, file,
                     contentions, total_ns, max_ns)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                 ON CONFLICT (service, win, function, line, call_name, source) DO UPDATE SET
                     contentions = lock_window.contentions + $10, total_ns = lock_window.total_ns + $11,
                     max_ns = CASE WHEN $12 > lock_window.max_ns THEN $12 ELSE lock_window.max_ns END",
                values![
                    service,
                    window,
                    function,
                    i64::from(*line),
                    *call,
                    source,
                    &wait.lock,
                    &wait.kind,
                    &wait.file,
                    wait.contentions,
                    wait.total_ns,
                    wait.max_ns.unwrap_or(0)
                ],
            )?;
        }
        Ok(())
    }
}

/// What the instance's profile before said of the call, and remembers what this one says.
fn before(
    connection: &mut dyn Connection,
    origin: &Origin,
    wait: &LockWait,
) -> Result<(u64, u64), StoreError> {
    let (service, instance, line) = (&origin.service, &origin.instance, i64::from(wait.line));
    let row = connection.row(
        "SELECT contentions, total_ns FROM lock_last
         WHERE service = $1 AND instance = $2 AND function = $3 AND line = $4 AND call_name = $5 AND source = $6",
        values![service, instance, &wait.function, line, wait.call, &wait.source],
    )?;
    connection.execute(
        "INSERT INTO lock_last (service, instance, function, line, call_name, source, contentions, total_ns)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (service, instance, function, line, call_name, source) DO UPDATE SET
             contentions = $7, total_ns = $8",
        values![
            service,
            instance,
            &wait.function,
            line,
            wait.call,
            &wait.source,
            wait.contentions,
            wait.total_ns
        ],
    )?;
    row.map_or(Ok((0, 0)), |row| Ok((row.get(0)?, row.get(1)?)))
}

/// A process that says less than before was started anew: then all of it counts.
fn subtract(wait: &mut LockWait, (contentions, total_ns): (u64, u64)) {
    if wait.contentions >= contentions && wait.total_ns >= total_ns {
        wait.contentions -= contentions;
        wait.total_ns -= total_ns;
    }
}
