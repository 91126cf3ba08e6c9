//! RG210: memory is accessed both atomically and plainly.

use super::Rule;
use crate::finding::Severity;

/// `RG210`
pub const RULE: Rule = Rule {
    code: "RG210",
    name: "mixed-atomic",
    summary: "Memory is accessed through sync/atomic on one side and plainly on the other",
    severity: Severity::Error,
    what: "Reports a variable or field that one goroutine accesses through sync/atomic while another may access it \
           plainly, and one of the two writes.",
    why: "An atomic access orders nothing against a plain one: the plain side may see stale or torn values, and the \
          compiler may keep them in a register for ever.",
    bad: r#"package limiter

import "sync/atomic"

var used int64

func take() {
	atomic.AddInt64(&used, 1) // want RG210 "used"
}

func Fill() int64 {
	for range 10 {
		go take()
	}
	return used
}
"#,
    good: r#"package limiter

import "sync/atomic"

var used atomic.Int64

func take() {
	used.Add(1)
}

func Fill() int64 {
	for range 10 {
		go take()
	}
	return used.Load()
}
"#,
    remedy: "Give the variable an atomic type (`atomic.Int64`, `atomic.Pointer`), so that a plain access does not \
             compile.",
    limits: "Plain accesses before the value is published, in constructors above all, are fine and not reported.",
    fixable: false,
};
