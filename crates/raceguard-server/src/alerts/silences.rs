//! Silences: alerts with certain labels are shown, but nobody is told, for a time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::table::{labels_of, labels_text};
use crate::store::sql::{Connection, Row, values};
use crate::store::{Reader, StoreError};

/// Silences in one answer, at most.
const LISTED: u64 = 1_000;

/// Longest time that a silence lasts: 90 days, in milliseconds.
const LONGEST_MS: i64 = 90 * 24 * 3_600_000;

/// A silence as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Silence {
    /// Its number.
    pub id: i64,
    /// Each of these labels has this value; `*` at the end stands for anything.
    pub labels: BTreeMap<String, String>,
    /// Why.
    pub reason: String,
    /// Who silenced.
    pub author: String,
    /// From when, in milliseconds since the Unix epoch.
    pub starts_ms: i64,
    /// Until when.
    pub ends_ms: i64,
}

/// A silence to be made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NewSilence {
    /// Each of these labels has this value; `*` at the end stands for anything.
    pub labels: BTreeMap<String, String>,
    /// Why.
    pub reason: String,
    /// Who silences; who asks for it, whatever the request says.
    #[serde(skip)]
    pub author: String,
    /// From when, in milliseconds since the Unix epoch.
    pub starts_ms: i64,
    /// Until when.
    pub ends_ms: i64,
}

/// Why a silence is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSilence {
    /// It would silence everything.
    #[error("a silence needs labels; without any it would silence every alert")]
    NoLabels,
    /// It ends before it begins, or lasts too long.
    #[error("a silence ends after it begins, and lasts 90 days at most")]
    Time,
    /// Nobody would know later.
    #[error("a silence needs a reason of 1 to 500 bytes")]
    Reason,
}

impl NewSilence {
    /// The silence, if it makes sense.
    pub fn checked(self) -> Result<Self, BadSilence> {
        if self.labels.is_empty() || self.labels.values().all(|value| value == "*") {
            return Err(BadSilence::NoLabels);
        }
        if self.ends_ms <= self.starts_ms || self.ends_ms.saturating_sub(self.starts_ms) > LONGEST_MS {
            return Err(BadSilence::Time);
        }
        if self.reason.trim().is_empty() || self.reason.len() > 500 {
            return Err(BadSilence::Reason);
        }
        Ok(self)
    }
}

impl Silence {
    /// Whether it keeps an alert with these labels quiet at this time.
    pub fn covers(&self, labels: &BTreeMap<String, String>, now_ms: i64) -> bool {
        (self.starts_ms..self.ends_ms).contains(&now_ms) && matches(&self.labels, labels)
    }

    fn of_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get(0)?,
            labels: labels_of(&row.get::<String>(1)?),
            reason: row.get(2)?,
            author: row.get(3)?,
            starts_ms: row.get(4)?,
            ends_ms: row.get(5)?,
        })
    }
}

/// Whether each of the wanted labels is there with its value; `*` at the end of one stands for anything.
pub(super) fn matches(wanted: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(name, wanted)| {
        let value = labels.get(name).map_or("", String::as_str);
        wanted.strip_suffix('*').map_or(value == wanted, |prefix| value.starts_with(prefix))
    })
}

const COLUMNS: &str = "id, labels, reason, author, starts_ms, ends_ms";

pub(super) fn add(
    connection: &mut (dyn Connection + 'static),
    silence: &NewSilence,
) -> Result<i64, StoreError> {
    let row = connection.row(
        "INSERT INTO silence (labels, reason, author, starts_ms, ends_ms) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        values![
            &labels_text(&silence.labels),
            &silence.reason,
            &silence.author,
            silence.starts_ms,
            silence.ends_ms
        ],
    )?;
    row.ok_or(StoreError::Incomplete("silence"))?.get(0)
}

pub(super) fn end(
    connection: &mut (dyn Connection + 'static),
    id: i64,
    at_ms: i64,
) -> Result<bool, StoreError> {
    let ended = connection
        .execute("UPDATE silence SET ends_ms = $2 WHERE id = $1 AND ends_ms > $2", values![id, at_ms])?;
    Ok(ended > 0)
}

/// Those that are not over.
pub(super) fn lasting(
    connection: &mut (dyn Connection + 'static),
    now_ms: i64,
) -> Result<Vec<Silence>, StoreError> {
    let rows = connection.query(
        &format!("SELECT {COLUMNS} FROM silence WHERE ends_ms > $1 ORDER BY id LIMIT $2"),
        values![now_ms, LISTED],
    )?;
    rows.iter().map(Silence::of_row).collect()
}

impl Reader {
    /// Silences that are not over.
    pub fn silences(&self, now_ms: i64) -> Result<Vec<Silence>, StoreError> {
        self.ask(|connection| lasting(connection, now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn labels_match_whole_or_by_prefix() {
        let alert = labels(&[("service", "gateway"), ("policy", "map-races")]);
        assert!(matches(&labels(&[("service", "gateway")]), &alert));
        assert!(matches(&labels(&[("service", "gate*"), ("policy", "*")]), &alert));
        assert!(!matches(&labels(&[("service", "gate")]), &alert));
        assert!(!matches(&labels(&[("service", "gateway"), ("class", "x*")]), &alert));
    }

    #[test]
    fn what_would_silence_all_or_for_ever_is_refused() {
        let good = NewSilence {
            labels: labels(&[("service", "gateway")]),
            reason: "being mended".to_owned(),
            author: String::new(),
            starts_ms: 0,
            ends_ms: 1,
        };
        assert!(good.clone().checked().is_ok());
        let all = NewSilence { labels: labels(&[("service", "*")]), ..good.clone() };
        assert_eq!(all.checked(), Err(BadSilence::NoLabels));
        let long = NewSilence { ends_ms: i64::MAX, starts_ms: -1, ..good.clone() };
        assert_eq!(long.checked(), Err(BadSilence::Time));
        assert_eq!(NewSilence { reason: " ".to_owned(), ..good }.checked(), Err(BadSilence::Reason));
    }
}
