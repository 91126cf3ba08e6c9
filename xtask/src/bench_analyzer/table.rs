//! The results against their targets, in Markdown.

use crate::measure::{Cost, thousands};
use std::fmt::Write;
use std::time::Duration;

use raceguard_analyzer::finding::Severity;

use super::analysis::Counts;
use super::checkouts::Outcome;
use super::labelled::{Function, Labelled, Tally};
use super::library::{Findings, Speed};

/// Least part of the racing functions that is found.
const RECALL_TARGET: f64 = 0.75;
/// Most part of the functions without a race that is reported.
const FALSE_TARGET: f64 = 0.05;
/// Least part of the real races that is found.
const CASES_TARGET: f64 = 0.75;
/// At most one finding of severity error in so many lines.
const LINES_TARGET: usize = 50_000;
/// Most time for GOROOT/src, without and with a cache.
const COLD_TARGET: Duration = Duration::from_secs(6);
const WARM_TARGET: Duration = Duration::from_secs(1);
/// Most memory for GOROOT/src.
const RSS_TARGET: u64 = 1_500_000_000;

/// Whatever was measured.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) labelled: Option<Labelled>,
    pub(super) library: Option<Findings>,
    pub(super) speed: Option<Speed>,
    pub(super) cases: Option<Vec<Outcome>>,
}

/// One table of all results, then what stands behind them.
pub(super) fn markdown(results: &Results) -> String {
    let mut text = String::from("| measure | result | target | |\n|---|--:|--:|---|\n");
    if let Some(labelled) = &results.labelled {
        labelled_rows(&mut text, labelled);
    }
    if let Some(outcomes) = &results.cases {
        case_rows(&mut text, outcomes);
    }
    if let Some(library) = &results.library {
        let errors = library.counts.of_severity(Severity::Error);
        density_row(&mut text, "GOROOT/src", errors, library.size.lines);
    }
    if let Some(speed) = &results.speed {
        speed_rows(&mut text, speed);
    }
    if let Some(library) = &results.library {
        counts(&mut text, library);
    }
    if let Some(outcomes) = &results.cases {
        case_counts(&mut text, outcomes);
        case_table(&mut text, outcomes);
    }
    if let Some(labelled) = &results.labelled {
        functions(&mut text, "Racing functions that are missed", &labelled.racing.silent);
        functions(&mut text, "Functions without a race that are reported", &labelled.clean.reported);
    }
    text
}

fn row(text: &mut String, measure: &str, result: &str, target: &str, met: bool) {
    let met = if met { "met" } else { "missed" };
    let _ = writeln!(text, "| {measure} | {result} | {target} | {met} |");
}

fn labelled_rows(text: &mut String, labelled: &Labelled) {
    let part = |tally: &Tally| ratio(tally.reported.len(), tally.total);
    let result =
        |tally: &Tally| format!("{} of {} ({})", tally.reported.len(), tally.total, percent(part(tally)));
    let (racing, clean) = (&labelled.racing, &labelled.clean);
    let target = format!("at least {}", percent(RECALL_TARGET));
    row(text, "racing functions found", &result(racing), &target, part(racing) >= RECALL_TARGET);
    let target = format!("at most {}", percent(FALSE_TARGET));
    row(text, "functions without a race reported", &result(clean), &target, part(clean) <= FALSE_TARGET);
}

fn case_rows(text: &mut String, outcomes: &[Outcome]) {
    let found = outcomes.iter().filter(|outcome| outcome.is_found()).count();
    let part = ratio(found, outcomes.len());
    let result = format!("{found} of {}", outcomes.len());
    let target = format!("at least {}", percent(CASES_TARGET));
    row(text, "real map races reported before their fix only", &result, &target, part >= CASES_TARGET);
    let errors = outcomes.iter().map(|outcome| outcome.counts.of_severity(Severity::Error)).sum();
    let lines = outcomes.iter().map(|outcome| outcome.size.lines).sum();
    density_row(text, "the repaired repositories", errors, lines);
}

fn density_row(text: &mut String, place: &str, errors: usize, lines: usize) {
    let result = format!("{errors} in {} lines", thousands(lines));
    let target = format!("at most 1 in {}", thousands(LINES_TARGET));
    let met = errors * LINES_TARGET <= lines;
    row(text, &format!("errors reported in {place}"), &result, &target, met);
}

fn speed_rows(text: &mut String, speed: &Speed) {
    let Speed { size, cold, warm } = speed;
    let seconds = cold.wall.as_secs_f64().max(f64::MIN_POSITIVE);
    let rates = format!(
        "{:.2} s ({:.2} s CPU, {} lines/s, {:.1} MB/s)",
        cold.wall.as_secs_f64(),
        cold.cpu.as_secs_f64(),
        thousands(whole(float(size.lines) / seconds)),
        float(size.bytes) / seconds / 1e6
    );
    let at_most = |limit: Duration| format!("under {} s", limit.as_secs());
    row(text, "GOROOT/src, cold", &rates, &at_most(COLD_TARGET), cold.wall < COLD_TARGET);
    let warm_time = format!("{:.2} s", warm.wall.as_secs_f64());
    row(text, "GOROOT/src, warm", &warm_time, &at_most(WARM_TARGET), warm.wall < WARM_TARGET);
    let memory =
        |cost: &Cost| format!("{} MB", thousands(usize::try_from(cost.peak_rss / 1_000_000).unwrap_or(0)));
    let result = format!("{} cold, {} warm", memory(cold), memory(warm));
    let target = format!("under {} MB", thousands(usize::try_from(RSS_TARGET / 1_000_000).unwrap_or(0)));
    row(text, "GOROOT/src, peak memory", &result, &target, cold.peak_rss.max(warm.peak_rss) < RSS_TARGET);
}

