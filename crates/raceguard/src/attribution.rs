//! Which tests a race belongs to.
//!
//! A test is in a race when its function is in one of the two stacks or in the stacks that created their
//! goroutines. Where no test is (a goroutine started by package initialisation or by TestMain), it is the tests
//! that ran at that time in the package of the process: by the place of the runtime's report in the output where
//! it is there (it is not with GORACE=log_path, nor for repeats), else by the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use raceguard_evidence::{Attribution, AttributionBy, Frame, Process, Race, Record, Repeat};

use crate::sightings::{Sighting, Sightings};
use crate::timeline::{Moments, Timeline, is_subtest};

/// What is known of the processes and the tests of a run, and the attributions that follow from it.
#[derive(Debug)]
pub struct Attributor<'a> {
    timeline: &'a Timeline,
    moments: Moments<'a>,
    sightings: &'a Sightings,
    package_of_process: BTreeMap<u64, String>,
    found: Vec<Attribution>,
    /// What was said of repeats.
    repeats: BTreeSet<(String, String, Vec<String>)>,
    /// How many races each process reported at an address so far.
    reports_at: BTreeMap<(u64, String), usize>,
}

impl<'a> Attributor<'a> {
    /// Joins the `processes` with the packages in `folders` (import path → folder), which cmd/go
    /// runs tests in.
    pub fn new(
        timeline: &'a Timeline,
        sightings: &'a Sightings,
        processes: &[Process],
        folders: &BTreeMap<String, PathBuf>,
    ) -> Self {
        let mut package_of_process = BTreeMap::new();
        let mut package_of_executable = BTreeMap::new();
        for process in processes {
            let package = working_folder(process).and_then(|folder| package_in(folders, folder));
            if let Some(package) = package {
                package_of_process.insert(process.pid, package.to_owned());
                package_of_executable.insert(process.executable.as_str(), package.to_owned());
            }
        }
        // A test may start its own binary again, elsewhere.
        for process in processes {
            if let Some(package) = package_of_executable.get(process.executable.as_str()) {
                package_of_process.entry(process.pid).or_insert_with(|| package.clone());
            }
        }
        Self {
            timeline,
            moments: Moments::new(timeline),
            sightings,
            package_of_process,
            found: Vec::new(),
            repeats: BTreeSet::new(),
            reports_at: BTreeMap::new(),
        }
    }

    /// Takes the next record. What a repeat has in common with others is said once.
    pub fn note(&mut self, record: &Record) {
        match record {
            Record::Race(race) => {
                let reports = self.reports_at.entry((race.pid, race.address.clone())).or_default();
                let nth = *reports;
                *reports += 1;
                self.found.extend(self.of_race(race, nth));
            }
            Record::Repeat(repeat) => {
                let Some(found) = self.of_repeat(repeat) else { return };
                if self.repeats.insert((found.race.clone(), found.package.clone(), found.tests.clone())) {
                    self.found.push(found);
                }
            }
            _ => {}
        }
    }

    /// The attributions of all races and repeats, in their order.
    pub fn finish(self) -> Vec<Attribution> {
        self.found
    }

    fn of_race(&self, race: &Race, nth: usize) -> Option<Attribution> {
        let own_package = self.package_of_process.get(&race.pid).map(String::as_str);
        let sighting = self.sightings.of(race, nth, own_package);
        let mut by_package: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for frame in frames(race) {
            let Some((package, test)) = self.test_of(frame) else { continue };
            let running = match sighting {
                Some(sighting) => sighting.tests.iter().map(String::as_str).collect(),
                None => self.moments.tests_at(package, race.time_unix_ns),
            };
            let tests = by_package.entry(package.to_owned()).or_default();
            for test in narrowed(&test, running) {
                if !tests.contains(&test) {
                    tests.push(test);
                }
            }
        }
        // One process runs the tests of one package; test functions of another one are called as helpers.
        let own_package = own_package.or(sighting.map(|sighting| sighting.package.as_str()));
        if let Some((package, tests)) = own_package.and_then(|package| by_package.remove_entry(package)) {
            return Some(attribution(&race.id, package, tests, AttributionBy::Stack));
        }
        if let Some((package, tests)) = by_package.into_iter().next() {
            return Some(attribution(&race.id, package, tests, AttributionBy::Stack));
        }
        match sighting {
            Some(Sighting { package, tests }) => {
                Some(attribution(&race.id, package.clone(), tests.clone(), AttributionBy::Time))
            }
            None => self.by_time(&race.id, race.pid, race.time_unix_ns),
        }
    }

    fn of_repeat(&self, repeat: &Repeat) -> Option<Attribution> {
        self.by_time(&repeat.race, repeat.pid, repeat.time_unix_ns).filter(|found| !found.tests.is_empty())
    }

