//! `raceguard rule`: what the rules mean.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use clap::{Args, ValueEnum};
use raceguard_analyzer::finding::Severity;
use raceguard_analyzer::rules::Rule;
use serde_json::{Value, json};

use crate::check::error::{CheckError, nearest};
use crate::check::registry;
use crate::error::CommandError;
use crate::report::text::layout::Painter;
use raceguard_diagnosis::rule as rules;

/// Flags of `raceguard rule`.
#[derive(Debug, Args)]
pub struct RuleArgs {
    /// The rule's code or name, or the beginning of codes to list: RG1; all rules are listed when left out
    #[arg(value_name = "CODE")]
    code: Option<String>,

    /// Print the pages of all rules
    #[arg(long, conflicts_with = "code")]
    all: bool,

    /// Format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: RuleFormat,
}

/// How rules are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RuleFormat {
    /// For a terminal: the page, or one line for each rule
    Text,
    /// The page as Markdown, or the pages of all rules
    Markdown,
    /// JSON
    Json,
}

/// Prints the page of a rule, or the list of all.
pub fn run(arguments: &RuleArgs) -> Result<u8, CommandError> {
    let group = arguments.code.as_deref().map(beginning_with).unwrap_or_default();
    let text = match (&arguments.code, arguments.format) {
        (Some(_), RuleFormat::Text) if group.len() > 1 => list(&group),
        (None, RuleFormat::Text) if arguments.all => {
            let pages = registry::rules().into_iter().map(|rule| plain(&rule.page(), &painter()));
            pages.collect::<Vec<_>>().join("\n")
        }
        (Some(code), RuleFormat::Text) => plain(&page_of(code)?, &painter()),
        (Some(code), RuleFormat::Markdown) => page_of(code)?,
        (None, RuleFormat::Markdown) => {
            registry::rules().into_iter().map(Rule::page).collect::<Vec<_>>().join("\n---\n\n")
        }
        (Some(code), RuleFormat::Json) => pretty(&document(find(code)?)),
        (None, RuleFormat::Text) => list(&registry::rules()),
        (None, RuleFormat::Json) => pretty(&registry::rules().into_iter().map(document).collect()),
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::System { action: "print the rule".to_owned(), source: error })
        }
        _ => Ok(0),
    }
}

/// The rules whose codes begin like this.
fn beginning_with(code: &str) -> Vec<&'static Rule> {
    let begins =
        |rule: &&Rule| rule.code.get(..code.len()).is_some_and(|start| start.eq_ignore_ascii_case(code));
    registry::rules().into_iter().filter(begins).collect()
}

fn find(code: &str) -> Result<&'static Rule, CheckError> {
    let rules = registry::rules();
    let named = rules
        .iter()
        .find(|rule| rule.code.eq_ignore_ascii_case(code) || rule.name.eq_ignore_ascii_case(code));
    named.copied().ok_or_else(|| {
        let words = rules.iter().flat_map(|rule| [rule.code, rule.name]);
        let hint = match nearest(code, words) {
            Some(near) => format!("did you mean {near}? `raceguard rule` lists all rules"),
            None => "`raceguard rule` lists all rules".to_owned(),
        };
        CheckError::Usage { message: format!("there is no rule {code:?}"), hint }
    })
}

fn list(rules: &[&Rule]) -> String {
    let width = rules.iter().map(|rule| rule.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for rule in rules {
        let fix = if rule.fixable { "fix" } else { "" };
        let severity = severity(rule);
        let _ =
            writeln!(text, "{}  {severity:7}  {fix:3}  {:width$}  {}", rule.code, rule.name, rule.summary);
    }
    text
}

/// The page of a rule, as Markdown: of one that the analysis reports by, or one for what only a run shows.
fn page_of(code: &str) -> Result<String, CheckError> {
    let of_runs =
        || rules::RULES.iter().find(|rule| rule.code.eq_ignore_ascii_case(code) || rule.name == code);
    match (find(code), of_runs()) {
        (Ok(rule), _) => Ok(rule.page()),
        (Err(_), Some(rule)) => Ok(format!(
            "# {} {}\n\n{}.\n\nReported by `raceguard test`, `run` and `build`.\n\n## Why it is bad\n\n{}\n\n\
             ## What to do\n\n{}\n",
            rule.code, rule.name, rule.summary, rule.why, rule.fix
        )),
        (Err(error), None) => Err(error),
    }
}

fn painter() -> Painter {
    Painter::new(&crate::report::Options::for_stdout(&|_| None))
}

/// The page without Markdown's marks: titles in bold, code indented, text wrapped.
fn plain(page: &str, painter: &Painter) -> String {
    let mut text = String::new();
    let mut is_code = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            let _ = writeln!(text, "    {}", line.replace('\t', "    "));
        } else if let Some(title) =
            line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))
        {
            let _ = writeln!(text, "{}", painter.bold(title));
        } else {
            let _ = writeln!(text, "{}", painter.hanging("", line));
        }
    }
    text
}

fn severity(rule: &Rule) -> &'static str {
    match rule.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Advice => "advice",
    }
}

fn document(rule: &'static Rule) -> Value {
    json!({
        "code": rule.code,
        "name": rule.name,
        "summary": rule.summary,
        "severity": severity(rule),
        "fixable": rule.fixable,
        "what": rule.what,
        "why": rule.why,
        "bad": rule.bad,
        "good": rule.good,
        "remedy": rule.remedy,
        "limits": rule.limits,
    })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_page_with_both_examples() {
        for rule in registry::rules() {
            let page = rule.page();
            assert!(page.contains(rule.code) && page.matches("```go").count() == 2, "{page}");
        }
    }

    #[test]
    fn a_page_for_people_has_no_marks() {
        let options = crate::report::Options::new(&|_| None);
        let page = "# RG1 x\n\nWords `x`.\n\n```go\n#\tx\n```\n";
        assert_eq!(plain(page, &Painter::new(&options)), "RG1 x\n\nWords `x`.\n\n    #    x\n");
    }

    #[test]
    fn codes_are_found_in_any_case_and_names_too() {
        assert_eq!(find("rg001").unwrap().code, "RG001");
        assert_eq!(find("unused-suppression").unwrap().code, "RG002");
        let error = find("RG0O1").unwrap_err();
        assert!(error.hint().unwrap().contains("did you mean RG001?"), "{error}");
    }
}
