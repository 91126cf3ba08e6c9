//! Race reports, crashes and dumps in logs: as Go prints them, behind the prefixes of collectors, interleaved, cut off.

mod foreign_support;

use foreign_support::{Read, fixture, text};
use raceguard_evidence::{AccessOp, CrashCause, GoroutineGroup, MapOp, TestResult};
use serde_json::json;

const VERSIONS: [&str; 2] = ["go1.22", "go1.27"];

/// Each line as a collector would pass it on.
fn collected(text: &str, line: impl Fn(usize, &str) -> String) -> String {
    text.lines().enumerate().map(|(number, text)| line(number, text) + "\n").collect()
}

/// What a collector makes of a line, by its number.
type Collect = Box<dyn Fn(usize, &str) -> String>;

/// The minute, second and fraction of a line.
fn clock(number: usize) -> String {
    format!("{:02}:{:02}.{}", number / 60 % 60, number % 60, number * 37)
}

/// Lines of several streams in turn.
fn interleaved(streams: &[String]) -> String {
    let mut streams: Vec<_> = streams.iter().map(|stream| stream.lines()).collect();
    let mut mixed = String::new();
    loop {
        let lines: Vec<_> = streams.iter_mut().filter_map(Iterator::next).collect();
        if lines.is_empty() {
            return mixed;
        }
        for line in lines {
            mixed.extend([line, "\n"]);
        }
    }
}

fn without_times(read: &Read) -> Vec<serde_json::Value> {
    let values = read.records.iter().map(|record| {
        let mut value = record.to_json();
        value["time_unix_ns"] = json!(0);
        value
    });
    values.collect()
}

#[test]
fn races_of_a_test_run_are_read_whole() {
    for version in VERSIONS {
        let read = text(&fixture(&format!("{version}-race-test.txt")));
        assert_eq!(
            (read.source.format.as_str(), read.kinds().as_str()),
            ("go-output", "race 5"),
            "{version}"
        );
        let race = read.races()[0];
        assert_eq!(
            (race.id.as_str(), &race.later().op, &race.later().map_op),
            ("s1-1", &AccessOp::Write, &Some(MapOp::Insert))
        );
        let statement = race.later().statement().expect("a statement");
        assert_eq!(
            (statement.function.as_str(), statement.line),
            ("example.com/racy/counter.(*Counter).Add", 7)
        );
        assert_eq!(race.goroutines.len(), 2);
        assert!(
            read.races()
                .iter()
                .any(|race| race.accesses.iter().any(|access| access.op == AccessOp::AtomicWrite))
        );
        assert!(read.source.skipped.is_empty() && read.source.warnings.is_empty(), "{:?}", read.source);
    }
}

#[test]
fn every_collector_gives_the_same_records() {
    for version in VERSIONS {
        for name in ["race-test.txt", "deadlock.txt", "quit.txt", "dump.txt"] {
            let plain = fixture(&format!("{version}-{name}"));
            let expected = without_times(&text(&plain));
            assert!(!expected.is_empty());
            let collectors: [(&str, Collect); 9] = [
                ("CRI", Box::new(|n, line| format!("2026-11-20T13:{}Z stderr F {line}", clock(n)))),
                ("compose", Box::new(|_, line| format!("web-1  | {line}"))),
                (
                    "compose, blanks trimmed",
                    Box::new(|_, line| format!("web-1  | {line}").trim_end().to_owned()),
                ),
                ("compose with colours", Box::new(|_, line| format!("\u{1b}[36mweb-1  |\u{1b}[0m {line}"))),
                (
                    "kubectl --prefix",
                    Box::new(|n, line| format!("[pod/api-7f9/app] 2026-11-20T13:{}+01:00 {line}", clock(n))),
                ),
                (
                    "syslog",
                    Box::new(|n, line| format!("Nov 20 13:{} node-3 api[4242]: {line}", &clock(n)[..5])),
                ),
                (
                    "Docker's JSON",
                    Box::new(|n, line| {
                        json!({"log": format!("{line}\n"), "stream": "stderr", "time": format!("2026-11-20T13:{}Z", clock(n))}).to_string()
                    }),
                ),
                (
                    "JSON with a field inside",
                    Box::new(|n, line| {
                        json!({"ts": n, "kubernetes": {"pod": "api-1"}, "event": {"message": line}})
                            .to_string()
                    }),
                ),
                ("carriage returns", Box::new(|_, line| format!("{line}\r"))),
            ];
            for (collector, collect) in &collectors {
                let read = text(&collected(&plain, collect));
                assert_eq!(
                    without_times(&read),
                    expected,
                    "{version}-{name} by {collector}: {:?}",
                    read.source
                );
            }
        }
    }
}

