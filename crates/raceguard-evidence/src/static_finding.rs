//! Records of a static analysis: what it found, and what it could not read.

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::record::Extra;

/// What static analysis found in source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StaticFinding {
    /// Code of the rule, `RG103`; of another tool its own, `SA2001`.
    pub rule: String,
    /// The tool that found it, when it is not this one: `staticcheck`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// How sure and how bad it is.
    pub severity: Severity,
    /// See [`Fingerprint::of_static_finding`].
    pub fingerprint: Fingerprint,
    /// What it is about, as people name it: `map field gateway.Router.routes`.
    #[serde(default)]
    pub subject: String,
    /// What is wrong, in one sentence without a full stop.
    #[serde(default)]
    pub message: String,
    /// The statements: the one to blame first; for a race the other one second.
    #[serde(default)]
    pub sites: Vec<Site>,
    /// Why it is reported.
    #[serde(default)]
    pub reasons: Vec<Reason>,
    /// What would mend it, in one sentence without a full stop.
    #[serde(default)]
    pub remedy: String,
    /// A change that mends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<SuggestedFix>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How sure and how bad a static finding is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// Could be better.
    Advice,
    /// Probably wrong.
    Warning,
    /// Wrong.
    Error,
    /// A severity this version does not know.
    #[serde(untagged)]
    Other(String),
}

impl Severity {
    /// The word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Advice => "advice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Other(name) => name,
        }
    }
}

/// A range of a source file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePlace {
    /// The file: absolute.
    #[serde(default)]
    pub file: String,
    /// Line of its first byte, from 1.
    #[serde(default)]
    pub line: u32,
    /// Column of its first byte, in bytes, from 1.
    #[serde(default)]
    pub column: u32,
    /// Line of its end.
    #[serde(default)]
    pub end_line: u32,
    /// Column after its last byte.
    #[serde(default)]
    pub end_column: u32,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A statement that takes part in a static finding.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// Where.
    pub place: SourcePlace,
    /// The function around it, as Go's runtime spells it.
    #[serde(default)]
    pub function: String,
    /// What it does: `write`, `iteration`, `close`.
    #[serde(default)]
    pub action: String,
    /// Whether it writes.
    #[serde(default)]
    pub write: bool,
    /// The locks held, as the source writes them.
    #[serde(default)]
    pub locks: Vec<String>,
    /// Where the goroutine that gets here comes from, outermost last.
    #[serde(default)]
    pub origin: Vec<Reason>,
    /// The calls on the way from there, innermost first.
    #[serde(default)]
    pub calls: Vec<CallStep>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A call on the way to a statement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CallStep {
    /// The function that calls.
    #[serde(default)]
    pub function: String,
    /// Where.
    #[serde(default)]
    pub place: SourcePlace,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A piece of evidence for a static finding.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// One sentence, without a full stop.
    #[serde(default)]
    pub text: String,
    /// The place it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<SourcePlace>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A change of the source that mends a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuggestedFix {
    /// What it does, in the imperative.
    #[serde(default)]
    pub title: String,
    /// The replacements, none overlapping.
    #[serde(default)]
    pub edits: Vec<SuggestedEdit>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A replacement of bytes of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuggestedEdit {
    /// The file: absolute.
    pub file: String,
    /// Offset of the first byte that is replaced.
    pub start: u32,
    /// Offset after the last one; as `start` to insert.
    pub end: u32,
    /// By what.
    #[serde(default)]
    pub text: String,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Source that could not be read or understood, or that static analysis has something to say about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceProblem {
    /// The file, folder or pattern it is about.
    #[serde(default)]
    pub path: String,
    /// Line, from 1; 0 when it is not about one place.
    #[serde(default)]
    pub line: u32,
    /// Column in bytes, from 1; 0 likewise.
    #[serde(default)]
    pub column: u32,
    /// What happened.
    #[serde(default)]
    pub message: String,
    /// What the user can do next; may be empty.
    #[serde(default)]
    pub hint: String,
    /// Whether something that was asked for is missing from the analysis.
    #[serde(default)]
    pub loss: bool,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(function: &str, action: &str, line: u32) -> Site {
        let place = SourcePlace { file: "/m/a.go".into(), line, column: 2, ..SourcePlace::default() };
        Site { place, function: function.into(), action: action.into(), ..Site::default() }
    }

    fn print(rule: &str, subject: &str, sites: &[Site]) -> Fingerprint {
        Fingerprint::of_static_finding(rule, subject, sites)
    }

    #[test]
    fn lines_and_the_order_of_sites_do_not_matter() {
        let (put, get) = (site("m.(*C).Put", "write", 10), site("m.(*C).Get", "read", 20));
        let reference = print("RG102", "map field m.C.items", &[put.clone(), get.clone()]);
        // Pinned: a change of the algorithm needs a new prefix, for baselines keep these values.
        assert_eq!(reference.as_str(), "RG1-2a3b6d49ca75f8d9");
        let moved = Site { place: SourcePlace { line: 99, ..get.place.clone() }, ..get };
        assert_eq!(print("RG102", "map field m.C.items", &[moved, put]), reference);
    }

    #[test]
    fn rule_subject_action_and_function_matter() {
        let sites = [site("m.F", "write", 1), site("m.G[int]", "read", 2)];
        let reference = print("RG102", "x", &sites);
        assert_ne!(print("RG101", "x", &sites), reference);
        assert_ne!(print("RG102", "y", &sites), reference);
        assert_ne!(print("RG102", "x", &[site("m.F", "delete", 1), sites[1].clone()]), reference);
        assert_ne!(print("RG102", "x", &[site("m.H", "write", 1), sites[1].clone()]), reference);
        assert_eq!(print("RG102", "x", &[sites[0].clone(), site("m.G[string]", "read", 2)]), reference);
    }
}
