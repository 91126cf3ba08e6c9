//! Crashes in real output of Go programs (in `tests/crashes/`), and in output that only looks like it.

use proptest::prelude::*;
use raceguard_evidence::{Crash, CrashCause, CrashParser};

fn only(output: &str) -> Crash {
    let crashes = CrashParser::parse(output);
    assert_eq!(crashes.len(), 1, "{crashes:#?}");
    crashes.into_iter().next().expect("one crash")
}

#[test]
fn concurrent_map_writes() {
    let crash = only(include_str!("crashes/map_writes.txt"));
    assert_eq!(crash.message, "fatal error: concurrent map writes");
    assert_eq!(crash.cause(), CrashCause::ConcurrentMapWrites);
    let first = &crash.goroutines[0];
    assert_eq!(first.state, "running");
    let stack: Vec<_> = first.stack.iter().map(|f| (f.function.as_str(), f.line, f.inlined)).collect();
    assert_eq!(stack[1..], [("main.(*T).Put", 7, true), ("main.main.func1", 16, false)]);
    assert_eq!(first.stack[2].offset, Some(0x67));
    assert_eq!(first.parent, Some(1));
    assert_eq!((first.created_at[0].function.as_str(), first.created_at[0].line), ("main.main", 13));
}

#[test]
fn deadlock_with_all_goroutines() {
    let crash = only(include_str!("crashes/deadlock.txt"));
    assert_eq!(crash.cause(), CrashCause::Deadlock);
    let states: Vec<_> = crash.goroutines.iter().map(|g| (g.state.as_str(), g.stack.len())).collect();
    assert_eq!(states, [("chan receive", 2), ("chan receive", 2)]);
    assert_eq!(crash.goroutines[0].stack[0].function, "main.get[...]");
}

#[test]
fn panic_that_was_recovered_and_raised_again() {
    let crash = only(include_str!("crashes/close_twice.txt"));
    assert_eq!(crash.cause(), CrashCause::CloseOfClosedChannel);
    let functions: Vec<_> = crash.goroutines[0].stack.iter().map(|f| f.function.as_str()).collect();
    assert_eq!(functions, ["main.main.func1", "panic", "main.main"]);
}

#[test]
fn crash_inside_the_output_of_go_test_ends_where_the_test_ends() {
    let dump = include_str!("crashes/map_writes.txt").trim_end_matches("exit status 2\n");
    let output = format!("=== RUN   TestA\n{dump}FAIL\texample.com/m\t0.01s\nPASS\n{dump}");
    assert_eq!(CrashParser::parse(&output).len(), 2);
}

#[test]
fn the_programs_own_text_may_stand_before_the_message() {
    let dump = include_str!("crashes/map_writes.txt");
    assert_eq!(only(&format!("progress: 50%{dump}")).message, "fatal error: concurrent map writes");
}

#[test]
fn a_fatal_error_without_dump_counts_a_panic_or_a_quotation_does_not() {
    assert_eq!(CrashParser::parse("fatal error: concurrent map writes\nexit status 2\n").len(), 1);
    assert_eq!(CrashParser::parse("fatal error: concurrent map writes\n").len(), 1);
    assert_eq!(CrashParser::parse("panic: send on closed channel\nall good\n"), []);
    assert_eq!(CrashParser::parse("saw \"fatal error: concurrent map writes\" in the log\nall good\n"), []);
    assert_eq!(CrashParser::parse("fatal error: no route to host\n"), []);
}

#[test]
fn a_process_that_is_started_again_crashes_again() {
    let dump = include_str!("crashes/map_writes.txt").trim_end_matches("exit status 2\n");
    let crashes = CrashParser::parse(&dump.repeat(3));
    assert_eq!(crashes.len(), 3);
    assert!(crashes.iter().all(|crash| *crash == crashes[0]));
}

#[test]
fn two_threads_that_die_at_once_are_one_crash() {
    let dump = include_str!("crashes/map_writes.txt");
    let crash = only(&format!("fatal error: concurrent map writes\n{dump}"));
    assert!(!crash.goroutines.is_empty());
    let whole = only(dump);
    let second_line =
        dump.find("\n\n").map(|first| dump[first + 2..].find('\n').map(|end| first + 2 + end + 1));
    let inside = second_line.flatten().expect("a dump of several lines");
    let (before, after) = dump.split_at(inside);
    assert_eq!(only(&format!("{before}fatal error: concurrent map writes\n{after}")), whole);
}

#[test]
fn every_message_of_go_is_known() {
    use CrashCause as C;
    for (message, cause) in [
        ("fatal error: concurrent map read and map write", C::ConcurrentMapReadWrite),
        ("fatal error: concurrent map iteration and map write", C::ConcurrentMapIterationWrite),
        ("fatal error: all goroutines are asleep - deadlock!", C::Deadlock),
        ("fatal error: sync: unlock of unlocked mutex", C::UnlockOfUnlockedMutex),
        ("fatal error: sync: Unlock of unlocked RWMutex", C::UnlockOfUnlockedMutex),
        ("panic: close of closed channel", C::CloseOfClosedChannel),
        ("panic: send on closed channel [recovered]", C::SendOnClosedChannel),
        ("panic: sync: negative WaitGroup counter", C::WaitGroupMisuse),
        ("panic: assignment to entry in nil map", C::NilMapWrite),
        ("panic: runtime error: index out of range [3] with length 3", C::Other),
    ] {
        assert_eq!(CrashCause::of_message(message), cause, "{message}");
    }
}

#[test]
fn memory_is_bounded() {
    let mut parser = CrashParser::new();
    assert_eq!(parser.line("fatal error: all goroutines are asleep - deadlock!"), None);
    for id in 0..5000 {
        assert_eq!(parser.line(&format!("goroutine {id} [select]:")), None);
        assert_eq!(parser.line("main.f()"), None);
        assert_eq!(parser.line("\t/m/a.go:1 +0x1"), None);
    }
    let crash = parser.finish().expect("a crash");
    assert_eq!((crash.goroutines.len(), crash.goroutines_left_out), (1000, 4000));
    assert!(crash.goroutines.iter().all(|goroutine| goroutine.stack.len() == 1));
}

/// Lines from which crash output is made, whole and damaged.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("fatal error: concurrent map writes".to_owned()),
        Just("panic: x".to_owned()),
        Just("goroutine 5 [running]:".to_owned()),
        Just("main.f(...)".to_owned()),
        Just("\t/a.go:7 +0x1".to_owned()),
        Just("created by main.main in goroutine 1".to_owned()),
        Just(String::new()),
        "(goroutine |created by |\t|fatal error: )?.{0,40}",
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn arbitrary_lines_never_panic_and_every_start_is_counted_once(lines in prop::collection::vec(line(), 0..40)) {
        let mut parser = CrashParser::new();
        let mut crashes: Vec<Crash> = lines.iter().filter_map(|line| parser.line(line)).collect();
        crashes.extend(parser.finish());
        let starts = lines.iter().filter(|line| line.contains("fatal error: ") || line.starts_with("panic: "));
        prop_assert!(crashes.len() <= starts.count());
        prop_assert!(crashes.iter().all(|crash| !crash.message.is_empty()));
    }
}
