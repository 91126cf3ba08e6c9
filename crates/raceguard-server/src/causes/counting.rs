//! Counts sightings for causes, in the transaction of the records that show them: by origin, by minute, by cause.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::StoreError;
use crate::store::sql::{Connection, Row, row_of};

const MINUTE_MS: i64 = 60_000;

/// Milliseconds since the Unix epoch of the first and last sighting, and how many there were.
#[derive(Debug, Clone, Copy)]
struct Sightings {
    first_ms: i64,
    last_ms: i64,
    occurrences: u64,
}

/// What one transaction adds.
#[derive(Debug, Default)]
pub(crate) struct CauseCounting {
    /// By finding and origin.
    seen: BTreeMap<(i64, i64), Sightings>,
    /// By minute and finding.
    minutes: BTreeMap<(i64, i64), u64>,
}

impl CauseCounting {
    /// A finding was seen.
    pub(crate) fn saw(&mut self, finding: i64, origin: i64, ms: i64, occurrences: u64) {
        let seen = Sightings { first_ms: ms, last_ms: ms, occurrences };
        self.seen.entry((finding, origin)).and_modify(|sum| sum.add(seen)).or_insert(seen);
        *self.minutes.entry((ms / MINUTE_MS, finding)).or_default() += occurrences;
    }

    /// Findings were made, each with the stream that showed it first: they wait for their diagnosis.
    pub(crate) fn made(
        connection: &mut (dyn Connection + 'static),
        made: &[(i64, i64)],
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = made.iter().map(|(finding, stream)| row_of![finding, stream]).collect();
        connection.execute_all("INSERT INTO finding_stream (finding, stream) VALUES ($1, $2)", &rows)?;
        let rows: Vec<_> = made.iter().map(|(finding, _)| row_of![finding]).collect();
        connection.execute_all("INSERT INTO undiagnosed (finding) VALUES ($1)", &rows)
    }

    /// Writes what was added. The rows of the findings are locked by then, so a cause that a finding is being given
    /// elsewhere either counts it already or is seen here.
    pub(crate) fn finish(self, connection: &mut (dyn Connection + 'static)) -> Result<(), StoreError> {
        let rows: Vec<_> = self
            .minutes
            .iter()
            .map(|((minute, finding), occurrences)| row_of![minute, finding, *occurrences])
            .collect();
        connection.execute_all(
            "INSERT INTO recent (minute, finding, occurrences) VALUES ($1, $2, $3)
             ON CONFLICT (minute, finding) DO UPDATE SET occurrences = recent.occurrences + $3",
            &rows,
        )?;
        let rows: Vec<_> = self
            .seen
            .iter()
            .map(|((finding, origin), it)| row_of![finding, origin, it.first_ms, it.last_ms, it.occurrences])
            .collect();
        connection.execute_all(
            "INSERT INTO appearance (finding, origin, first_ms, last_ms, occurrences)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (finding, origin) DO UPDATE SET
                 first_ms = CASE WHEN $3 < appearance.first_ms THEN $3 ELSE appearance.first_ms END,
                 last_ms = CASE WHEN $4 > appearance.last_ms THEN $4 ELSE appearance.last_ms END,
                 occurrences = appearance.occurrences + $5",
            &rows,
        )?;
        count_for_causes(connection, &self.seen)
    }
}

/// Adds sightings to the causes that their findings have.
fn count_for_causes(
    connection: &mut (dyn Connection + 'static),
    seen: &BTreeMap<(i64, i64), Sightings>,
) -> Result<(), StoreError> {
    let causes = causes_of(connection, seen.keys().map(|(finding, _)| *finding).collect())?;
    let diagnosed = seen.iter().filter(|((finding, _), _)| causes.contains_key(finding));
    let services = services_of(connection, diagnosed.map(|((_, origin), _)| *origin).collect())?;
    let mut by_cause: BTreeMap<i64, Sightings> = BTreeMap::new();
    let mut by_service: BTreeMap<(i64, &str), Sightings> = BTreeMap::new();
    for ((finding, origin), seen) in seen {
        let Some((cause, kind)) = causes.get(finding) else { continue };
        let service = services.get(origin).ok_or(StoreError::Incomplete("origin"))?;
        // What static analysis sees does not happen.
        let occurrences = if kind == "static_finding" { 0 } else { seen.occurrences };
        let seen = Sightings { occurrences, ..*seen };
        by_cause.entry(*cause).and_modify(|sum| sum.add(seen)).or_insert(seen);
        by_service.entry((*cause, service)).and_modify(|sum| sum.add(seen)).or_insert(seen);
    }
    let rows: Vec<_> =
        by_cause.iter().map(|(cause, it)| row_of![cause, it.occurrences, it.first_ms, it.last_ms]).collect();
    connection.execute_all(
        "UPDATE cause SET occurrences = occurrences + $2,
             first_ms = CASE WHEN $3 < first_ms THEN $3 ELSE first_ms END,
             last_ms = CASE WHEN $4 > last_ms THEN $4 ELSE last_ms END
         WHERE id = $1",
        &rows,
    )?;
    let rows: Vec<_> = by_service
        .iter()
        .map(|((cause, service), it)| row_of![cause, *service, it.first_ms, it.last_ms, it.occurrences])
        .collect();
    connection.execute_all(
        "INSERT INTO cause_service (cause, service, first_ms, last_ms, occurrences) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (cause, service) DO UPDATE SET
             first_ms = CASE WHEN $3 < cause_service.first_ms THEN $3 ELSE cause_service.first_ms END,
             last_ms = CASE WHEN $4 > cause_service.last_ms THEN $4 ELSE cause_service.last_ms END,
             occurrences = cause_service.occurrences + $5",
        &rows,
    )
}

/// The cause of each finding that has one, and the finding's kind.
fn causes_of(
    connection: &mut (dyn Connection + 'static),
    findings: BTreeSet<i64>,
) -> Result<BTreeMap<i64, (i64, String)>, StoreError> {
    let rows: Vec<_> = findings.iter().map(|finding| row_of![finding]).collect();
    let answers = connection.query_all(
        "SELECT m.cause, f.kind FROM finding_cause m JOIN finding f ON f.id = m.finding WHERE m.finding = $1",
        &rows,
    )?;
    let found = findings.into_iter().zip(answers);
    let cause = |(finding, rows): (i64, Vec<Row>)| {
        let row = rows.into_iter().next()?;
        Some(row.get(0).and_then(|cause| Ok((finding, (cause, row.get(1)?)))))
    };
    found.filter_map(cause).collect()
}

/// The service of each origin.
fn services_of(
    connection: &mut (dyn Connection + 'static),
    origins: BTreeSet<i64>,
) -> Result<BTreeMap<i64, String>, StoreError> {
    let rows: Vec<_> = origins.iter().map(|origin| row_of![origin]).collect();
    let answers = connection.query_all("SELECT service FROM origin WHERE id = $1", &rows)?;
    let found = origins.into_iter().zip(answers);
    let service =
        |(origin, rows): (i64, Vec<Row>)| Some(rows.first()?.get(0).map(|service| (origin, service)));
    found.filter_map(service).collect()
}

impl Sightings {
    fn add(&mut self, other: Self) {
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
        self.occurrences += other.occurrences;
    }
}
