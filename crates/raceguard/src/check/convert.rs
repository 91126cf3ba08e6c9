//! From the analyzer's findings to records of evidence.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use raceguard_analyzer::finding::{self, Finding, Location};
use raceguard_analyzer::pipeline::{FileError, Lowered};
use raceguard_analyzer::source::{Loaded, SourceFile};
use raceguard_analyzer::syntax::LineIndex;
use raceguard_evidence::{
    CallStep, Fingerprint, Reason, Severity, Site, SourcePlace, SourceProblem, StaticFinding, SuggestedEdit,
    SuggestedFix,
};
use serde_json::Map;

/// Knows files by the analyzer's numbers.
pub struct Converter<'a> {
    loaded: &'a Loaded,
    lowered: &'a Lowered,
    indexes: RefCell<HashMap<(u32, u32), Rc<LineIndex>>>,
}

impl<'a> Converter<'a> {
    /// For the result of one analysis.
    pub fn new(loaded: &'a Loaded, lowered: &'a Lowered) -> Self {
        Self { loaded, lowered, indexes: RefCell::default() }
    }

    /// The record of a finding.
    pub fn finding(&self, finding: &Finding) -> StaticFinding {
        let sites: Vec<Site> = finding.sites.iter().map(|site| self.site(site)).collect();
        StaticFinding {
            rule: finding.rule.code.to_owned(),
            tool: None,
            severity: severity(finding.severity),
            fingerprint: Fingerprint::of_static_finding(finding.rule.code, &finding.subject, &sites),
            subject: finding.subject.clone(),
            message: finding.message.clone(),
            sites,
            reasons: finding.reasons.iter().map(|reason| self.reason(reason)).collect(),
            remedy: finding.remedy.clone(),
            fix: finding.fix.as_ref().map(|fix| self.fix(fix)),
            extra: Map::new(),
        }
    }

    /// The record of a syntax error, which takes something away from the analysis.
    pub fn syntax_error(&self, error: &FileError) -> SourceProblem {
        let location = Location { package: error.package, file: error.file, span: error.error.span };
        let place = self.place(location);
        SourceProblem {
            path: place.file,
            line: place.line,
            column: place.column,
            message: error.error.message.clone(),
            hint: "what can't be parsed is not analysed".to_owned(),
            loss: true,
            extra: Map::new(),
        }
    }

    fn site(&self, site: &finding::Site) -> Site {
        let call = |(function, location): &(std::sync::Arc<str>, Location)| CallStep {
            function: function.to_string(),
            place: self.place(*location),
            extra: Map::new(),
        };
        Site {
            place: self.place(site.location),
            function: site.function.to_string(),
            action: site.action.to_owned(),
            write: site.write,
            locks: site.locks.clone(),
            origin: site.origin.iter().map(|reason| self.reason(reason)).collect(),
            calls: site.calls.iter().map(call).collect(),
            extra: Map::new(),
        }
    }

    fn reason(&self, reason: &finding::Reason) -> Reason {
        let place = reason.location.map(|location| self.place(location));
        Reason { text: reason.text.clone(), place, extra: Map::new() }
    }

    fn fix(&self, fix: &finding::Fix) -> SuggestedFix {
        let edit = |edit: &finding::Edit| SuggestedEdit {
            file: path_of(self.file(edit.location)),
            start: edit.location.span.start,
            end: edit.location.span.end,
            text: edit.text.clone(),
            extra: Map::new(),
        };
        let edits = fix.edits.iter().map(edit).collect();
        SuggestedFix { title: fix.title.clone(), edits, extra: Map::new() }
    }

    fn place(&self, location: Location) -> SourcePlace {
        let file = self.file(location);
        let Some(bytes) = file.map(|file| &file.bytes) else { return SourcePlace::default() };
        let key = (location.package.0, location.file);
        let index =
            Rc::clone(self.indexes.borrow_mut().entry(key).or_insert_with(|| Rc::new(LineIndex::new(bytes))));
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let start = index.position(location.span.start.min(length));
        let end = index.position(location.span.end.min(length));
        SourcePlace {
            file: path_of(file),
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
            extra: Map::new(),
        }
    }

    fn file(&self, location: Location) -> Option<&'a SourceFile> {
        let origin = self.lowered.origins.get(location.package.0 as usize)?.get(location.file as usize)?;
        self.loaded.packages.get(origin.package.index())?.files.get(origin.file)
    }
}

fn path_of(file: Option<&SourceFile>) -> String {
    file.map(|file| file.path.to_string_lossy().into_owned()).unwrap_or_default()
}

fn severity(severity: finding::Severity) -> Severity {
    match severity {
        finding::Severity::Advice => Severity::Advice,
        finding::Severity::Warning => Severity::Warning,
        finding::Severity::Error => Severity::Error,
    }
}
