//! `GET /`: what is broken now and what is new.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::fault::PageFault;
use super::findings::FindingRow;
use super::format::grouped;
use super::session::Viewer;
use super::shell::{Place, Shell};
use crate::clock::now_ms;
use crate::http::Shared;

/// Rows of each list.
const ROWS: usize = 10;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    shell: Shell,
    records: String,
    duplicates: String,
    findings: String,
    rows: Vec<FindingRow>,
}

/// The page.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
) -> Result<Html<String>, PageFault> {
    let (now, language) = (now_ms(), viewer.preferences.language);
    let (totals, mut lines) =
        shared.ask(|reader| Ok((reader.totals()?, reader.finding_lines()?))).await?;
    lines.sort_by_key(|line| std::cmp::Reverse(line.first_ms));
    let page = OverviewPage {
        shell: Shell::new(&viewer, Place::Overview, language.text().nav_overview),
        records: grouped(totals.records),
        duplicates: grouped(totals.duplicates),
        findings: grouped(totals.findings),
        rows: lines.iter().take(ROWS).map(|line| FindingRow::new(line, now, language)).collect(),
    };
    Ok(Html(page.render()?))
}
