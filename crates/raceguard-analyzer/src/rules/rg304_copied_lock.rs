//! RG304: a mutex is copied.

use super::Rule;
use crate::finding::Severity;

/// `RG304`
pub const RULE: Rule = Rule {
    code: "RG304",
    name: "copied-lock",
    summary: "A lock, or a struct that holds one, is copied",
    severity: Severity::Error,
    what: "Reports values that hold a `sync.Mutex`, `RWMutex`, `WaitGroup`, `Once`, `Cond`, `Pool`, `Map` or a type of \
           sync/atomic, where they are copied: as a value receiver or parameter, by an assignment, a `range`, a \
           `return` or as an argument.",
    why: "The copy is another lock. Whoever locks it excludes nobody who uses the original, while maps and pointers in \
          the struct are still shared. A copy of a locked mutex can never be unlocked.",
    bad: r#"package counter

import "sync"

type Counter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c Counter) Add(name string) { // want RG304 "Counter"
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[name]++
}
"#,
    good: r#"package counter

import "sync"

type Counter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *Counter) Add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[name]++
}
"#,
    remedy: "Pass and store pointers to such structs; range over indexes. Where a copy of the data is wanted, copy its \
             fields and leave the lock out.",
    limits: "Copies by reflection and inside the standard library are not seen. A new value (a literal, the result of \
             a call) may be assigned and is not reported.",
    fixable: false,
};
