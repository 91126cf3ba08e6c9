//! Kills a process that writes, again and again, and looks at what it left.
//!
//! The parent starts itself as a child, which writes with several threads and reports each acknowledged write through a
//! pipe. At a random moment the parent kills it (SIGKILL), opens the log, and checks: every acknowledged write is there,
//! none that was never issued, none out of order. The next child goes on with the same log. Each thread of the child
//! writes its own keys in a fixed order, so what it issued is known from how far it came: it writes `n` to key
//! `n % KEYS`, reports `n`, and goes on with `n + 1`.
//!
//! `RACEGUARD_KILLS=n` kills n times (default 60), `RACEGUARD_SEED=n` starts from another seed. It has no harness of tests
//! because the child must be nothing but the writer.

#[cfg(unix)]
mod killing;

#[cfg(unix)]
fn main() {
    killing::main();
}

#[cfg(not(unix))]
fn main() {}
