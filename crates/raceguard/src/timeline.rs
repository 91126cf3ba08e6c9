//! When each test ran, from the events of `go test -json`.

use std::collections::BTreeMap;

use raceguard_evidence::{Test, TestResult};
use raceguard_gotool::events::{Action, TestEvent};

/// The times at which cmd/go saw events are a little later than what they report. A moment just outside of a
/// test's time, by at most this much, may belong to it.
const LAG_NS: u64 = 50_000_000;

/// What the testing package logs in a test during which races were found.
const RACED: &str = "race detected during execution of test";

/// The tests of a run and when they ran. Times are nanoseconds since the Unix epoch.
#[derive(Debug, Default)]
pub struct Timeline {
    packages: BTreeMap<String, PackageTimes>,
}

#[derive(Debug, Default)]
struct PackageTimes {
    whole: Times,
    tests: BTreeMap<String, Times>,
}

/// When one test, or one package as a whole, ran, and how it ended.
#[derive(Debug, Default)]
struct Times {
    started: u64,
    ended: u64,
    /// Spans of actually running: from `run` or `cont` to `pause` or the end. The last may be open.
    running: Vec<(u64, Option<u64>)>,
    result: Option<TestResult>,
    elapsed_s: f64,
    /// Whether the testing package says that the runtime found a race, new or known, while the test ran.
    raced: bool,
}

impl Times {
    fn note(&mut self, event: &TestEvent, time: u64) {
        self.ended = self.ended.max(time);
        self.raced |= event.output.as_deref().is_some_and(|output| output.contains(RACED));
        match event.action {
            Action::Start | Action::Run | Action::Cont => {
                if self.started == 0 {
                    self.started = time;
                }
                if self.running.last().is_none_or(|(_, end)| end.is_some()) {
                    self.running.push((time, None));
                }
            }
            Action::Pause => self.stop(time),
            action if action.is_end() => {
                self.stop(time);
                self.elapsed_s = event.elapsed.unwrap_or_default();
                self.result = Some(match action {
                    Action::Pass => TestResult::Pass,
                    Action::Fail => TestResult::Fail,
                    _ => TestResult::Skip,
                });
            }
            _ => {}
        }
    }

    fn stop(&mut self, time: u64) {
        if let Some((_, end @ None)) = self.running.last_mut() {
            *end = Some(time);
        }
    }

    fn is_running(&self) -> bool {
        self.running.last().is_some_and(|(_, end)| end.is_none())
    }

    fn is_running_at(&self, time: u64, lag: u64) -> bool {
        self.running
            .iter()
            .any(|&(start, end)| start.saturating_sub(lag) <= time && end.is_none_or(|end| time <= end + lag))
    }
}

impl Timeline {
    /// Takes the next event, seen at `time`.
    pub fn note(&mut self, event: &TestEvent, time: u64) {
        let Some(package) = &event.package else { return };
        let package = self.packages.entry(package.clone()).or_default();
        match &event.test {
            Some(test) => package.tests.entry(test.clone()).or_default().note(event, time),
            None => package.whole.note(event, time),
        }
    }

    /// The packages of the run, by import path.
    pub fn packages(&self) -> impl Iterator<Item = &str> {
        self.packages.keys().map(String::as_str)
    }

    /// Whether `package` has a test named `test`.
    pub fn has_test(&self, package: &str, test: &str) -> bool {
        self.packages.get(package).is_some_and(|package| package.tests.contains_key(test))
    }

    /// The packages whose tests ran at `time`.
    pub fn packages_at(&self, time: u64) -> Vec<&str> {
        let running = self.packages.iter().filter(|(_, package)| package.whole.is_running_at(time, 0));
        running.map(|(name, _)| name.as_str()).collect()
    }

    /// The innermost tests of `package` that run now, by the events so far: a test is left out when one of its
    /// subtests runs.
    pub fn tests_now(&self, package: &str) -> Vec<&str> {
        self.innermost(package, Times::is_running)
    }

    /// The innermost tests of `package` that ran at `time`. Those in which the testing package saw a race come
    /// before those that ran exactly then, because of the lag.
    pub fn tests_at(&self, package: &str, time: u64) -> Vec<&str> {
        let raced = |times: &Times, lag| times.raced && times.is_running_at(time, lag);
        let choices: [&dyn Fn(&Times) -> bool; 4] = [
            &|times| raced(times, 0),
            &|times| raced(times, LAG_NS),
            &|times| times.is_running_at(time, 0),
            &|times| times.is_running_at(time, LAG_NS),
        ];
        let mut found = choices.iter().map(|choice| self.innermost(package, choice));
        found.find(|tests| !tests.is_empty()).unwrap_or_default()
    }

    fn innermost(&self, package: &str, is_chosen: impl Fn(&Times) -> bool) -> Vec<&str> {
        let Some(package) = self.packages.get(package) else { return Vec::new() };
        let chosen: Vec<&str> = package
            .tests
            .iter()
            .filter(|(_, times)| is_chosen(times))
            .map(|(name, _)| name.as_str())
            .collect();
        let has_subtest = |test: &str| chosen.iter().any(|other| is_subtest(other, test));
        chosen.iter().copied().filter(|test| !has_subtest(test)).collect()
    }

    /// Records of the packages, and of the tests that failed or for which `is_wanted(package, test)`.
    pub fn records(&self, is_wanted: impl Fn(&str, &str) -> bool) -> Vec<Test> {
        let mut records = Vec::new();
        for (name, package) in &self.packages {
            for (test, times) in &package.tests {
                // A test without an end was running when its process died.
                let failed = !matches!(times.result, Some(TestResult::Pass | TestResult::Skip));
                if failed || is_wanted(name, test) {
                    records.push(record(name, Some(test), times));
                }
            }
            records.push(record(name, None, &package.whole));
        }
        records
    }
}

