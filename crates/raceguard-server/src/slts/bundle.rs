//! Root-cause bundles: what is known of a service at the moment at which its error budget is exhausted, in one file.
//!
//! Evidence is removed after a while and causes change; a bundle stays as it was made until retention removes it. It holds
//! the objective and its windows, the worst causes with their stacks and goroutines, waiting for locks as flame graphs, and
//! spans of requests that were affected. [`Bundle::gather`] reads that, [`page`] makes the file, [`table`] keeps it.

pub mod page;
pub mod table;

use std::collections::BTreeSet;

use raceguard_diagnosis::flame::{FlameNode, of_profiles};
use raceguard_evidence::{Profile, Record};
use raceguard_maps::ConcurrentMap as _;
use serde::Serialize;
use serde_json::Value;

use super::SpanDigest;
use super::code::LOCK_WAIT_LIMIT_NS;
use super::compliance::Slo;
use super::questions::{FLEET, Slts};
use crate::causes::questions::{CauseFilter, Window, record};
use crate::causes::rows::CauseDetail;
use crate::causes::state::CauseState;
use crate::live::Live;
use crate::store::sql::values;
use crate::store::{Reader, StoreError};

/// Causes in a bundle, the worst ones of the last day first, then the last seen.
const CAUSES: usize = 10;

/// Hours of windows in a bundle.
const HOURS: i64 = 24;

/// Evidence that is looked through for spans and profiles, the newest first: of so many milliseconds, so many batches, and
/// so many bytes of their lines.
const LOOK_BACK_MS: i64 = HOURS * 3_600_000;
const BATCHES: u64 = 500;
const BYTES: usize = 64 << 20;

/// Spans and profiles in a bundle, and bytes of a span's record.
const SPANS: usize = 50;
const PROFILES: usize = 32;
const SPAN_BYTES: usize = 16 << 10;

/// Everything that a bundle holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bundle {
    /// The service; `(fleet)` for all together.
    pub service: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub made_ms: i64,
    /// How the service does against the objective.
    pub slo: Slo,
    /// Windows and operations of the last day.
    pub slts: Slts,
    /// Causes that are not fixed, at most 10.
    pub causes: Vec<CauseDetail>,
    /// Waiting for locks by call, one tree for each kind of profile.
    pub flames: Vec<FlameNode>,
    /// Affected spans, the newest first, at most 50.
    pub spans: Vec<AffectedSpan>,
    /// Batches that were looked through for spans and profiles.
    pub batches: u64,
    /// Whether that was all of the last day's.
    pub complete: bool,
}

/// A span that ran through code of an open finding, or waited for a lock too long.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AffectedSpan {
    /// Its service.
    pub service: String,
    /// Its trace; empty when it has none.
    pub trace: String,
    /// Its id.
    pub span: String,
    /// Its operation.
    pub operation: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// What it names of the code.
    pub functions: Vec<String>,
    /// The longest wait for a lock that it tells of, in nanoseconds.
    pub lock_wait_ns: u64,
    /// The record, as it came; nothing when it is longer than 16 KiB.
    pub record: Option<Value>,
}

impl Bundle {
    /// Reads all of it; blocks.
    pub fn gather(reader: &Reader, live: &Live, slo: Slo, now_ms: i64) -> Result<Self, StoreError> {
        let service = slo.service.clone();
        let only = (service != FLEET).then_some(service.as_str());
        let slts = reader.slts(only, HOURS, now_ms)?;
        let causes = worst_causes(reader, only, now_ms)?;
        let mut evidence = Evidence { live, spans: Vec::new(), profiles: Vec::new(), known: BTreeSet::new() };
        let (batches, complete) = evidence.look(reader, only, now_ms)?;
        let flames = of_profiles(&evidence.profiles);
        let spans = evidence.spans;
        Ok(Self { service, made_ms: now_ms, slo, slts, causes, flames, spans, batches, complete })
    }
}

