//! From suggested edits to new contents of files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use raceguard_evidence::{StaticFinding, SuggestedEdit};

/// Contents of files, by path.
pub(super) type Contents = BTreeMap<PathBuf, Arc<[u8]>>;

/// Edits of several fixes, by file and then by place. Edits that fixes have in common are there once.
#[derive(Debug, Clone, Default)]
pub(super) struct EditSet {
    files: BTreeMap<PathBuf, Vec<SuggestedEdit>>,
}

impl EditSet {
    /// The edits of all the findings' fixes; none if some of them overlap.
    pub(super) fn of(findings: &[&StaticFinding]) -> Option<Self> {
        findings.iter().try_fold(Self::default(), |set, finding| set.with(finding))
    }

    /// These and the edits of a finding's fix; none if some of them overlap.
    pub(super) fn with(&self, finding: &StaticFinding) -> Option<Self> {
        let mut set = self.clone();
        for edit in finding.fix.iter().flat_map(|fix| &fix.edits) {
            let edits = set.files.entry(PathBuf::from(&edit.file)).or_default();
            if !edits.contains(edit) {
                edits.push(edit.clone());
            }
        }
        for edits in set.files.values_mut() {
            edits.sort_by_key(|edit| (edit.start, edit.end));
            let overlap =
                |pair: &[SuggestedEdit]| pair[1].start < pair[0].end || pair[1].start == pair[0].start;
            if edits.windows(2).any(overlap) || edits.iter().any(|edit| edit.end < edit.start) {
                return None;
            }
        }
        Some(set)
    }

    /// The files that change.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    /// The new contents; none if an edit lies outside of its file or splits a character.
    pub(super) fn applied(&self, original: &dyn Fn(&Path) -> Option<Arc<[u8]>>) -> Option<Contents> {
        let mut contents = Contents::new();
        for (path, edits) in &self.files {
            let old = original(path)?;
            let mut new = Vec::with_capacity(old.len());
            let mut at = 0;
            for edit in edits {
                let (start, end) = (edit.start as usize, edit.end as usize);
                new.extend_from_slice(old.get(at..start)?);
                old.get(start..end)?;
                new.extend_from_slice(edit.text.as_bytes());
                at = end;
            }
            new.extend_from_slice(old.get(at..)?);
            if std::str::from_utf8(&old).is_ok() && std::str::from_utf8(&new).is_err() {
                return None;
            }
            contents.insert(path.clone(), new.into());
        }
        Some(contents)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use raceguard_evidence::{Fingerprint, Severity, SuggestedFix};
    use serde_json::Map;

    /// A finding with a fix of these edits of `/m/a.go`.
    pub(in crate::check::fix) fn fixed_by(subject: &str, edits: &[(u32, u32, &str)]) -> StaticFinding {
        let edit = |&(start, end, text): &(u32, u32, &str)| SuggestedEdit {
            file: "/m/a.go".into(),
            start,
            end,
            text: text.into(),
            ..SuggestedEdit::default()
        };
        let edits = edits.iter().map(edit).collect();
        StaticFinding {
            rule: "RG101".into(),
            tool: None,
            severity: Severity::Error,
            fingerprint: Fingerprint::of_static_finding("RG101", subject, &[]),
            subject: subject.into(),
            message: String::new(),
            sites: Vec::new(),
            reasons: Vec::new(),
            remedy: String::new(),
            fix: Some(SuggestedFix { title: "mend it".into(), edits, ..SuggestedFix::default() }),
            extra: Map::new(),
        }
    }

    fn applied(text: &str, findings: &[StaticFinding]) -> Option<String> {
        let findings: Vec<&StaticFinding> = findings.iter().collect();
        let contents = EditSet::of(&findings)?.applied(&|_| Some(text.as_bytes().into()))?;
        Some(String::from_utf8(contents[Path::new("/m/a.go")].to_vec()).unwrap())
    }

    #[test]
    fn edits_are_applied_by_place_and_common_ones_once() {
        let findings =
            [fixed_by("a", &[(4, 5, "X"), (0, 0, ">")]), fixed_by("b", &[(0, 0, ">"), (6, 8, "")])];
        assert_eq!(applied("0123456789", &findings).as_deref(), Some(">0123X589"));
    }

    #[test]
    fn edits_that_overlap_or_leave_the_file_are_refused() {
        assert_eq!(
            applied("0123456789", &[fixed_by("a", &[(2, 5, "")]), fixed_by("b", &[(4, 6, "")])]),
            None
        );
        assert_eq!(
            applied("0123456789", &[fixed_by("a", &[(2, 2, "x")]), fixed_by("b", &[(2, 2, "y")])]),
            None
        );
        assert_eq!(applied("0123", &[fixed_by("a", &[(2, 9, "")])]), None);
        assert_eq!(applied("0123", &[fixed_by("a", &[(3, 2, "")])]), None);
        assert_eq!(applied("ü", &[fixed_by("a", &[(0, 1, "")])]), None);
    }
}
