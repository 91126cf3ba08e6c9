//! The locks that the functions on a stack hold, by their source.

use raceguard_evidence::Frame;
use serde::Serialize;

use crate::naming::{LockCall, declaration, lock_calls, qualified};
use crate::source_text::SourceText;

/// A lock that a goroutine holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldLock {
    /// Field or variable, `example.com/m.Store.mu`.
    pub lock: String,
    /// The call that took it.
    pub call: LockCall,
    /// The function that took it.
    pub function: String,
    /// The line of the call.
    pub line: u32,
}

/// The locks that the functions of `stack` took above their lines and have not released there. Of the innermost
/// frame the line itself does not count: that is where it waits.
///
/// This follows lines, not branches: a lock that is released on one branch only counts as released.
pub(super) fn held(stack: &[&Frame], sources: &SourceText<'_>) -> Vec<HeldLock> {
    let mut all: Vec<HeldLock> = Vec::new();
    for frame in stack {
        let Some(lines) = sources.lines(&frame.file) else { continue };
        let Some((start, _)) = declaration(&lines, frame.line) else { continue };
        let end = frame.line.saturating_sub(1);
        let (from, to) = (start as usize, end as usize);
        let Some(body) = lines.get(from..to.max(from).min(lines.len())) else { continue };
        let mut of_frame: Vec<HeldLock> = Vec::new();
        for (offset, text) in body.iter().enumerate() {
            for expression in lock_calls(text) {
                let line = u32::try_from(from + offset + 1).unwrap_or(u32::MAX);
                let lock = qualified(&expression.lock, &frame.function, &lines, line);
                if expression.call.acquires() {
                    of_frame.push(HeldLock {
                        lock,
                        call: expression.call,
                        function: frame.function.clone(),
                        line,
                    });
                } else if !expression.deferred {
                    let released = if expression.call.is_read() { LockCall::RLock } else { LockCall::Lock };
                    if let Some(at) =
                        of_frame.iter().rposition(|held| held.lock == lock && held.call == released)
                    {
                        of_frame.remove(at);
                    }
                }
            }
        }
        all.extend(of_frame);
    }
    all
}
