//! RG103: a map is iterated over while another goroutine changes it.

use super::Rule;
use crate::finding::Severity;

/// `RG103`
pub const RULE: Rule = Rule {
    code: "RG103",
    name: "map-iteration-during-write",
    summary: "A map is iterated over while another goroutine changes it",
    severity: Severity::Error,
    what: "Reports a walk over a map that may run while another goroutine changes the map. A walk is `range`, and \
           whatever looks at all entries behind the scenes: `fmt.Println(m)` and log calls, `json.Marshal`, `gob`, \
           templates, `reflect.DeepEqual`, `maps.Clone`, `maps.Keys`, also of a struct that holds the map.",
    why: "The walk may skip or repeat entries, or end the process with `fatal error: concurrent map iteration and map \
          write`, which no `recover` can catch. Hidden walks are easy to overlook: a log line is enough.",
    bad: r#"package sessions

import (
	"encoding/json"
	"net/http"
)

var active = make(map[string]int)

func status(w http.ResponseWriter, request *http.Request) {
	json.NewEncoder(w).Encode(active) // want RG103 "active"
}

func Serve(logins <-chan string) error {
	http.HandleFunc("/status", status)
	go http.ListenAndServe("localhost:8080", nil)
	for user := range logins {
		active[user] = 1
	}
	return nil
}
"#,
    good: r#"package sessions

import (
	"encoding/json"
	"net/http"
	"sync"
)

var (
	mu     sync.Mutex
	active = make(map[string]int)
)

func status(w http.ResponseWriter, request *http.Request) {
	mu.Lock()
	answer, _ := json.Marshal(active)
	mu.Unlock()
	w.Write(answer)
}

func Serve(logins <-chan string) error {
	http.HandleFunc("/status", status)
	go http.ListenAndServe("localhost:8080", nil)
	for user := range logins {
		mu.Lock()
		active[user] = 1
		mu.Unlock()
	}
	return nil
}
"#,
    remedy: "Hold the lock that guards the writes during the whole walk, or copy under the lock (`maps.Clone`) and \
             walk the copy. A read lock is enough for either.",
    limits: "Hidden walks are known for the standard library and well-known encoders; a library function of your own \
             that takes `any` and reflects over it is not followed.",
    fixable: true,
};
