//! Conditions: CEL expressions over facts, checked as a whole before anything is evaluated.
//!
//! CEL itself finds a misspelt field, a comparison of text with a number, or a `null` where a number is needed only when it
//! meets one. A gate that finds that out on the day of the race is no gate, so [`check`] walks the expression against
//! the declared facts first, and what it accepts fails at evaluation only for values: a division by zero, an index
//! beyond a list.

pub mod check;
mod cost;
mod functions;
mod nulls;

use cel::parser::Parser;
use cel::{Context, IdedExpr, Value};

use crate::facts::typed::Type;
use check::Checker;

/// Longest condition, in characters.
const MAX_LENGTH: usize = 10_000;

/// Steps that an evaluation may take where it happens for each sighting of a fleet.
pub const STREAM_STEPS: u64 = 20_000;

/// A condition that was checked.
#[derive(Debug, Clone)]
pub struct Condition {
    source: String,
    expression: IdedExpr,
}

/// What is wrong with a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionError {
    /// Index of the character where it is.
    pub index: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// What a condition knows.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Variables and their types; of two with one name the later counts.
    pub variables: Vec<(String, Type)>,
    /// Paths, `coverage.changed_percent`, that are known not to be null.
    pub not_null: Vec<String>,
    /// Steps that an evaluation may take at most; no limit when there is none.
    pub max_steps: Option<u64>,
}

