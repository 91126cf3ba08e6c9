//! Questions about causes and services.

use std::collections::BTreeMap;

use raceguard_evidence::{EvidenceReader, Record};
use serde_json::Value;

use super::goroutines::graph;
use super::rows::{
    CauseDetail, CauseFinding, CausePage, CauseRow, HourCount, InstanceCount, StateEvent, VersionCount,
};
use super::stacks::stacks;
use super::state::CauseState;
use crate::store::sql::{Connection, Row, values};
use crate::store::{Reader, StoreError};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

/// Rows of a list inside an answer.
const ROWS: u64 = 100;

/// How far back occurrences by hour go.
const WEEK_HOURS: i64 = 7 * 24;

/// A sliding window that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// Five minutes, cut at whole minutes.
    FiveMinutes,
    /// An hour, cut at whole minutes.
    Hour,
    /// 24 hours, cut at whole hours.
    Day,
    /// 7 days, cut at whole hours.
    Week,
}

impl Window {
    /// All windows, the shortest first.
    pub const ALL: [Self; 4] = [Self::FiveMinutes, Self::Hour, Self::Day, Self::Week];

    /// Its name: `5m`, `1h`, `24h`, `7d`.
    pub fn name(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    /// The window of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.name() == name)
    }

    /// Where its counts are, and the first minute or hour that belongs to it.
    fn counts(self, now_ms: i64) -> (&'static str, i64) {
        const MINUTES: &str = "SELECT finding, CAST(sum(occurrences) AS BIGINT) AS occurrences FROM recent \
                               WHERE minute > $1 GROUP BY finding";
        const HOURS: &str = "SELECT finding, CAST(sum(occurrences) AS BIGINT) AS occurrences FROM sighting \
                             WHERE hour > $1 GROUP BY finding";
        match self {
            Self::FiveMinutes => (MINUTES, now_ms / MINUTE_MS - 5),
            Self::Hour => (MINUTES, now_ms / MINUTE_MS - 60),
            Self::Day => (HOURS, now_ms / HOUR_MS - 24),
            Self::Week => (HOURS, now_ms / HOUR_MS - WEEK_HOURS),
        }
    }
}

/// Which causes are asked for.
#[derive(Debug, Clone, Default)]
pub struct CauseFilter {
    /// Only those in this state.
    pub state: Option<CauseState>,
    /// Only those that were seen in this service.
    pub service: Option<String>,
    /// Ranked by what happened in this window; those that did not happen in it are left out.
    pub window: Option<Window>,
    /// At most so many.
    pub limit: usize,
    /// What [`CausePage::next`] of the page before says.
    pub cursor: Option<Cursor>,
}

/// Where a page ends: the rank, or the time of the last sighting, and the id of its last cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    place: i64,
    id: i64,
}

impl Cursor {
    /// As in an answer.
    pub fn read(text: &str) -> Option<Self> {
        let (place, id) = text.split_once('.')?;
        Some(Self { place: place.parse().ok()?, id: id.parse().ok()? })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.place, self.id)
    }
}

/// Of a cause, what a list shows; `c` is the cause.
const COLUMNS: &str = "c.id, c.name, c.title, c.class, c.trap, c.severity, c.confidence, c.score, c.state, \
     c.fixed_in, c.note, c.changed_by, c.changed_ms, c.first_ms, c.last_ms, c.occurrences";

/// How much an occurrence of it weighs, as the points that severities have in the score of `raceguard explain`.
const WEIGHT: &str = "CASE c.severity WHEN 'error' THEN 6 WHEN 'warning' THEN 3 ELSE 1 END";

impl Reader {
    /// The causes that the filter leaves.
    pub fn causes(&self, filter: &CauseFilter, now_ms: i64) -> Result<CausePage, StoreError> {
        self.ask(|connection| causes(connection, filter, now_ms))
    }

