//! Revisions in the tables: how a set of texts is kept, and which revisions are in force.

use std::sync::Arc;

use serde::Serialize;

use super::commits;
use super::in_force::Release;
use super::set::{CompiledSet, Texts, diff};
use crate::store::sql::{Connection, Row, values};
use crate::store::{Reader, StoreError};

/// Where a revision came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A request.
    Api,
    /// A commit of the watched folder.
    Git,
    /// An earlier revision.
    Rollback,
}

impl Source {
    fn word(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Git => "git",
            Self::Rollback => "rollback",
        }
    }
}

/// A revision, without its texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revision {
    /// Its number, from 1.
    pub number: i64,
    /// Name of the token, or author of the commit.
    pub author: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// Hash of its names and texts.
    pub sha256: String,
    /// What its author says of it.
    pub message: String,
    /// `api`, `git` or `rollback`.
    pub source: String,
    /// Hash of git's commit, else empty.
    pub commit: String,
}

/// A revision that is to be made.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) set: Arc<CompiledSet>,
    pub(super) author: String,
    pub(super) message: String,
    pub(super) source: Source,
    pub(super) commit: String,
}

/// Which revisions are in force.
#[derive(Debug, Clone, PartialEq)]
pub struct InForceRow {
    /// For every service that the canary does not cover; 0 before the first one.
    pub stable: i64,
    /// Under trial.
    pub canary: Option<(i64, Release)>,
    /// One more with each change.
    pub generation: i64,
    /// When it changed, in milliseconds since the Unix epoch.
    pub changed_ms: i64,
}

const COLUMNS: &str = "number, author, created_ms, sha256, message, source, commit_hash";

fn revision(row: &Row) -> Result<Revision, StoreError> {
    Ok(Revision {
        number: row.get(0)?,
        author: row.get(1)?,
        created_ms: row.get(2)?,
        sha256: row.get(3)?,
        message: row.get(4)?,
        source: row.get(5)?,
        commit: row.get(6)?,
    })
}

