//! Which operations of which services hurt most, out of spans, and which clusters' code they ran through.
//!
//! Spans are grouped by service, operation and the attributes that the user chose. A group's rank is its failure
//! rate times how much slower it is than its baseline: `failure rate × (mean latency − median of the baseline)`. The
//! baseline of a group are the spans of the same service and operation without an error, whatever their attributes.

use std::collections::{BTreeMap, BTreeSet};

use raceguard_evidence::{Record, Span};
use serde::Serialize;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::evidence::Evidence;
use crate::statement::declared_function;

/// How spans are grouped, and how many groups are named.
#[derive(Debug, Clone)]
pub struct TopOptions {
    /// How many.
    pub count: usize,
    /// Names of attributes to group by, beside service and operation.
    pub attributes: Vec<String>,
}

impl Default for TopOptions {
    fn default() -> Self {
        Self { count: 3, attributes: Vec::new() }
    }
}

/// A group of spans that hurts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopCause {
    /// Name of the service.
    pub service: String,
    /// Name of the operation.
    pub operation: String,
    /// The chosen attributes and their values.
    pub attributes: BTreeMap<String, String>,
    /// Spans in the group.
    pub spans: u64,
    /// Those that failed.
    pub failed: u64,
    /// `failed / spans`
    pub failure_rate: f64,
    /// Mean latency of the group.
    pub mean_ns: u64,
    /// Median latency of its baseline.
    pub baseline_median_ns: u64,
    /// The rank: failure rate times what it is slower, in nanoseconds.
    pub score: f64,
    /// Ids of the clusters whose code the spans ran through, and why they are linked.
    pub clusters: Vec<(String, String)>,
}

/// The groups of highest rank; groups without a failure, or not slower than their baseline, have none.
pub(crate) fn top_causes(evidence: &Evidence, clusters: &[Cluster], options: &TopOptions) -> Vec<TopCause> {
    let spans: Vec<&Span> = evidence
        .runs
        .iter()
        .flat_map(|run| &run.evidence.foreign)
        .filter_map(|record| if let Record::Span(span) = record { Some(&**span) } else { None })
        .collect();
    let baselines = baselines(&spans);
    let mut groups: BTreeMap<(String, String, BTreeMap<String, String>), Group<'_>> = BTreeMap::new();
    for span in spans {
        let attributes = options
            .attributes
            .iter()
            .filter_map(|name| Some((name.clone(), text(span.attributes.get(name)?))));
        let key = (span.service.clone(), span.name.clone(), attributes.collect());
        groups.entry(key).or_default().add(span);
    }
    let mut causes: Vec<TopCause> = groups
        .into_iter()
        .filter_map(|((service, operation, attributes), group)| {
            let median = baselines.get(&(service.as_str(), operation.as_str())).copied().unwrap_or(0);
            group.cause(service, operation, attributes, median, clusters)
        })
        .collect();
    causes.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.operation.cmp(&b.operation)));
    causes.truncate(options.count);
    causes
}

#[derive(Default)]
struct Group<'a> {
    spans: u64,
    failed: u64,
    total_ns: u128,
    /// Functions and files that the spans name as their code.
    code: BTreeSet<&'a str>,
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Median latency of the spans that did not fail, by service and operation.
fn baselines<'a>(spans: &[&'a Span]) -> BTreeMap<(&'a str, &'a str), u64> {
    let mut durations: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
    for span in spans.iter().filter(|span| span.status != "error") {
        durations.entry((&span.service, &span.name)).or_default().push(span.duration_ns());
    }
    durations
        .into_iter()
        .map(|(key, mut durations)| {
            let middle = durations.len() / 2;
            (key, *durations.select_nth_unstable(middle).1)
        })
        .collect()
}

