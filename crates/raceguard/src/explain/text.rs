//! The diagnosis for a terminal: the clusters one by one, then what is about the program as a whole.

use std::fmt::Write as _;
use std::io::{self, Write};

use raceguard_diagnosis::blocking::Blocking;
use raceguard_diagnosis::cluster::{Cluster, StatementSummary};

use super::{Explanation, words};
use crate::report::Options;
use crate::report::source::Sources;
use crate::report::text::layout::{Painter, clean};

/// Lines shown before and after the statement to blame.
const CONTEXT: usize = 2;
/// Links of a cluster that are shown.
const LINKS: usize = 8;
/// Reasons of a cluster that are shown.
const REASONS: usize = 3;
/// Locks, chains and other lists.
const LIST: usize = 5;

pub(super) fn render(explanation: &Explanation<'_>, out: &mut dyn Write) -> io::Result<()> {
    let options = Options::new(explanation.read_source);
    let painter = Painter::new(&Options { color: explanation.color, width: explanation.width, ..options });
    let text = Text { explanation, painter, sources: Sources::new(explanation.read_source) };
    let diagnosis = explanation.diagnosis;
    for cluster in diagnosis.clusters.iter().take(explanation.top) {
        writeln!(out, "{}", text.cluster(cluster))?;
    }
    let further = diagnosis.clusters.len().saturating_sub(explanation.top);
    if further > 0 {
        writeln!(
            out,
            "{}\n",
            text.painter.dim(&format!("{further} more; --top {} shows all", diagnosis.clusters.len()))
        )?;
    }
    // Of many dumps those with a deadlock say most.
    let mut dumps: Vec<&Blocking> = diagnosis.blocking.iter().collect();
    dumps.sort_by_key(|blocking| blocking.deadlocks.is_empty());
    for blocking in dumps.iter().take(LIST) {
        write!(out, "{}", text.blocking(blocking))?;
    }
    if dumps.len() > LIST {
        writeln!(out, "{}\n", text.painter.dim(&format!("and {} more dumps", dumps.len() - LIST)))?;
    }
    let locks: Vec<String> = diagnosis.locks.iter().map(words::lock).collect();
    write!(out, "{}", text.list("Locks that goroutines waited for", &locks))?;
    let heap: Vec<String> = diagnosis.heap.iter().map(words::heap).collect();
    write!(out, "{}", text.list("Maps in heap profiles", &heap))?;
    let causes: Vec<String> = diagnosis.top_causes.iter().map(words::top_cause).collect();
    write!(out, "{}", text.list("Operations that hurt most", &causes))?;
    write!(out, "{}", text.comparison())?;
    for note in &diagnosis.notes {
        write!(out, "{}", text.painter.labelled(&text.painter.warning("warning"), "warning", note))?;
    }
    if let Some(hint) = words::hint(diagnosis) {
        write!(out, "{}", text.painter.help(hint))?;
    }
    let summary = words::summary(diagnosis);
    let line = if diagnosis.clusters.is_empty() {
        text.painter.good(&summary)
    } else {
        text.painter.error(&summary)
    };
    writeln!(out, "{line}")
}

struct Text<'a> {
    explanation: &'a Explanation<'a>,
    painter: Painter,
    sources: Sources<'a>,
}

