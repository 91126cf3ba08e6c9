//! `GET /findings`: what was found, with a filter; `GET /findings/{fingerprint}`: one of them.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Html;
use serde::Deserialize;

use super::exemplar::Exemplar;
use super::fault::PageFault;
use super::finding_list::{Order, SEARCHED, Wanted};
use super::format::{When, grouped};
use super::occurrences::Occurrences;
use super::preferences::Language;
use super::session::Viewer;
use super::shell::{Choice, Place, Shell};
use crate::clock::now_ms;
use crate::http::Shared;
use crate::store::FindingRow;

/// A row of a list of findings.
#[derive(Debug)]
pub(super) struct FindingView {
    pub(super) fingerprint: String,
    pub(super) kind: String,
    pub(super) title: String,
    pub(super) occurrences: String,
    pub(super) first: When,
    pub(super) last: When,
}

impl FindingView {
    pub(super) fn new(line: &FindingRow, now_ms: i64, language: Language) -> Self {
        Self {
            fingerprint: line.fingerprint.clone(),
            kind: line.kind.clone(),
            title: line.title.clone(),
            occurrences: grouped(line.occurrences),
            first: When::new(line.first_ms, now_ms, language),
            last: When::new(line.last_ms, now_ms, language).named("last"),
        }
    }

    pub(super) fn kind_name(&self) -> &str {
        kind_name(&self.kind)
    }
}

/// `race`, `crash`, `static`.
fn kind_name(kind: &str) -> &str {
    kind.strip_suffix("_finding").unwrap_or(kind)
}

/// What may follow the `?` of the list.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    q: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    page: String,
}

#[derive(Template)]
#[template(path = "findings.html")]
struct FindingsPage {
    shell: Shell,
    filter: Filter,
    kinds: Vec<Choice>,
    sorts: Vec<Choice>,
    rows: Vec<FindingView>,
    found: String,
    /// In how many text was looked for, where that was not in all.
    searched: Option<String>,
    previous: Option<String>,
    next: Option<String>,
}

/// The list.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Html<String>, PageFault> {
    let wanted = Wanted {
        text: filter.q.trim().to_owned(),
        kind: filter.kind.clone(),
        order: Order::named(&filter.sort),
        page: filter.page.parse().unwrap_or(0),
    };
    let found = shared.ask(move |reader| reader.finding_list(&wanted)).await?;
    let (now, language) = (now_ms(), viewer.preferences.language);
    let text = language.text();
    let kinds = [
        ("", text.all),
        ("race", text.kind_race),
        ("crash", text.kind_crash),
        ("static_finding", text.kind_static),
    ];
    let sorts = [("", text.last_seen), ("first", text.first_seen), ("count", text.occurrences)];
    let page = FindingsPage {
        kinds: Choice::all(&kinds, &filter.kind),
        sorts: Choice::all(&sorts, &filter.sort),
        shell: Shell::new(&viewer, Place::Findings, language.text().nav_findings),
        rows: found.rows.iter().map(|row| FindingView::new(row, now, language)).collect(),
        found: grouped(found.total),
        searched: found.is_cut.then(|| grouped(SEARCHED)),
        previous: found.page.checked_sub(1).map(|page| filter.address(page)),
        next: found.has_next().then(|| filter.address(found.page + 1)),
        filter,
    };
    Ok(Html(page.render()?))
}

impl Filter {
    /// The same list, another page of it.
    fn address(&self, page: u64) -> String {
        let mut query = form_urlencoded::Serializer::new("/findings?".to_owned());
        let parts = [("q", &self.q), ("kind", &self.kind), ("sort", &self.sort)];
        for (name, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        query.append_pair("page", &page.to_string()).finish()
    }
}

#[derive(Template)]
#[template(path = "finding.html")]
struct FindingPage {
    shell: Shell,
    finding: FindingView,
    exemplar: Exemplar,
    occurrences: Occurrences,
}

/// One finding.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Path(fingerprint): Path<String>,
) -> Result<Html<String>, PageFault> {
    let (now, language) = (now_ms(), viewer.preferences.language);
    let asked = fingerprint.clone();
    let found = shared.ask(move |reader| {
        let Some((line, record)) = reader.finding(&asked)? else { return Ok(None) };
        let occurrences = Occurrences::ask(reader, line.id, now, language)?;
        Ok(Some((line, record, occurrences)))
    });
    let Some((line, record, occurrences)) = found.await? else {
        return Err(PageFault::nothing_there(format!("there is no finding {fingerprint}")));
    };
    let page = FindingPage {
        shell: Shell::new(&viewer, Place::Findings, &line.title),
        finding: FindingView::new(&line, now, language),
        exemplar: Exemplar::read(&record, language.text()),
        occurrences,
    };
    Ok(Html(page.render()?))
}
