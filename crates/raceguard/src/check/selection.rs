//! Which findings the user wants to see: by code and by severity.

use raceguard_evidence::Severity;

use super::error::nearest;
use super::registry;

/// A code, or the beginning of some: `RG103`, `RG1`, `ALL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// Empty for all.
    prefix: String,
}

impl Selector {
    /// Reads one; the error says what is wrong and which is near.
    pub fn parse(text: &str) -> Result<Self, String> {
        let prefix = text.trim().to_uppercase();
        if prefix == "ALL" {
            return Ok(Self { prefix: String::new() });
        }
        let rules = registry::rules();
        if !prefix.is_empty() && rules.iter().any(|rule| rule.code.starts_with(&prefix)) {
            return Ok(Self { prefix });
        }
        let named = rules.iter().find(|rule| rule.name.eq_ignore_ascii_case(text.trim()));
        let near =
            named.map(|rule| rule.code).or_else(|| nearest(&prefix, rules.iter().map(|rule| rule.code)));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        Err(format!("no rule has a code that begins with {text:?}{hint}"))
    }

    /// As the user writes it.
    pub fn name(&self) -> &str {
        if self.prefix.is_empty() { "ALL" } else { &self.prefix }
    }

    /// Whether a code is meant.
    pub fn matches(&self, code: &str) -> bool {
        code.starts_with(&self.prefix)
    }
}

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// What to show; nothing means everything.
    pub select: Vec<Selector>,
    /// What to leave out. Of two that match, the longer one decides.
    pub ignore: Vec<Selector>,
    /// The least severity, where the user has named one.
    pub severity: Option<Severity>,
}

/// Whether a finding is shown, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Shown,
    /// Its rule is not selected.
    NotSelected,
    /// It is not severe enough.
    TooMild,
}

impl Selection {
    /// A code that is both selected and ignored, which contradicts itself.
    pub fn conflict(&self) -> Option<&str> {
        self.select.iter().find(|selector| self.ignore.contains(selector)).map(Selector::name)
    }

    /// Judges a finding by its rule's code and its severity.
    ///
    /// Errors and warnings are shown by default. A rule whose findings are advice at most is shown when it is
    /// selected by name, as in `--select RG4`, unless a severity is named as well.
    pub fn verdict(&self, code: &str, severity: &Severity) -> Verdict {
        let longest = |selectors: &[Selector]| {
            selectors.iter().filter(|it| it.matches(code)).map(|it| it.prefix.len()).max()
        };
        let selected = if self.select.is_empty() { Some(0) } else { longest(&self.select) };
        let Some(selected) = selected else { return Verdict::NotSelected };
        if longest(&self.ignore).is_some_and(|ignored| ignored >= selected) {
            return Verdict::NotSelected;
        }
        let is_named = selected > 0 && registry::rule(code).is_some_and(is_advice_only);
        let least = match &self.severity {
            Some(severity) => severity.clone(),
            None if is_named => Severity::Advice,
            None => Severity::Warning,
        };
        if *severity < least { Verdict::TooMild } else { Verdict::Shown }
    }
}

fn is_advice_only(rule: &raceguard_analyzer::rules::Rule) -> bool {
    rule.severity == raceguard_analyzer::finding::Severity::Advice
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selectors(names: &[&str]) -> Vec<Selector> {
        names.iter().map(|name| Selector::parse(name).unwrap()).collect()
    }

    fn shown(select: &[&str], ignore: &[&str], code: &str) -> bool {
        let selection = Selection { select: selectors(select), ignore: selectors(ignore), severity: None };
        selection.verdict(code, &Severity::Error) == Verdict::Shown
    }

    #[test]
    fn the_longer_selector_decides() {
        assert!(shown(&[], &[], "RG001"));
        assert!(!shown(&[], &["RG0"], "RG001"));
        assert!(shown(&["RG001"], &["RG0"], "RG001") && !shown(&["RG001"], &["RG0"], "RG002"));
        assert!(!shown(&["RG0"], &["RG002"], "RG002"));
        assert!(!shown(&["RG001"], &[], "RG002"));
        assert!(shown(&["all"], &["rg001"], "RG002"));
    }

    #[test]
    fn advice_is_shown_when_it_is_asked_for() {
        let verdict =
            |severity| Selection { severity, ..Selection::default() }.verdict("RG001", &Severity::Advice);
        assert_eq!(verdict(None), Verdict::TooMild);
        assert_eq!(verdict(Some(Severity::Advice)), Verdict::Shown);
    }

    #[test]
    fn a_code_that_no_rule_has_is_refused_with_a_near_one() {
        assert!(Selector::parse("RG00").is_ok());
        let error = Selector::parse("RG0001").unwrap_err();
        assert!(error.contains("RG001"), "{error}");
        assert!(Selector::parse("unused-suppression").unwrap_err().contains("did you mean RG002?"));
        assert!(Selector::parse("").is_err());
    }

    #[test]
    fn selecting_and_ignoring_the_same_code_is_a_conflict() {
        let selection = |select: &[&str], ignore: &[&str]| Selection {
            select: selectors(select),
            ignore: selectors(ignore),
            severity: None,
        };
        assert_eq!(selection(&["RG001", "RG002"], &["RG002"]).conflict(), Some("RG002"));
        assert_eq!(selection(&["RG0"], &["RG002"]).conflict(), None);
    }
}
