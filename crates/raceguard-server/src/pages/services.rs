//! `GET /services`: all services; `GET /services/{name}`: one of them.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Html;

use super::causes::CauseRow;
use super::chart::LineChart;
use super::fault::PageFault;
use super::format::{When, grouped, percent};
use super::preferences::Language;
use super::session::Viewer;
use super::shell::{Place, Shell};
use super::text::Text;
use crate::causes::questions::CauseFilter;
use crate::causes::rows;
use crate::clock::now_ms;
use crate::http::Shared;
use crate::slts::TARGET;
use crate::slts::compliance::Slo;
use crate::slts::questions::{Objectives, ServiceSlts};

/// Causes on the page of a service.
const CAUSES: usize = 50;

/// Operations on it.
const OPERATIONS: usize = 20;

/// Hours of its chart.
const HOURS: i64 = 24;

/// How a service does.
#[derive(Debug)]
pub(super) struct ServiceRow {
    pub(super) name: String,
    pub(super) environments: String,
    pub(super) versions: u64,
    pub(super) instances: u64,
    pub(super) open: u64,
    pub(super) regressed: u64,
    pub(super) recent: u64,
    pub(super) detector: bool,
    pub(super) last: When,
    pub(super) objective: ObjectiveView,
}

/// How something does against the objective.
#[derive(Debug, Default)]
pub(super) struct ObjectiveView {
    pub(super) slts: String,
    pub(super) compliance: String,
    /// `good` when it reaches the target, `bad` when not; empty without requests.
    pub(super) slts_class: &'static str,
    /// `good`, `warn`, `bad` by compliance and burn; empty without requests.
    pub(super) class: &'static str,
    pub(super) budget: String,
    /// Hundredths, at least 0.
    pub(super) budget_left: i64,
    pub(super) burn_5m: String,
    pub(super) burn_1h: String,
    pub(super) burn_6h: String,
    pub(super) is_fast: bool,
    pub(super) is_slow: bool,
    pub(super) has_requests: bool,
}

impl ObjectiveView {
    /// Of a service that nothing is known of.
    fn unknown() -> Self {
        let dash = || "–".to_owned();
        Self {
            slts: dash(),
            compliance: dash(),
            budget: dash(),
            burn_5m: dash(),
            burn_1h: dash(),
            burn_6h: dash(),
            ..Self::default()
        }
    }

    pub(super) fn new(slo: &Slo, text: &Text) -> Self {
        let rate = |rate: Option<f64>| rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.1}"));
        let share = |share: Option<f64>| share.map_or_else(|| "–".to_owned(), percent);
        let class = match (slo.compliance, slo.met, slo.burn.fast || slo.burn.slow) {
            (None, ..) => "",
            (_, false, _) => "bad",
            (_, true, true) => "warn",
            (_, true, false) => "good",
        };
        #[expect(clippy::cast_possible_truncation, reason = "hundredths of a share")]
        let left = (slo.budget.remaining.clamp(0.0, 1.0) * 100.0).round() as i64;
        Self {
            slts: share(slo.slts),
            compliance: share(slo.compliance),
            slts_class: match slo.slts {
                None => "",
                Some(slts) if slts >= TARGET => "good",
                Some(_) => "bad",
            },
            class,
            budget: match slo.budget.remaining {
                _ if slo.budget.windows == 0 => "–".to_owned(),
                remaining if remaining < 0.0 => text.overspent.to_owned(),
                remaining => percent(remaining),
            },
            budget_left: left,
            burn_5m: rate(slo.burn.five_minutes),
            burn_1h: rate(slo.burn.hour),
            burn_6h: rate(slo.burn.six_hours),
            is_fast: slo.burn.fast,
            is_slow: slo.burn.slow,
            has_requests: slo.budget.windows > 0 || slo.slts.is_some(),
        }
    }
}

