//! The file of a bundle: one page of HTML with everything in it, and the same as JSON for programs.

mod drawing;

use askama::Template;
use jiff::Timestamp;
use raceguard_diagnosis::drawing::flame;
use raceguard_diagnosis::flame::FlameNode;
use raceguard_diagnosis::locks::duration;

use super::{AffectedSpan, Bundle};
use crate::causes::rows::CauseDetail;
use crate::causes::stacks::FindingStack;

/// Findings of a cause whose stacks are shown; the JSON has more.
const FINDINGS: usize = 3;

#[derive(Template)]
#[template(path = "bundle.html")]
struct Page<'a> {
    bundle: &'a Bundle,
    made: String,
    service: &'a str,
    /// Of the error budget.
    left: String,
    causes: Vec<Cause<'a>>,
    flames: Vec<Flame<'a>>,
    spans: Vec<Span<'a>>,
    windows: Vec<Windows<'a>>,
    /// JSON in which no tag can begin.
    json: String,
}

struct Cause<'a> {
    detail: &'a CauseDetail,
    last: String,
    reasons: Vec<String>,
    advice: String,
    graph: String,
    findings: Vec<(&'a str, &'a [FindingStack])>,
}

struct Flame<'a> {
    tree: &'a FlameNode,
    wait: String,
    svg: String,
}

struct Span<'a> {
    record: &'a AffectedSpan,
    at: String,
    wait: String,
}

/// What the windows of a service come to.
struct Windows<'a> {
    service: &'a str,
    count: usize,
    requests: u64,
    affected: u64,
}

/// The file.
pub fn page(bundle: &Bundle) -> String {
    let json = serde_json::to_string(bundle).unwrap_or_else(|error| unreachable!("it is JSON: {error}"));
    let flame = |tree| Flame { tree, wait: duration(tree.wait_ns), svg: flame::draw(tree) };
    let spans = bundle.spans.iter().map(|span| {
        let wait = if span.lock_wait_ns > 0 { duration(span.lock_wait_ns) } else { String::new() };
        Span { record: span, at: time(span.start_ms), wait }
    });
    let windows = bundle.slts.services.iter().map(|service| Windows {
        service: name(&service.service),
        count: service.windows.len(),
        requests: service.windows.iter().map(|window| window.requests).sum(),
        affected: service.windows.iter().map(|window| window.affected).sum(),
    });
    let page = Page {
        bundle,
        made: time(bundle.made_ms),
        service: name(&bundle.service),
        left: format!("{:.1} %", bundle.slo.budget.remaining * 100.0),
        windows: windows.collect(),
        causes: bundle.causes.iter().map(Cause::of).collect(),
        flames: bundle.flames.iter().map(flame).collect(),
        spans: spans.collect(),
        json: json.replace('<', "\\u003c"),
    };
    page.render().unwrap_or_else(|error| unreachable!("writing to memory can't fail: {error}"))
}

impl<'a> Cause<'a> {
    fn of(detail: &'a CauseDetail) -> Self {
        let list = |name: &str| {
            let items = detail.diagnosis[name].as_array().into_iter().flatten();
            items.filter_map(|item| item.as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        let advice = match &detail.diagnosis["advice"] {
            serde_json::Value::String(text) => text.clone(),
            _ => list("advice").join(" "),
        };
        Self {
            detail,
            last: time(detail.cause.last_ms),
            reasons: list("reasons"),
            advice,
            graph: drawing::goroutines(&detail.goroutines),
            findings: detail
                .findings
                .iter()
                .take(FINDINGS)
                .map(|finding| (finding.finding.title.as_str(), finding.stacks.as_slice()))
                .collect(),
        }
    }
}

fn name(service: &str) -> &str {
    if service.is_empty() { "(unknown)" } else { service }
}

/// In UTC.
fn time(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| format!("{at:.0}"))
}
