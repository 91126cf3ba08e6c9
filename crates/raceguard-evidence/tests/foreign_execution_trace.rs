//! Execution traces of Go, made by its runtime in the test run, and compared with `go tool trace`.

mod foreign_binary;

use std::collections::BTreeMap;
use std::process::Command;

use foreign_binary::{Made, made, made_by_path, read, run, skipped, tool, try_read};
use raceguard_evidence::{Blocked, ExecutionTrace, Frame, Record, Source, TraceKey, TraceTask};

/// What a trace is read as.
#[derive(Default)]
struct Read {
    source: Source,
    trace: ExecutionTrace,
    tasks: Vec<TraceTask>,
    keys: Vec<TraceKey>,
}

fn sort(source: Source, records: Vec<Record>) -> Read {
    let mut sorted = Read { source, ..Read::default() };
    for record in records {
        match record {
            Record::ExecutionTrace(trace) => sorted.trace = *trace,
            Record::TraceTask(task) => sorted.tasks.push(task),
            Record::TraceKey(key) => sorted.keys.push(*key),
            other => panic!("{other:?}"),
        }
    }
    sorted
}

fn trace_of(made: &Made) -> Read {
    let (source, records) = read("trace.out", &made.content("trace.out"));
    assert_eq!(source.format, "go-trace");
    sort(source, records)
}

impl Read {
    fn key(&self, key: &str) -> &TraceKey {
        self.keys.iter().find(|record| record.key == key).unwrap_or_else(|| panic!("no key {key:?}"))
    }

    fn blocked(&self, reason: &str, function: &str) -> &Blocked {
        let at = |place: &&Blocked| place.reason == reason && calls(&place.stack, function);
        self.trace
            .blocked
            .iter()
            .find(at)
            .unwrap_or_else(|| panic!("nothing blocked in {function}: {reason}"))
    }
}

fn calls(stack: &[Frame], function: &str) -> bool {
    stack.iter().any(|frame| frame.function == function)
}

#[test]
fn a_whole_trace_is_read_without_a_remark() {
    for made in made() {
        let read = trace_of(made);
        let version = &made.version;
        assert_eq!(read.source.warnings, Vec::<String>::new(), "{version}");
        assert_eq!(skipped(&read.source, "user logs outside of a region"), 1, "{version}");
        assert_eq!(read.source.skipped.len(), 1, "{version}: {:?}", read.source.skipped);
        assert!(read.trace.events > 2500, "{version}: {}", read.trace.events);
        assert!(read.trace.goroutines > 15, "{version}");
        assert!(read.trace.threads > 1 && read.trace.processors > 0, "{version}");
        assert!((50_000_000..60_000_000_000).contains(&read.trace.duration_ns), "{version}");
        // Versions of the format: 1.22, 1.23, 1.25, 1.26.
        let has_wall_clock = !matches!(read.trace.version.as_str(), "go 1.22" | "go 1.23");
        assert_eq!(read.trace.started_unix_ns > 1_600_000_000_000_000_000, has_wall_clock, "{version}");
    }
}

#[test]
fn keys_are_counted_with_their_goroutines_and_overlaps() {
    for made in made() {
        let read = trace_of(made);
        let alone = read.key("alone");
        assert_eq!((alone.region.as_str(), alone.category.as_str()), ("map_access", "map_key"));
        let counts = |key: &TraceKey| (key.accesses, key.goroutines, key.overlaps, key.max_concurrent);
        assert_eq!(counts(alone), (2, 2, 0, 1), "{}", made.version);
        let shared = read.key("shared");
        assert_eq!(counts(shared), (2, 2, 1, 2), "{}", made.version);
        // The first goroutine waits inside for the second one, which sleeps inside.
        assert!(shared.blocked_ns > 3_000_000, "{}: {shared:?}", made.version);
        assert!(shared.total_ns >= shared.blocked_ns + shared.runnable_ns, "{shared:?}");
        let [first, second] = &shared.intervals[..] else { panic!("{shared:?}") };
        assert!(first.start_ns < second.start_ns && second.end_ns < first.end_ns, "{shared:?}");
        for key in 0..5 {
            let key = read.key(&format!("key {key}"));
            assert_eq!((key.accesses, key.goroutines), (160, 4), "{}", made.version);
            assert_eq!(key.intervals.len(), 160);
            assert!(key.intervals.is_sorted_by_key(|interval| interval.start_ns));
            assert!(key.intervals.iter().all(|interval| interval.task != 0));
            assert!(key.max_concurrent <= 4);
            assert!(key.sites.iter().any(|site| calls(site, "main.access")), "{:?}", key.sites);
        }
        let without = read.keys.iter().find(|record| record.region == "no key").unwrap();
        assert_eq!((without.category.as_str(), without.key.as_str(), without.accesses), ("", "", 1));
    }
}

#[test]
fn tasks_are_summed_by_type() {
    for made in made() {
        let read = trace_of(made);
        let tasks: Vec<_> = read.tasks.iter().map(|t| (t.name.as_str(), t.count, t.ended)).collect();
        assert_eq!(tasks, [("never ended", 1, 0), ("worker", 4, 4)], "{}", made.version);
        assert!(read.tasks[1].max_ns <= read.tasks[1].total_ns);
    }
}