/// The newest revision's number; 0 when there is none.
pub(super) fn head(connection: &mut (dyn Connection + 'static)) -> Result<i64, StoreError> {
    let row = connection.row("SELECT number FROM policy_revision ORDER BY number DESC LIMIT 1", &[])?;
    row.map_or(Ok(0), |row| row.get(0))
}

/// The same, for a transaction that makes the next one: another replica that does so waits until it ends.
pub(super) fn head_to_change(connection: &mut (dyn Connection + 'static)) -> Result<i64, StoreError> {
    connection.execute("UPDATE policy_in_force SET generation = generation WHERE id = 0", &[])?;
    head(connection)
}

/// The texts of a revision; none of number 0.
pub(super) fn texts(connection: &mut (dyn Connection + 'static), number: i64) -> Result<Texts, StoreError> {
    let rows = connection
        .query("SELECT name, text FROM policy_text WHERE revision = $1 ORDER BY name", values![number])?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Keeps a draft as the revision behind `head`.
pub(super) fn add(
    connection: &mut (dyn Connection + 'static),
    head: i64,
    draft: &Draft,
    now_ms: i64,
) -> Result<Revision, StoreError> {
    let before = texts(connection, head)?;
    let number = head + 1;
    connection.execute(
        "INSERT INTO policy_revision (number, author, created_ms, sha256, message, source, commit_hash, diff)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        values![
            number,
            &draft.author,
            now_ms,
            &draft.set.sha256,
            &draft.message,
            draft.source.word(),
            &draft.commit,
            &diff(&before, &draft.set.texts)
        ],
    )?;
    for (name, text) in &draft.set.texts {
        connection.execute(
            "INSERT INTO policy_text (revision, name, text) VALUES ($1, $2, $3)",
            values![number, name, text],
        )?;
    }
    Ok(Revision {
        number,
        author: draft.author.clone(),
        created_ms: now_ms,
        sha256: draft.set.sha256.clone(),
        message: draft.message.clone(),
        source: draft.source.word().to_owned(),
        commit: draft.commit.clone(),
    })
}

/// Which revisions are in force.
pub(super) fn in_force(connection: &mut (dyn Connection + 'static)) -> Result<InForceRow, StoreError> {
    let row = connection.row(
        "SELECT stable, canary, share, services, generation, changed_ms FROM policy_in_force WHERE id = 0",
        &[],
    )?;
    let row = row.ok_or(StoreError::Incomplete("policy_in_force"))?;
    let services: String = row.get(3)?;
    let release =
        Release { share: row.get(2)?, services: serde_json::from_str(&services).unwrap_or_default() };
    let canary: Option<i64> = row.get(1)?;
    Ok(InForceRow {
        stable: row.get(0)?,
        canary: canary.map(|canary| (canary, release)),
        generation: row.get(4)?,
        changed_ms: row.get(5)?,
    })
}

/// Brings a revision into force for some services or for all, and notes from where on its new triggers count. `hashes`
/// are those of the triggers of the revision; triggers that were in force before go on counting.
pub(super) fn release(
    connection: &mut (dyn Connection + 'static),
    number: i64,
    release: &Release,
    hashes: &[String],
    now_ms: i64,
) -> Result<(), StoreError> {
    let before = in_force(connection)?;
    let (stable, canary) = if release.is_all() { (number, None) } else { (before.stable, Some(number)) };
    let services = serde_json::to_string(&release.services).unwrap_or_default();
    connection.execute(
        "UPDATE policy_in_force
         SET stable = $1, canary = $2, share = $3, services = $4, generation = generation + 1, changed_ms = $5
         WHERE id = 0",
        values![stable, canary, release.share, &services, now_ms],
    )?;
    if release.is_all() {
        forget_triggers(connection, hashes)?;
    }
    let newest = commits::newest(connection)?.number;
    for hash in hashes {
        connection.execute(
            "INSERT INTO policy_trigger (hash, since, number, at_ms, evaluator) VALUES ($1, $2, $2, $3, '')
             ON CONFLICT (hash) DO NOTHING",
            values![hash, newest, now_ms],
        )?;
    }
    Ok(())
}

/// Forgets triggers that no revision in force has, so that they begin anew should they come back.
fn forget_triggers(
    connection: &mut (dyn Connection + 'static),
    in_force: &[String],
) -> Result<(), StoreError> {
    for row in connection.query("SELECT hash FROM policy_trigger", &[])? {
        let hash: String = row.get(0)?;
        if !in_force.contains(&hash) {
            connection.execute("DELETE FROM policy_trigger WHERE hash = $1", values![&hash])?;
        }
    }
    Ok(())
}

impl Reader {
    /// The newest revisions, at most `limit`.
    pub fn policy_revisions(&self, limit: usize) -> Result<Vec<Revision>, StoreError> {
        self.ask(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM policy_revision ORDER BY number DESC LIMIT $1");
            connection.query(&sql, values![limit as u64])?.iter().map(revision).collect()
        })
    }

    /// A revision with its texts and its difference to the one before; nothing when there is none of this number.
    pub fn policy_revision(&self, number: i64) -> Result<Option<(Revision, Texts, String)>, StoreError> {
        self.ask(|connection| {
            let sql = format!("SELECT {COLUMNS}, diff FROM policy_revision WHERE number = $1");
            let Some(row) = connection.row(&sql, values![number])? else { return Ok(None) };
            Ok(Some((revision(&row)?, texts(connection, number)?, row.get(7)?)))
        })
    }

    /// The newest revision's number, 0 when there is none, and its texts.
    pub fn policy_head(&self) -> Result<(i64, Texts), StoreError> {
        self.ask(|connection| {
            let head = head(connection)?;
            Ok((head, texts(connection, head)?))
        })
    }

    /// Which revisions are in force.
    pub fn policies_in_force(&self) -> Result<InForceRow, StoreError> {
        self.ask(in_force)
    }

    /// The texts of a revision.
    pub fn policy_texts(&self, number: i64) -> Result<Texts, StoreError> {
        self.ask(|connection| texts(connection, number))
    }
}