impl<'a> Group<'a> {
    fn add(&mut self, span: &'a Span) {
        self.spans += 1;
        self.failed += u64::from(span.status == "error");
        self.total_ns += u128::from(span.duration_ns());
        // `code.function` until semantic conventions 1.30, `code.function.name` since.
        for name in ["code.function.name", "code.function", "code.file.path", "code.filepath"] {
            self.code.extend(span.attributes.get(name).and_then(Value::as_str));
        }
        let stacks = span.events.iter().filter_map(|event| event.attributes.get("exception.stacktrace"));
        self.code.extend(stacks.filter_map(Value::as_str));
    }

    #[expect(clippy::cast_precision_loss, reason = "ranks need no more than 53 bits")]
    fn cause(
        self,
        service: String,
        operation: String,
        attributes: BTreeMap<String, String>,
        baseline_median_ns: u64,
        clusters: &[Cluster],
    ) -> Option<TopCause> {
        let mean_ns = u64::try_from(self.total_ns / u128::from(self.spans)).unwrap_or(u64::MAX);
        let failure_rate = self.failed as f64 / self.spans as f64;
        let score = failure_rate * mean_ns.saturating_sub(baseline_median_ns) as f64;
        (score > 0.0).then(|| TopCause {
            clusters: self.clusters(clusters),
            service,
            operation,
            attributes,
            spans: self.spans,
            failed: self.failed,
            failure_rate,
            mean_ns,
            baseline_median_ns,
            score,
        })
    }

    /// The clusters one of whose functions or files the spans name.
    fn clusters(&self, clusters: &[Cluster]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for cluster in clusters {
            let reason = cluster.statements.iter().find_map(|statement| {
                let function = declared_function(&statement.function);
                self.code.iter().find_map(|code| {
                    if code.contains(function.as_str()) {
                        Some(format!("its spans name {}", crate::statement::short_function(&function)))
                    } else if code.contains(&format!("{}:{}", statement.file, statement.line)) {
                        Some(format!("an exception names {}:{}", statement.file, statement.line))
                    } else {
                        None
                    }
                })
            });
            found.extend(reason.map(|reason| (cluster.id.clone(), reason)));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use raceguard_evidence::RunEvidence;

    use super::*;
    use crate::evidence::EvidenceRun;

    fn span(name: &str, channel: &str, milliseconds: u64, failed: bool) -> Record {
        let mut span = Span {
            service: "pay".to_owned(),
            name: name.to_owned(),
            start_unix_ns: 1_000,
            end_unix_ns: 1_000 + milliseconds * 1_000_000,
            status: if failed { "error" } else { "ok" }.to_owned(),
            ..Span::default()
        };
        span.attributes.insert("channel".to_owned(), channel.into());
        Record::Span(Box::new(span))
    }

    fn top(spans: Vec<Record>, attributes: &[&str]) -> Vec<TopCause> {
        let run = EvidenceRun { name: "r".to_owned(), evidence: RunEvidence::from_records(spans) };
        let attributes = attributes.iter().map(|name| (*name).to_owned()).collect();
        top_causes(&Evidence { runs: vec![run] }, &[], &TopOptions { count: 3, attributes })
    }

    #[test]
    fn failing_and_slow_goes_first() {
        let mut spans: Vec<Record> = (0..10).map(|_| span("charge", "a", 10, false)).collect();
        spans.extend((0..10).map(|at| span("charge", "b", 210, at < 5)));
        spans.extend((0..10).map(|_| span("refund", "a", 500, false)));
        let causes = top(spans, &["channel"]);
        assert_eq!(causes.len(), 1);
        let cause = &causes[0];
        assert_eq!((cause.operation.as_str(), cause.attributes["channel"].as_str()), ("charge", "b"));
        assert_eq!((cause.failed, cause.baseline_median_ns, cause.mean_ns), (5, 10_000_000, 210_000_000));
        assert!((cause.score - 100_000_000.0).abs() < 1.0);
    }

    #[test]
    fn what_never_fails_has_no_rank() {
        assert_eq!(top(vec![span("charge", "a", 10, false), span("charge", "a", 900, false)], &[]), []);
    }
}