#[test]
fn waits_have_their_place_and_who_ended_them() {
    for made in made() {
        let read = trace_of(made);
        let lock = read.blocked("sync", "main.waitForLock");
        assert_eq!((lock.count, lock.open), (1, 0), "{}", made.version);
        assert!(lock.total_ns > 5_000_000 && lock.max_ns == lock.total_ns, "{lock:?}");
        assert!(calls(&lock.unblocked_at[0], "main.holdLock"), "{lock:?}");
        let receive = read.blocked("chan receive", "main.receive");
        assert!(receive.total_ns > 1_000_000, "{receive:?}");
        let parked = read.blocked("chan receive", "main.park");
        assert_eq!((parked.count, parked.open, parked.unblocked_at.len()), (0, 7, 0), "{}", made.version);
        assert!(parked.open_ns > 7 * 50_000_000, "{parked:?}");
        assert!(read.blocked("sleep", "main.holdLock").total_ns >= 10_000_000);
        let in_read = |place: &Blocked| calls(&place.stack, "os.ReadFile");
        assert!(read.trace.syscalls.iter().any(in_read), "{}", made.version);
    }
}

#[test]
fn collections_and_the_time_of_goroutines_are_summed() {
    for made in made() {
        let read = trace_of(made);
        let gc = &read.trace.gc;
        assert!(gc.collections >= 2, "{}: {gc:?}", made.version);
        assert!(gc.total_ns > 0 && gc.max_stopped_ns > 0 && gc.stopped_ns >= gc.max_stopped_ns, "{gc:?}");
        let time = &read.trace.time;
        assert!(time.running_ns > 25_000_000, "{}: {time:?}", made.version);
        let waits: u64 = read.trace.blocked.iter().map(|place| place.total_ns + place.open_ns).sum();
        assert_eq!(time.blocked_ns, waits, "{}", made.version);
        let calls: u64 = read.trace.syscalls.iter().map(|place| place.total_ns + place.open_ns).sum();
        assert_eq!(time.syscall_ns, calls, "{}", made.version);
    }
}

/// The table `Event Bytes % Count %` of `go tool trace -d=footprint`, which is there since Go 1.23.
fn counts_of_gos_tool(made: &Made) -> BTreeMap<String, u64> {
    let table = run(tool("go".as_ref()).args(["tool", "trace", "-d=footprint"]).arg(made.file("trace.out")));
    let row = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        Some(((*columns.first()?).to_owned(), columns.get(3)?.parse().ok()?))
    };
    let structure = ["EventBatch", "Strings", "String", "Stacks", "Stack", "CPUSamples", "Frequency", "Sync"];
    let further = ["ClockSnapshot", "EndOfGeneration"];
    let mut counts: BTreeMap<String, u64> = String::from_utf8_lossy(&table).lines().filter_map(row).collect();
    counts.retain(|name, count| {
        *count > 0 && !structure.contains(&name.as_str()) && !further.contains(&name.as_str())
    });
    counts
}

#[test]
fn events_are_as_many_of_each_kind_as_gos_own_tool_counts() {
    for made in made() {
        let read = trace_of(made);
        assert_eq!(read.trace.event_kinds, counts_of_gos_tool(made), "{}", made.version);
        assert_eq!(read.trace.events, read.trace.event_kinds.values().sum::<u64>());
    }
}

/// Waits by their stacks in a profile that `go tool trace -pprof` makes of a trace.
fn waits_of_gos_tool(made: &Made, kind: &str) -> BTreeMap<Vec<(String, u32)>, (i64, i64)> {
    let mut command: Command = tool("go".as_ref());
    let profile = run(command.args(["tool", "trace", &format!("-pprof={kind}")]).arg(made.file("trace.out")));
    let (_, records) = read("p", &profile);
    let [Record::Profile(profile)] = &records[..] else { panic!("{records:?}") };
    let mut waits = BTreeMap::new();
    for sample in &profile.samples {
        let stack = profile.stack(sample).map(|frame| (frame.function.clone(), frame.line)).collect();
        let sum: &mut (i64, i64) = waits.entry(stack).or_default();
        sum.0 += sample.values[0];
        sum.1 += sample.values[1];
    }
    waits
}

