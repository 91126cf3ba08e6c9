//! The diagnosis as one self-contained page that works from a file: no request leaves it.
//!
//! The template escapes every value; the only markup made outside of it are the drawings in [`graph`], [`strip`] and
//! [`raceguard_diagnosis::drawing`], which escape theirs.

mod graph;
mod strip;

use std::io::{self, Write};

use askama::Template;
use raceguard_diagnosis::cluster::Cluster;
use raceguard_diagnosis::drawing::flame;
use raceguard_diagnosis::locks::duration;
use raceguard_evidence::Severity;

use super::{Explanation, words};
use crate::report::source::Sources;

/// Clusters that a browser shows without effort.
const SHOWN: usize = 300;
/// Pieces of evidence that are named in the head.
const FACTS: usize = 24;
/// Lines before and after the statement to blame.
const CONTEXT: usize = 3;

#[derive(Template)]
#[template(path = "explain.html")]
struct Page {
    summary: String,
    module: String,
    /// What it rests on: kind and name.
    facts: Vec<(String, String)>,
    notes: Vec<String>,
    comparison: Option<String>,
    clusters: Vec<Card>,
    left_out: usize,
    blocking: Vec<BlockingCard>,
    flames: Vec<Drawing>,
    locks: Vec<LockRow>,
    heap: Vec<String>,
    top_causes: Vec<String>,
}

/// A drawing and what it is of.
struct Drawing {
    title: String,
    svg: String,
}

struct Card {
    id: String,
    title: String,
    class: String,
    severity: &'static str,
    is_new: bool,
    wrong: Option<String>,
    excerpt: Vec<ExcerptLine>,
    guard: Option<String>,
    statements: Vec<(String, String)>,
    reasons: Vec<String>,
    links: Vec<String>,
    seen: String,
    advice: Vec<String>,
    fix: Option<String>,
    score: Vec<(String, String)>,
    graph: String,
    timeline: Option<String>,
    events: Vec<(String, String, String)>,
}

struct ExcerptLine {
    number: usize,
    text: String,
    marked: bool,
}

struct BlockingCard {
    title: String,
    deadlocks: Vec<(String, Vec<String>)>,
    chains: Vec<(u64, String)>,
    waiters: Vec<String>,
}

struct LockRow {
    lock: String,
    kind: String,
    waits: u64,
    mean: String,
    longest: String,
    total: String,
    advice: String,
    rests_on: String,
    sites: Vec<String>,
}

pub(super) fn render(explanation: &Explanation<'_>, out: &mut dyn Write) -> io::Result<()> {
    let diagnosis = explanation.diagnosis;
    let sources = Sources::new(explanation.read_source);
    let shown = &diagnosis.clusters[..diagnosis.clusters.len().min(explanation.top.clamp(1, SHOWN))];
    let page = Page {
        summary: words::summary(diagnosis),
        module: explanation.paths.module_dir().rsplit('/').next().unwrap_or_default().to_owned(),
        facts: diagnosis.basis.iter().take(FACTS).map(basis).collect(),
        notes: diagnosis.notes.clone(),
        comparison: explanation.comparison.as_ref().map(|(since, comparison)| {
            format!(
                "Since {since}: {} new, {} still there, {} gone",
                comparison.new.len(),
                comparison.still_there.len(),
                comparison.gone.len()
            )
        }),
        clusters: shown.iter().map(|cluster| card(cluster, explanation, &sources)).collect(),
        left_out: diagnosis.clusters.len() - shown.len(),
        blocking: diagnosis.blocking.iter().map(blocking).collect(),
        flames: diagnosis
            .flames
            .iter()
            .map(|tree| Drawing { title: tree.name.clone(), svg: flame::draw(tree) })
            .collect(),
        locks: diagnosis.locks.iter().take(50).map(lock).collect(),
        heap: diagnosis.heap.iter().take(50).map(words::heap).collect(),
        top_causes: diagnosis.top_causes.iter().map(words::top_cause).collect(),
    };
    page.write_into(out).map_err(io::Error::other)
}