#[test]
fn a_whole_crash_may_be_one_line_of_json() {
    let plain = fixture("go1.27-deadlock.txt");
    let log =
        format!("{}\n{}\n", json!({"level": "info", "msg": "up"}), json!({"level": "error", "msg": plain}));
    assert_eq!(without_times(&text(&log)), without_times(&text(&plain)));
}

#[test]
fn streams_are_told_apart_by_their_prefixes() {
    let deadlock = fixture("go1.27-deadlock.txt");
    let races = fixture("go1.22-race-test.txt");
    let prefixed = |name: &str, text: &str| collected(text, |_, line| format!("{name} | {line}"));
    let json =
        |name: &str, text: &str| collected(text, |_, line| json!({"pod": name, "log": line}).to_string());
    let mixed = interleaved(&[
        prefixed("web-1", &deadlock),
        prefixed("web-2", &deadlock),
        prefixed("web-11", &races),
        json("a", &deadlock),
        json("b", &races),
        races.clone(),
    ]);
    let read = text(&mixed);
    assert_eq!(
        (read.races().len(), read.crashes().len(), read.dumps().len()),
        (15, 3, 3),
        "{:?}",
        read.source
    );
    let whole = text(&deadlock);
    assert!(read.dumps().iter().all(|dump| dump.groups == whole.dumps()[0].groups));
    assert!(read.races().iter().all(|race| race.notes.is_empty() && race.goroutines.len() == 2));
}

#[test]
fn a_service_that_crashes_again_and_again_gives_as_many_dumps() {
    let read = text(&fixture("go1.27-deadlock.txt").repeat(3));
    assert_eq!((read.crashes().len(), read.dumps().len()), (3, 3));
    assert!(read.dumps().iter().all(|dump| dump.goroutines == 17));
}

#[test]
fn a_time_in_front_is_the_time_of_the_finding() {
    let log = collected(&fixture("go1.27-nil-map.txt"), |_, line| {
        format!("1970-01-01T00:00:02.5Z stderr F {line}")
    });
    assert_eq!(text(&log).crashes()[0].time_unix_ns, 2_500_000_000);
}

#[test]
fn a_nil_map_is_a_crash_but_no_race() {
    for version in VERSIONS {
        let read = text(&fixture(&format!("{version}-nil-map.txt")));
        assert_eq!(read.kinds(), "crash 1");
        let cause = read.crashes()[0].cause();
        assert_eq!((cause, cause.is_concurrency()), (CrashCause::NilMapWrite, false));
    }
}

fn group<'a>(groups: &'a [GoroutineGroup], state: &str, function: &str) -> &'a GoroutineGroup {
    let fits = |group: &&GoroutineGroup| {
        group.state == state && group.stack.iter().any(|frame| frame.function == function)
    };
    groups.iter().find(fits).unwrap_or_else(|| panic!("no group {state} in {function}: {groups:#?}"))
}

#[test]
fn a_deadlock_shows_who_waits_for_what() {
    for version in VERSIONS {
        let read = text(&fixture(&format!("{version}-deadlock.txt")));
        assert_eq!(read.kinds(), "crash 1, goroutine_dump 1");
        let dump = read.dumps()[0];
        assert_eq!(
            (dump.reason.as_str(), dump.message.as_str()),
            ("crash", "fatal error: all goroutines are asleep - deadlock!")
        );
        assert_eq!(dump.goroutines, dump.groups.iter().map(|group| group.count).sum::<u64>());
        let lockers = group(&dump.groups, "sync.Mutex.Lock", "main.(*store).locked");
        let main = group(&dump.groups, "sync.Mutex.Lock", "main.main");
        assert_eq!((lockers.count, lockers.ids.len()), (5, 5), "{version}");
        assert!(lockers.waits_on.is_some());
        assert_eq!(lockers.waits_on, main.waits_on, "main waits for the lock of the others");
        assert_eq!(lockers.created_at[0].function, "main.waiters");
        assert_eq!(lockers.parent, Some(1));
        assert!(group(&dump.groups, "sync.Cond.Wait", "main.waiters.func2").waits_on.is_some());
        assert_eq!(group(&dump.groups, "chan receive (nil chan)", "main.waiters.func3").waits_on, None);
    }
}

