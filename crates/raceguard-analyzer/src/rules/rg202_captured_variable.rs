//! RG202: a local is shared with a goroutine that outlives the function.

use super::Rule;
use crate::finding::Severity;

/// `RG202`
pub const RULE: Rule = Rule {
    code: "RG202",
    name: "captured-variable",
    summary: "A local variable is shared with a goroutine, and one of the two writes to it",
    severity: Severity::Error,
    what: "Reports a local variable that a goroutine captures, or gets the address of (also through a context or a \
           struct), where the goroutine and the function that started it access it without order, and one of them \
           writes.",
    why: "A closure captures the variable itself, not its value, so the goroutine and its starter work on the same \
          memory. Which of them comes first is chance.",
    bad: r#"package worker

func Run(jobs []string) int {
	done := 0
	go func() {
		for range jobs {
			done++ // want RG202 "done"
		}
	}()
	return done
}
"#,
    good: r"package worker

func Run(jobs []string) int {
	result := make(chan int)
	go func() {
		done := 0
		for range jobs {
			done++
		}
		result <- done
	}()
	return <-result
}
",
    remedy: "Declare the variable inside the goroutine, pass its value as an argument, or hand the result back through \
             a channel.",
    limits: "Goroutines that are started behind interfaces or by libraries that the analyzer does not know are not \
             seen.",
    fixable: false,
};
