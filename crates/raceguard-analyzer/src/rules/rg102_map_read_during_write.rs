//! RG102: a map is read while another goroutine changes it.

use super::Rule;
use crate::finding::Severity;

/// `RG102`
pub const RULE: Rule = Rule {
    code: "RG102",
    name: "map-read-during-write",
    summary: "A map is read while another goroutine changes it",
    severity: Severity::Error,
    what: "Reports a lookup in a map, or `len` of it, that may run while another goroutine changes the map, with no \
           lock in common and no order between the two.",
    why: "A read beside a write may miss entries that are there, or end the process with `fatal error: concurrent map \
          read and map write`, which no `recover` can catch. `len` and a lookup are reads too.",
    bad: r#"package gateway

import "net/http"

type Router struct {
	routes map[string]http.Handler
}

func (r *Router) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if handler, ok := r.routes[request.URL.Path]; ok { // want RG102 "routes"
		handler.ServeHTTP(w, request)
	}
}

func (r *Router) reload(updates <-chan string) {
	for path := range updates {
		r.routes[path] = http.NotFoundHandler()
	}
}

func Serve(updates <-chan string) error {
	router := &Router{routes: make(map[string]http.Handler)}
	go router.reload(updates)
	return http.ListenAndServe("localhost:8080", router)
}
"#,
    good: r#"package gateway

import (
	"net/http"
	"sync"
)

type Router struct {
	mu     sync.RWMutex
	routes map[string]http.Handler
}

func (r *Router) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.RLock()
	handler, ok := r.routes[request.URL.Path]
	r.mu.RUnlock()
	if ok {
		handler.ServeHTTP(w, request)
	}
}

func (r *Router) reload(updates <-chan string) {
	for path := range updates {
		r.mu.Lock()
		r.routes[path] = http.NotFoundHandler()
		r.mu.Unlock()
	}
}

func Serve(updates <-chan string) error {
	router := &Router{routes: make(map[string]http.Handler)}
	go router.reload(updates)
	return http.ListenAndServe("localhost:8080", router)
}
"#,
    remedy: "Guard every access, reads too, with one `sync.RWMutex`. Use `sync.Map` when each key is written once and \
             read often. Swap a new map through `atomic.Pointer` when reads vastly outnumber reloads.",
    limits: "That a handler runs beside the rest of the program is known for net/http, RPC and the registrations that \
             the analyzer lists; callbacks of other libraries are called in place.",
    fixable: true,
};
