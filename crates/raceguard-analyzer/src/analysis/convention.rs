//! What names and comments say of locks.

use crate::types::{FuncId, Program};

/// Parts of names of functions whose callers hold the lock, or know that none is needed.
const NAMES: &[&str] =
    &["Locked", "locked", "NoLock", "Nolock", "nolock", "WithoutLock", "Unsafe", "unsafe", "Unlocked"];

/// What comments of such functions say, in small letters.
const COMMENTS: &[&str] = &[
    "must hold",
    "must be held",
    "should be held",
    "caller holds",
    "callers hold",
    "is held",
    "be locked",
    "lock held",
    "with lock",
    "holding",
    "checklocks",
    "must be called with",
    "not safe for concurrent",
    "not thread-safe",
    "not thread safe",
    "not goroutine",
    "single-threaded",
];

/// Whether a function says, by its name or comment, that its caller holds the lock.
pub fn says_locked(program: &Program, func: Option<FuncId>) -> bool {
    let Some(func) = func else { return false };
    let id = program.function(func);
    let name = program.object(id).name.as_str();
    if NAMES.iter().any(|mark| name.contains(mark)) {
        return true;
    }
    let comment = program.object_comment(id).to_lowercase();
    COMMENTS.iter().any(|mark| comment.contains(mark))
}

/// Beginnings of names of functions that run before others use what they prepare.
const SET_UP: &[&str] = &[
    "new",
    "init",
    "setup",
    "build",
    "configure",
    "register",
    "with",
    "load",
    "parse",
    "make",
    "open",
    "must",
    "default",
    "set",
    "add",
    "option",
];

/// Whether a function prepares something, by its name.
pub fn prepares(program: &Program, func: Option<FuncId>) -> bool {
    let Some(func) = func else { return true };
    let name = program.object(program.function(func)).name.as_str().to_lowercase();
    SET_UP.iter().any(|start| name.starts_with(start))
}
