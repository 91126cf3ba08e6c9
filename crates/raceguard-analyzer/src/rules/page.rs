//! A rule's page.

use std::fmt::Write as _;

use super::Rule;
use crate::finding::Severity;

impl Severity {
    /// Its name, as users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Advice => "advice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Rule {
    /// The rule's page, as Markdown.
    pub fn page(&self) -> String {
        let Self { code, name, summary, severity, what, why, bad, good, remedy, limits, fixable } = self;
        let fix =
            if *fixable { "some of its findings can be fixed with `--fix`" } else { "no automatic fix" };
        let mut page = format!("# {code} {name}\n\n{summary}.\n\nSeverity: {} · {fix}\n", severity.name());
        let _ = write!(page, "\n## What it does\n\n{what}\n\n## Why it is bad\n\n{why}\n");
        let _ = write!(page, "\n## Example\n\n```go\n{}```\n", without_wants(bad));
        let _ = write!(page, "\n## What to do\n\n{remedy}\n\n```go\n{good}```\n");
        let _ = write!(page, "\n## Limits\n\n{limits}\n");
        page
    }
}

/// A program whose expectations are comments for readers.
fn without_wants(program: &str) -> String {
    let mut text = String::with_capacity(program.len());
    for line in program.lines() {
        match line.split_once(" // want ") {
            Some((code, want)) => {
                let code_of_rule = want.split(' ').next().unwrap_or_default();
                let _ = writeln!(text, "{code} // {code_of_rule}");
            }
            None => {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::ALL;

    #[test]
    fn pages_have_all_parts_and_no_expectations() {
        for rule in ALL {
            let page = rule.page();
            assert!(page.starts_with(&format!("# {} ", rule.code)), "{page}");
            assert!(!page.contains("want RG"), "{page}");
            for part in ["What it does", "Why it is bad", "Example", "What to do", "Limits"] {
                assert!(page.contains(&format!("\n## {part}\n\n")), "{part} of {}", rule.code);
            }
        }
    }
}
