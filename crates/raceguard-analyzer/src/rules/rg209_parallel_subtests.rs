//! RG209: parallel subtests share state.

use super::Rule;
use crate::finding::Severity;

/// `RG209`
pub const RULE: Rule = Rule {
    code: "RG209",
    name: "parallel-subtests",
    summary: "Parallel tests or subtests share state that one of them writes",
    severity: Severity::Error,
    what: "Reports a variable that subtests with `t.Parallel()` share and that one of them writes, and package-level \
           variables that parallel tests change.",
    why: "From `t.Parallel()` on, a subtest runs beside its siblings, after the function around it has returned. The \
          outcome of the test then depends on the schedule: the test flakes, or passes for the wrong reason.",
    bad: r#"package table

import "testing"

func TestTable(t *testing.T) {
	seen := 0
	for _, name := range []string{"a", "b"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen++ // want RG209 "seen"
		})
	}
}
"#,
    good: r#"package table

import (
	"sync/atomic"
	"testing"
)

func TestTable(t *testing.T) {
	var seen atomic.Int64
	for _, name := range []string{"a", "b"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen.Add(1)
		})
	}
}
"#,
    remedy: "Make the state inside each subtest, or guard it as production code would.",
    limits: "State that tests share through the environment, files or the database is not seen.",
    fixable: false,
};
