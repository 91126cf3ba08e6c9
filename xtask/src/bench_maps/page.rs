//! The measured part of docs/maps.md.

use std::fmt::Write;

use super::report::Report;
use super::{cells, claims, decision, details, grid, pictures, targets};

/// Everything between the markers.
pub(super) fn markdown(report: &Report) -> String {
    let mut text = head(report);
    section(&mut text, "Targets", &targets::lines(report));
    section(&mut text, "Which one", &format!("{WHICH}{}", decision::table(report)));
    let throughput =
        format!("{THROUGHPUT}{}{}", shown(&pictures::throughput(report)), grid::comparison(report));
    section(&mut text, "Throughput", &(throughput + &grid::everything(&report.grid)));
    section(&mut text, "Counters", &format!("{COUNTERS}{}", details::counters(&report.counters)));
    section(&mut text, "Latency under load", &format!("{LATENCY}{}", details::latency(&report.latency)));
    if let Some(growth) = &report.growth {
        let shown = shown(&pictures::growth(report));
        section(&mut text, "Growth", &format!("{GROWTH}{shown}{}", details::growth(growth)));
    }
    if let Some(iteration) = &report.iteration {
        section(&mut text, "Iteration", &format!("{ITERATION}{}", details::iteration(iteration)));
    }
    if let Some(memory) = &report.memory {
        let shown = shown(&pictures::memory(report));
        section(&mut text, "Memory", &format!("{MEMORY}{shown}{}", details::memory(memory)));
    }
    if !report.durable.is_empty() {
        let shown = shown(&pictures::durable(report));
        section(
            &mut text,
            "Durable writes",
            &format!("{DURABLE}{shown}{}", details::durable(&report.durable)),
        );
    }
    section(&mut text, "What people say", &format!("{CLAIMS}{}", claims::all(report)));
    text
}

fn head(report: &Report) -> String {
    let trips = cells::round_trips(report.grid.iter().flat_map(|cell| &cell.round_trips));
    let go = report.go.as_ref().map_or(String::new(), |version| format!(", {version}"));
    format!(
        "{}, {} cores{go}; the round trip between the first two cores was {trips}. Names in bold are ours.\n\n",
        report.machine, report.cores
    )
}

fn section(text: &mut String, title: &str, body: &str) {
    if body.lines().count() > 0 {
        let _ = writeln!(text, "## {title}\n\n{}\n", body.trim_end());
    }
}

/// Pictures as the page shows them.
fn shown(pictures: &[pictures::Picture]) -> String {
    let mut text = String::new();
    for picture in pictures {
        let _ = writeln!(text, "![{}](maps/{})\n", picture.title, picture.file);
    }
    text
}

const WHICH: &str = "The fastest of ours for uniform keys, and those within 10 % of it. `raceguard_maps::advice::advise` \
reads the same figures.\n\n";

const THROUGHPUT: &str = "`cargo xtask bench maps -- grid` prints these; \
`-- grid --threads 2 --keys 1000 --skew 0 --writes 50 --maps InlineMap,leapfrog` one cell for two maps. A write overwrites a \
key that is there.\n\n";

const COUNTERS: &str = "`cargo xtask bench maps -- grid --write increment --writes 100 --skew 0 --keys 1,1000`: every \
operation adds one to the value of a key, as one atomic step; Mops/s.\n\n";

const LATENCY: &str = "`cargo xtask bench maps -- latency --keys 1000 --writes 50`.\n\n";

const GROWTH: &str = "`cargo xtask bench maps -- growth`; `--keys 10000000` goes further.\n\n";

const ITERATION: &str = "`cargo xtask bench maps -- iterate`.\n\n";

const MEMORY: &str = "`cargo xtask bench maps -- memory`.\n\n";

const DURABLE: &str = "`cargo xtask bench maps -- durable`: each writer waits until its write is on the disk. The naive \
group commit is the one of the text books: a lock, a condition variable, a leader, a file that grows.\n\n";

const CLAIMS: &str = "`cargo xtask bench maps -- claims`.\n\n";
