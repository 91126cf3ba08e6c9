//! RG213: memory is reached by two goroutines without order.

use super::Rule;
use crate::finding::Severity;

/// `RG213`
pub const RULE: Rule = Rule {
    code: "RG213",
    name: "unsynchronised-memory",
    summary: "Memory is accessed by two goroutines without synchronisation, and one of them writes",
    severity: Severity::Error,
    what: "Reports a field, an element or what a pointer points to that two goroutines access without a common lock \
           and without order, where one of them writes and no more special rule applies.",
    why: "Go gives no promise on what the reader sees: stale, torn (interfaces, slices and strings are several words) \
          or never-updated values.",
    bad: r#"package progress

type Download struct {
	bytes int
}

func (d *Download) run(chunks []int) {
	for _, chunk := range chunks {
		d.bytes += chunk // want RG213 "bytes"
	}
}

func Start(chunks []int) int {
	download := &Download{}
	go download.run(chunks)
	return download.bytes
}
"#,
    good: r#"package progress

import "sync"

type Download struct {
	mu    sync.Mutex
	bytes int
}

func (d *Download) run(chunks []int) {
	for _, chunk := range chunks {
		d.mu.Lock()
		d.bytes += chunk
		d.mu.Unlock()
	}
}

func Start(chunks []int) int {
	download := &Download{}
	go download.run(chunks)
	download.mu.Lock()
	defer download.mu.Unlock()
	return download.bytes
}
"#,
    remedy: "Order the two accesses: guard both with the same mutex, hand the value over through a channel, or use \
             sync/atomic for a single word.",
    limits: "Elements are told apart only by constant indexes and by loop variables.",
    fixable: true,
};
