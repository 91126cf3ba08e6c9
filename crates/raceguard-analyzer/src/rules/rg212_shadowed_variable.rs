//! RG212: a goroutine sets a variable of its own where the one outside is read.

use super::Rule;
use crate::finding::Severity;

/// `RG212`
pub const RULE: Rule = Rule {
    code: "RG212",
    name: "shadowed-variable",
    summary: "A goroutine's variable hides the one outside that is read for its result",
    severity: Severity::Advice,
    what: "Reports a variable that is declared without a value, is read, and is assigned to nowhere, while a function \
           literal inside declares another one of the same name and type with `:=`.",
    why: "The goroutine's result goes into a variable that nobody else sees; the outer one stays zero for ever. An \
          error that should have been returned is lost.",
    bad: r#"package fetch

import (
	"os"
	"sync"
)

func Check(name string) error {
	var err error
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		_, err := os.Stat(name) // want RG212 "err"
		if err != nil {
			println(err.Error())
		}
	}()
	wg.Wait()
	return err
}
"#,
    good: r#"package fetch

import "os"

func Check(name string) error {
	result := make(chan error, 1)
	go func() {
		_, err := os.Stat(name)
		result <- err
	}()
	return <-result
}
"#,
    remedy: "Hand the result back through a channel or errgroup, or assign with `=` where something orders the two. If \
             the two are meant to be apart, give them different names.",
    limits: "Outer variables that are assigned elsewhere too are not reported, although the inner one may be a mistake \
             there as well.",
    fixable: false,
};
