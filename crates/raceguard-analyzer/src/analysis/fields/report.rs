//! What a finding on a field says.

use super::candidates::Candidate;
use super::contexts::{Contexts, OriginId, OriginKind};
use super::facts::{FieldAccess, NodeRef, unit_of};
use super::guards::Guard;
use super::key::{Held, LockKey, MemoryKey};
use super::mend;
use super::pairs::Evidence;
use crate::analysis::wording::capitalised;
use crate::finding::{Finding, Location, Reason, Severity, Site};
use crate::ir::function::How;
use crate::rules::{self, ProgramContext, Rule};
use crate::syntax::span::Span;

/// Two accesses, and what was concluded.
pub(super) struct Verdict<'f> {
    pub(super) blamed: &'f Candidate<'f>,
    pub(super) other: &'f Candidate<'f>,
    pub(super) evidence: Evidence,
    pub(super) severity: Severity,
    pub(super) guard: Option<&'f Guard>,
}

/// Writes findings about one field.
pub(super) struct Report<'f, 'a> {
    pub(super) context: &'f ProgramContext<'a>,
    pub(super) contexts: &'f Contexts,
    pub(super) key: &'f MemoryKey,
    pub(super) candidates: &'f [Candidate<'f>],
}

impl Report<'_, '_> {
    pub(super) fn finding(&self, verdict: &Verdict<'_>) -> Option<Finding> {
        let rule = self.rule(verdict)?;
        let subject = self.subject(verdict.blamed.access);
        let origins = match verdict.evidence {
            Evidence::Origins(one, other) | Evidence::Served(one, other) => [Some(one), Some(other)],
            Evidence::Guarded | Evidence::Carries => [None, None],
        };
        let mut sites = vec![self.site(verdict.blamed, origins[0]), self.site(verdict.other, origins[1])];
        let helper = Self::move_to_caller(verdict.blamed, &mut sites[0]);
        let lock = verdict.guard.and_then(|guard| guard.lock.as_ref()).map(|lock| self.lock_name(lock));
        let message = match &lock {
            Some(lock) if let Some(helper) = &helper => {
                format!(
                    "{} of {subject} by {helper}, which demands {lock}: it is released before this call",
                    capitalised(sites[0].action)
                )
            }
            Some(lock) if sites[0].locks.is_empty() => {
                format!(
                    "{} of {subject} without {lock}, which guards it elsewhere",
                    capitalised(sites[0].action)
                )
            }
            _ => format!(
                "{} of {subject} may run at the same time as the {} in {}",
                capitalised(sites[0].action),
                sites[1].action,
                sites[1].function
            ),
        };
        let remedy = match (&lock, rule.code) {
            (Some(lock), _) if let Some(helper) = &helper => {
                format!("Release {lock} after the call of {helper}")
            }
            (Some(lock), "RG106") => format!("Take {lock} for writing: Lock instead of RLock"),
            (Some(lock), _) => format!("Hold {lock} here too"),
            (None, _) => format!("Guard every access to {subject} with one mutex that lies beside it"),
        };
        let mut reasons = Self::reasons(verdict, lock.as_deref());
        if let Some(helper) = &helper {
            let text = format!("{helper} says, by its name or comment, that its caller holds the lock");
            let location = Some(self.location(verdict.blamed.home, verdict.blamed.access.span));
            reasons.push(Reason { text, location });
        }
        let severity = verdict.severity;
        let fix = mend::fix(self, verdict);
        Some(Finding { rule, severity, subject, message, sites, reasons, remedy, fix })
    }

    /// Where a helper is called too late, the call is what is wrong: the site moves there. Gives the helper's name.
    fn move_to_caller(blamed: &Candidate<'_>, site: &mut Site) -> Option<String> {
        let depth = blamed.early.as_ref()?.depth;
        let (function, location) = site.calls.get(depth - 1)?.clone();
        let called = depth.checked_sub(2).map_or(&site.function, |below| &site.calls[below].0);
        let helper = called.rsplit(['.', '/']).next().unwrap_or(called).to_owned();
        site.calls.drain(..depth);
        site.function = function;
        site.location = location;
        Some(helper)
    }

    fn rule(&self, verdict: &Verdict<'_>) -> Option<&'static Rule> {
        let (a, b) = (verdict.blamed, verdict.other);
        let guard = verdict.guard.filter(|guard| guard.near).and_then(|guard| guard.lock.as_ref());
        let reading = |candidate: &Candidate<'_>| {
            candidate.access.write
                && candidate.locks.iter().any(|held| {
                    !held.exclusive && matches!(&held.key, LockKey::Known(lock) if Some(lock) == guard)
                })
        };
        let map = a.access.how.is_map() || b.access.how.is_map();
        // An access without a lock is wrong by itself, whatever its partner holds.
        let code = if reading(a) || !a.locks.is_empty() && reading(b) {
            "RG106"
        } else if !a.locks.is_empty() && !b.locks.is_empty() {
            "RG107"
        } else if map && (is_iteration(a.access) || is_iteration(b.access)) {
            "RG103"
        } else if map && a.access.write && b.access.write {
            "RG101"
        } else if map {
            "RG102"
        } else if matches!(self.key, MemoryKey::Global(..)) {
            "RG201"
        } else {
            "RG213"
        };
        rules::find(code)
    }

