//! `GET /causes`: root causes, with filters.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;

use super::fault::PageFault;
use super::format::{When, grouped};
use super::preferences::Language;
use super::session::Viewer;
use super::shell::{Choice, Place, Shell};
use super::text::Text;
use crate::causes::questions::{CauseFilter, Cursor, Window};
use crate::causes::rows;
use crate::causes::state::CauseState;
use crate::clock::now_ms;
use crate::http::Shared;

/// Causes on a page.
const PAGE: usize = 50;

/// A row of a list of causes.
#[derive(Debug)]
pub(super) struct CauseRow {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) title: String,
    /// Class in words; what goes wrong with a map before it.
    pub(super) class: String,
    pub(super) severity: String,
    pub(super) state: CauseState,
    pub(super) state_name: &'static str,
    pub(super) fixed_in: String,
    pub(super) services: String,
    pub(super) occurrences: String,
    /// In the window that was asked for.
    pub(super) in_window: String,
    pub(super) first: When,
    pub(super) last: When,
}

impl CauseRow {
    pub(super) fn new(row: &rows::CauseRow, now_ms: i64, language: Language) -> Self {
        let services: Vec<&str> =
            row.services.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        Self {
            id: row.id,
            name: row.name.clone(),
            title: row.title.clone(),
            class: class_name(&row.class, row.trap.as_deref()),
            severity: row.severity.clone(),
            state: row.state,
            state_name: state_name(row.state, language.text()),
            fixed_in: row.fixed_in.clone(),
            services: services.join(", "),
            occurrences: grouped(row.occurrences),
            in_window: row.in_window.map(grouped).unwrap_or_default(),
            first: When::new(row.first_ms, now_ms, language),
            last: When::new(row.last_ms, now_ms, language).named("last"),
        }
    }
}

/// `map iteration against write · map shared without a lock`: from names in kebab case.
pub(super) fn class_name(class: &str, trap: Option<&str>) -> String {
    let words = |name: &str| name.replace('-', " ");
    match trap {
        Some(trap) => format!("{} · {}", words(trap), words(class)),
        None => words(class),
    }
}

/// A state in the reader's language.
pub(super) fn state_name(state: CauseState, text: &Text) -> &'static str {
    match state {
        CauseState::Open => text.state_open,
        CauseState::Acknowledged => text.state_acknowledged,
        CauseState::Fixed => text.state_fixed,
        CauseState::Regressed => text.state_regressed,
    }
}

/// What may follow the `?`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    state: String,
    #[serde(default)]
    service: String,
    #[serde(default)]
    window: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Template)]
#[template(path = "causes.html")]
struct CausesPage {
    shell: Shell,
    filter: Filter,
    states: Vec<Choice>,
    windows: Vec<Choice>,
    rows: Vec<CauseRow>,
    next: Option<String>,
}

/// The list.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Html<String>, PageFault> {
    let (now, language) = (now_ms(), viewer.preferences.language);
    let text = language.text();
    let wanted = CauseFilter {
        state: CauseState::named(&filter.state),
        service: Some(filter.service.clone()).filter(|name| !name.is_empty()),
        window: Window::named(&filter.window),
        limit: PAGE,
        cursor: Cursor::read(&filter.cursor),
    };
    let found = shared.ask(move |reader| reader.causes(&wanted, now)).await?;
    let mut states = vec![("", text.all)];
    states.extend(CauseState::ALL.map(|state| (state.as_str(), state_name(state, text))));
    let windows = [
        ("", text.any_time),
        ("5m", text.window_5m),
        ("1h", text.window_1h),
        ("24h", text.window_24h),
        ("7d", text.window_7d),
    ];
    let page = CausesPage {
        shell: Shell::new(&viewer, Place::Causes, text.nav_causes),
        states: Choice::all(&states, &filter.state),
        windows: Choice::all(&windows, &filter.window),
        rows: found.causes.iter().map(|row| CauseRow::new(row, now, language)).collect(),
        next: found.next.map(|cursor| filter.address(&cursor)),
        filter,
    };
    Ok(Html(page.render()?))
}

impl Filter {
    /// The causes after these.
    fn address(&self, cursor: &str) -> String {
        let mut query = form_urlencoded::Serializer::new("/causes?".to_owned());
        let parts = [("state", &self.state), ("service", &self.service), ("window", &self.window)];
        for (name, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        query.append_pair("cursor", cursor).finish()
    }
}
