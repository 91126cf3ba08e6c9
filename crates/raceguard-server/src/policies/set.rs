//! A set: the named texts of policies, checked as a whole.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use raceguard_policy::examples;
use raceguard_policy::trigger::Trigger;
use raceguard_policy::{PolicySet, Problems, read};
use sha2::{Digest as _, Sha256};
use similar::TextDiff;

use raceguard_evidence::hex::hex;

/// Names and texts.
pub type Texts = BTreeMap<String, String>;

/// Texts of a set, bytes of a text, and triggers of a set, at most.
pub const MAX_TEXTS: usize = 100;
const MAX_BYTES: usize = 256 << 10;
const MAX_TRIGGERS: usize = 200;

/// How long looking for the shortest difference may take; after that a longer one is told.
const DIFF_TIME: Duration = Duration::from_millis(200);

/// A set without a mistake.
#[derive(Debug, Default)]
pub struct CompiledSet {
    /// As they were written.
    pub texts: Texts,
    /// What they say.
    pub policies: PolicySet,
    /// Its triggers, to be shared.
    pub triggers: Vec<Arc<Trigger>>,
    /// Hash of names and texts, 64 hex digits.
    pub sha256: String,
}

/// Why texts are no set.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SetError {
    /// Mistakes, each with its place.
    #[error("{}", mistakes(.0))]
    Problems(Problems),
    /// A name that can't be one.
    #[error(
        "{0:?} is no name for policies; use lower-case letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most 64"
    )]
    Name(String),
    /// Too many of something.
    #[error("{what}: {found}, at most {allowed} are allowed")]
    TooMuch {
        /// Of what.
        what: String,
        /// How many there are.
        found: usize,
        /// How many may be.
        allowed: usize,
    },
}

fn mistakes(problems: &Problems) -> String {
    let count = problems.list().len();
    let counted = if count == 1 { "1 mistake".to_owned() } else { format!("{count} mistakes") };
    format!("{counted} in policies, nothing was changed\n{problems}")
}

impl CompiledSet {
    /// Reads and checks texts, and runs their examples.
    pub fn compile(texts: Texts) -> Result<Self, SetError> {
        let too_much = |what: String, found, allowed| Err(SetError::TooMuch { what, found, allowed });
        if texts.len() > MAX_TEXTS {
            return too_much("texts of policies".to_owned(), texts.len(), MAX_TEXTS);
        }
        for (name, text) in &texts {
            if !is_name(name) {
                return Err(SetError::Name(name.clone()));
            }
            if text.len() > MAX_BYTES {
                return too_much(format!("bytes of {name}"), text.len(), MAX_BYTES);
            }
        }
        let files: Vec<(PathBuf, &str)> =
            texts.iter().map(|(name, text)| (file_of(name), text.as_str())).collect();
        let policies =
            read(files.iter().map(|(file, text)| (file.as_path(), *text))).map_err(SetError::Problems)?;
        if policies.triggers.len() > MAX_TRIGGERS {
            return too_much("triggers".to_owned(), policies.triggers.len(), MAX_TRIGGERS);
        }
        refuse_failing_examples(&policies)?;
        let triggers = policies.triggers.iter().cloned().map(Arc::new).collect();
        let sha256 = sha256(&texts);
        Ok(Self { texts, policies, triggers, sha256 })
    }
}

fn refuse_failing_examples(policies: &PolicySet) -> Result<(), SetError> {
    let mut problems = Problems::default();
    for tested in examples::test(policies, Timestamp::now()) {
        if let Some(failure) = tested.failure {
            let message = format!("{} of {} fails: {failure}", tested.name, tested.policy);
            problems.push(tested.at.problem(&tested.file, message, "change the policy or the example"));
        }
    }
    for trigger in &policies.triggers {
        if let Some((at, message)) = trigger.failing_example() {
            problems.push(at.problem(&trigger.file, message, "change the trigger or the example"));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(SetError::Problems(problems)) }
}

/// Whether it can be the name of a text.
pub fn is_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&name.len())
        && name.chars().all(is_part)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// The file that a text is called in messages.
fn file_of(name: &str) -> PathBuf {
    PathBuf::from(format!("{name}.yaml"))
}

fn sha256(texts: &Texts) -> String {
    let mut hash = Sha256::new();
    for (name, text) in texts {
        // Lengths keep two texts from being taken for one.
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hex(&hash.finalize())
}

/// The unified difference of two sets, text by text; empty when there is none.
pub fn diff(old: &Texts, new: &Texts) -> String {
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let mut all = String::new();
    for name in names {
        let (before, after) = (old.get(name), new.get(name));
        if before == after {
            continue;
        }
        let side = |side: &str, text: Option<&String>| match text {
            Some(_) => format!("{side}/{name}.yaml"),
            None => "/dev/null".to_owned(),
        };
        let (from, to) = (side("a", before), side("b", after));
        let (before, after) =
            (before.map(String::as_str).unwrap_or_default(), after.map(String::as_str).unwrap_or_default());
        let compared = TextDiff::configure().timeout(DIFF_TIME).diff_lines(before, after);
        all.push_str(&compared.unified_diff().header(&from, &to).to_string());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "schema: 1\ntriggers:\n  - id: t\n    version: 1\n    description: d\n    when: sighting.is_new\n    \
                        window: 5m\n    responses: [alert]\n";

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_set_is_checked_as_a_whole() {
        let set = CompiledSet::compile(texts(&[("a", TEXT)])).unwrap();
        assert_eq!((set.triggers.len(), set.sha256.len()), (1, 64));
        let error = CompiledSet::compile(texts(&[("a", TEXT), ("b", TEXT)])).unwrap_err().to_string();
        assert!(error.contains("b.yaml:3:5: there is a second trigger `t`"), "{error}");
        let failing = format!("{TEXT}    examples: {{match: [{{is_new: false}}]}}\n");
        let error = CompiledSet::compile(texts(&[("a", &failing)])).unwrap_err().to_string();
        assert!(error.contains("a.yaml:9:24: an example of t must match, and does not"), "{error}");
        assert!(matches!(CompiledSet::compile(texts(&[("../a", TEXT)])), Err(SetError::Name(_))));
        let long = "#".repeat(MAX_BYTES + 1);
        assert!(matches!(CompiledSet::compile(texts(&[("a", &long)])), Err(SetError::TooMuch { .. })));
    }

    #[test]
    fn differences_are_unified_and_name_what_came_and_went() {
        let (old, new) = (texts(&[("a", "x\ny\n"), ("b", "z\n")]), texts(&[("a", "x\nw\n"), ("c", "z\n")]));
        let text = diff(&old, &new);
        for part in [
            "--- a/a.yaml\n+++ b/a.yaml\n",
            "-y\n+w\n",
            "--- a/b.yaml\n+++ /dev/null",
            "--- /dev/null\n+++ b/c.yaml",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        assert_eq!(diff(&old, &old), "");
        assert_ne!(sha256(&texts(&[("a", "bc")])), sha256(&texts(&[("ab", "c")])));
    }
}