impl Text<'_> {
    fn cluster(&self, cluster: &Cluster) -> String {
        let painter = &self.painter;
        let mut text = format!("{}: {}\n", painter.error(&cluster.id), painter.bold(&cluster.title));
        let _ = writeln!(text, "  {}", painter.dim(&words::class(cluster)));
        if let Some(blame) = words::blame(cluster) {
            text.push_str(&painter.note("wrong", &blame));
            let wrong = cluster.blame.as_ref().and_then(|blame| cluster.statements.get(blame.statement));
            text.push_str(&wrong.and_then(|wrong| self.excerpt(wrong)).unwrap_or_default());
        }
        if let Some(guard) = words::guard(cluster) {
            text.push_str(&painter.note("lock", &guard));
        }
        let blamed = cluster.blame.as_ref().map(|blame| blame.statement);
        for (place, statement) in cluster.statements.iter().enumerate().take(LIST) {
            let label = if Some(place) == blamed { "it" } else { "meets" };
            let at = format!("{}: {}", words::place(statement), words::statement(statement));
            text.push_str(&painter.note(label, &at));
        }
        for reason in cluster.reasons.iter().take(REASONS) {
            text.push_str(&painter.note("because", reason));
        }
        for link in cluster.links.iter().take(LINKS) {
            text.push_str(&painter.note("chain", &words::link(link, cluster)));
        }
        if cluster.links.len() > LINKS {
            text.push_str(&painter.note("chain", &format!("and {} more links", cluster.links.len() - LINKS)));
        }
        text.push_str(&painter.note("seen", &words::seen(cluster)));
        for advice in cluster.advice.iter().take(2) {
            text.push_str(&painter.help(advice));
        }
        if let Some(fix) = &cluster.fix {
            text.push_str(&painter.help(&format!("{} (`raceguard check --fix`)", fix.title)));
        }
        text
    }

    fn excerpt(&self, statement: &StatementSummary) -> Option<String> {
        let file = self.explanation.paths.locate(&statement.file);
        let excerpt = self.sources.excerpt(&file, statement.line)?.narrowed(CONTEXT);
        let width = (excerpt.first_line + excerpt.lines.len()).to_string().len();
        let mut text = String::new();
        for (offset, line) in excerpt.lines.iter().enumerate() {
            let number = excerpt.first_line + offset;
            let line = clean(&line.replace('\t', "    "));
            let marked = number == excerpt.marked_number();
            let mark = if marked { self.painter.error(">") } else { " ".to_owned() };
            let line = if marked { self.painter.bold(&line) } else { line };
            let _ = writeln!(text, "  {mark} {} {line}", self.painter.dim(&format!("{number:>width$} │")));
        }
        Some(text)
    }

    fn blocking(&self, blocking: &Blocking) -> String {
        let painter = &self.painter;
        let title = format!("{} goroutines, {}", blocking.goroutines, blocking.reason);
        let mut text = format!("{}\n", painter.bold(&title));
        for deadlock in &blocking.deadlocks {
            let _ = writeln!(text, "  {}", painter.error(&format!("deadlock: {}", deadlock.kind.title())));
            for line in deadlock.text.iter().take(LIST * 2) {
                text.push_str(&painter.hanging("    ", line));
                text.push('\n');
            }
        }
        for chain in blocking.chains.iter().take(LIST) {
            text.push_str(&painter.note(&format!("{} wait", chain.waiting), &words::chain(blocking, chain)));
        }
        if blocking.deadlocks.is_empty() && blocking.chains.is_empty() {
            for waiter in blocking.waiters.iter().take(LIST) {
                text.push_str(&painter.note("waits", &waiter.text()));
            }
        }
        text.push('\n');
        text
    }

    fn list(&self, title: &str, lines: &[String]) -> String {
        if lines.is_empty() {
            return String::new();
        }
        let mut text = format!("{}\n", self.painter.bold(title));
        for line in lines.iter().take(LIST) {
            text.push_str(&self.painter.hanging("  ", line));
            text.push('\n');
        }
        if lines.len() > LIST {
            let _ = writeln!(text, "  {}", self.painter.dim(&format!("and {} more", lines.len() - LIST)));
        }
        text.push('\n');
        text
    }

    fn comparison(&self) -> String {
        let Some((since, comparison)) = &self.explanation.comparison else { return String::new() };
        let painter = &self.painter;
        let mut text = format!(
            "{}\n",
            painter.bold(&format!(
                "Since {since}: {} new, {} still there, {} gone",
                comparison.new.len(),
                comparison.still_there.len(),
                comparison.gone.len()
            ))
        );
        for id in &comparison.new {
            let _ = writeln!(text, "  {} {}", painter.error("new"), clean(id));
        }
        for (id, title) in &comparison.gone {
            let _ = writeln!(text, "  {} {}: {}", painter.good("gone"), clean(id), clean(title));
        }
        text.push('\n');
        text
    }
}