fn record(package: &str, test: Option<&String>, times: &Times) -> Test {
    Test {
        package: package.to_owned(),
        test: test.cloned(),
        result: times.result.clone().unwrap_or(TestResult::Fail),
        elapsed_s: times.elapsed_s,
        started_unix_ns: times.started,
        ended_unix_ns: times.ended,
        extra: serde_json::Map::new(),
    }
}

/// Whether `test` is a subtest of the test `of`, or of one of its subtests.
pub fn is_subtest(test: &str, of: &str) -> bool {
    test.strip_prefix(of).is_some_and(|rest| rest.starts_with('/'))
}

/// Nanoseconds since the Unix epoch of an event's time, `None` when it has none.
pub fn event_time(event: &TestEvent) -> Option<u64> {
    let time: jiff::Timestamp = event.time.as_deref()?.parse().ok()?;
    u64::try_from(time.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn timeline(events: &[(u64, Action, &str)]) -> Timeline {
        let mut timeline = Timeline::default();
        for &(ms, action, test) in events {
            let test = (!test.is_empty()).then(|| test.to_owned());
            let event = TestEvent { action, package: Some("m".into()), test, ..TestEvent::default() };
            timeline.note(&event, ms * MS);
        }
        timeline
    }

    #[test]
    fn a_paused_test_is_not_running() {
        let timeline = timeline(&[
            (1000, Action::Start, ""),
            (1000, Action::Run, "TestA"),
            (2000, Action::Pause, "TestA"),
            (2000, Action::Run, "TestB"),
            (3000, Action::Pass, "TestB"),
            (3000, Action::Cont, "TestA"),
            (4000, Action::Fail, "TestA"),
            (4000, Action::Fail, ""),
        ]);
        assert_eq!(timeline.tests_at("m", 1500 * MS), ["TestA"]);
        assert_eq!(timeline.tests_at("m", 2500 * MS), ["TestB"]);
        assert_eq!(timeline.tests_at("m", 3500 * MS), ["TestA"]);
        assert_eq!(timeline.packages_at(3500 * MS), ["m"]);
        assert!(timeline.tests_at("other", 3500 * MS).is_empty());
    }

    #[test]
    fn subtests_stand_for_their_parents() {
        let timeline = timeline(&[
            (1000, Action::Run, "TestA"),
            (1100, Action::Run, "TestA/x"),
            (1900, Action::Pass, "TestA/x"),
            (2500, Action::Pass, "TestA"),
            (2500, Action::Run, "TestAB"),
        ]);
        assert_eq!(timeline.tests_at("m", 1500 * MS), ["TestA/x"]);
        assert_eq!(timeline.tests_at("m", 2200 * MS), ["TestA"]);
        assert_eq!(timeline.tests_now("m"), ["TestAB"]);
        assert!(is_subtest("TestA/x", "TestA") && !is_subtest("TestAB", "TestA"));
    }

    #[test]
    fn a_moment_between_tests_belongs_to_a_near_one() {
        let timeline = timeline(&[(1000, Action::Run, "TestA"), (2000, Action::Pass, "TestA")]);
        assert_eq!(timeline.tests_at("m", 2010 * MS), ["TestA"]);
        assert_eq!(timeline.tests_at("m", 990 * MS), ["TestA"]);
        assert!(timeline.tests_at("m", 2100 * MS).is_empty());
    }

    #[test]
    fn a_test_that_is_known_to_have_raced_comes_before_one_that_ended_a_moment_later() {
        let mut timeline = timeline(&[
            (1000, Action::Run, "TestA"),
            (2000, Action::Pass, "TestA"),
            (2001, Action::Run, "TestB"),
            (3000, Action::Fail, "TestB"),
        ]);
        assert_eq!(timeline.tests_at("m", 1999 * MS), ["TestA"]);
        let event = TestEvent {
            action: Action::Output,
            package: Some("m".into()),
            test: Some("TestB".into()),
            output: Some("    testing.go:1712: race detected during execution of test\n".into()),
            ..TestEvent::default()
        };
        timeline.note(&event, 2999 * MS);
        assert_eq!(timeline.tests_at("m", 1999 * MS), ["TestB"]);
        assert_eq!(timeline.tests_at("m", 1900 * MS), ["TestA"]);
    }

    #[test]
    fn records_hold_packages_and_failed_wanted_and_unfinished_tests() {
        let timeline = timeline(&[
            (1000, Action::Start, ""),
            (1000, Action::Run, "TestBad"),
            (1001, Action::Fail, "TestBad"),
            (1001, Action::Run, "TestGood"),
            (1002, Action::Pass, "TestGood"),
            (1002, Action::Run, "TestRaced"),
            (1003, Action::Pass, "TestRaced"),
            (1003, Action::Run, "TestDied"),
            (1004, Action::Fail, ""),
        ]);
        let records = timeline.records(|_, test| test == "TestRaced");
        let names: Vec<_> = records.iter().map(|record| record.test.as_deref().unwrap_or("-")).collect();
        assert_eq!(names, ["TestBad", "TestDied", "TestRaced", "-"]);
        assert_eq!(records[1].result, TestResult::Fail);
        assert_eq!(records[2].result, TestResult::Pass);
    }

    #[test]
    fn event_times_keep_their_nanoseconds() {
        let event = TestEvent { time: Some("2026-11-20T07:17:31.838450257Z".into()), ..TestEvent::default() };
        assert_eq!(event_time(&event), Some(1_795_159_051_838_450_257));
        assert_eq!(event_time(&TestEvent::default()), None);
    }
}
