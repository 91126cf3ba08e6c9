//! `GET /audit`: what administrators did, the newest first, for administrators.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;

use super::fault::PageFault;
use super::format::When;
use super::session::Viewer;
use super::shell::{Place, Shell};
use crate::audit;
use crate::clock::now_ms;
use crate::http::Shared;

/// Entries on a page.
const PAGE: u64 = 100;

/// What may follow the `?`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    before: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    shell: Shell,
    entries: Vec<Row>,
    /// Number and hash of the newest entry.
    head: audit::Head,
    /// The entry that older ones come before.
    older: Option<u64>,
}

struct Row {
    id: u64,
    at: When,
    actor: String,
    act: String,
    subject: String,
    detail: String,
    hash: String,
    /// The beginning of the hash.
    short: String,
}

/// The page.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Html<String>, PageFault> {
    if !viewer.is_admin() {
        return Err(PageFault::admins_only());
    }
    let (now, language) = (now_ms(), viewer.preferences.language);
    let before: Option<u64> = filter.before.parse().ok();
    let (mut entries, head) = shared
        .ask(move |reader| {
            reader.ask(|connection| {
                let head = audit::head(connection)?;
                // Entries are numbered without gaps.
                let end = before.map_or(head.id + 1, |before| before.min(head.id + 1));
                let after = end.saturating_sub(PAGE + 1);
                let limit = usize::try_from(end.saturating_sub(after + 1)).unwrap_or(0);
                Ok((audit::page(connection, after, limit)?, head))
            })
        })
        .await?;
    entries.reverse();
    let page = AuditPage {
        shell: Shell::new(&viewer, Place::Audit, language.text().nav_audit),
        older: entries.last().map(|entry| entry.id).filter(|id| *id > 1),
        entries: entries
            .into_iter()
            .map(|entry| Row {
                id: entry.id,
                at: When::new(entry.at_ms, now, language),
                actor: entry.actor,
                act: entry.act,
                subject: entry.subject,
                detail: entry.detail,
                short: entry.hash.chars().take(12).collect(),
                hash: entry.hash,
            })
            .collect(),
        head,
    };
    Ok(Html(page.render()?))
}
