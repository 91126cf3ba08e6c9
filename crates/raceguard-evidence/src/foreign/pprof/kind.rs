//! What a profile is of.
//!
//! Go's runtime writes no name into a profile. Most kinds have types of values of their own. Heap and allocs differ
//! in the type to show first. Mutex and block profiles do not differ but in their stacks: waiting is charged to the
//! statement that *released* a lock in a mutex profile, and to the one that *waited* in a block profile. So the
//! innermost calls decide: most of the stacks in functions that unlock make it a mutex profile. When there is
//! nothing to decide by, no samples or no symbols, the file's name is taken as a hint, and a warning says so.

use super::message::Message;
use crate::foreign::Sink;
use crate::profile::{Profile, ProfileKind};

/// Sets the kind of `profile`, which has its samples.
pub(super) fn settle(message: &Message<'_>, profile: &mut Profile, path: &str, sink: &mut dyn Sink) {
    let has = |name: &str| profile.value_index(name).is_some();
    profile.profile = if has("inuse_space") || has("alloc_space") {
        if message.string(message.default_sample_type) == "alloc_space" {
            ProfileKind::Allocs
        } else {
            ProfileKind::Heap
        }
    } else if has("contentions") && has("delay") {
        contention(profile, path, sink)
    } else if has("goroutine") {
        ProfileKind::Goroutine
    } else if has("threadcreate") {
        ProfileKind::ThreadCreate
    } else if has("cpu") {
        ProfileKind::Cpu
    } else {
        ProfileKind::Other(profile.sample_types.first().map_or_else(String::new, |first| first.name.clone()))
    };
}

fn contention(profile: &Profile, path: &str, sink: &mut dyn Sink) -> ProfileKind {
    let (mut released, mut waited) = (0_u64, 0_u64);
    for sample in &profile.samples {
        let innermost = profile.stack(sample).next().map_or("", |frame| frame.function.as_str());
        if !innermost.is_empty() {
            *(if is_release(innermost) { &mut released } else { &mut waited }) += 1;
        }
    }
    if released + waited > 0 {
        return if released > waited { ProfileKind::Mutex } else { ProfileKind::Block };
    }
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
    let (kind, word) = match (name.contains("mutex"), name.contains("block")) {
        (true, false) => (ProfileKind::Mutex, "mutex"),
        (false, true) => (ProfileKind::Block, "block"),
        _ => {
            sink.warn(
                "whether this is a mutex or a block profile can't be told: it has no stack with names; a file name \
                 with `mutex` or `block` in it would say so"
                    .to_owned(),
            );
            return ProfileKind::Other("contentions".to_owned());
        }
    };
    sink.warn(format!("taken for a {word} profile because of its file name: it has no stack with names"));
    kind
}

/// Whether a function of `sync` or of the runtime releases a lock: `sync.(*Mutex).Unlock`, `runtime.unlock2`.
fn is_release(function: &str) -> bool {
    let name = function.rsplit('.').next().unwrap_or_default();
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let package = function.split('.').next().unwrap_or_default();
    matches!(package, "sync" | "internal/sync" | "runtime")
        && matches!(
            name,
            "Unlock"
                | "RUnlock"
                | "unlock"
                | "unlockSlow"
                | "rUnlockSlow"
                | "unlockWithRank"
                | "_LostContendedRuntimeLock"
        )
}

#[cfg(test)]
mod tests {
    use super::is_release;

    #[test]
    fn functions_that_release_a_lock_are_told_from_those_that_wait() {
        for release in
            ["sync.(*Mutex).Unlock", "sync.(*RWMutex).RUnlock", "runtime.unlock2", "runtime.unlock"]
        {
            assert!(is_release(release), "{release}");
        }
        for other in ["sync.(*Mutex).Lock", "runtime.chanrecv1", "main.(*T).Unlock", "sync.(*Cond).Wait", ""]
        {
            assert!(!is_release(other), "{other}");
        }
    }
}
