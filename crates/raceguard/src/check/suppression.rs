//! Comments in the source that say a finding is none: `//raceguard:ignore RG101,RG102 reason`, `//nolint:raceguard`
//! and `//nolint`.
//!
//! One counts for its own line, or, on a line of its own, for the next line of code. Where that line begins a
//! declaration it counts for all of it; at the package clause, for the file. A finding is suppressed by a comment at any
//! of its statements.

mod comment;
mod scope;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::RangeInclusive;

use raceguard_analyzer::rules::Rule;
use raceguard_analyzer::source::SourceFile;
use raceguard_evidence::{Fingerprint, Severity, Site, SourcePlace, StaticFinding};
use serde_json::Map;

use super::error::nearest;
use super::meta_rules::{UNKNOWN_RULE, UNUSED, WITHOUT_REASON};
use super::registry;
use comment::Comment;

/// Whether a file has a comment that may be a suppression. Fast: most files have none.
pub fn may_have_some(source: &[u8]) -> bool {
    [b"raceguard:ignore".as_slice(), b"nolint"]
        .iter()
        .any(|word| memchr::memmem::find(source, word).is_some())
}

/// The order in which findings are shown.
pub fn by_place(a: &StaticFinding, b: &StaticFinding) -> Ordering {
    fn key(finding: &StaticFinding) -> (Option<(&str, u32, u32)>, &str) {
        let place = finding.sites.first().map(|site| &site.place);
        (place.map(|place| (place.file.as_str(), place.line, place.column)), &finding.rule)
    }
    key(a).cmp(&key(b))
}

/// The suppressions of some files.
#[derive(Debug, Default)]
pub struct Suppressions {
    by_file: HashMap<String, Vec<Suppression>>,
    findings: Vec<StaticFinding>,
}

/// One comment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Suppression {
    place: SourcePlace,
    /// The comment, without its reason.
    text: String,
    /// Codes; none for all.
    codes: Vec<String>,
    /// Whether it is for raceguard, so that it can be told when it is not used.
    is_ours: bool,
    lines: RangeInclusive<u32>,
}

impl Suppressions {
    /// Those of the files.
    pub fn of<'a>(files: impl Iterator<Item = &'a SourceFile>) -> Self {
        let mut all = Self::default();
        for file in files {
            all.add(&file.path.to_string_lossy(), &file.bytes);
        }
        all
    }

    fn add(&mut self, path: &str, source: &[u8]) {
        let file = scope::Scopes::of(source);
        for (span, text) in &file.comments {
            let Some(comment) = comment::parse(text) else { continue };
            let place = file.place(path, *span);
            let lines = file.lines_of(*span);
            let (codes, is_ours) = match &comment {
                Comment::NoLint { named } => (Vec::new(), *named),
                Comment::Ignore { codes, has_reason } => {
                    let known = self.known_codes(codes, &place);
                    if known.is_empty() {
                        continue;
                    }
                    if !has_reason {
                        self.findings.push(without_reason(&comment.text(), place.clone()));
                    }
                    (known, true)
                }
            };
            let suppression = Suppression { place, text: comment.text(), codes, is_ours, lines };
            self.by_file.entry(path.to_owned()).or_default().push(suppression);
        }
    }

    /// Those of the codes that are rules; the others are findings.
    fn known_codes(&mut self, codes: &[String], place: &SourcePlace) -> Vec<String> {
        if codes.is_empty() {
            let message = "`//raceguard:ignore` names no rule, so it suppresses nothing";
            let remedy = "write `//raceguard:ignore RG101 reason` with the code of the finding";
            self.findings.push(meta(&UNKNOWN_RULE, "`//raceguard:ignore`", place.clone(), message, remedy));
        }
        let rules = registry::rules();
        let (known, unknown): (Vec<_>, Vec<_>) =
            codes.iter().cloned().partition(|code| rules.iter().any(|rule| rule.code == code));
        for code in unknown {
            let message = format!("there is no rule `{code}` to suppress");
            let near = nearest(&code, rules.iter().map(|rule| rule.code));
            let remedy = near.map_or_else(
                || "`raceguard rule` lists all rules".to_owned(),
                |near| format!("did you mean {near}? `raceguard rule` lists all rules"),
            );
            self.findings.push(meta(
                &UNKNOWN_RULE,
                &format!("code {code}"),
                place.clone(),
                &message,
                &remedy,
            ));
        }
        known
    }

    /// What the comments themselves do wrong.
    pub fn findings(&self) -> &[StaticFinding] {
        &self.findings
    }

    /// The findings that no comment suppresses; the others are counted.
    pub fn apply(&self, findings: &[StaticFinding], suppressed: &mut usize) -> Vec<StaticFinding> {
        let (kept, hidden): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| !self.suppresses(finding));
        *suppressed += hidden.len();
        kept.into_iter().cloned().collect()
    }

    fn suppresses(&self, finding: &StaticFinding) -> bool {
        let mut at = finding.sites.iter().filter_map(|site| self.by_file.get(&site.place.file));
        at.any(|suppressions| suppressions.iter().any(|suppression| suppression.matches(finding)))
    }

    /// A finding for each comment that suppresses none of `findings`.
    pub fn unused(&self, findings: &[StaticFinding]) -> Vec<StaticFinding> {
        let all = self.by_file.values().flatten().filter(|suppression| suppression.is_ours);
        let is_used = |suppression: &Suppression| findings.iter().any(|finding| suppression.matches(finding));
        let unused = all.filter(|suppression| !is_used(suppression));
        unused
            .map(|it| {
                let message = format!("`{}` suppresses nothing", it.text);
                meta(&UNUSED, &format!("`{}`", it.text), it.place.clone(), &message, "remove the comment")
            })
            .collect()
    }
}

impl Suppression {
    fn matches(&self, finding: &StaticFinding) -> bool {
        let names = self.codes.is_empty() || self.codes.contains(&finding.rule);
        names
            && finding
                .sites
                .iter()
                .any(|site| site.place.file == self.place.file && self.lines.contains(&site.place.line))
    }
}

fn without_reason(text: &str, place: SourcePlace) -> StaticFinding {
    let message = format!("`{text}` does not say why");
    let remedy = format!("write why it can't happen behind the code: `{text} guarded by the caller`");
    meta(&WITHOUT_REASON, &format!("`{text}`"), place, &message, &remedy)
}

/// A finding on a comment.
fn meta(rule: &Rule, subject: &str, place: SourcePlace, message: &str, remedy: &str) -> StaticFinding {
    let sites = vec![Site { place, action: "suppression".to_owned(), ..Site::default() }];
    StaticFinding {
        rule: rule.code.to_owned(),
        tool: None,
        severity: Severity::Warning,
        fingerprint: Fingerprint::of_static_finding(rule.code, subject, &sites),
        subject: subject.to_owned(),
        message: message.to_owned(),
        sites,
        reasons: Vec::new(),
        remedy: remedy.to_owned(),
        fix: None,
        extra: Map::new(),
    }
}

#[cfg(test)]
mod tests;