impl Condition {
    /// Reads and checks a condition that is to be true or false.
    pub fn compile(source: &str, scope: &Scope) -> Result<Self, Vec<ConditionError>> {
        let error = |index, message: &str, hint: &str| {
            vec![ConditionError { index, message: message.to_owned(), hint: hint.to_owned() }]
        };
        if source.trim().is_empty() {
            return Err(error(0, "the condition is empty", "write `true` to match every item"));
        }
        if source.chars().count() > MAX_LENGTH {
            return Err(error(0, "the condition is too long", "split it into several policies"));
        }
        let (expression, places) = Parser::default()
            .parse_with_source_info(source)
            .map_err(|errors| syntax_errors(source, &errors))?;
        let cost = cost::of(&expression);
        if cost.depth > cost::MAX_DEPTH {
            return Err(error(0, "the condition is nested too deep", "split it into several policies"));
        }
        if cost.steps > scope.max_steps.unwrap_or(u64::MAX) {
            let message = format!(
                "evaluating it may take {} steps, at most {} are allowed here",
                cost.steps,
                scope.max_steps.unwrap_or(u64::MAX)
            );
            return Err(error(
                0,
                &message,
                "nest fewer `exists`, `all`, `map` and `filter`, and use `matches` outside of them",
            ));
        }
        let mut checker = Checker::new(scope, &places);
        checker.boolean(&expression, &expression);
        let errors = checker.into_errors();
        if errors.is_empty() { Ok(Self { source: source.to_owned(), expression }) } else { Err(errors) }
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The paths that can't be null where the condition holds.
    pub fn not_null_where_true(&self) -> Vec<String> {
        nulls::not_null(&self.expression, true)
    }

    /// Whether the condition holds for the variables of a context.
    pub fn holds(&self, context: &Context<'_, '_>) -> Result<bool, String> {
        match context.resolve(&self.expression) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(format!("it gave {}, not true or false", other.type_of())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The first error of each place; the parser follows one up with others.
fn syntax_errors(source: &str, errors: &cel::ParseErrors) -> Vec<ConditionError> {
    let first = errors.errors.first();
    let index = first.map_or(0, |error| index_of(source, error.pos));
    let message = first.map_or("it can't be read", |error| error.msg.as_str());
    // The parser lists dozens of tokens that it would have taken.
    let message = message.trim_start_matches("Syntax error: ");
    let message =
        message.split(" expecting {").next().unwrap_or(message).replace("<EOF>", "end of the condition");
    vec![ConditionError {
        index,
        message: format!("this is no CEL: {message}"),
        hint: "conditions look like `finding.kind == 'race' && finding.is_new`; look for a missing quote or bracket"
            .to_owned(),
    }]
}

/// The index of a line and column, both from 1.
fn index_of(source: &str, (line, column): (isize, isize)) -> usize {
    let lines = source.split_inclusive('\n').take(usize::try_from(line - 1).unwrap_or(0));
    let before: usize = lines.map(|line| line.chars().count()).sum();
    let last = source.chars().count().saturating_sub(1);
    (before + usize::try_from(column - 1).unwrap_or(0)).min(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::typed::Fact as _;
    use crate::facts::{CoverageFact, FindingFact, globals};

    fn scope() -> Scope {
        let mut variables: Vec<(String, Type)> =
            globals().into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect();
        variables.push(("finding".to_owned(), FindingFact::ty()));
        Scope { variables, ..Scope::default() }
    }

    fn told(source: &str) -> String {
        match Condition::compile(source, &scope()) {
            Ok(_) => "accepted".to_owned(),
            Err(errors) => errors
                .iter()
                .map(|it| format!("{} {} ({})", it.index, it.message, it.hint))
                .collect::<Vec<_>>()
                .join("\n"),
        }
    }

    #[track_caller]
    fn refused(source: &str, index: usize, parts: &[&str]) {
        let told = told(source);
        assert!(told.starts_with(&format!("{index} ")), "{source}: {told}");
        for part in parts {
            assert!(told.contains(part), "{source}: no {part:?} in {told}");
        }
    }

    #[test]
    fn sound_conditions_are_accepted() {
        for source in [
            "finding.kind == 'race'",
            "finding.rule.startsWith('RG2') && finding.occurrences >= 2",
            "finding.confidence == null || finding.confidence < 0.5",
            "!(finding.covered == null) && !finding.covered",
            "coverage != null && coverage.changed_percent != null && coverage.changed_percent < 85",
            "finding.tests.exists(test, test.endsWith('TestX')) || size(finding.tests) == 0",
            "findings.filter(other, other.subject == finding.subject).size() > 1",
            "finding.covered != null ? finding.covered : false",
            "'a' in finding.tests || finding.tool in ['gosec', 'staticcheck']",
            "finding.line * 2 + 1 > 5 && finding.line > 2.5",
            "clusters.all(c, c.score < 10.0) && evidence.runs > 0",
            "finding.message.matches('^map .* write$')",
            "finding.tests.map(t, size(t)).exists_one(n, n > 3)",
            "finding.tests.size() > 0 && finding.tests[0] != 'x'",
        ] {
            assert_eq!(told(source), "accepted", "{source}");
        }
    }

    #[test]
    fn unknown_names_are_told_with_the_nearest() {
        refused(
            "finding.occurences > 1",
            7,
            &["`finding` has no field `occurences`", "did you mean `occurrences`?"],
        );
        refused("fnding.kind == 'race'", 0, &["unknown name `fnding`", "did you mean `finding`?"]);
        refused("true && lock.contentions > 1", 8, &["`lock`", "over locks"]);
        refused("finding.tests.exists(t, x.y)", 24, &["unknown name `x`"]);
        refused("coverage != null && coverage.percnt > 1.0", 28, &["did you mean `percent`?"]);
        refused(
            "finding.rule.startWith('RG1')",
            22,
            &["no function `startWith`", "did you mean `startsWith`?"],
        );
    }

    #[test]
    fn types_have_to_fit() {
        refused("finding.occurrences", 7, &["true or false is needed here, and this is int"]);
        refused("finding.occurrences == '3'", 20, &["int", "string"]);
        refused("finding.kind > 3", 13, &["string", "int"]);
        refused("finding.kind && true", 7, &["true or false", "string"]);
        refused("finding.tests == 'x'", 14, &["list of string"]);
        refused("3 in finding.tests", 2, &["int", "list of string"]);
        refused("finding.line + 0.5 > 1.0", 13, &["int", "double", "double(…)"]);
        refused("finding.kind.size.x > 1", 12, &["no fields"]);
        refused("finding.kind == null", 13, &["is never null"]);
        refused("size(finding.line) > 1", 4, &["size", "int"]);
        refused("finding.message.matches('(')", 24, &["no regular expression"]);
        refused("finding.line > 3u", 15, &["3u"]);
        refused("finding.kind == 'rase'", 16, &["`finding.kind` is never `rase`", "did you mean `race`?"]);
        refused("finding.severity in ['error', 'warn']", 30, &["is never `warn`", "error, warning, advice"]);
        refused("findings.exists(f, 'eror' != f.severity)", 19, &["did you mean `error`?"]);
        refused("findings.exists(f, f.line)", 20, &["true or false"]);
    }

    #[test]
    fn what_may_be_null_has_to_be_looked_at_first() {
        refused(
            "finding.confidence < 0.5",
            19,
            &["`finding.confidence` may be null", "finding.confidence != null &&"],
        );
        refused("finding.covered", 7, &["may be null"]);
        refused("!finding.covered", 0, &["may be null"]);
        refused("coverage.percent < 50.0", 8, &["`coverage` may be null"]);
        refused("finding.confidence != null || finding.confidence < 0.5", 49, &["may be null"]);
        refused("finding.covered == null && finding.covered", 34, &["may be null"]);
    }

    #[test]
    fn syntax_errors_have_their_place() {
        refused("finding.kind == ", 15, &["no CEL", "end of the condition"]);
        refused("finding.kind == 'race", 16, &["no CEL"]);
        refused("a &&\n  ) b", 7, &["no CEL"]);
        refused("  ", 0, &["empty"]);
        assert!(told(&"(".repeat(9_000)).contains("no CEL"));
    }

    #[test]
    fn what_is_needed_is_known_afterwards() {
        let variables = vec![("coverage".to_owned(), CoverageFact::ty())];
        let scope = Scope { variables: variables.clone(), ..Scope::default() };
        let needs = Condition::compile("coverage.changed_percent != null", &scope).unwrap();
        let narrowed = Scope { variables, not_null: needs.not_null_where_true(), ..Scope::default() };
        assert!(Condition::compile("coverage.changed_percent < 85", &narrowed).is_ok());
        assert!(Condition::compile("coverage.changed_percent < 85", &scope).is_err());
    }
}
