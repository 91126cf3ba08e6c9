//! What the analysis reports.

use std::sync::Arc;

use crate::rules::Rule;
use crate::syntax::span::Span;
use crate::types::PackageId;

/// How sure and how bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Could be better: performance, style that invites races.
    Advice,
    /// Probably wrong; a part of the evidence is inferred.
    Warning,
    /// Wrong: the evidence is in the code.
    Error,
}

/// A place in the source of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The package.
    pub package: PackageId,
    /// Index of the file in the package.
    pub file: u32,
    /// The bytes.
    pub span: Span,
}

/// A statement that takes part in a finding: an access, a lock, a call.
#[derive(Debug, Clone)]
pub struct Site {
    /// Where.
    pub location: Location,
    /// The function around it, as Go's runtime spells it.
    pub function: Arc<str>,
    /// What it does, for people: `write`, `iteration`, `close`, ...
    pub action: &'static str,
    /// Whether it writes.
    pub write: bool,
    /// The locks held, as written in the source or by their fields: `s.mu`, `(*Cache).mu (read)`.
    pub locks: Vec<String>,
    /// Where the goroutine that gets here comes from, outermost last: `go statement`, `HTTP handler`, ...
    pub origin: Vec<Reason>,
    /// The calls on the way from that origin, innermost first, this function left out.
    pub calls: Vec<(Arc<str>, Location)>,
}

/// A piece of evidence.
#[derive(Debug, Clone)]
pub struct Reason {
    /// One sentence, without a full stop.
    pub text: String,
    /// The place it speaks of.
    pub location: Option<Location>,
}

/// A replacement of source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty to insert.
    pub location: Location,
    /// By what.
    pub text: String,
}

/// A change that mends a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, in the imperative.
    pub title: String,
    /// The replacements, none overlapping.
    pub edits: Vec<Edit>,
}

/// A finding.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How sure and bad it is.
    pub severity: Severity,
    /// What it is about, as people name it: `map field gateway.Router.routes`, `variable err`.
    pub subject: String,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The statements: the one to blame first; for a race the other one second.
    pub sites: Vec<Site>,
    /// Why we think so: evidence of concurrency, which lock guards, what does not order them.
    pub reasons: Vec<Reason>,
    /// What would mend it, in one sentence without a full stop.
    pub remedy: String,
    /// A change that mends it, if it is safe to make.
    pub fix: Option<Fix>,
}
