//! RG206: a goroutine assigns to the err or a named result of the function around it.

use super::Rule;
use crate::finding::Severity;

/// `RG206`
pub const RULE: Rule = Rule {
    code: "RG206",
    name: "captured-error",
    summary: "A goroutine assigns to the error or a named result of the function around it",
    severity: Severity::Error,
    what: "Reports an `err` variable or a named result that a goroutine captures and assigns to (`=` where `:=` was \
           meant), while the function around it, or another such goroutine, uses it too.",
    why: "`err` is reused all over a function, so the goroutine's error overwrites, or is overwritten by, that of an \
          unrelated call: failures go unnoticed, or are reported for the wrong call. A named result is read by every \
          `return`.",
    bad: r#"package sync2

import "os"

func Mirror(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	go func() {
		_, err = os.Stat(from) // want RG206 "err"
	}()
	err = os.WriteFile(to, data, 0o600)
	return err
}
"#,
    good: r#"package sync2

import "os"

func Mirror(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	checked := make(chan error, 1)
	go func() {
		_, err := os.Stat(from)
		checked <- err
	}()
	if err := os.WriteFile(to, data, 0o600); err != nil {
		return err
	}
	return <-checked
}
"#,
    remedy: "Declare an `err` of its own inside the goroutine (`:=`), and hand it back through a channel or \
             `errgroup.Group`.",
    limits: "The same as of RG202.",
    fixable: true,
};
