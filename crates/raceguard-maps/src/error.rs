//! What can go wrong with a map: [`MapError`].

use thiserror::Error;

use crate::layers::checked::{Misuse, MisuseKind};

/// Why a call had no effect, or may have had none.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, MapError, ShardedMap};
///
/// let refused = ShardedMap::<u32, u32>::with_shards(0).unwrap_err();
/// assert!(matches!(refused, MapError::Configuration { .. }), "{refused}");
///
/// let map: ShardedMap<u32, u32> = ShardedMap::new();
/// map.close()?;
/// assert_eq!(map.get(&1), Err(MapError::Closed));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapError {
    /// The map was closed before the call, or while it waited.
    #[error(
        "the map is closed: close() was called on it; make a new one, or call close() after its last user"
    )]
    Closed,
    /// The log of a durable map could not be written: the map refuses all writes from then on, and reads go on.
    #[error(
        "{operation} {} failed: {cause}; the map takes no more writes: mend the cause and open the log again",
        .path.display()
    )]
    Durability {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: std::path::PathBuf,
        /// Why it failed.
        cause: String,
    },
    /// A key or value has no encoding: nothing was written.
    #[error("nothing was written: a key or value could not be encoded: {cause}")]
    Encoding {
        /// What the codec says.
        cause: String,
    },
    /// A count, size or capacity in the configuration makes no sense.
    #[error("{setting} = {given} is not possible: {allowed}")]
    Configuration {
        /// Name of the setting.
        setting: &'static str,
        /// The value that was given.
        given: String,
        /// What would be accepted.
        allowed: &'static str,
    },
    /// A bounded queue has no room. Only the `try_` methods return it; the others wait.
    #[error("the queue is full ({capacity} operations wait): slow down, or take the method that waits")]
    Full {
        /// How many operations may wait.
        capacity: usize,
    },
    /// The map was called from within a closure that it runs at this moment, on the same thread.
    #[error("the map was called from within a closure that it is running: move the call out of the closure")]
    Reentrant,
    /// The `Checked` layer found a mistake in how the map is used.
    #[error("{0}")]
    Misuse(Misuse),
}

impl MapError {
    /// Whether the map was closed: [`Closed`](Self::Closed), or what the `Checked` layer says instead, with the call
    /// sites.
    pub fn is_closed(&self) -> bool {
        let Self::Misuse(misuse) = self else { return *self == Self::Closed };
        misuse.kind == MisuseKind::UseAfterClose
    }
}
