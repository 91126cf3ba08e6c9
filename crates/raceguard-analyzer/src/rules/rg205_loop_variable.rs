//! RG205: a goroutine captures a loop variable that all iterations share.

use super::Rule;
use crate::finding::Severity;

/// `RG205`
pub const RULE: Rule = Rule {
    code: "RG205",
    name: "loop-variable",
    summary: "A goroutine captures a loop variable that the loop goes on changing",
    severity: Severity::Error,
    what: "Reports a loop variable that a goroutine started in the loop captures, where all iterations share one \
           variable: in modules whose go.mod says a version before 1.22, and in files that `//go:build` holds there.",
    why: "The loop writes the variable for the next iteration while the goroutine reads it. Most goroutines see the \
          last element, some a torn one.",
    bad: r#"//go:build go1.21

package fanout

import "sync"

func Each(names []string, visit func(string)) {
	var wg sync.WaitGroup
	for i := 0; i < len(names); i++ { // want RG205 "i"
		wg.Add(1)
		go func() {
			defer wg.Done()
			visit(names[i])
		}()
	}
	wg.Wait()
}
"#,
    good: r#"package fanout

import "sync"

func Each(names []string, visit func(string)) {
	var wg sync.WaitGroup
	for i := 0; i < len(names); i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			visit(names[i])
		}(i)
	}
	wg.Wait()
}
"#,
    remedy: "Declare the variable in the loop and set the go directive to 1.22 or later; or pass it as an argument \
             (`go func(i int) { ... }(i)`), or copy it first (`i := i`).",
    limits: "Where the language version is not known (files without a module) the newest is assumed.",
    fixable: true,
};