fn worst_causes(reader: &Reader, service: Option<&str>, now_ms: i64) -> Result<Vec<CauseDetail>, StoreError> {
    let mut ids: Vec<i64> = Vec::new();
    for window in [Some(Window::Day), None] {
        let service = service.map(str::to_owned);
        let filter = CauseFilter { service, window, limit: CAUSES * 4, ..CauseFilter::default() };
        for cause in reader.causes(&filter, now_ms)?.causes {
            if cause.state != CauseState::Fixed && ids.len() < CAUSES && !ids.contains(&cause.id) {
                ids.push(cause.id);
            }
        }
    }
    let mut causes = Vec::new();
    for id in ids {
        causes.extend(reader.cause(id, now_ms)?);
    }
    Ok(causes)
}

/// What is picked out of the stored evidence.
struct Evidence<'a> {
    live: &'a Live,
    spans: Vec<AffectedSpan>,
    profiles: Vec<Profile>,
    /// Instances and kinds of profiles that there is one of: a profile may count since the start, so two of them would
    /// count twice.
    known: BTreeSet<(String, String)>,
}

impl Evidence<'_> {
    /// Looks through the newest batches; gives how many there were, and whether that was all.
    fn look(
        &mut self,
        reader: &Reader,
        service: Option<&str>,
        now_ms: i64,
    ) -> Result<(u64, bool), StoreError> {
        let rows = reader.ask(|connection| {
            connection.query(
                "SELECT block.id FROM block JOIN origin ON origin.id = block.origin
                 WHERE block.received_ms > $1 AND ($2 = 0 OR origin.service = $3)
                 ORDER BY block.received_ms DESC, block.id DESC LIMIT $4",
                values![now_ms - LOOK_BACK_MS, service.is_some(), service.unwrap_or_default(), BATCHES + 1],
            )
        })?;
        let (mut batches, mut bytes) = (0, 0);
        for row in rows.iter().take(usize::try_from(BATCHES).unwrap_or(usize::MAX)) {
            if bytes >= BYTES || (self.spans.len() >= SPANS && self.profiles.len() >= PROFILES) {
                return Ok((batches, false));
            }
            let block: i64 = row.get(0)?;
            let found = reader.ask(|connection| {
                connection.row(
                    "SELECT origin.service, origin.instance, block.lines FROM block
                     JOIN origin ON origin.id = block.origin WHERE block.id = $1",
                    values![block],
                )
            })?;
            // It may have been removed meanwhile.
            let Some(found) = found else { continue };
            let (service, instance): (String, String) = (found.get(0)?, found.get(1)?);
            let lines = zstd::bulk::decompress(&found.get::<Vec<u8>>(2)?, BYTES).unwrap_or_default();
            bytes += lines.len();
            batches += 1;
            lines.split(|byte| *byte == b'\n').for_each(|line| self.take(&service, &instance, line));
        }
        Ok((batches, rows.len() as u64 <= BATCHES))
    }

    fn take(&mut self, service: &str, instance: &str, line: &[u8]) {
        let Ok(text) = std::str::from_utf8(line) else { return };
        if text.contains("\"span\"") && self.spans.len() < SPANS {
            self.take_span(service, text);
        } else if text.contains("\"profile\"") && self.profiles.len() < PROFILES {
            let Some(Record::Profile(profile)) = record(text) else { return };
            if self.known.insert((format!("{service}/{instance}"), format!("{:?}", profile.profile))) {
                self.profiles.push(*profile);
            }
        }
    }

    fn take_span(&mut self, service: &str, text: &str) {
        let Ok(value) = serde_json::from_str::<Value>(text) else { return };
        let Some(digest) = SpanDigest::read(text.as_bytes()).filter(|_| value["kind"] == "span") else {
            return;
        };
        let service = if digest.service.is_empty() { service } else { &digest.service };
        let in_code = self.live.code.get_with(service, |code| code.is_touched_by(&digest));
        let waited = digest.lock_wait_ns >= LOCK_WAIT_LIMIT_NS;
        if waited || in_code.ok().flatten().unwrap_or(false) {
            self.spans.push(AffectedSpan {
                service: service.to_owned(),
                trace: digest.trace,
                span: digest.span,
                operation: digest.operation,
                start_ms: digest.start_ms,
                functions: digest.functions,
                lock_wait_ns: digest.lock_wait_ns,
                record: (text.len() <= SPAN_BYTES).then_some(value),
            });
        }
    }
}