    fn by_time(&self, race: &str, pid: u64, time: u64) -> Option<Attribution> {
        let package = match self.package_of_process.get(&pid) {
            Some(package) => package,
            None => match self.timeline.packages_at(time)[..] {
                [package] => package,
                _ => return None,
            },
        };
        let tests = self.moments.tests_at(package, time).into_iter().map(str::to_owned).collect();
        Some(attribution(race, package.to_owned(), tests, AttributionBy::Time))
    }

    /// The package and the test whose function, or a closure in it, the frame is in.
    fn test_of(&self, frame: &Frame) -> Option<(&str, String)> {
        let name = frame.name();
        let test = name.local().split('.').next()?;
        let package = name.package();
        // Tests of an external test package run as tests of the package they test.
        let tested = package.strip_suffix("_test").unwrap_or(&package);
        let found =
            [&*package, tested].into_iter().find_map(|package| self.timeline.package_of(package, test));
        Some((found?, test.to_owned()))
    }
}

fn attribution(race: &str, package: String, tests: Vec<String>, by: AttributionBy) -> Attribution {
    Attribution { race: race.to_owned(), package, tests, by, extra: serde_json::Map::new() }
}

/// The tests below `test` that were running; `test` itself when none was.
fn narrowed(test: &str, running: Vec<&str>) -> Vec<String> {
    let below: Vec<String> =
        running.into_iter().filter(|other| is_subtest(other, test)).map(str::to_owned).collect();
    if below.is_empty() { vec![test.to_owned()] } else { below }
}

fn working_folder(process: &Process) -> Option<&Path> {
    process.cwd.as_deref().map(Path::new)
}

fn package_in<'a>(folders: &'a BTreeMap<String, PathBuf>, folder: &Path) -> Option<&'a str> {
    folders.iter().find(|(_, other)| same_folder(other, folder)).map(|(package, _)| package.as_str())
}

