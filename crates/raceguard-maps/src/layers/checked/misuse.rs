//! [`Misuse`]: what was done wrong with a map, and where in the program.

use std::fmt;
use std::panic::Location;

/// A call site in the caller's source.
pub type Site = &'static Location<'static>;

/// A call that can hang or fail for a reason in the caller's code, with the two places that together make it wrong.
///
/// ```
/// use raceguard_maps::{Checked, ConcurrentMap, MapError, MisuseKind, ShardedMap};
///
/// let map = Checked::new(ShardedMap::new());
/// map.insert("a", 1)?;
/// map.for_each(|key, _| {
///     let Err(MapError::Misuse(misuse)) = map.remove(key) else { panic!("it would hang") };
///     assert_eq!(misuse.kind, MisuseKind::WriteWhileIterating);
///     println!("{misuse}"); // names both calls, with file and line
/// })?;
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misuse {
    /// What is wrong.
    pub kind: MisuseKind,
    /// The earlier call: the one that is still running, or the `close`.
    pub first: Site,
    /// The later call, which was refused.
    pub second: Site,
}

/// The kinds of [`Misuse`].
///
/// ```
/// use raceguard_maps::{Checked, ConcurrentMap, MapError, MisuseKind, MutexMap};
///
/// let map: Checked<MutexMap<u32, u32>> = Checked::new(MutexMap::new());
/// map.close()?;
/// let Err(MapError::Misuse(misuse)) = map.get(&1) else { panic!("it is closed") };
/// assert_eq!(misuse.kind, MisuseKind::UseAfterClose);
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MisuseKind {
    /// A call from within a closure (or a `Hash`, `Eq`, `Clone`) that the same map is running on this thread.
    Reentrant,
    /// A write from within a closure that reads the same map: the read lock cannot become a write lock.
    LockUpgrade,
    /// A write while the same thread iterates over the map.
    WriteWhileIterating,
    /// A call after `close`.
    UseAfterClose,
    /// Two maps were used one within the other, and before in the opposite nesting. Two threads that do so at the same
    /// time can wait for each other for ever. Only a warning: see
    /// [`lock_order_warnings`](super::Checked::lock_order_warnings).
    LockOrder,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, first, second } = self;
        match kind {
            MisuseKind::Reentrant => {
                write!(f, "the call at {second} uses a map from within the closure of the call at {first}")?;
            }
            MisuseKind::LockUpgrade => write!(
                f,
                "the call at {second} writes to a map from within the closure of the call at {first}, which reads it"
            )?,
            MisuseKind::WriteWhileIterating => {
                write!(f, "the call at {second} writes to a map over which the call at {first} iterates")?;
            }
            MisuseKind::UseAfterClose => {
                return write!(
                    f,
                    "the call at {second} uses a map that the call at {first} closed: close it after its last user"
                );
            }
            MisuseKind::LockOrder => {
                return write!(
                    f,
                    "the call at {second} nests two maps, and the call at {first} nests them the other way round: \
                     two threads can wait for each other; take one order everywhere"
                );
            }
        }
        f.write_str(": move the call out of the closure")
    }
}
