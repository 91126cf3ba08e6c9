//! When each test ran, from the events of `go test -json`.

mod moments;

use std::collections::BTreeMap;

use raceguard_evidence::{Test, TestResult};
use raceguard_gotool::events::{Action, TestEvent};

pub use moments::Moments;

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
    /// The benchmark that runs, behind those that it is a part of: no event says that a benchmark has passed.
    benchmarks: Vec<String>,
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

    fn is_running_at(&self, time: u64) -> bool {
        self.running.iter().any(|&(start, end)| start <= time && end.is_none_or(|end| time <= end))
    }
}

impl PackageTimes {
    fn note(&mut self, event: &TestEvent, time: u64) {
        let Some(test) = &event.test else {
            if ends_all_tests(event) {
                self.end_benchmarks(None, time);
            }
            return self.whole.note(event, time);
        };
        if event.action == Action::Run && test.starts_with("Benchmark") {
            self.end_benchmarks(Some(test), time);
            self.benchmarks.push(test.clone());
        }
        self.tests.entry(test.clone()).or_default().note(event, time);
    }

    /// Ends the benchmarks that `next` is no part of. One that has failed has said so.
    fn end_benchmarks(&mut self, next: Option<&str>, time: u64) {
        while let Some(last) = self.benchmarks.pop_if(|last| next.is_none_or(|next| !is_subtest(next, last)))
        {
            let times = self.tests.entry(last).or_default();
            if times.result.is_none() {
                times.stop(time);
                times.result = Some(TestResult::Pass);
            }
        }
    }
}

/// Whether the testing package says that all tests are over, well or not, rather than that the process died.
fn ends_all_tests(event: &TestEvent) -> bool {
    event.action == Action::Pass || matches!(event.output.as_deref(), Some("PASS\n" | "FAIL\n"))
}

impl Timeline {
    /// Takes the next event, seen at `time`.
    pub fn note(&mut self, event: &TestEvent, time: u64) {
        let Some(package) = &event.package else { return };
        self.packages.entry(package.clone()).or_default().note(event, time);
    }

    /// The packages of the run, by import path.
    pub fn packages(&self) -> impl Iterator<Item = &str> {
        self.packages.keys().map(String::as_str)
    }

    /// The package of this name when it has a test named `test`.
    pub fn package_of(&self, package: &str, test: &str) -> Option<&str> {
        let (name, package) = self.packages.get_key_value(package)?;
        package.tests.contains_key(test).then_some(name)
    }

    /// The packages whose tests ran at `time`.
    pub fn packages_at(&self, time: u64) -> Vec<&str> {
        let running = self.packages.iter().filter(|(_, package)| package.whole.is_running_at(time));
        running.map(|(name, _)| name.as_str()).collect()
    }

