//! Crashes of the programs under test, found in what they print.

use std::collections::BTreeMap;

use raceguard_evidence::{Crash, CrashParser};
use raceguard_gotool::events::TestEvent;

/// Looks for crashes in the output of each package's tests.
#[derive(Debug, Default)]
pub struct TestCrashes {
    packages: BTreeMap<String, PackageOutput>,
    found: Vec<Crash>,
}

#[derive(Debug, Default)]
struct PackageOutput {
    parser: CrashParser,
    partial_line: String,
    /// The test that printed the line before.
    test: Option<String>,
}

impl TestCrashes {
    /// Takes the next event, seen at `time`.
    pub fn note(&mut self, event: &TestEvent, time: u64) {
        let (Some(package), Some(output)) = (&event.package, &event.output) else { return };
        let state = self.packages.entry(package.clone()).or_default();
        state.partial_line.push_str(output);
        if !state.partial_line.ends_with('\n') {
            return;
        }
        let line = std::mem::take(&mut state.partial_line);
        if let Some(crash) = state.parser.line(&line) {
            self.found.push(of_test(crash, package, state.test.clone(), time));
        }
        state.test.clone_from(&event.test);
    }

    /// All crashes, when the events have ended at `time`.
    pub fn finish(mut self, time: u64) -> Vec<Crash> {
        for (package, mut state) in self.packages {
            let rest = state.parser.line(&state.partial_line);
            for crash in rest.into_iter().chain(state.parser.finish()) {
                self.found.push(of_test(crash, &package, state.test.clone(), time));
            }
        }
        self.found
    }
}

fn of_test(crash: Crash, package: &str, test: Option<String>, time: u64) -> Crash {
    Crash { time_unix_ns: time, package: Some(package.to_owned()), test, ..crash }
}

/// Whether a crash is a mistake of concurrency, which is what raceguard is asked about.
pub fn is_finding(crash: &Crash) -> bool {
    crash.cause().is_concurrency()
}

#[cfg(test)]
mod tests {
    use super::*;
    use raceguard_gotool::events::parse_line;

    #[test]
    fn a_crash_in_recorded_events_names_its_test() {
        for events in [
            include_str!("../tests/streams/go1.26-crash.jsonl"),
            include_str!("../tests/streams/go1.22-crash.jsonl"),
        ] {
            let mut crashes = TestCrashes::default();
            for event in events.lines().filter_map(|line| parse_line(line.as_bytes())) {
                crashes.note(&event, 5);
            }
            let found = crashes.finish(6);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].message, "fatal error: concurrent map writes");
            assert_eq!(found[0].package.as_deref(), Some("example.com/mixed/crash"));
            assert_eq!(found[0].test.as_deref(), Some("TestMapWrites"));
            assert!(is_finding(&found[0]));
        }
    }

    #[test]
    fn output_that_ends_in_a_crash_is_enough() {
        let mut crashes = TestCrashes::default();
        let text =
            "fatal error: concurrent map writes\n\ngoroutine 9 [running]:\nm.TestX()\n\t/m/x.go:1 +0x1";
        for piece in text.split_inclusive('\n') {
            let event = TestEvent {
                package: Some("m".into()),
                test: Some("TestX".into()),
                output: Some(piece.into()),
                ..TestEvent::default()
            };
            crashes.note(&event, 1);
        }
        let found = crashes.finish(2);
        assert_eq!((found.len(), found[0].test.as_deref()), (1, Some("TestX")));
        assert_eq!(found[0].goroutines[0].stack[0].line, 1);
    }
}
