//! What findings about a lock that is held have in common.

use super::Rule;
use super::path_facts::Held;
use super::wording::Wording;
use crate::finding::Finding;
use crate::ir::function::BodyId;
use crate::syntax::span::Span;

/// What happens while a lock is held.
pub(super) struct WhileHeld<'h> {
    /// The body in which it happens.
    pub(super) body: BodyId,
    /// Where.
    pub(super) at: Span,
    /// What it is, for people.
    pub(super) action: &'static str,
    /// The lock.
    pub(super) held: &'h Held,
}

impl WhileHeld<'_> {
    /// A finding with both places: where it happens, and where the lock was taken.
    pub(super) fn finding(
        &self,
        rule: &'static Rule,
        wording: Wording<'_>,
        message: String,
        remedy: String,
    ) -> Finding {
        let Self { body, at, action, held } = *self;
        let name = wording.lock_name(held);
        let lock = if held.exclusive { "lock" } else { "read lock" };
        Finding {
            rule,
            severity: rule.severity,
            subject: format!("lock {name}"),
            message,
            sites: vec![
                wording.site_with(body, at, action, std::slice::from_ref(held)),
                wording.site(body, held.at, lock),
            ],
            reasons: vec![wording.reason(format!("{name} is locked here, and still held"), held.at)],
            remedy,
            fix: None,
        }
    }
}