    /// The causes with these ids, those that are there, as lists show them.
    pub(crate) fn cause_rows(&self, ids: &[i64]) -> Result<Vec<CauseRow>, StoreError> {
        self.ask(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM cause c WHERE c.id = $1 AND c.merged_into IS NULL");
            let mut causes = Vec::with_capacity(ids.len());
            for id in ids {
                if let Some(row) = connection.row(&sql, values![id])? {
                    causes.push(cause_row(connection, &row)?);
                }
            }
            Ok(causes)
        })
    }

    /// A cause with all that is known of it; nothing when there is none of this id.
    pub fn cause(&self, id: i64, now_ms: i64) -> Result<Option<CauseDetail>, StoreError> {
        self.ask(|connection| {
            let Some(id) = current(connection, id)? else { return Ok(None) };
            cause(connection, id, now_ms).map(Some)
        })
    }
}

/// The cause that holds the findings of `id` now.
pub(crate) fn current(connection: &mut dyn Connection, id: i64) -> Result<Option<i64>, StoreError> {
    let mut id = id;
    // Each step leads to an older cause, so this ends.
    loop {
        let row = connection.row("SELECT merged_into FROM cause WHERE id = $1", values![id])?;
        match row.map(|row| row.get::<Option<i64>>(0)).transpose()? {
            None => return Ok(None),
            Some(None) => return Ok(Some(id)),
            Some(Some(older)) if older < id => id = older,
            Some(Some(_)) => return Err(StoreError::Incomplete("cause")),
        }
    }
}

fn causes(
    connection: &mut dyn Connection,
    filter: &CauseFilter,
    now_ms: i64,
) -> Result<CausePage, StoreError> {
    let (state, service) = (filter.state.map(CauseState::as_str), filter.service.as_deref());
    let (from, since) = match filter.window {
        None => (
            format!("SELECT {COLUMNS}, c.last_ms AS place, 0 AS counted FROM cause c WHERE c.last_ms > $1"),
            -1,
        ),
        Some(window) => {
            let (counts, since) = window.counts(now_ms);
            // Added up before it is joined: there are many more counts than findings, and than causes.
            let from = format!(
                "SELECT {COLUMNS}, {WEIGHT} * q.counted AS place, q.counted FROM \
                 (SELECT m.cause, CAST(sum(w.occurrences) AS BIGINT) AS counted FROM ({counts}) w \
                  JOIN finding f ON f.id = w.finding AND f.kind <> 'static_finding' \
                  JOIN finding_cause m ON m.finding = w.finding GROUP BY m.cause) q \
                 JOIN cause c ON c.id = q.cause"
            );
            (from, since)
        }
    };
    let cursor = filter.cursor.unwrap_or(Cursor { place: i64::MAX, id: 0 });
    let sql = format!(
        "SELECT t.* FROM ({from}) t JOIN cause s ON s.id = t.id WHERE s.merged_into IS NULL \
         AND ($2 = '' OR t.state = $2) AND ($3 = 0 OR EXISTS \
             (SELECT 1 FROM cause_service x WHERE x.cause = t.id AND x.service = $4)) \
         AND (t.place < $5 OR (t.place = $5 AND t.id > $6)) \
         ORDER BY t.place DESC, t.id LIMIT $7"
    );
    let limit = filter.limit as u64;
    let rows = connection.query(
        &sql,
        values![
            since,
            state.unwrap_or_default(),
            service.is_some(),
            service.unwrap_or_default(),
            cursor.place,
            cursor.id,
            limit + 1
        ],
    )?;
    let next = rows.len() as u64 > limit;
    let mut page = CausePage { causes: Vec::new(), next: None };
    let mut last = cursor;
    for row in rows.iter().take(filter.limit) {
        let mut cause = cause_row(connection, row)?;
        last = Cursor { place: row.get(16)?, id: cause.id };
        if filter.window.is_some() {
            cause.rank = Some(row.get(16)?);
            cause.in_window = Some(row.get(17)?);
        }
        page.causes.push(cause);
    }
    page.next = next.then(|| last.to_string());
    Ok(page)
}

