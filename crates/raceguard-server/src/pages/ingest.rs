//! `GET /ingest`: what comes in, what waits, what was refused, and who sent last.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::fault::PageFault;
use super::format::{When, duration, grouped, percent};
use super::session::Viewer;
use super::shell::{Place, Shell};
use crate::clock::now_ms;
use crate::http::Shared;
use crate::live::report::MapReport;

/// Streams on the page.
const STREAMS: u64 = 50;

#[derive(Template)]
#[template(path = "ingest.html")]
struct IngestPage {
    shell: Shell,
    records: String,
    waiting: usize,
    /// Since the server started: name and count.
    counters: Vec<(&'static str, String)>,
    requests: Vec<(&'static str, String)>,
    refused: Vec<(&'static str, String)>,
    streams: Vec<StreamRow>,
    maps: Vec<MapRow>,
}

/// A sequence of records of one sender.
struct StreamRow {
    name: String,
    service: String,
    version: String,
    instance: String,
    first: When,
    last: When,
}

/// A map of live state.
struct MapRow {
    name: &'static str,
    strategy: &'static str,
    entries: String,
    hit_rate: String,
    waits: String,
    waited: String,
}

/// The page.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    viewer: Viewer,
) -> Result<Html<String>, PageFault> {
    let (now, language) = (now_ms(), viewer.preferences.language);
    let text = language.text();
    let (totals, streams) =
        shared.ask(|reader| Ok((reader.totals()?, reader.last_streams(STREAMS)?))).await?;
    let counters = &shared.intake.counters;
    let page = IngestPage {
        shell: Shell::new(&viewer, Place::Ingest, text.nav_ingest),
        records: grouped(totals.records),
        waiting: shared.writer.waiting(),
        counters: vec![
            (text.bytes_received, grouped(counters.bytes_received.get())),
            (text.bytes_decompressed, grouped(counters.bytes_decompressed.get())),
            (text.accepted, grouped(counters.accepted.get())),
            (text.sent_again, grouped(counters.duplicates.get())),
            (text.rejected_lines, grouped(counters.rejected_lines.get())),
            (text.spans, grouped(counters.spans.get())),
            (text.spans_rejected, grouped(counters.spans_rejected.get())),
            (text.data_points, grouped(counters.data_points.get())),
            (text.files, grouped(counters.files.get())),
            (text.future_times, grouped(counters.future_times.get())),
            (text.past_times, grouped(counters.past_times.get())),
            (text.folded_names, grouped(counters.folded_names.get())),
        ],
        requests: counters
            .requests()
            .map(|(transport, count)| (transport.as_str(), grouped(count)))
            .collect(),
        refused: counters
            .refused()
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason.as_str(), grouped(count)))
            .collect(),
        streams: streams
            .into_iter()
            .map(|stream| StreamRow {
                first: When::new(stream.first_ms, now, language),
                last: When::new(stream.last_ms, now, language),
                name: stream.name,
                service: stream.service,
                version: stream.version,
                instance: stream.instance,
            })
            .collect(),
        maps: map_rows(&shared),
    };
    Ok(Html(page.render()?))
}

/// How the maps of live state do.
fn map_rows(shared: &Shared) -> Vec<MapRow> {
    let row = |map: &MapReport| MapRow {
        name: map.name,
        strategy: map.strategy,
        entries: grouped(map.entries),
        hit_rate: map.hit_rate.map_or_else(|| "–".to_owned(), percent),
        waits: grouped(map.lock_waits),
        waited: duration(map.lock_wait_ns),
    };
    shared.live.report().maps.iter().map(row).collect()
}
