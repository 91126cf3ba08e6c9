//! What administrators did: a log in which every entry holds the one before it, so that a change to it shows.
//!
//! The hash of an entry is `SHA-256(hash of the entry before · canonical entry)`, of the first one with 32 zero bytes in
//! front. The canonical entry is the JSON array `[id, at_ms, actor, act, subject, detail]` without spaces. Entries are
//! numbered from 1 without gaps.
//!
//! Who can write the database can also make a whole new log, or cut off its end. That shows to whoever noted the newest
//! hash: [`Head`] is for that, and `raceguard audit verify --since` takes it.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::now_ms;
use crate::store::StoreError;
use crate::store::sql::{Connection, Dialect, values};
use raceguard_evidence::hex::{hex, unhex};

/// Longest detail that is kept, in bytes.
const DETAIL_BYTES: usize = 16 << 10;

/// One act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1.
    pub id: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who: `token:NAME` over HTTP, `local:USER` at the server's machine.
    pub actor: String,
    /// What was done: `token.add`, `policy.save`.
    pub act: String,
    /// To what.
    pub subject: String,
    /// What else there is to say; no secrets.
    pub detail: String,
    /// The hash, in hexadecimal.
    pub hash: String,
}

/// The end of the log, to be noted elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the newest entry; 0 when there is none.
    pub id: u64,
    /// Its hash, in hexadecimal.
    pub hash: String,
}

/// What shows that the log was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Tampered {
    /// An entry is not there.
    #[error("entry {expected} is missing: {found} follows {}", .expected - 1)]
    Missing {
        /// The entry that should come.
        expected: u64,
        /// The one that comes.
        found: u64,
    },
    /// An entry, or one before it, is not what it was.
    #[error("entry {0} or one before it was changed: its hash does not fit")]
    Changed(u64),
    /// The log ends before an entry that was noted.
    #[error("the log ends with entry {end}, but entry {noted} was noted: its end was cut off")]
    CutOff {
        /// The newest entry.
        end: u64,
        /// The one that was noted.
        noted: u64,
    },
    /// An entry has another hash than was noted.
    #[error("entry {0} has another hash than was noted: the log was written anew")]
    Rewritten(u64),
}

/// Notes an act, in the transaction of the act itself: both are kept or neither.
///
/// `actor` is `token:NAME` or `local:USER`, `act` a word such as `policy.save`; `detail` may be cut when it is long.
pub fn record(
    connection: &mut dyn Connection,
    actor: &str,
    act: &str,
    subject: &str,
    detail: &str,
) -> Result<(), StoreError> {
    if connection.dialect() == Dialect::Postgres {
        // Other replicas write too, and each entry needs the one before it.
        connection.run_script("LOCK TABLE audit IN EXCLUSIVE MODE")?;
    }
    let last = connection.row("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1", &[])?;
    let (last, previous): (u64, Vec<u8>) = match last {
        Some(row) => (row.get(0)?, row.get(1)?),
        None => (0, vec![0; 32]),
    };
    let detail = &detail[..detail.floor_char_boundary(DETAIL_BYTES)];
    let (id, at_ms) = (last + 1, now_ms());
    let hash = hash(&previous, (id, at_ms, actor, act, subject, detail));
    connection.execute(
        "INSERT INTO audit (id, at_ms, actor, act, subject, detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        values![id, at_ms, actor, act, subject, detail, &hash],
    )?;
    Ok(())
}

/// Entries behind number `after`, at most `limit`, oldest first.
pub fn page(connection: &mut dyn Connection, after: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
    let rows = connection.query(
        "SELECT id, at_ms, actor, act, subject, detail, hash FROM audit WHERE id > $1 ORDER BY id LIMIT $2",
        values![after, limit as u64],
    )?;
    let entries = rows.iter().map(|row| {
        Ok(Entry {
            id: row.get(0)?,
            at_ms: row.get(1)?,
            actor: row.get(2)?,
            act: row.get(3)?,
            subject: row.get(4)?,
            detail: row.get(5)?,
            hash: hex(&row.get::<Vec<u8>>(6)?),
        })
    });
    entries.collect()
}