fn same_folder(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The frames that say who caused a race: of both accesses, then of all that created their goroutines.
fn frames(race: &Race) -> impl Iterator<Item = &Frame> {
    let accesses = race.accesses.iter().flat_map(|access| &access.stack);
    let ancestry = race
        .accesses
        .iter()
        .flat_map(|access| race.ancestry(access.goroutine))
        .flat_map(|goroutine| goroutine.created_at.iter().chain(goroutine.ancestors.iter().flatten()));
    accesses.chain(ancestry)
}

#[cfg(test)]
mod tests {
    use raceguard_gotool::events::{Action, TestEvent};
    use serde_json::json;

    use super::*;

    fn timeline(events: &[(u64, Action, &str)]) -> Timeline {
        let mut timeline = Timeline::default();
        for &(time, action, name) in events {
            let (package, test) = name.split_once(' ').map_or((name, None), |(p, t)| (p, Some(t.to_owned())));
            let event = TestEvent { action, package: Some(package.into()), test, ..TestEvent::default() };
            timeline.note(&event, time);
        }
        timeline
    }

    fn records(values: &[serde_json::Value]) -> Vec<Record> {
        let lines = values.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        raceguard_evidence::EvidenceReader::new(lines.as_bytes()).map(Result::unwrap).collect()
    }

    fn race(time: u64, later: &str, created_by: &str) -> serde_json::Value {
        json!({"schema": 1, "kind": "race", "id": "7-1", "pid": 7, "address": "0xc000", "time_unix_ns": time, "accesses": [
            {"op": "write", "goroutine": 9, "stack": [{"function": later}]},
            {"op": "read", "goroutine": 1, "stack": [{"function": "lib.Read"}]}],
            "goroutines": [{"id": 9, "parent": 8, "created_at": [{"function": "lib.Start"}]},
                {"id": 8, "parent": 1, "created_at": [{"function": created_by}]}]})
    }

    fn process(pid: u64, cwd: Option<&str>) -> serde_json::Value {
        json!({"schema": 1, "kind": "process", "pid": pid, "executable": "/tmp/b001/a.test", "cwd": cwd})
    }

    fn folders() -> BTreeMap<String, PathBuf> {
        BTreeMap::from([("m/a".to_owned(), "/m/a".into()), ("m/b".to_owned(), "/m/b".into())])
    }

    fn attribute(
        timeline: &Timeline,
        values: &[serde_json::Value],
    ) -> Vec<(String, Vec<String>, AttributionBy)> {
        attribute_with(timeline, &Sightings::default(), values)
    }

    fn attribute_with(
        timeline: &Timeline,
        sightings: &Sightings,
        values: &[serde_json::Value],
    ) -> Vec<(String, Vec<String>, AttributionBy)> {
        let records = records(values);
        let processes: Vec<Process> = records
            .iter()
            .filter_map(|record| match record {
                Record::Process(process) => Some(process.clone()),
                _ => None,
            })
            .collect();
        let mut attributor = Attributor::new(timeline, sightings, &processes, &folders());
        for record in &records {
            attributor.note(record);
        }
        let attributions = attributor.finish();
        attributions.into_iter().map(|found| (found.package, found.tests, found.by)).collect()
    }

    const SECOND: u64 = 1_000_000_000;

    fn two_packages() -> Timeline {
        timeline(&[
            (SECOND, Action::Start, "m/a"),
            (SECOND, Action::Start, "m/b"),
            (SECOND, Action::Run, "m/a TestX"),
            (SECOND, Action::Run, "m/b TestX"),
            (2 * SECOND, Action::Run, "m/a TestX/sub"),
            (3 * SECOND, Action::Pass, "m/a TestX/sub"),
            (4 * SECOND, Action::Fail, "m/a TestX"),
            (4 * SECOND, Action::Run, "m/a TestY"),
            (6 * SECOND, Action::Pass, "m/a TestY"),
        ])
    }

    #[test]
    fn a_test_function_in_the_stack_decides() {
        let found = attribute(&two_packages(), &[race(5 * SECOND, "m/a.TestX.func1", "main.main")]);
        assert_eq!(found, [("m/a".into(), vec!["TestX".into()], AttributionBy::Stack)]);
    }

    #[test]
    fn a_test_that_created_an_ancestor_decides_and_is_narrowed_to_its_subtest() {
        let found =
            attribute(&two_packages(), &[race(SECOND * 5 / 2, "lib.Write", "m/a_test.TestX.func2.1")]);
        assert_eq!(found, [("m/a".into(), vec!["TestX/sub".into()], AttributionBy::Stack)]);
    }

    #[test]
    fn a_test_is_found_among_ancestors_without_numbers() {
        let mut record = race(5 * SECOND, "lib.Write", "main.main");
        record["goroutines"] = json!([{"id": null, "created_at": [{"function": "lib.Start"}]},
            {"id": 9, "created_at": [{"function": "lib.Start"}],
             "ancestors": [[{"function": "lib.Serve"}], [{"function": "m/a.TestX"}], [{"function": "runtime.newproc"}]]}]);
        let found = attribute(&two_packages(), &[record]);
        assert_eq!(found, [("m/a".into(), vec!["TestX".into()], AttributionBy::Stack)]);
    }

    #[test]
    fn functions_named_like_tests_that_did_not_run_decide_nothing() {
        let records = [process(7, Some("/m/a")), race(5 * SECOND, "m/a.TestHelper", "lib.TestX")];
        let found = attribute(&two_packages(), &records);
        assert_eq!(found, [("m/a".into(), vec!["TestY".into()], AttributionBy::Time)]);
    }

    #[test]
    fn without_a_test_in_the_stacks_the_package_of_the_process_and_the_time_decide() {
        let records = [process(7, Some("/m/b")), race(5 * SECOND, "lib.Write", "main.main")];
        let found = attribute(&two_packages(), &records);
        assert_eq!(found, [("m/b".into(), vec!["TestX".into()], AttributionBy::Time)]);
    }

    #[test]
    fn the_place_of_the_report_in_the_output_comes_before_the_clock() {
        let mut timeline = timeline(&[(SECOND, Action::Start, "m/a"), (SECOND, Action::Run, "m/a TestX")]);
        let mut sightings = Sightings::default();
        for line in ["WARNING: DATA RACE\n", "Write at 0x00000000c000 by goroutine 9:\n"] {
            let event = TestEvent {
                action: Action::Output,
                package: Some("m/a".into()),
                output: Some(line.into()),
                ..TestEvent::default()
            };
            timeline.note(&event, SECOND);
            sightings.note(&event, &timeline);
        }
        let end = TestEvent {
            action: Action::Pass,
            package: Some("m/a".into()),
            test: Some("TestX".into()),
            ..TestEvent::default()
        };
        timeline.note(&end, 2 * SECOND);
        let found = attribute_with(&timeline, &sightings, &[race(9 * SECOND, "lib.Write", "main.main")]);
        assert_eq!(found, [("m/a".into(), vec!["TestX".into()], AttributionBy::Time)]);
    }

    #[test]
    fn a_process_of_the_same_binary_belongs_to_the_same_package() {
        let records = [
            process(3, Some("/m/b")),
            process(7, Some("/elsewhere")),
            race(5 * SECOND, "lib.Write", "main.main"),
        ];
        assert_eq!(attribute(&two_packages(), &records)[0].0, "m/b");
    }

    #[test]
    fn nothing_is_guessed_between_two_packages() {
        assert_eq!(attribute(&two_packages(), &[race(5 * SECOND, "lib.Write", "main.main")]), []);
    }

    #[test]
    fn repeats_belong_to_the_tests_of_their_time() {
        let repeat =
            json!({"schema": 1, "kind": "repeat", "race": "7-1", "pid": 7, "time_unix_ns": 5 * SECOND});
        let race = race(SECOND * 3 / 2, "m/a.TestX", "main.main");
        let records = [process(7, Some("/m/a")), race, repeat.clone(), repeat];
        let found = attribute(&two_packages(), &records);
        assert_eq!(found.len(), 2, "the same is not said twice");
        assert_eq!(found[0].1, ["TestX"]);
        assert_eq!(found[1], ("m/a".into(), vec!["TestY".into()], AttributionBy::Time));
    }
}
