//! RG111: a map is handed to a goroutine while the parent keeps writing to it.

use super::Rule;
use crate::finding::Severity;

/// `RG111`
pub const RULE: Rule = Rule {
    code: "RG111",
    name: "map-handed-to-goroutine",
    summary: "A map is handed to a goroutine, and its giver keeps changing it",
    severity: Severity::Error,
    what: "Reports a map that is passed to, or captured by, a goroutine that uses it, while the function that started \
           the goroutine goes on changing the map without waiting.",
    why: "Passing a map does not copy it: both goroutines hold the same table. `go send(headers)` followed by \
          `headers[\"id\"] = next` races on every run, although both lines look harmless.",
    bad: r#"package mail

func send(headers map[string]string) {
	println(headers["to"], headers["subject"])
}

func Welcome(user string) {
	headers := map[string]string{"to": user, "subject": "welcome"}
	go send(headers)
	headers["to"] = "archive" // want RG111 "headers"
	send(headers)
}
"#,
    good: r#"package mail

import "maps"

func send(headers map[string]string) {
	println(headers["to"], headers["subject"])
}

func Welcome(user string) {
	headers := map[string]string{"to": user, "subject": "welcome"}
	go send(maps.Clone(headers))
	headers["to"] = "archive"
	send(headers)
}
"#,
    remedy: "Give the goroutine a map of its own: make it inside the loop, or pass `maps.Clone(m)`.",
    limits: "A map that reaches the goroutine through a field of a struct is reported by the rule for the accesses \
             themselves (RG101 to RG103).",
    fixable: true,
};
