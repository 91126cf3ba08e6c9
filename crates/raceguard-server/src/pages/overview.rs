//! `GET /`: what is broken now and what is new.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::alerts::AlertRow;
use super::causes::CauseRow;
use super::fault::PageFault;
use super::format::grouped;
use super::services::{ObjectiveView, ServiceRow};
use super::session::Viewer;
use super::shell::{Place, Shell};
use crate::alerts::Alert;
use crate::causes::questions::{CauseFilter, Window};
use crate::causes::rows;
use crate::clock::now_ms;
use crate::http::Shared;
use crate::slts::questions::Objectives;
use crate::store::{Reader, StoreError, Totals};

/// Rows of each list.
const ROWS: usize = 8;

/// How far back what is new is.
const NEW_MS: i64 = 7 * 24 * 3_600_000;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    shell: Shell,
    open: String,
    regressed: u64,
    alerts: Vec<AlertRow>,
    fleet: ObjectiveView,
    records: String,
    findings: String,
    waiting: usize,
    services: Vec<ServiceRow>,
    rows: Vec<CauseRow>,
    top: Vec<CauseRow>,
}

/// What the page asks for.
struct Answers {
    totals: Totals,
    states: BTreeMap<String, u64>,
    alerts: Vec<Alert>,
    objectives: Objectives,
    services: rows::Services,
    newest: Vec<rows::CauseRow>,
    top: Vec<rows::CauseRow>,
}

fn ask(reader: &Reader, live: &crate::live::Live, now: i64) -> Result<Answers, StoreError> {
    let newest = reader.newest_causes(now - NEW_MS, ROWS as u64)?;
    let top = CauseFilter { window: Some(Window::Day), limit: ROWS, ..CauseFilter::default() };
    Ok(Answers {
        totals: reader.totals()?,
        states: reader.cause_states()?,
        alerts: reader.alerts(false, ROWS)?,
        objectives: reader.objectives(now)?,
        services: reader.services(live, now)?,
        newest: reader.cause_rows(&newest)?,
        top: reader.causes(&top, now)?.causes,
    })
}

/// The page.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
) -> Result<Html<String>, PageFault> {
    let (now, language) = (now_ms(), viewer.preferences.language);
    let live = Arc::clone(&shared.live);
    let answers = shared.ask(move |reader| ask(reader, &live, now)).await?;
    let count = |state: &str| answers.states.get(state).copied().unwrap_or(0);
    let services = ServiceRow::all(&answers.services, &answers.objectives, now, language);
    let page = OverviewPage {
        shell: Shell::new(&viewer, Place::Overview, language.text().nav_overview),
        open: grouped(count("open") + count("acknowledged") + count("regressed")),
        regressed: count("regressed"),
        alerts: answers.alerts.iter().map(|alert| AlertRow::new(alert, now, language)).collect(),
        fleet: ObjectiveView::new(&answers.objectives.fleet, language.text()),
        records: grouped(answers.totals.records),
        findings: grouped(answers.totals.findings),
        waiting: shared.writer.waiting(),
        services: services.into_iter().take(2 * ROWS).collect(),
        rows: answers.newest.iter().map(|row| CauseRow::new(row, now, language)).collect(),
        top: answers.top.iter().map(|row| CauseRow::new(row, now, language)).collect(),
    };
    Ok(Html(page.render()?))
}
