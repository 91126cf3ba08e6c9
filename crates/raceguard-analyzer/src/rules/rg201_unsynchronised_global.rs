//! RG201: a package-level variable is used by several goroutines without synchronisation.

use super::Rule;
use crate::finding::Severity;

/// `RG201`
pub const RULE: Rule = Rule {
    code: "RG201",
    name: "unsynchronised-global",
    summary: "A package-level variable is accessed by several goroutines without synchronisation",
    severity: Severity::Error,
    what: "Reports a package-level variable, or what it refers to, that is written while another goroutine may read \
           or write it, with no common lock and no order; also where `sync.Once` guards the initialisation only, and \
           later writes go around it.",
    why: "Go gives no promise on what the reader sees: stale, torn (interfaces, slices and strings are several words) \
          or never-updated values. Package-level state is shared by everything in the process, tests too.",
    bad: r#"package metrics

import "net/http"

var lastUser string

func handle(w http.ResponseWriter, request *http.Request) {
	lastUser = request.FormValue("user") // want RG201 "lastUser"
}

func Register() {
	http.HandleFunc("/login", handle)
}
"#,
    good: r#"package metrics

import (
	"net/http"
	"sync"
)

var (
	mu       sync.Mutex
	lastUser string
)

func handle(w http.ResponseWriter, request *http.Request) {
	mu.Lock()
	defer mu.Unlock()
	lastUser = request.FormValue("user")
}

func Register() {
	http.HandleFunc("/login", handle)
}
"#,
    remedy: "Guard the variable with a mutex beside it, make it atomic when it is a single word, or hand the value \
             over through a channel. Better still, move it into the object that owns it.",
    limits: "Variables of other packages are judged by the functions of the analysed packages alone.",
    fixable: true,
};