/// What is reported in the repaired repositories, all of them together.
fn case_counts(text: &mut String, outcomes: &[Outcome]) {
    let mut all = Counts::default();
    for outcome in outcomes {
        all.add(&outcome.counts);
    }
    text.push_str("\nReported in the repaired repositories:\n\n");
    severities(text, &all);
}

fn counts(text: &mut String, library: &Findings) {
    let size = library.size;
    let _ = writeln!(
        text,
        "\nGOROOT/src is `std` and `cmd/...` as built for linux/amd64, tests included: {} files, {} lines, {:.1} MB. \
         Reported there:\n",
        thousands(size.files),
        thousands(size.lines),
        float(size.bytes) / 1e6
    );
    severities(text, &library.counts);
}

fn severities(text: &mut String, counts: &Counts) {
    for (severity, name) in
        [(Severity::Error, "errors"), (Severity::Warning, "warnings"), (Severity::Advice, "advice")]
    {
        let _ = writeln!(text, "- {name}: {}", rules(counts, severity));
    }
}

fn rules(counts: &Counts, severity: Severity) -> String {
    let rules: Vec<String> = counts.rules(severity).map(|(code, count)| format!("{code} {count}")).collect();
    if rules.is_empty() { "none".to_owned() } else { rules.join(", ") }
}

fn case_table(text: &mut String, outcomes: &[Outcome]) {
    text.push_str("\n| real race | class | before the fix | after it |\n|---|---|---|---|\n");
    for outcome in outcomes {
        let shown = |rules: &[&str]| if rules.is_empty() { "—".to_owned() } else { rules.join(", ") };
        let Outcome { case, before, after, .. } = outcome;
        let _ = writeln!(text, "| {} | {} | {} | {} |", case.folder, case.class, shown(before), shown(after));
    }
}

fn functions(text: &mut String, title: &str, functions: &[Function]) {
    let _ = writeln!(text, "\n{title}: {}.", if functions.is_empty() { "none" } else { "below" });
    if !functions.is_empty() {
        text.push('\n');
    }
    for function in functions {
        let rules: Vec<&str> = function.rules.iter().copied().collect();
        let rules = if rules.is_empty() { String::new() } else { format!(": {}", rules.join(", ")) };
        let _ = writeln!(text, "- {} ({}){rules}", function.name, function.file);
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

fn percent(part: f64) -> String {
    let percent = format!("{:.1}", part * 100.0);
    format!("{} %", percent.strip_suffix(".0").unwrap_or(&percent))
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are positive and far below 2^52"
)]
fn whole(rate: f64) -> usize {
    rate as usize
}

#[cfg(test)]
mod tests {
    use super::super::analysis::Size;
    use super::*;

    fn function(name: &str, rules: &[&'static str]) -> Function {
        Function {
            name: name.to_owned(),
            file: "a_test.go".to_owned(),
            rules: rules.iter().copied().collect(),
        }
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!([0, 999, 1000, 1_857_668].map(thousands), ["0", "999", "1,000", "1,857,668"]);
        assert_eq!([0.75, 0.046_15].map(percent), ["75 %", "4.6 %"]);
    }

    #[test]
    fn recall_and_false_positives_are_set_against_their_targets() {
        let racing = Tally {
            total: 4,
            reported: ["A", "B", "C"].map(|name| function(name, &["RG101"])).to_vec(),
            silent: vec![function("TestRaceMissed", &[])],
        };
        let clean =
            Tally { total: 10, reported: vec![function("TestNoRaceWrong", &["RG213"])], silent: Vec::new() };
        let labelled = Some(Labelled { racing, clean });
        let text = markdown(&Results { labelled, ..Results::default() });
        assert!(text.contains("| racing functions found | 3 of 4 (75 %) | at least 75 % | met |"), "{text}");
        assert!(text.contains("reported | 1 of 10 (10 %) | at most 5 % | missed |"), "{text}");
        assert!(text.contains("- TestRaceMissed (a_test.go)\n"), "{text}");
        assert!(text.contains("- TestNoRaceWrong (a_test.go): RG213\n"), "{text}");
    }

    #[test]
    fn costs_are_set_against_their_targets() {
        let size = Size { files: 10, lines: 2_000_000, bytes: 60_000_000 };
        let cost = |milliseconds, megabytes: u64| Cost {
            wall: Duration::from_millis(milliseconds),
            cpu: Duration::from_millis(2 * milliseconds),
            peak_rss: megabytes * 1_000_000,
        };
        let speed = Some(Speed { size, cold: cost(4000, 900), warm: cost(1500, 200) });
        let text = markdown(&Results { speed, ..Results::default() });
        assert!(
            text.contains("cold | 4.00 s (8.00 s CPU, 500,000 lines/s, 15.0 MB/s) | under 6 s | met |"),
            "{text}"
        );
        assert!(text.contains("warm | 1.50 s | under 1 s | missed |"), "{text}");
        assert!(text.contains("memory | 900 MB cold, 200 MB warm | under 1,500 MB | met |"), "{text}");
    }

    #[test]
    fn errors_are_set_against_the_lines_they_stand_in() {
        let mut text = String::new();
        density_row(&mut text, "x", 2, 100_000);
        density_row(&mut text, "y", 3, 100_000);
        assert!(text.contains("in x | 2 in 100,000 lines | at most 1 in 50,000 | met |"), "{text}");
        assert!(text.contains("in y | 3 in 100,000 lines | at most 1 in 50,000 | missed |"), "{text}");
    }
}