#[test]
fn waits_are_those_of_gos_own_tool() {
    for made in made() {
        let read = trace_of(made);
        let is_sync = |place: &&Blocked| {
            ["chan", "sync", "select"].iter().any(|word| place.reason.contains(word)) && place.count > 0
        };
        let by_stack = |places: &mut dyn Iterator<Item = &Blocked>| {
            let mut waits = BTreeMap::new();
            // A thread may be in a system call when the trace begins: then nothing says where, and Go's tool leaves it out.
            for place in places.filter(|place| !place.stack.is_empty()) {
                let stack = place.stack.iter().map(|frame| (frame.function.clone(), frame.line)).collect();
                let sum: &mut (i64, i64) = waits.entry(stack).or_default();
                sum.0 += place.count.cast_signed();
                sum.1 += place.total_ns.cast_signed();
            }
            waits
        };
        let sync = by_stack(&mut read.trace.blocked.iter().filter(is_sync));
        let syscalls = by_stack(&mut read.trace.syscalls.iter().filter(|place| place.count > 0));
        for (found, kind) in [(sync, "sync"), (syscalls, "syscall")] {
            let expected = waits_of_gos_tool(made, kind);
            let keys =
                |waits: &BTreeMap<_, (i64, i64)>| waits.keys().cloned().collect::<Vec<Vec<(String, u32)>>>();
            assert_eq!(keys(&found), keys(&expected), "{kind}, {}", made.version);
            for (stack, (count, nanoseconds)) in expected {
                assert_eq!(found[&stack].0, count, "{kind} at {stack:?}, {}", made.version);
                // Events of two threads at the same nanosecond have no order of their own, and each event takes at
                // least one.
                let off = found[&stack].1.abs_diff(nanoseconds);
                assert!(off <= 8 * count.unsigned_abs(), "{kind} at {stack:?}: {off} ns, {}", made.version);
            }
        }
    }
}

/// Go's toolchain has a recording of each case in which the order of events is hard to find, as text.
#[test]
fn what_gos_own_reader_takes_and_refuses_is_taken_and_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let root = run(tool("go".as_ref()).args(["env", "GOROOT"]));
    let root = std::path::PathBuf::from(String::from_utf8_lossy(&root).trim());
    let recordings = root.join("src/internal/trace/testdata/tests");
    assert!(recordings.is_dir(), "these tests need Go 1.23 or newer on PATH");
    let converter = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign_binary/from_text/main.go");
    let reader = path("reader");
    copy_package(&root.join("src/internal/trace"), &reader);
    std::fs::write(path("go.mod"), "module fromtext\n\ngo 1.23\n").unwrap();
    std::fs::copy(converter, path("main.go")).unwrap();
    run(tool("go".as_ref())
        .args(["run", "."])
        .arg(&recordings)
        .arg(folder.path())
        .current_dir(folder.path()));
    let mut cases = 0;
    for entry in std::fs::read_dir(&recordings).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let content = std::fs::read(path(&format!("{name}.bin"))).unwrap();
        let succeeds = std::fs::read_to_string(recordings.join(&name)).unwrap().contains("\nSUCCESS\n");
        let read = sort_any(try_read(&name, &content));
        let broken =
            read.source.warnings.iter().any(|warning| warning.contains("could be read only in part"));
        assert_eq!(!broken, succeeds, "{name}: {:?}", read.source.warnings);
        cases += 1;
    }
    assert!(cases >= 10, "{cases}");
}

fn sort_any(read: Result<(Source, Vec<Record>), raceguard_evidence::foreign::ForeignError>) -> Read {
    let (source, records) = read.unwrap_or_else(|error| panic!("{error}"));
    sort(source, records)
}

/// Copies Go's own reader, which no program outside of its toolchain may import, under another path.
fn copy_package(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        // `internal` would forbid the import again.
        let target = to.join(if name == "internal" { "inner" } else { &name });
        if entry.path().is_dir() {
            if !matches!(name.as_str(), "testdata" | "testtrace" | "traceviewer" | "testgen") {
                copy_package(&entry.path(), &target);
            }
        } else if entry.path().extension().is_some_and(|extension| extension == "go")
            && !name.ends_with("_test.go")
        {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            let text = text
                .replace("\"internal/trace/internal/", "\"fromtext/reader/inner/")
                .replace("\"internal/trace", "\"fromtext/reader");
            std::fs::write(target, text).unwrap();
        }
    }
}

/// Offsets at which a generation ends: found by reading longer and longer parts.
#[test]
fn a_trace_cut_off_anywhere_keeps_what_was_whole() {
    for made in made() {
        let content = made.content("trace.out");
        let whole = trace_of(made);
        let mut most = 0;
        for part in 1..=40 {
            let length = content.len() * part / 40;
            let read = sort_any(try_read("trace.out", &content[..length]));
            assert!(read.trace.events <= whole.trace.events);
            assert!(read.trace.events >= most, "more of the file, fewer events: {}", made.version);
            most = read.trace.events;
            let said = !read.source.warnings.is_empty() || read.trace.events == whole.trace.events;
            assert!(said, "{} of {} bytes, {}", length, content.len(), made.version);
        }
        assert_eq!(most, whole.trace.events);
    }
}

#[test]
fn older_formats_are_refused_with_what_to_do() {
    let error = try_read("old.out", b"go 1.21 trace\0\0\0\x01").unwrap_err().to_string();
    assert!(error.contains("Go 1.21") && error.contains("record the trace again"), "{error}");
}

#[test]
fn a_newer_format_is_read_with_a_warning() {
    let mut content = made_by_path().content("trace.out");
    content[5..7].copy_from_slice(b"99");
    let (source, _) = read("new.out", &content);
    assert!(source.warnings.iter().any(|warning| warning.contains("newer than what is known")));
}
