//! `GET /locks`: where goroutines wait for locks, over time.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;

use super::chart::{BarChart, Spark};
use super::fault::PageFault;
use super::format::{duration, grouped};
use super::session::Viewer;
use super::shell::{Choice, Place, Shell};
use super::stack;
use crate::clock::now_ms;
use crate::http::Shared;
use crate::locks::questions::{LockCallRow, LockTable};

/// Calls on the page.
const CALLS: usize = 50;

/// What may follow the `?`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    service: String,
    #[serde(default)]
    hours: String,
}

#[derive(Template)]
#[template(path = "locks.html")]
struct LocksPage {
    shell: Shell,
    filter: Filter,
    hours: Vec<Choice>,
    chart: BarChart,
    rows: Vec<CallRow>,
}

/// A call that waited, or made others wait.
struct CallRow {
    service: String,
    lock: String,
    kind: String,
    function: String,
    place: String,
    call: String,
    source: String,
    contentions: String,
    total: String,
    mean: String,
    longest: String,
    spark: Spark,
}

/// The page.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Html<String>, PageFault> {
    let now = now_ms();
    let text = viewer.preferences.language.text();
    let choices = [("24", text.window_24h), ("1", text.window_1h), ("168", text.window_7d)];
    let hours = choices.iter().find(|(hours, _)| *hours == filter.hours).map_or("24", |(hours, _)| hours);
    let back: i64 = hours.parse().unwrap_or(24);
    let service = Some(filter.service.clone()).filter(|name| !name.is_empty());
    let table = shared.ask(move |reader| reader.locks(service.as_deref(), back, CALLS, now)).await?;
    let steps = Steps::new(&table, back, now);
    let page = LocksPage {
        shell: Shell::new(&viewer, Place::Locks, text.nav_locks),
        hours: Choice::all(&choices, hours),
        chart: steps.chart(text.contentions, &table),
        rows: table.calls.iter().map(|call| CallRow::new(call, &steps)).collect(),
        filter,
    };
    Ok(Html(page.render()?))
}

/// How time is cut for the charts, in milliseconds.
struct Steps {
    first_ms: i64,
    step_ms: i64,
    count: usize,
}

impl Steps {
    /// At most 96 steps of whole windows.
    fn new(table: &LockTable, hours: i64, now_ms: i64) -> Self {
        let length = hours * 3_600_000;
        let windows = (length / table.window_ms.max(1)).max(1);
        let step_ms = table.window_ms.max(1) * (windows + 95).div_euclid(96);
        let count = usize::try_from(length / step_ms).unwrap_or(1) + 1;
        Self { first_ms: (now_ms - length).div_euclid(step_ms) * step_ms, step_ms, count }
    }

    fn counts<'a>(&self, calls: impl Iterator<Item = &'a LockCallRow>) -> Vec<u64> {
        let mut counts = vec![0; self.count];
        for window in calls.flat_map(|call| &call.windows) {
            let index = usize::try_from((window.start_ms - self.first_ms).div_euclid(self.step_ms)).ok();
            if let Some(count) = index.and_then(|index| counts.get_mut(index)) {
                *count += window.contentions;
            }
        }
        counts
    }

    fn chart(&self, label: &'static str, table: &LockTable) -> BarChart {
        let counts = self.counts(table.calls.iter());
        BarChart::new(label, self.first_ms / 1000, self.step_ms / 1000, &counts)
    }
}

impl CallRow {
    fn new(call: &LockCallRow, steps: &Steps) -> Self {
        Self {
            service: call.service.clone(),
            lock: call.lock.clone(),
            kind: call.kind.clone(),
            function: call.function.rsplit('/').next().unwrap_or_default().to_owned(),
            place: stack::place(&call.file, call.line),
            call: call.call.clone(),
            source: call.source.clone(),
            contentions: grouped(call.contentions),
            total: duration(call.total_ns),
            mean: duration(call.mean_ns),
            longest: if call.max_ns == 0 { "–".to_owned() } else { duration(call.max_ns) },
            spark: Spark::new(&steps.counts(std::iter::once(call))),
        }
    }
}
