//! RG207: goroutines append to the same slice.

use super::Rule;
use crate::finding::Severity;

/// `RG207`
pub const RULE: Rule = Rule {
    code: "RG207",
    name: "slice-append",
    summary: "Goroutines append to the same slice",
    severity: Severity::Error,
    what: "Reports `append` to a slice that another goroutine appends to, reads or writes at the same time.",
    why: "`append` reads and writes length, capacity and backing array. Concurrent appends overwrite each other's \
          elements or leave a slice that points to the wrong array: results go missing without any error.",
    bad: r#"package collect

import "sync"

func Lengths(words []string) []int {
	var lengths []int
	var wg sync.WaitGroup
	for _, word := range words {
		wg.Add(1)
		go func() {
			defer wg.Done()
			lengths = append(lengths, len(word)) // want RG207 "lengths"
		}()
	}
	wg.Wait()
	return lengths
}
"#,
    good: r#"package collect

import "sync"

func Lengths(words []string) []int {
	lengths := make([]int, len(words))
	var wg sync.WaitGroup
	for i, word := range words {
		wg.Add(1)
		go func() {
			defer wg.Done()
			lengths[i] = len(word)
		}()
	}
	wg.Wait()
	return lengths
}
"#,
    remedy: "Let each goroutine write its own index of a slice made in advance, guard the append with a mutex, or \
             collect through a channel.",
    limits: "Two slices that share a backing array are seen as one only where the source shows it.",
    fixable: true,
};
