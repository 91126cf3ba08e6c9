//! Questions about requests and how many of them were affected.

use std::collections::BTreeMap;

use serde::Serialize;

use super::compliance::{Slo, WindowCount, slo};
use super::{OBJECTIVE, PERIOD_MS, TARGET, WINDOW_MS, window_of};
use crate::store::sql::{Connection, Row, values};
use crate::store::{Reader, StoreError};

/// The name of all services together.
pub const FLEET: &str = "(fleet)";

/// `GET /v1/slts`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slts {
    /// Length of a window.
    pub window_ms: i64,
    /// The share of unaffected requests that a window must have.
    pub target: f64,
    /// By name.
    pub services: Vec<ServiceSlts>,
}

/// The windows of a service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceSlts {
    /// Its name; empty when unknown.
    pub service: String,
    /// Windows with requests, oldest first.
    pub windows: Vec<SltsWindow>,
    /// Operations over all these windows, those with most affected requests first.
    pub operations: Vec<OperationSlts>,
    /// Spans that came more than an hour after their window, ever.
    pub late: u64,
}

/// A window of a service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SltsWindow {
    /// When it begins, in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// Requests.
    pub requests: u64,
    /// Those that were affected.
    pub affected: u64,
    /// `1 - affected / requests`
    pub slts: f64,
}

/// An operation of a service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OperationSlts {
    /// Its name; `(other)` for those beyond the hundredth.
    pub operation: String,
    /// Requests.
    pub requests: u64,
    /// Those that were affected.
    pub affected: u64,
    /// `1 - affected / requests`
    pub slts: f64,
}

/// `GET /v1/slo`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Objectives {
    /// The share of windows that must reach the target.
    pub objective: f64,
    /// The share of unaffected requests that a window must have.
    pub target: f64,
    /// How far back the error budget goes.
    pub period_ms: i64,
    /// All services together; each of their windows counts.
    pub fleet: Slo,
    /// By name.
    pub services: Vec<Slo>,
}

impl Reader {
    /// The windows that began in the last `hours` hours, of one service or of all.
    pub fn slts(&self, service: Option<&str>, hours: i64, now_ms: i64) -> Result<Slts, StoreError> {
        self.ask(|connection| slts(connection, service, hours, now_ms))
    }

    /// How all services do against the objective.
    pub fn objectives(&self, now_ms: i64) -> Result<Objectives, StoreError> {
        self.ask(|connection| objectives(connection, now_ms))
    }
}

/// Requests of a service, by window and by operation.
#[derive(Default)]
struct Counted {
    windows: BTreeMap<i64, WindowCount>,
    operations: BTreeMap<String, WindowCount>,
}

fn slts(
    connection: &mut dyn Connection,
    service: Option<&str>,
    hours: i64,
    now_ms: i64,
) -> Result<Slts, StoreError> {
    let rows = connection.query(
        "SELECT service, win, operation, requests, affected FROM slts_window
         WHERE win > $1 AND ($2 = 0 OR service = $3) ORDER BY service, win, operation",
        values![window_of(now_ms - hours * 3_600_000), service.is_some(), service.unwrap_or_default()],
    )?;
    let late = connection.query("SELECT service, spans FROM slts_late ORDER BY service", &[])?;
    let mut late = late
        .iter()
        .map(|row| Ok((row.get(0)?, row.get(1)?)))
        .collect::<Result<BTreeMap<String, u64>, StoreError>>()?;
    let mut services: BTreeMap<String, Counted> = BTreeMap::new();
    for row in &rows {
        let (name, window, operation): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let count = WindowCount { window, requests: row.get(3)?, affected: row.get(4)? };
        let counted = services.entry(name).or_default();
        add(counted.windows.entry(window).or_insert(EMPTY), count);
        add(counted.operations.entry(operation).or_insert(EMPTY), count);
    }
    let services = services.into_iter().map(|(service, Counted { windows, operations })| {
        let mut operations: Vec<OperationSlts> = operations.into_iter().filter_map(operation).collect();
        operations.sort_by_key(|operation| std::cmp::Reverse(operation.affected));
        let late = late.remove(&service).unwrap_or(0);
        ServiceSlts { windows: windows.into_values().filter_map(window).collect(), operations, late, service }
    });
    Ok(Slts { window_ms: WINDOW_MS, target: TARGET, services: services.collect() })
}

const EMPTY: WindowCount = WindowCount { window: 0, requests: 0, affected: 0 };

fn add(sum: &mut WindowCount, count: WindowCount) {
    sum.window = count.window;
    sum.requests += count.requests;
    sum.affected += count.affected;
}

fn window(count: WindowCount) -> Option<SltsWindow> {
    let WindowCount { window, requests, affected } = count;
    Some(SltsWindow { start_ms: window * WINDOW_MS, requests, affected, slts: count.slts()? })
}

fn operation((operation, count): (String, WindowCount)) -> Option<OperationSlts> {
    let WindowCount { requests, affected, .. } = count;
    Some(OperationSlts { operation, requests, affected, slts: count.slts()? })
}

pub(crate) fn objectives(connection: &mut dyn Connection, now_ms: i64) -> Result<Objectives, StoreError> {
    let rows = connection.query(
        "SELECT service, win, CAST(sum(requests) AS BIGINT), CAST(sum(affected) AS BIGINT) FROM slts_window
         WHERE win > $1 GROUP BY service, win ORDER BY service, win",
        values![window_of(now_ms - PERIOD_MS) - 1],
    )?;
    let mut services: BTreeMap<String, Vec<WindowCount>> = BTreeMap::new();
    let count = |row: &Row| {
        Ok::<_, StoreError>(WindowCount { window: row.get(1)?, requests: row.get(2)?, affected: row.get(3)? })
    };
    for row in &rows {
        services.entry(row.get(0)?).or_default().push(count(row)?);
    }
    let all: Vec<WindowCount> = services.values().flatten().copied().collect();
    Ok(Objectives {
        objective: OBJECTIVE,
        target: TARGET,
        period_ms: PERIOD_MS,
        fleet: slo(FLEET, &all, now_ms),
        services: services.iter().map(|(service, windows)| slo(service, windows, now_ms)).collect(),
    })
}