    /// The innermost tests of `package` that run now, by the events so far: a test is left out when one of its
    /// subtests runs.
    pub fn tests_now(&self, package: &str) -> Vec<&str> {
        let Some(package) = self.packages.get(package) else { return Vec::new() };
        let running = package.tests.iter().filter(|(_, times)| times.is_running());
        innermost(&running.map(|(name, _)| name.as_str()).collect::<Vec<_>>())
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

/// Those of `tests`, which are sorted, that have no subtest among them.
fn innermost<'a>(tests: &[&'a str]) -> Vec<&'a str> {
    let has_subtest = |test: &str| {
        let below = format!("{test}/");
        let next = tests.partition_point(|other| *other < below.as_str());
        tests.get(next).is_some_and(|other| is_subtest(other, test))
    };
    tests.iter().copied().filter(|test| !has_subtest(test)).collect()
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
        assert_eq!(Moments::new(&timeline).tests_at("m", 1500 * MS), ["TestA"]);
        assert_eq!(Moments::new(&timeline).tests_at("m", 2500 * MS), ["TestB"]);
        assert_eq!(Moments::new(&timeline).tests_at("m", 3500 * MS), ["TestA"]);
        assert_eq!(timeline.packages_at(3500 * MS), ["m"]);
        assert!(Moments::new(&timeline).tests_at("other", 3500 * MS).is_empty());
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
        assert_eq!(Moments::new(&timeline).tests_at("m", 1500 * MS), ["TestA/x"]);
        assert_eq!(Moments::new(&timeline).tests_at("m", 2200 * MS), ["TestA"]);
        assert_eq!(timeline.tests_now("m"), ["TestAB"]);
        assert!(is_subtest("TestA/x", "TestA") && !is_subtest("TestAB", "TestA"));
    }

    #[test]
    fn a_moment_between_tests_belongs_to_a_near_one() {
        let timeline = timeline(&[(1000, Action::Run, "TestA"), (2000, Action::Pass, "TestA")]);
        assert_eq!(Moments::new(&timeline).tests_at("m", 2010 * MS), ["TestA"]);
        assert_eq!(Moments::new(&timeline).tests_at("m", 990 * MS), ["TestA"]);
        assert!(Moments::new(&timeline).tests_at("m", 2100 * MS).is_empty());
    }

    #[test]
    fn a_test_that_is_known_to_have_raced_comes_before_one_that_ended_a_moment_later() {
        let mut timeline = timeline(&[
            (1000, Action::Run, "TestA"),
            (2000, Action::Pass, "TestA"),
            (2001, Action::Run, "TestB"),
            (3000, Action::Fail, "TestB"),
        ]);
        assert_eq!(Moments::new(&timeline).tests_at("m", 1999 * MS), ["TestA"]);
        let event = TestEvent {
            action: Action::Output,
            package: Some("m".into()),
            test: Some("TestB".into()),
            output: Some("    testing.go:1712: race detected during execution of test\n".into()),
            ..TestEvent::default()
        };
        timeline.note(&event, 2999 * MS);
        assert_eq!(Moments::new(&timeline).tests_at("m", 1999 * MS), ["TestB"]);
        assert_eq!(Moments::new(&timeline).tests_at("m", 1900 * MS), ["TestA"]);
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
    fn benchmarks_end_when_the_next_one_starts_or_the_package_ends() {
        let mut timeline = timeline(&[
            (1000, Action::Start, ""),
            (1000, Action::Run, "BenchmarkA"),
            (1000, Action::Run, "BenchmarkA/x"),
            (2000, Action::Run, "BenchmarkA/y"),
            (3000, Action::Run, "BenchmarkB"),
            (4000, Action::Fail, "BenchmarkB"),
            (4000, Action::Run, "BenchmarkC"),
        ]);
        assert_eq!(Moments::new(&timeline).tests_at("m", 1500 * MS), ["BenchmarkA/x"]);
        assert_eq!(Moments::new(&timeline).tests_at("m", 2500 * MS), ["BenchmarkA/y"]);
        assert_eq!(timeline.tests_now("m"), ["BenchmarkC"]);
        let failed = |timeline: &Timeline| -> Vec<String> {
            timeline.records(|_, _| false).into_iter().filter_map(|record| record.test).collect()
        };
        assert_eq!(
            failed(&timeline),
            ["BenchmarkB", "BenchmarkC"],
            "the process may have died in the last one"
        );
        let end =
            TestEvent { package: Some("m".into()), output: Some("FAIL\n".into()), ..TestEvent::default() };
        timeline.note(&end, 5000 * MS);
        assert_eq!(failed(&timeline), ["BenchmarkB"]);
        assert!(timeline.tests_now("m").is_empty());
    }

    #[test]
    fn event_times_keep_their_nanoseconds() {
        let event = TestEvent { time: Some("2026-11-20T07:17:31.838450257Z".into()), ..TestEvent::default() };
        assert_eq!(event_time(&event), Some(1_795_159_051_838_450_257));
        assert_eq!(event_time(&TestEvent::default()), None);
    }
}
