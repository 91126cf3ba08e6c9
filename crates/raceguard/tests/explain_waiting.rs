//! What `raceguard explain` says of goroutines that wait for each other: the programs in `explain_programs/` are run
//! here until they are stuck, and their dumps are read.

mod explain_support;
mod support;

use explain_support::{built, diagnosis, ingest, list, program_output, texts};
use serde_json::Value;
use support::GoModule;

const WAITS: &str = include_str!("explain_programs/waits.go");

/// The waiting in the dump of a program that got stuck as the words say.
#[track_caller]
fn stuck(words: &[&str]) -> (GoModule, Value) {
    let module = built(WAITS);
    module.write("dump.log", program_output(&module, words));
    ingest(&module, &["dump.log"]);
    let diagnosis = diagnosis(&module, &[]);
    let blocking = list(&diagnosis["blocking"]);
    assert_eq!(blocking.len(), 1, "{}\n{diagnosis:#}", module.read("dump.log"));
    let blocking = blocking[0].clone();
    (module, blocking)
}

/// The one deadlock of a dump: its kind, and all that is said of it.
#[track_caller]
fn deadlock(blocking: &Value) -> (&str, String) {
    let deadlocks = list(&blocking["deadlocks"]);
    assert_eq!(deadlocks.len(), 1, "{blocking:#}");
    (deadlocks[0]["kind"].as_str().expect("a kind"), texts(&deadlocks[0]["text"]).join("\n"))
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

/// The number of the line with this text, from 1, after the line with `function`.
fn line(function: &str, text: &str) -> usize {
    let start = WAITS.lines().position(|line| line.contains(function)).expect("the function");
    start + 1 + WAITS.lines().skip(start).position(|line| line.contains(text)).expect("the line")
}

#[test]
fn locks_taken_in_different_orders() {
    let (module, blocking) = stuck(&["inversion"]);
    let (kind, text) = deadlock(&blocking);
    assert_eq!(kind, "lock-inversion", "{text}");
    let wait = |function: &str, lock: &str| format!("main.go:{})", line(function, lock));
    says(&text, &[&wait(") add()", "i.mu.Lock()"), &wait(") sum()", "l.mu.Lock()")]);
    says(&text, &["waiting for main.index.mu, holds main.ledger.mu"]);
    says(&text, &["waiting for main.ledger.mu, holds main.index.mu"]);
    let shown = module.raceguard(&["explain"]);
    shown.expect(shown.code, &["deadlock: locks taken in different orders"]);
}

#[test]
fn two_locks_of_one_type() {
    let (_module, blocking) = stuck(&["transfer"]);
    let (kind, text) = deadlock(&blocking);
    assert_eq!(kind, "lock-inversion", "{text}");
    assert_eq!(text.matches("waiting for main.account.mu, holds main.account.mu").count(), 2, "{text}");
}

#[test]
fn closures_that_take_locks_in_different_orders() {
    let (_module, blocking) = stuck(&["closures"]);
    let (kind, text) = deadlock(&blocking);
    assert_eq!(kind, "lock-inversion", "{text}");
    says(&text, &["closures:first, holds", "closures:second, holds"]);
}

#[test]
fn a_read_lock_that_is_raised() {
    let (_module, blocking) = stuck(&["upgrade"]);
    let (kind, text) = deadlock(&blocking);
    assert_eq!(kind, "lock-upgrade", "{text}");
    says(&text, &["waiting for main.cache.rw, holds main.cache.rw"]);
    says(&text, &[&format!("main.go:{})", line(") refresh(", "c.rw.Lock()"))]);
}

#[test]
fn a_lock_that_its_holder_takes_again() {
    let (_module, blocking) = stuck(&["reentrant"]);
    let (kind, text) = deadlock(&blocking);
    assert_eq!(kind, "reentrant", "{text}");
    says(&text, &["main.(*cache).fill", "waiting for main.cache.rw, holds main.cache.rw"]);
}

#[test]
fn many_wait_for_one_that_waits_for_a_channel() {
    let (_module, blocking) = stuck(&["chain"]);
    assert_eq!(list(&blocking["deadlocks"]).len(), 0, "{blocking:#}");
    let chain = &list(&blocking["chains"])[0];
    assert_eq!(chain["waiting"], 20, "{blocking:#}");
    assert_eq!(chain["text"], "which is in chan receive");
    let waiters = list(&blocking["waiters"]);
    let waiter = |link: &Value| &waiters[usize::try_from(link.as_u64().expect("a place")).expect("a place")];
    let links: Vec<&Value> = list(&chain["links"]).iter().map(waiter).collect();
    assert_eq!(links[0]["waits_for"], "main.journal.mu", "{links:#?}");
    assert_eq!(links[1]["function"], "main.(*journal).flush");
    assert_eq!(links[1]["holds"][0]["line"], line(") flush()", "j.mu.Lock()"));
}

#[test]
fn everything_is_asleep() {
    for (words, expected) in [(&["asleep"][..], "all-asleep"), (&["reentrant", "wait"], "reentrant")] {
        let (module, blocking) = stuck(words);
        let (kind, text) = deadlock(&blocking);
        assert_eq!(kind, expected, "{text}");
        assert!(blocking["reason"].as_str().is_some_and(|reason| reason.contains("asleep")), "{blocking:#}");
        let diagnosis = diagnosis(&module, &[]);
        assert_eq!(diagnosis["clusters"][0]["cause"], "deadlock", "{diagnosis:#}");
    }
}