#[test]
fn a_dump_by_signal_has_channels_and_runtime_frames() {
    for version in VERSIONS {
        let read = text(&fixture(&format!("{version}-quit.txt")));
        assert_eq!(read.kinds(), "goroutine_dump 1", "{:?}", read.source);
        let dump = read.dumps()[0];
        assert_eq!((dump.reason.as_str(), dump.message.as_str()), ("signal", "SIGQUIT: quit"));
        assert!(group(&dump.groups, "chan send", "main.send").stack.len() > 2);
        let receivers: Vec<_> = dump.groups.iter().filter(|group| group.state == "chan receive").collect();
        assert!(receivers.iter().any(|group| group.waits_on.is_some()), "{receivers:#?}");
        assert!(receivers.iter().any(|group| group.locked_to_thread));
    }
}

#[test]
fn a_dump_of_the_profile_page_is_read() {
    for version in VERSIONS {
        let read = text(&fixture(&format!("{version}-dump.txt")));
        assert_eq!(read.kinds(), "goroutine_dump 1");
        assert_eq!((read.dumps()[0].reason.as_str(), read.dumps()[0].message.as_str()), ("profile", ""));
    }
}

#[test]
fn reports_cut_off_are_counted_or_marked() {
    let whole = fixture("go1.27-race-test.txt");
    let first_access = whole.find("Previous").expect("a second access");
    let read = text(&whole[..first_access]);
    assert_eq!(read.kinds(), "");
    assert_eq!(read.skipped(), ["1 race reports cut off before their second access"]);
    let goroutines = whole.find("Goroutine ").expect("a goroutine");
    let read = text(&whole[..goroutines]);
    assert!(read.races()[0].notes[0].contains("cut off"));
}

#[test]
fn what_only_reads_like_a_finding_is_none() {
    for log in [
        "2026/11/20 13:14:16 recovered panic: boom\ngoroutine 7 [running]:\nruntime/debug.Stack()\n\t/go/stack.go:26 +0x5e\n",
        "panic: boom\n\ngoroutine 7 [running]:\nruntime/debug.Stack()\n\t/go/stack.go:26 +0x5e\nmain.main()\n\t/m/a.go:1 +0x1\n",
        "saw \"fatal error: concurrent map writes\" in the log\nall good\n",
        "grep WARNING: DATA RACE found nothing\n",
    ] {
        let read = text(&format!("{log}{}", "and so on\n".repeat(50)));
        assert_eq!(read.kinds(), "", "{log}");
        let told = !read.source.skipped.is_empty() || !read.source.warnings.is_empty();
        assert!(told, "{log}: nothing is dropped without a word");
    }
}

#[test]
fn text_of_the_program_in_front_of_a_fatal_error_is_not_its_prefix() {
    let crash = fixture("go1.27-deadlock.txt");
    for (prefix, glued) in [("", "50% done "), ("web-1 | ", "50% done ")] {
        let log = collected(&crash, |n, line| format!("{prefix}{}{line}", if n == 0 { glued } else { "" }));
        let read = text(&log);
        assert_eq!((read.crashes().len(), read.crashes()[0].goroutines.len()), (1, 17), "{prefix:?}");
    }
}

#[test]
fn events_of_go_test_name_the_tests() {
    for version in VERSIONS {
        let read = text(&fixture(&format!("{version}-race-test.json")));
        assert_eq!(read.source.format, "go-test-json");
        assert_eq!(read.kinds(), "attribution 5, race 5, test 6", "{version}");
        let values: Vec<_> = read.records.iter().map(raceguard_evidence::Record::to_json).collect();
        let attributions: Vec<_> = values.iter().filter(|value| value["kind"] == "attribution").collect();
        assert!(attributions.iter().all(|value| value["package"] == "example.com/racy/counter"));
        assert_eq!(attributions[0]["tests"], json!(["TestMap"]));
        assert!(attributions.iter().any(|value| value["tests"] == json!(["TestGlobal/sub"])));
        assert_eq!(attributions[0]["by"], "stack");
        let failed = read.records.iter().filter(|record| {
            matches!(record, raceguard_evidence::Record::Test(test) if test.result == TestResult::Fail)
        });
        assert_eq!(failed.count(), 5);
        // The same races as in the text of such a run.
        let of_text = text(&fixture(&format!("{version}-race-test.txt")));
        assert_eq!(read.races().len(), of_text.races().len());
    }
}

#[test]
fn a_log_without_findings_says_so() {
    let read = text("one line\nanother line\n");
    assert_eq!((read.source.format.as_str(), read.records.len()), ("go-output", 0));
    assert!(read.source.warnings[0].contains("2 lines"), "{:?}", read.source.warnings);
}