fn basis(basis: &raceguard_diagnosis::Basis) -> (String, String) {
    let name = if basis.path.is_empty() { basis.run.clone() } else { basis.path.clone() };
    let skipped =
        if basis.skipped == 0 { String::new() } else { format!(", {} parts not understood", basis.skipped) };
    (basis.kind.clone(), format!("{name}: {} records{skipped}", basis.records))
}

fn card(cluster: &Cluster, explanation: &Explanation<'_>, sources: &Sources<'_>) -> Card {
    let is_new =
        explanation.comparison.as_ref().is_some_and(|(_, comparison)| comparison.new.contains(&cluster.id));
    Card {
        id: cluster.id.clone(),
        title: cluster.title.clone(),
        class: words::class(cluster),
        severity: match cluster.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            _ => "advice",
        },
        is_new,
        wrong: words::blame(cluster),
        excerpt: excerpt(cluster, explanation, sources),
        guard: words::guard(cluster),
        statements: cluster.statements.iter().map(|s| (words::place(s), words::statement(s))).collect(),
        reasons: cluster.reasons.clone(),
        links: cluster.links.iter().map(|link| words::link(link, cluster)).collect(),
        seen: words::seen(cluster),
        advice: cluster.advice.clone(),
        fix: cluster.fix.as_ref().map(|fix| fix.title.clone()),
        score: cluster
            .score
            .parts
            .iter()
            .map(|part| (format!("{} {:.1}", part.name, part.points), part.reason.clone()))
            .collect(),
        graph: graph::draw(cluster),
        timeline: strip::draw(&cluster.timeline),
        events: cluster
            .timeline
            .iter()
            .take(100)
            .map(|event| (strip::time(event.time_unix_ns), event.kind.clone(), event.text.clone()))
            .collect(),
    }
}

fn excerpt(cluster: &Cluster, explanation: &Explanation<'_>, sources: &Sources<'_>) -> Vec<ExcerptLine> {
    let wrong = cluster.blame.as_ref().and_then(|blame| cluster.statements.get(blame.statement));
    let excerpt = wrong.and_then(|wrong| sources.excerpt(&explanation.paths.locate(&wrong.file), wrong.line));
    let Some(excerpt) = excerpt.map(|excerpt| excerpt.narrowed(CONTEXT)) else { return Vec::new() };
    let line = |(offset, text): (usize, &String)| ExcerptLine {
        number: excerpt.first_line + offset,
        text: text.clone(),
        marked: excerpt.first_line + offset == excerpt.marked_number(),
    };
    excerpt.lines.iter().enumerate().map(line).collect()
}

fn blocking(blocking: &raceguard_diagnosis::blocking::Blocking) -> BlockingCard {
    BlockingCard {
        title: format!("{} goroutines, {}", blocking.goroutines, blocking.reason),
        deadlocks: blocking
            .deadlocks
            .iter()
            .map(|deadlock| (deadlock.kind.title().to_owned(), deadlock.text.clone()))
            .collect(),
        chains: blocking
            .chains
            .iter()
            .take(20)
            .map(|chain| (chain.waiting, words::chain(blocking, chain)))
            .collect(),
        waiters: blocking.waiters.iter().take(20).map(raceguard_diagnosis::blocking::Waiter::text).collect(),
    }
}

fn lock(lock: &raceguard_diagnosis::locks::LockUse) -> LockRow {
    LockRow {
        lock: lock.lock.clone(),
        kind: lock.kind.clone(),
        waits: lock.contentions,
        mean: duration(lock.mean_wait_ns),
        longest: lock.max_wait_ns.map_or_else(|| "not in profiles".to_owned(), duration),
        total: duration(lock.total_wait_ns),
        advice: lock.advice.text.clone(),
        rests_on: lock.advice.numbers.join(", "),
        sites: lock
            .sites
            .iter()
            .take(5)
            .map(|site| {
                format!("{} {}:{} {}", site.call.name(), site.file, site.line, duration(site.total_wait_ns))
            })
            .collect(),
    }
}
