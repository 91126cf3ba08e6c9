//! RG208: a WaitGroup is counted up inside the goroutine that it counts.

use super::Rule;
use crate::finding::Severity;

/// `RG208`
pub const RULE: Rule = Rule {
    code: "RG208",
    name: "wait-group",
    summary: "A sync.WaitGroup is counted up while another goroutine waits for it",
    severity: Severity::Error,
    what: "Reports `Add` inside the goroutine that it counts, and `Add` that may run at the same time as `Wait` when \
           the counter is zero.",
    why: "`Wait` may return before the goroutine has even started. The work is cut off, or its result is read while it \
          is still being written.",
    bad: r#"package batch

import "sync"

func Run(jobs []func()) {
	var wg sync.WaitGroup
	for _, job := range jobs {
		go func() {
			wg.Add(1) // want RG208 "wg"
			defer wg.Done()
			job()
		}()
	}
	wg.Wait()
}
"#,
    good: r#"package batch

import "sync"

func Run(jobs []func()) {
	var wg sync.WaitGroup
	for _, job := range jobs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			job()
		}()
	}
	wg.Wait()
}
"#,
    remedy: "Call `Add` before the `go` statement, or use `WaitGroup.Go`, which does.",
    limits: "A WaitGroup that counts goroutines of several functions is followed through the functions that get it as \
             an argument or hold it in a field.",
    fixable: true,
};
