//! What names and comments say of locks.

use crate::types::{FuncId, Program};

/// Parts of names of functions whose callers hold the lock, or know that none is needed.
const NAMES: &[&str] = &["Locked", "NoLock", "Nolock", "WithoutLock", "Unsafe", "Unlocked"];

/// The same, where they are the beginning of a name or of a part of it.
const SMALL_NAMES: &[&str] = &["locked", "nolock", "unsafe", "unlocked"];

/// What comments of such functions say without speaking of a lock, in small letters.
const COMMENTS: &[&str] = &[
    "checklocks",
    "not safe for concurrent",
    "not concurrency safe",
    "not thread-safe",
    "not thread safe",
    "not goroutine",
    "single-threaded",
];

/// Words by which a sentence asks something of the caller.
const DEMANDS: &[&str] = &[
    "require", "requires", "required", "must", "should", "hold", "holds", "held", "holding", "assume",
    "assumes", "assumed", "caller", "callers", "need", "needs", "expect", "expects", "expected", "under",
    "with", "locked",
];

/// Words with which a sentence says something else of a lock.
const OTHERWISE: &[&str] = &[
    "not", "without", "don", "doesn", "mustn", "shouldn", "never", "acquires", "takes", "obtains", "grabs",
    "no",
];

/// Whether a function says, by its name or comment, that its caller holds the lock.
pub fn says_locked(program: &Program, func: Option<FuncId>) -> bool {
    let Some(func) = func else { return false };
    let id = program.function(func);
    names_lock(program.object(id).name.as_str()) || demands_lock(&program.object_comment(id))
}

fn names_lock(name: &str) -> bool {
    let small = |mark: &&str| name.starts_with(*mark) || name.contains(&format!("_{mark}"));
    NAMES.iter().any(|mark| name.contains(mark)) || SMALL_NAMES.iter().any(small)
}

/// Whether a comment asks the caller for a lock: a sentence that speaks of one, of holding it, and not of the contrary.
fn demands_lock(comment: &str) -> bool {
    let comment = comment.to_lowercase();
    let text = comment
        .lines()
        .map(|line| line.trim_start_matches(['/', '*', ' ', '\t']))
        .collect::<Vec<_>>()
        .join(" ");
    COMMENTS.iter().any(|mark| text.contains(mark))
        || text.split(['.', ';', '!', ':']).any(|sentence| {
            let words = || sentence.split(|c: char| !c.is_alphanumeric() && c != '_');
            words().any(is_lock_word)
                && words().any(|word| DEMANDS.contains(&word))
                && !words().any(|word| OTHERWISE.contains(&word))
        })
        || asks_for_member(&text)
}

/// Whether a text speaks of holding `x.mu`, whose point looks like the end of a sentence.
fn asks_for_member(text: &str) -> bool {
    [".mu ", ".mu.", ".mutex ", ".lock "].iter().any(|member| {
        let Some(at) = text.find(member) else { return false };
        let near =
            |slice: Option<&str>| slice.is_some_and(|text| text.contains("held") || text.contains("hold"));
        let start = text.floor_char_boundary(at.saturating_sub(30));
        let end = text.ceil_char_boundary((at + 30).min(text.len()));
        let window = text.get(start..end);
        near(window) && !window.is_some_and(|text| text.contains("not ") || text.contains("without"))
    })
}

fn is_lock_word(word: &str) -> bool {
    let ends = ["lock", "locks", "mutex", "locked", "mtx"].iter().any(|end| word.ends_with(end));
    word == "mu"
        || ends
            && !["block", "clock", "unlock", "blocks", "clocks", "unlocks", "blocked"]
                .iter()
                .any(|end| word.ends_with(end))
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

/// Parts of names of functions that run before a program serves anybody.
const INITIAL: &[&str] = &["Init", "Replay", "Recover", "Restore", "Bootstrap", "Setup", "SetUp"];

/// Whether a function says by its name that it belongs to the initialisation of a program or object.
pub fn is_initial(program: &Program, func: Option<FuncId>) -> bool {
    let Some(func) = func else { return true };
    let name = program.object(program.function(func)).name.as_str();
    let small = |mark: &&str| name.starts_with(mark.to_lowercase().as_str());
    INITIAL.iter().any(|mark| name.contains(mark)) || INITIAL.iter().any(small)
}

#[cfg(test)]
mod tests {
    use super::{demands_lock, names_lock};

    #[test]
    fn comments_that_ask_for_the_lock() {
        for comment in [
            "// Lock should be held.",
            "// find returns the entry. Requires manager lock.",
            "// hold manager lock before calling",
            "// The caller must hold s.mu.",
            "// s.mu must be held",
            "// Lock is held on entry.",
            "// It is not safe for concurrent use.",
            "// mu is held by the caller",
            "// +checklocks:s.mu",
            "// Assumes that the cacheLock\n// is held.",
        ] {
            assert!(demands_lock(comment), "{comment}");
        }
    }

    #[test]
    fn comments_that_say_something_else_of_locks() {
        for comment in [
            "// Get takes the lock and returns the entry.",
            "// Lock must not be held.",
            "// It must be called without the lock held.",
            "// Block waits until the block is needed.",
            "// Get returns an entry with its clock.",
            "// It should be fast.",
        ] {
            assert!(!demands_lock(comment), "{comment}");
        }
    }

    #[test]
    fn names_that_say_locked() {
        assert!(names_lock("getLocked") && names_lock("locked_get") && names_lock("get_locked"));
        assert!(!names_lock("isBlocked") && !names_lock("blockedPeers"));
    }
}