fn cause_row(connection: &mut dyn Connection, row: &Row) -> Result<CauseRow, StoreError> {
    let id: i64 = row.get(0)?;
    let services = connection
        .query("SELECT service FROM cause_service WHERE cause = $1 ORDER BY service", values![id])?;
    let findings = connection.row("SELECT count(*) FROM finding_cause WHERE cause = $1", values![id])?;
    let state: String = row.get(8)?;
    Ok(CauseRow {
        id,
        name: row.get(1)?,
        title: row.get(2)?,
        class: row.get(3)?,
        trap: row.get(4)?,
        severity: row.get(5)?,
        confidence: row.get(6)?,
        score: row.get(7)?,
        state: CauseState::named(&state).unwrap_or(CauseState::Open),
        fixed_in: row.get(9)?,
        note: row.get(10)?,
        changed_by: row.get(11)?,
        changed_ms: row.get(12)?,
        first_ms: row.get(13)?,
        last_ms: row.get(14)?,
        occurrences: row.get(15)?,
        services: services.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?,
        findings: findings.map_or(Ok(0), |row| row.get(0))?,
        in_window: None,
        rank: None,
    })
}

fn cause(connection: &mut dyn Connection, id: i64, now_ms: i64) -> Result<CauseDetail, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM cause c WHERE c.id = $1");
    let row = connection.row(&sql, values![id])?.ok_or(StoreError::Incomplete("cause"))?;
    let cause = cause_row(connection, &row)?;
    let diagnosed = connection
        .row("SELECT diagnosed_ms, cluster FROM cause_diagnosis WHERE cause = $1", values![id])?
        .ok_or(StoreError::Incomplete("cause_diagnosis"))?;
    let cluster: String = diagnosed.get(1)?;
    let (findings, records) = findings(connection, id)?;
    Ok(CauseDetail {
        cause,
        diagnosis: serde_json::from_str(&cluster).unwrap_or(Value::Null),
        diagnosed_ms: diagnosed.get(0)?,
        hours: hours(connection, id, now_ms)?,
        versions: versions(connection, id)?,
        instances: instances(connection, id)?,
        goroutines: graph(&records),
        history: history(connection, id)?,
        findings,
    })
}

fn findings(
    connection: &mut dyn Connection,
    cause: i64,
) -> Result<(Vec<CauseFinding>, Vec<Record>), StoreError> {
    let rows = connection.query(
        "SELECT f.id, f.fingerprint, f.kind, f.title, f.first_ms, f.last_ms, f.occurrences, f.exemplar
         FROM finding_cause m JOIN finding f ON f.id = m.finding WHERE m.cause = $1
         ORDER BY f.last_ms DESC, f.id LIMIT $2",
        values![cause, ROWS],
    )?;
    let (mut findings, mut records) = (Vec::new(), Vec::new());
    for row in rows {
        let exemplar: String = row.get(7)?;
        let record = record(&exemplar);
        findings.push(CauseFinding {
            id: row.get(0)?,
            fingerprint: row.get(1)?,
            kind: row.get(2)?,
            title: row.get(3)?,
            first_ms: row.get(4)?,
            last_ms: row.get(5)?,
            occurrences: row.get(6)?,
            stacks: record.as_ref().map(stacks).unwrap_or_default(),
        });
        records.extend(record);
    }
    Ok((findings, records))
}

/// A record that was kept as it came. It was read once before it was taken, so it can be again.
pub(crate) fn record(line: &str) -> Option<Record> {
    EvidenceReader::new(line.as_bytes()).next()?.ok()
}

fn hours(connection: &mut dyn Connection, cause: i64, now_ms: i64) -> Result<Vec<HourCount>, StoreError> {
    let rows = connection.query(
        "SELECT s.hour, CAST(sum(s.occurrences) AS BIGINT) FROM finding_cause m
         JOIN finding f ON f.id = m.finding AND f.kind <> 'static_finding'
         JOIN sighting s ON s.finding = m.finding WHERE m.cause = $1 AND s.hour > $2 GROUP BY s.hour ORDER BY s.hour",
        values![cause, now_ms / HOUR_MS - WEEK_HOURS],
    )?;
    let hour = |row: &Row| Ok(HourCount { hour_ms: row.get::<i64>(0)? * HOUR_MS, occurrences: row.get(1)? });
    rows.iter().map(hour).collect()
}

