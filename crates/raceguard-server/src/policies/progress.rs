//! Up to where each trigger was evaluated, and which evaluator may go on with it.
//!
//! Replicas share the triggers in force: each is evaluated by one of them, on the evidence of all. Who takes a trigger
//! writes its own name into the trigger's row and goes on where the one before stopped. Firings and progress are written
//! only where that name still stands, so of two that both believe a trigger to be theirs only the later one acts.

use std::collections::BTreeMap;

use super::commits::{self, Place};
use crate::store::sql::{Connection, Row, row_of, values};
use crate::store::{Reader, StoreError};

/// Where a trigger stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Records up to there it does not count.
    pub since: i64,
    /// Up to there it was evaluated: records are counted again after a restart, but do not make it fire.
    pub done: Place,
}

/// Hash of a trigger, labels of a group, end of its cool-down.
pub(super) type Cooldown = (String, BTreeMap<String, String>, i64);

/// Takes triggers over from whoever evaluated them; gives where each stands. One that has no row begins now.
pub(super) fn take(
    connection: &mut (dyn Connection + 'static),
    evaluator: &str,
    hashes: &[String],
    now_ms: i64,
) -> Result<Vec<(String, Progress)>, StoreError> {
    let newest = commits::newest(connection)?.number;
    let mut taken = Vec::new();
    for hash in hashes {
        let row = connection.row(
            "INSERT INTO policy_trigger (hash, since, number, at_ms, evaluator) VALUES ($1, $2, $2, $3, $4)
             ON CONFLICT (hash) DO UPDATE SET evaluator = $4 RETURNING since, number, at_ms",
            values![hash, newest, now_ms, evaluator],
        )?;
        let row = row.ok_or(StoreError::Incomplete("policy_trigger"))?;
        let done = Place { number: row.get(1)?, at_ms: row.get(2)? };
        taken.push((hash.clone(), Progress { since: row.get(0)?, done }));
    }
    Ok(taken)
}

/// What an evaluator looked at.
#[derive(Debug, Clone)]
pub(crate) struct Looked {
    /// The evaluator's name.
    pub(crate) evaluator: String,
    /// Hashes of the triggers that it evaluated, in order: everybody locks rows in that order. A row may have its name
    /// that is not among them: it let that trigger go, and nobody has taken it yet.
    pub(crate) triggers: Vec<String>,
    /// Up to there.
    pub(crate) upto: Place,
}

/// Notes up to where triggers were evaluated; gives those that are somebody else's by now, of which nothing is noted.
pub(crate) fn advance(
    connection: &mut (dyn Connection + 'static),
    looked: &Looked,
) -> Result<Vec<String>, StoreError> {
    let rows: Vec<_> = looked
        .triggers
        .iter()
        .map(|hash| row_of![looked.upto.number, looked.upto.at_ms, &looked.evaluator, hash])
        .collect();
    let noted = connection.query_all(
        "UPDATE policy_trigger SET number = CASE WHEN number < $1 THEN $1 ELSE number END,
             at_ms = CASE WHEN number < $1 THEN $2 ELSE at_ms END
         WHERE evaluator = $3 AND hash = $4 RETURNING hash",
        &rows,
    )?;
    let lost = looked.triggers.iter().zip(noted).filter(|(_, noted)| noted.is_empty());
    Ok(lost.map(|(hash, _)| hash.clone()).collect())
}

/// Whether a trigger is still that of an evaluator; if so it stays so until the transaction ends.
pub(crate) fn is_held(
    connection: &mut dyn Connection,
    evaluator: &str,
    hash: &str,
) -> Result<bool, StoreError> {
    let sql = "UPDATE policy_trigger SET evaluator = $1 WHERE hash = $2 AND evaluator = $1";
    Ok(connection.execute(sql, values![evaluator, hash])? > 0)
}

impl Reader {
    /// Cool-downs that were not over at a time.
    pub(super) fn cooldowns(&self, at_ms: i64) -> Result<Vec<Cooldown>, StoreError> {
        self.ask(|connection| {
            let rows = connection.query(
                "SELECT hash, labels, until_ms FROM policy_firing WHERE until_ms > $1 ORDER BY id",
                values![at_ms],
            )?;
            let cooldown = |row: &Row| {
                let labels = serde_json::from_str(&row.get::<String>(1)?).unwrap_or_default();
                Ok((row.get(0)?, labels, row.get(2)?))
            };
            rows.iter().map(cooldown).collect()
        })
    }
}