/// The end of the log.
pub fn head(connection: &mut (dyn Connection + 'static)) -> Result<Head, StoreError> {
    let row = connection.row("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1", &[])?;
    let Some(row) = row else { return Ok(Head::default()) };
    Ok(Head { id: row.get(0)?, hash: hex(&row.get::<Vec<u8>>(1)?) })
}

/// Checks a log, entry by entry.
#[derive(Debug, Clone)]
pub struct Chain {
    last: u64,
    previous: Vec<u8>,
    noted: Option<Head>,
}

impl Chain {
    /// A log from its beginning. It must contain what was noted, if something was.
    pub fn new(noted: Option<Head>) -> Self {
        Self { last: 0, previous: vec![0; 32], noted }
    }

    /// Takes the next entry.
    pub fn check(&mut self, entry: &Entry) -> Result<(), Tampered> {
        if entry.id != self.last + 1 {
            return Err(Tampered::Missing { expected: self.last + 1, found: entry.id });
        }
        let Entry { id, at_ms, actor, act, subject, detail, .. } = entry;
        let hash = hash(&self.previous, (*id, *at_ms, actor, act, subject, detail));
        if unhex(&entry.hash).as_deref() != Some(&hash) {
            return Err(Tampered::Changed(entry.id));
        }
        if self.noted.as_ref().is_some_and(|noted| noted.id == *id && noted.hash != entry.hash) {
            return Err(Tampered::Rewritten(entry.id));
        }
        (self.last, self.previous) = (entry.id, hash.to_vec());
        Ok(())
    }

    /// The end of the log, when all entries were taken.
    pub fn end(self) -> Result<Head, Tampered> {
        if let Some(noted) = self.noted.filter(|noted| noted.id > self.last) {
            return Err(Tampered::CutOff { end: self.last, noted: noted.id });
        }
        let hash = if self.last == 0 { String::new() } else { hex(&self.previous) };
        Ok(Head { id: self.last, hash })
    }
}

fn hash(previous: &[u8], entry: (u64, i64, &str, &str, &str, &str)) -> [u8; 32] {
    let entry = serde_json::to_vec(&entry)
        .unwrap_or_else(|error| unreachable!("numbers and texts can be written as JSON: {error}"));
    Sha256::new().chain_update(previous).chain_update(entry).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn log() -> Vec<Entry> {
        let folder = tempfile::tempdir().expect("there is room");
        Store::change(folder.path(), |connection| {
            for (act, subject) in [("token.add", "ci"), ("policy.save", "gate"), ("token.revoke", "ci")] {
                record(connection, "local:root", act, subject, "{\"role\":\"write\"}")?;
            }
            page(connection, 0, 10)
        })
        .expect("it works")
    }

    fn check(log: &[Entry], noted: Option<Head>) -> Result<Head, Tampered> {
        let mut chain = Chain::new(noted);
        log.iter().try_for_each(|entry| chain.check(entry))?;
        chain.end()
    }

    #[test]
    fn any_change_shows() {
        let log = log();
        let head = check(&log, None).expect("it is whole");
        assert_eq!(head, Head { id: 3, hash: log[2].hash.clone() });
        let mut changed = log.clone();
        changed[1].detail.push(' ');
        assert_eq!(check(&changed, None), Err(Tampered::Changed(2)));
        let without: Vec<_> = [0, 2].map(|index| log[index].clone()).into();
        assert_eq!(check(&without, None), Err(Tampered::Missing { expected: 2, found: 3 }));
        let swapped: Vec<_> = [1, 0, 2].map(|index| log[index].clone()).into();
        assert!(check(&swapped, None).is_err());
        assert_eq!(check(&log[..2], Some(head.clone())), Err(Tampered::CutOff { end: 2, noted: 3 }));
        assert!(check(&log, Some(head)).is_ok());
        let other = Head { id: 2, hash: "00".to_owned() };
        assert_eq!(check(&log, Some(other)), Err(Tampered::Rewritten(2)));
        assert_eq!(check(&[], None), Ok(Head::default()));
    }

    #[test]
    fn an_act_that_fails_leaves_no_entry() {
        let folder = tempfile::tempdir().expect("there is room");
        let failed: Result<(), _> = Store::change(folder.path(), |connection| {
            record(connection, "local:root", "token.add", "ci", "")?;
            Err(StoreError::Stopping)
        });
        assert!(failed.is_err());
        let head = Store::change(folder.path(), head).expect("it works");
        assert_eq!(head, Head::default());
    }
}
