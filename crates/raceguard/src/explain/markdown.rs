//! The diagnosis for a pull request.

use std::fmt::Write as _;
use std::io::{self, Write};

use raceguard_diagnosis::cluster::Cluster;

use super::{Explanation, words};

pub(super) fn render(explanation: &Explanation<'_>, out: &mut dyn Write) -> io::Result<()> {
    let diagnosis = explanation.diagnosis;
    let mut text = format!("## Raceguard: {}\n\n", words::summary(diagnosis));
    if let Some((since, comparison)) = &explanation.comparison {
        let _ = writeln!(
            text,
            "Since {}: **{} new**, {} still there, {} gone.\n",
            code(since),
            comparison.new.len(),
            comparison.still_there.len(),
            comparison.gone.len()
        );
    }
    for cluster in diagnosis.clusters.iter().take(explanation.top) {
        push_cluster(&mut text, cluster, explanation);
    }
    let deadlocks = diagnosis.blocking.iter().flat_map(|blocking| &blocking.deadlocks);
    for deadlock in deadlocks {
        let _ = writeln!(text, "### Deadlock: {}\n", deadlock.kind.title());
        push_list(&mut text, &deadlock.text);
    }
    let chains = diagnosis.blocking.iter().flat_map(|blocking| {
        blocking
            .chains
            .iter()
            .map(|chain| format!("{} goroutines wait: {}", chain.waiting, words::chain(blocking, chain)))
    });
    push_section(&mut text, "Chains of waiting", chains);
    push_section(&mut text, "Locks that goroutines waited for", diagnosis.locks.iter().map(words::lock));
    push_section(&mut text, "Maps in heap profiles", diagnosis.heap.iter().map(words::heap));
    push_section(&mut text, "Operations that hurt most", diagnosis.top_causes.iter().map(words::top_cause));
    let hint = words::hint(diagnosis).map(str::to_owned);
    push_section(&mut text, "Notes", diagnosis.notes.iter().cloned().chain(hint));
    out.write_all(text.as_bytes())
}

fn push_cluster(text: &mut String, cluster: &Cluster, explanation: &Explanation<'_>) {
    let is_new =
        explanation.comparison.as_ref().is_some_and(|(_, comparison)| comparison.new.contains(&cluster.id));
    let mark = if is_new { "🆕 " } else { "" };
    let _ = writeln!(
        text,
        "### {mark}{}: {}\n\n{}\n",
        cluster.id,
        escape(&cluster.title),
        escape(&words::class(cluster))
    );
    if let Some(blame) = words::blame(cluster) {
        let _ = writeln!(text, "**Wrong:** {}\n", escape(&blame));
    }
    if let Some(guard) = words::guard(cluster) {
        let _ = writeln!(text, "**Lock:** {}\n", escape(&guard));
    }
    text.push_str("| statement | what it does |\n|---|---|\n");
    for statement in cluster.statements.iter().take(8) {
        let _ = writeln!(
            text,
            "| {} | {} |",
            code(&words::place(statement)),
            escape(&words::statement(statement))
        );
    }
    let _ = writeln!(text, "\nSeen {}.\n", escape(&words::seen(cluster)));
    for advice in &cluster.advice {
        let _ = writeln!(text, "- {}", escape(advice));
    }
    text.push_str("\n<details><summary>Evidence</summary>\n\n");
    push_list(text, &cluster.reasons);
    push_list(text, &cluster.links.iter().map(|link| words::link(link, cluster)).collect::<Vec<_>>());
    text.push_str("</details>\n\n");
}

fn push_section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.take(10).collect();
    if !lines.is_empty() {
        let _ = writeln!(text, "### {title}\n");
        push_list(text, &lines);
    }
}

fn push_list(text: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(text, "- {}", escape(line));
    }
    text.push('\n');
}

/// Text of a program, so that it can't become markup: a table cell, a link, HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // Else it would call a user or a team.
            '@' => escaped.push_str("&#64;"),
            '|' | '*' | '_' | '[' | ']' | '`' | '\\' | '#' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace(|c: char| matches!(c, '`' | '|') || c.is_control(), " "))
}