fn versions(connection: &mut dyn Connection, cause: i64) -> Result<Vec<VersionCount>, StoreError> {
    let rows = connection.query(
        "SELECT o.service, o.version, min(a.first_ms), max(a.last_ms), CAST(sum(a.occurrences) AS BIGINT)
         FROM finding_cause m JOIN appearance a ON a.finding = m.finding JOIN origin o ON o.id = a.origin
         WHERE m.cause = $1 GROUP BY o.service, o.version
         ORDER BY max(a.last_ms) DESC, o.service, o.version LIMIT $2",
        values![cause, ROWS],
    )?;
    let version = |row: &Row| {
        Ok(VersionCount {
            service: row.get(0)?,
            version: row.get(1)?,
            first_ms: row.get(2)?,
            last_ms: row.get(3)?,
            occurrences: row.get(4)?,
        })
    };
    rows.iter().map(version).collect()
}

fn instances(connection: &mut dyn Connection, cause: i64) -> Result<Vec<InstanceCount>, StoreError> {
    let rows = connection.query(
        "SELECT o.service, o.instance, o.environment, min(a.first_ms), max(a.last_ms),
             CAST(sum(a.occurrences) AS BIGINT)
         FROM finding_cause m JOIN appearance a ON a.finding = m.finding JOIN origin o ON o.id = a.origin
         WHERE m.cause = $1 GROUP BY o.service, o.instance, o.environment
         ORDER BY max(a.last_ms) DESC, o.service, o.instance, o.environment LIMIT $2",
        values![cause, ROWS],
    )?;
    let instance = |row: &Row| {
        Ok(InstanceCount {
            service: row.get(0)?,
            instance: row.get(1)?,
            environment: row.get(2)?,
            first_ms: row.get(3)?,
            last_ms: row.get(4)?,
            occurrences: row.get(5)?,
        })
    };
    rows.iter().map(instance).collect()
}

fn history(connection: &mut dyn Connection, cause: i64) -> Result<Vec<StateEvent>, StoreError> {
    let rows = connection.query(
        "SELECT at_ms, state, fixed_in, note, changed_by FROM cause_change WHERE cause = $1
         ORDER BY id DESC LIMIT $2",
        values![cause, ROWS],
    )?;
    let event = |row: &Row| {
        Ok(StateEvent {
            at_ms: row.get(0)?,
            state: row.get(1)?,
            version: row.get(2)?,
            note: row.get(3)?,
            by: row.get(4)?,
        })
    };
    rows.iter().map(event).collect()
}

/// What the causes of a service come to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CauseCounts {
    pub(crate) open: u64,
    pub(crate) regressed: u64,
    pub(crate) occurrences: u64,
    pub(crate) last_ms: i64,
}

/// The causes of each service, counted.
pub(crate) fn by_service(
    connection: &mut dyn Connection,
) -> Result<BTreeMap<String, CauseCounts>, StoreError> {
    let rows = connection.query(
        "SELECT x.service, CAST(sum(CASE WHEN c.state <> 'fixed' THEN 1 ELSE 0 END) AS BIGINT),
             CAST(sum(CASE WHEN c.state = 'regressed' THEN 1 ELSE 0 END) AS BIGINT),
             CAST(sum(x.occurrences) AS BIGINT), max(x.last_ms)
         FROM cause_service x JOIN cause c ON c.id = x.cause WHERE c.merged_into IS NULL GROUP BY x.service",
        &[],
    )?;
    let counts = |row: &Row| {
        let (open, regressed, occurrences) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((row.get(0)?, CauseCounts { open, regressed, occurrences, last_ms: row.get(4)? }))
    };
    rows.iter().map(counts).collect()
}
