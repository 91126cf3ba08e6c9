//! Counts requests, in the transaction of their spans.
//!
//! Spans of a trace come in any order, often the inner ones first. So a request is remembered for as long as spans may be
//! late, and so is a trace of which a span was affected: whichever comes second finds the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{LATE_MS, OPERATIONS, OTHER, SERVICES, SpanDigest, WINDOW_MS, window_of};
use crate::origin::Origin;
use crate::store::StoreError;
use crate::store::sql::{Connection, values};

/// Windows back from now whose operations are known ones.
const KNOWN_WINDOWS: i64 = 288;

/// Names that are counted apart, as far as they were asked for.
#[derive(Debug, Default)]
pub(crate) struct KnownNames {
    services: Option<BTreeSet<String>>,
    operations: HashMap<String, BTreeSet<String>>,
}

/// What one transaction adds.
#[derive(Debug, Default)]
pub(crate) struct RequestCounting {
    /// Requests and affected ones, by service, window and operation: in this order everybody locks rows.
    windows: BTreeMap<(String, i64, String), (u64, u64)>,
    late: BTreeMap<String, u64>,
}

impl RequestCounting {
    /// Counts a span that is new.
    pub(crate) fn add(
        &mut self,
        connection: &mut dyn Connection,
        known: &mut KnownNames,
        origin: &Origin,
        span: &SpanDigest,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        if !span.touched && !span.is_request {
            return Ok(());
        }
        let service = if span.service.is_empty() { &origin.service } else { &span.service };
        let service = known.service(connection, service)?;
        let start_ms = if (1..=now_ms).contains(&span.start_ms) { span.start_ms } else { now_ms };
        let window = window_of(start_ms);
        if now_ms > (window + 1) * WINDOW_MS + LATE_MS {
            *self.late.entry(service).or_default() += 1;
            return Ok(());
        }
        if span.touched {
            let traces = std::iter::once(&span.trace).chain(&span.linked);
            for trace in traces.filter(|trace| !trace.is_empty()) {
                self.touch(connection, &service, trace, window)?;
            }
        }
        if span.is_request {
            let operation = known.operation(connection, &service, &span.operation, window_of(now_ms))?;
            self.request(connection, (service, window, operation), span)?;
        }
        Ok(())
    }

    /// A span of the trace was affected: so is every request of the service in it, those that came before now.
    fn touch(
        &mut self,
        connection: &mut dyn Connection,
        service: &str,
        trace: &str,
        window: i64,
    ) -> Result<(), StoreError> {
        connection.execute(
            "INSERT INTO slts_touched (service, trace, win) VALUES ($1, $2, $3)
             ON CONFLICT (service, trace) DO UPDATE SET
                 win = CASE WHEN $3 > slts_touched.win THEN $3 ELSE slts_touched.win END",
            values![service, trace, window],
        )?;
        let before = connection.query(
            "UPDATE slts_request SET affected = 1 WHERE service = $1 AND trace = $2 AND affected = 0
             RETURNING win, operation",
            values![service, trace],
        )?;
        for row in &before {
            self.windows.entry((service.to_owned(), row.get(0)?, row.get(1)?)).or_default().1 += 1;
        }
        Ok(())
    }

    fn request(
        &mut self,
        connection: &mut dyn Connection,
        key: (String, i64, String),
        span: &SpanDigest,
    ) -> Result<(), StoreError> {
        let mut affected = span.touched;
        if !span.trace.is_empty() {
            let row = connection.row(
                "INSERT INTO slts_request (service, trace, span, win, operation, affected)
                 VALUES ($1, $2, $3, $4, $5, CASE WHEN $6 = 1 OR EXISTS
                     (SELECT 1 FROM slts_touched WHERE service = $1 AND trace = $2) THEN 1 ELSE 0 END)
                 ON CONFLICT (service, trace, span) DO NOTHING RETURNING affected",
                values![&key.0, &span.trace, &span.span, key.1, &key.2, span.touched],
            )?;
            // The span was sent before, in another stream.
            let Some(row) = row else { return Ok(()) };
            affected = row.get(0)?;
        }
        let count = self.windows.entry(key).or_default();
        count.0 += 1;
        count.1 += u64::from(affected);
        Ok(())
    }

    /// Writes what was added.
    pub(crate) fn finish(self, connection: &mut dyn Connection) -> Result<(), StoreError> {
        for ((service, window, operation), (requests, affected)) in &self.windows {
            connection.execute(
                "INSERT INTO slts_window (service, win, operation, requests, affected) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (service, win, operation) DO UPDATE SET
                     requests = slts_window.requests + $4, affected = slts_window.affected + $5",
                values![service, window, operation, *requests, *affected],
            )?;
        }
        for (service, spans) in &self.late {
            connection.execute(
                "INSERT INTO slts_late (service, spans) VALUES ($1, $2)
                 ON CONFLICT (service) DO UPDATE SET spans = slts_late.spans + $2",
                values![service, *spans],
            )?;
        }
        Ok(())
    }
}

impl KnownNames {
    /// The service, or [`OTHER`] when too many are known.
    fn service(&mut self, connection: &mut dyn Connection, service: &str) -> Result<String, StoreError> {
        if self.services.is_none() {
            let rows = connection.query("SELECT DISTINCT service FROM slts_window ORDER BY service", &[])?;
            self.services = Some(rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?);
        }
        Ok(match &mut self.services {
            Some(known) => name_among(known, service, SERVICES),
            None => OTHER.to_owned(),
        })
    }

    /// The operation, or [`OTHER`] when too many are known of the service.
    fn operation(
        &mut self,
        connection: &mut dyn Connection,
        service: &str,
        operation: &str,
        now: i64,
    ) -> Result<String, StoreError> {
        if !self.operations.contains_key(service) {
            let rows = connection.query(
                "SELECT DISTINCT operation FROM slts_window WHERE service = $1 AND win > $2 ORDER BY operation",
                values![service, now - KNOWN_WINDOWS],
            )?;
            let known = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
            self.operations.insert(service.to_owned(), known);
        }
        Ok(match self.operations.get_mut(service) {
            Some(known) => name_among(known, operation, OPERATIONS),
            None => OTHER.to_owned(),
        })
    }
}

/// The name, when it is known or there is room for one more.
fn name_among(known: &mut BTreeSet<String>, name: &str, room: usize) -> String {
    if !known.contains(name) {
        if known.len() >= room {
            return OTHER.to_owned();
        }
        known.insert(name.to_owned());
    }
    name.to_owned()
}

/// Forgets windows, requests and traces that nothing asks for any more.
pub(crate) fn forget(connection: &mut dyn Connection, now_ms: i64) -> Result<(), StoreError> {
    let late = window_of(now_ms - LATE_MS) - 1;
    connection.execute("DELETE FROM slts_request WHERE win < $1", values![late])?;
    connection.execute("DELETE FROM slts_touched WHERE win < $1", values![late])?;
    let kept = window_of(now_ms - super::PERIOD_MS) - 1;
    connection.execute("DELETE FROM slts_window WHERE win < $1", values![kept])?;
    let locks = window_of(now_ms - crate::locks::KEPT_MS);
    connection.execute("DELETE FROM lock_window WHERE win < $1", values![locks])?;
    Ok(())
}
