//! RG401: a sync.Map is given ever new keys.

use super::Rule;
use crate::finding::Severity;

/// `RG401`
pub const RULE: Rule = Rule {
    code: "RG401",
    name: "sync-map-churn",
    summary: "A sync.Map is written with a new key each time",
    severity: Severity::Advice,
    what: "Reports `Store` to a `sync.Map` under a key that is new on each call: a counter that was just raised, a new \
           UUID, the time.",
    why: "`sync.Map` pays off where keys are written once and read often, or where goroutines work on keys of their \
          own. New keys all the time make it allocate for each entry, and before Go 1.24 copy the whole table under \
          its lock again and again. A plain map with a mutex is smaller, typed, and mostly faster.",
    bad: r#"package requests

import (
	"sync"
	"sync/atomic"
)

var (
	next    atomic.Int64
	pending sync.Map
)

func Begin(request string) int64 {
	id := next.Add(1)
	pending.Store(id, request) // want RG401 "pending"
	return id
}

func End(id int64) {
	pending.Delete(id)
}
"#,
    good: r#"package requests

import "sync"

var (
	mu      sync.Mutex
	next    int64
	pending = make(map[int64]string)
)

func Begin(request string) int64 {
	mu.Lock()
	defer mu.Unlock()
	next++
	pending[next] = request
	return next
}

func End(id int64) {
	mu.Lock()
	defer mu.Unlock()
	delete(pending, id)
}
"#,
    remedy: "Use a `map` with a `sync.Mutex`; where many cores write, several of them, chosen by a hash of the key.",
    limits: "Keys that are new for other reasons (addresses of clients, names from requests) can't be told from keys \
             that come again.",
    fixable: false,
};
