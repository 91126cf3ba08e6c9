//! A limit in time: a lock that is still held shows as a failure, not as a test that never ends.

use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Far above what any check takes, even on a busy machine.
const LIMIT: Duration = Duration::from_mins(5);

/// Runs `check` on a thread of its own. Panics when it takes longer than the limit, or with its panic.
pub(crate) fn within_limit<R: Send>(what: &str, check: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| {
        let (done, wait) = mpsc::channel::<()>();
        let checking = scope.spawn(move || {
            // Dropped at the end, also by a panic.
            let _done = done;
            check()
        });
        if wait.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            // The scope would wait for the hanging thread for ever, so that no panic could leave it.
            eprintln!("{what}: no end after {LIMIT:?}: a lock is held, or work is lost");
            std::process::abort();
        }
        checking.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}
