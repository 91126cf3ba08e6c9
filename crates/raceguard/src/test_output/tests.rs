//! Events recorded from `go test -json` must give what plain `go test` printed for the same packages. Durations
//! differ between the two runs, and so do addresses in race reports, which are left out in both.

use raceguard_gotool::events::parse_line;
use raceguard_gotool::flags::{CommandLine, Verb};

use super::*;
use crate::race_text::without_covered_reports;

fn shown(events: &str, arguments: &[&str], is_covered: &dyn Fn(u64) -> bool) -> Shown {
    let arguments: Vec<_> = arguments.iter().map(Into::into).collect();
    let mut output = TestOutput::new(&CommandLine::parse(Verb::Test, &[], &arguments).unwrap());
    let mut all = Shown::default();
    for line in events.split_inclusive('\n') {
        let shown = output.line(line, parse_line(line.as_bytes()).as_ref(), is_covered);
        all.stdout += &shown.stdout;
        all.stderr += &shown.stderr;
    }
    all.stdout += &output.finish(events.contains(r#""Action":"fail""#), is_covered);
    all
}

/// Without durations: `(0.00s)`, `\t0.012s`, `90.20 ns/op`.
fn comparable(output: &str) -> String {
    let without_reports = without_covered_reports(output, |_| true);
    let number = |word: &str| word.trim_matches(['(', ')', 's']).parse::<f64>().is_ok() && word.contains('.');
    let words = |line: &str| -> String {
        line.split(['\t', ' '])
            .map(|word| if number(word) { "N " } else { word })
            .collect::<Vec<_>>()
            .join(" ")
    };
    without_reports.lines().map(|line| words(line) + "\n").collect()
}

macro_rules! stream {
    ($name:literal) => {
        include_str!(concat!("../../tests/streams/", $name))
    };
}

#[test]
fn passing_failing_broken_and_empty_packages_look_as_with_go_test() {
    let arguments = ["-race", "./passing", "./failing", "./broken", "./empty"];
    for (events, plain) in [
        (stream!("go1.26-mixed.jsonl"), stream!("go1.26-mixed.plain")),
        (stream!("go1.22-mixed.jsonl"), stream!("go1.22-mixed.plain")),
    ] {
        // Packages are shown as they end, so their order may differ from that of plain `go test`.
        let sorted = |text: &str| {
            let (mut single, rest): (Vec<_>, Vec<_>) =
                text.lines().map(str::to_owned).partition(|line| line.contains("example.com/mixed/"));
            single.sort();
            (single, rest)
        };
        let shown = shown(events, &arguments, &|_| true);
        assert_eq!(sorted(&comparable(&shown.stdout)), sorted(&comparable(plain)));
        assert!(!shown.stdout.contains("DATA RACE"));
    }
}

#[test]
fn compile_errors_go_to_stderr_as_they_are() {
    let shown = shown(stream!("go1.26-mixed.jsonl"), &["./..."], &|_| true);
    assert!(
        shown
            .stderr
            .starts_with("# example.com/mixed/broken [example.com/mixed/broken.test]\nbroken/broken.go:3:23")
    );
}

#[test]
fn a_race_that_the_evidence_lacks_is_shown() {
    let shown = shown(stream!("go1.26-mixed.jsonl"), &["./..."], &|_| false);
    assert_eq!(shown.stdout.matches("WARNING: DATA RACE").count(), 1);
}

#[test]
fn benchmarks_and_what_passing_tests_print_are_shown() {
    for (events, plain) in [
        (stream!("go1.26-bench.jsonl"), stream!("go1.26-bench.plain")),
        (stream!("go1.22-bench.jsonl"), stream!("go1.22-bench.plain")),
    ] {
        assert_eq!(comparable(&shown(events, &["-bench", "."], &|_| true).stdout), comparable(plain));
    }
}

#[test]
fn a_crash_is_shown_whole() {
    for (events, plain) in [
        (stream!("go1.26-crash.jsonl"), stream!("go1.26-crash.plain")),
        (stream!("go1.22-crash.jsonl"), stream!("go1.22-crash.plain")),
    ] {
        let shown = shown(events, &["./crash"], &|_| true).stdout;
        for text in [
            "fatal error: concurrent map writes\n\ngoroutine ",
            "[running]:",
            "FAIL\texample.com/mixed/crash",
        ] {
            assert!(plain.contains(text) && shown.contains(text), "{text}\n{shown}");
        }
        assert!(!shown.contains("fine"), "the log of a test that had passed before");
    }
}

#[test]
fn everything_is_shown_package_by_package() {
    let events = stream!("go1.26-mixed.jsonl");
    let all = shown(events, &["-v", "./..."], &|_| true).stdout;
    let outputs = |package: &str| -> String {
        let of_package = |event: &TestEvent| event.package.as_deref() == Some(package);
        let events = events.lines().filter_map(|line| parse_line(line.as_bytes())).filter(of_package);
        events.filter_map(|event| event.output).collect()
    };
    for package in ["passing", "failing", "broken", "empty"] {
        assert!(
            all.contains(&outputs(&format!("example.com/mixed/{package}"))),
            "{package} is not in one piece"
        );
    }
    assert!(all.contains("WARNING: DATA RACE"));
}

#[test]
fn events_pass_unchanged() {
    let events = stream!("go1.26-mixed.jsonl");
    assert_eq!(shown(events, &["-json", "./..."], &|_| true).stdout, events);
}

#[test]
fn output_of_a_killed_package_is_not_lost() {
    let events = stream!("go1.26-mixed.jsonl");
    let cut: String =
        events.split_inclusive('\n').take_while(|line| !line.contains("deep failure")).collect();
    let shown = shown(&cut, &["./..."], &|_| true).stdout;
    assert!(shown.contains("printed by a failing test\n") && shown.contains("first line"), "{shown}");
}