impl ServiceRow {
    fn new(row: &rows::ServiceRow, objectives: &Objectives, now_ms: i64, language: Language) -> Self {
        let slo = objectives.services.iter().find(|slo| slo.service == row.service);
        Self {
            name: row.service.clone(),
            environments: row.environments.join(", "),
            versions: row.versions,
            instances: row.instances,
            open: row.open_causes,
            regressed: row.regressed_causes,
            recent: row.recent,
            detector: row.detector,
            last: row.last_ms.map(|last| When::new(last, now_ms, language)).unwrap_or_default(),
            objective: slo
                .map_or_else(ObjectiveView::unknown, |slo| ObjectiveView::new(slo, language.text())),
        }
    }

    /// All services, those in trouble first.
    pub(super) fn all(
        services: &rows::Services,
        objectives: &Objectives,
        now_ms: i64,
        language: Language,
    ) -> Vec<Self> {
        let mut rows: Vec<Self> =
            services.services.iter().map(|row| Self::new(row, objectives, now_ms, language)).collect();
        let trouble = |row: &Self| {
            let class = ["bad", "warn", "good"].iter().position(|class| *class == row.objective.class);
            (class.unwrap_or(3), std::cmp::Reverse(row.regressed), std::cmp::Reverse(row.open))
        };
        rows.sort_by(|one, other| trouble(one).cmp(&trouble(other)).then_with(|| one.name.cmp(&other.name)));
        rows
    }
}

#[derive(Template)]
#[template(path = "services.html")]
struct ServicesPage {
    shell: Shell,
    services: Vec<ServiceRow>,
}

/// All services.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
) -> Result<Html<String>, PageFault> {
    let (now, language) = (now_ms(), viewer.preferences.language);
    let live = Arc::clone(&shared.live);
    let (services, objectives) =
        shared.ask(move |reader| Ok((reader.services(&live, now)?, reader.objectives(now)?))).await?;
    let page = ServicesPage {
        shell: Shell::new(&viewer, Place::Services, language.text().nav_services),
        services: ServiceRow::all(&services, &objectives, now, language),
    };
    Ok(Html(page.render()?))
}

#[derive(Template)]
#[template(path = "service.html")]
struct ServicePage {
    shell: Shell,
    service: ServiceRow,
    chart: LineChart,
    operations: Vec<OperationRow>,
    rows: Vec<CauseRow>,
    late: u64,
}

/// An operation of a service.
struct OperationRow {
    name: String,
    requests: String,
    affected: String,
    slts: String,
    is_good: bool,
}

/// One service.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Path(name): Path<String>,
) -> Result<Html<String>, PageFault> {
    let (now, language) = (now_ms(), viewer.preferences.language);
    let live = Arc::clone(&shared.live);
    let asked = name.clone();
    let (services, objectives, slts, causes) = shared
        .ask(move |reader| {
            let filter =
                CauseFilter { service: Some(asked.clone()), limit: CAUSES, ..CauseFilter::default() };
            Ok((
                reader.services(&live, now)?,
                reader.objectives(now)?,
                reader.slts(Some(&asked), HOURS, now)?,
                reader.causes(&filter, now)?,
            ))
        })
        .await?;
    let Some(row) = services.services.iter().find(|row| row.service == name) else {
        return Err(PageFault::nothing_there(format!("there is no service {name}")));
    };
    let text = language.text();
    let none = ServiceSlts { service: name.clone(), windows: Vec::new(), operations: Vec::new(), late: 0 };
    let windows = slts.services.first().unwrap_or(&none);
    let points: Vec<(i64, f64)> =
        windows.windows.iter().map(|window| (window.start_ms / 1000, window.slts)).collect();
    let operations = windows.operations.iter().take(OPERATIONS).map(|operation| OperationRow {
        name: operation.operation.clone(),
        requests: grouped(operation.requests),
        affected: grouped(operation.affected),
        slts: percent(operation.slts),
        is_good: operation.slts >= slts.target,
    });
    let page = ServicePage {
        shell: Shell::new(&viewer, Place::Services, &name),
        service: ServiceRow::new(row, &objectives, now, language),
        chart: LineChart::new(text.slts, text.target, &points, Some(slts.target)),
        operations: operations.collect(),
        rows: causes.causes.iter().map(|row| CauseRow::new(row, now, language)).collect(),
        late: windows.late,
    };
    Ok(Html(page.render()?))
}
