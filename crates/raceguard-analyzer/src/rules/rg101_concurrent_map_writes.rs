//! RG101: two goroutines change a map.

use super::Rule;
use crate::finding::Severity;

/// `RG101`
pub const RULE: Rule = Rule {
    code: "RG101",
    name: "concurrent-map-writes",
    summary: "Two goroutines change a map without synchronisation",
    severity: Severity::Error,
    what: "Reports two changes of the same map (an assignment to an element, `delete`, `clear`, `maps.Copy` into \
           it) that may run at the same time: in two goroutines, with no lock in common and nothing that makes one \
           wait for the other.",
    why: "Go's maps are not safe for concurrent use. Two changes at once lose entries, corrupt the table, or end the \
          process with `fatal error: concurrent map writes`, which no `recover` can catch.",
    bad: r#"package inventory

import "sync"

func count(words []string) map[string]int {
	counts := make(map[string]int)
	var wg sync.WaitGroup
	for _, word := range words {
		wg.Add(1)
		go func() {
			defer wg.Done()
			counts[word] = len(word) // want RG101 "counts"
		}()
	}
	wg.Wait()
	return counts
}
"#,
    good: r#"package inventory

import "sync"

func count(words []string) map[string]int {
	counts := make(map[string]int)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, word := range words {
		wg.Add(1)
		go func() {
			defer wg.Done()
			mu.Lock()
			defer mu.Unlock()
			counts[word] = len(word)
		}()
	}
	wg.Wait()
	return counts
}
"#,
    remedy: "Guard every access to the map with one mutex that lives beside it in the same struct. Where that lock is \
             a bottleneck, split the map into shards with a mutex each. Where goroutines only produce results, let \
             them send the results to the one goroutine that owns the map.",
    limits: "Maps that are elements of other maps or slices are told apart only by constant keys and by loop \
             variables. Maps reached through interfaces that the program does not implement are not seen.",
    fixable: true,
};