    fn site(&self, candidate: &Candidate<'_>, origin: Option<u32>) -> Site {
        let unit = unit_of(self.context, candidate.home);
        Site {
            location: self.location(candidate.home, candidate.access.span),
            function: unit.body(candidate.access.body).name.clone(),
            action: candidate.access.how.noun(candidate.access.write),
            write: candidate.access.write,
            locks: candidate.locks.iter().map(|held| self.held_name(held)).collect(),
            origin: origin
                .map(|origin| origin_reason(self.context, self.contexts, origin))
                .into_iter()
                .collect(),
            calls: candidate
                .calls
                .iter()
                .map(|&(node, span)| (unit_of(self.context, node).name.clone(), self.location(node, span)))
                .collect(),
        }
    }

    fn location(&self, node: NodeRef, span: Span) -> Location {
        location(self.context, node, span)
    }

    fn reasons(verdict: &Verdict<'_>, lock: Option<&str>) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if let (Some(guard), Some(lock)) = (verdict.guard, lock) {
            let text = format!("{lock} is held at {} of {} accesses", guard.guarded, guard.total);
            reasons.push(Reason { text, location: None });
        }
        if let Some(stated) = verdict.guard.and_then(|guard| guard.stated.as_ref()) {
            reasons.push(Reason { text: format!("Its comment says \"{stated}\""), location: None });
        }
        let text = match verdict.evidence {
            Evidence::Origins(..) => "The two run in different goroutines, and no lock is held at both",
            Evidence::Served(..) => {
                "Handlers run many at a time, and none of them makes the object: they share it, and no access takes a lock"
            }
            Evidence::Carries => {
                "Its type carries a mutex, so it is meant for several goroutines; no access takes it"
            }
            Evidence::Guarded => {
                "A field that is guarded is used by several goroutines; this access can run beside them"
            }
        };
        reasons.push(Reason { text: text.to_owned(), location: None });
        reasons
    }

    fn subject(&self, access: &FieldAccess) -> String {
        let what = if access.how.is_map() { "map " } else { "" };
        format!("{what}{}", self.name(self.key))
    }

    fn name(&self, key: &MemoryKey) -> String {
        let program = self.context.program;
        let (owner, fields) = match key {
            MemoryKey::Field(owner, fields, _) | MemoryKey::Global(owner, fields, _) => (*owner, fields),
        };
        let mut name = program.object(owner).name.to_string();
        for field in fields {
            name.push('.');
            name.push_str(field.as_str());
        }
        name
    }

    fn lock_name(&self, lock: &MemoryKey) -> String {
        self.name(lock)
    }

    fn held_name(&self, held: &Held) -> String {
        let name = match &held.key {
            LockKey::Known(lock) => self.lock_name(lock),
            LockKey::Perhaps(lock) => format!("{} (perhaps)", self.lock_name(lock)),
            LockKey::Unknown => "a lock".to_owned(),
        };
        if held.exclusive { name } else { format!("{name} (read)") }
    }
}

fn location(context: &ProgramContext<'_>, node: NodeRef, span: Span) -> Location {
    let unit = unit_of(context, node);
    Location { package: unit.package, file: unit.file, span }
}

/// Where the goroutine of an access comes from.
pub(super) fn origin_reason(context: &ProgramContext<'_>, contexts: &Contexts, id: OriginId) -> Reason {
    let origin = contexts.origin(id);
    let begins = unit_of(context, origin.begins).name.clone();
    let location = origin.started.map(|(node, span)| location(context, node, span));
    let text = match origin.kind {
        OriginKind::Entry(_) => format!("runs in whatever goroutine calls {begins}"),
        OriginKind::Goroutine(true) => "runs in goroutines started here".to_owned(),
        OriginKind::Goroutine(false) => "runs in a goroutine started here".to_owned(),
        OriginKind::Callback => {
            format!("runs whenever {begins} is called: it is stored or handed on here")
        }
        OriginKind::Handler if location.is_some() => {
            "runs for each request: this registers the handler".to_owned()
        }
        OriginKind::Handler => format!("runs for each request: {begins} is a handler"),
    };
    Reason { text, location }
}

const fn is_iteration(access: &FieldAccess) -> bool {
    matches!(access.how, How::MapIterate | How::HiddenIterate)
}
