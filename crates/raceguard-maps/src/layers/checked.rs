//! [`Checked`]: misuse of a map as an error with both call sites, where the map itself would hang.

use std::hash::Hash;
use std::panic::Location;
use std::sync::OnceLock;

use self::frames::{Access, Entered, Frame};
use crate::consistency::Consistency;
use crate::error::MapError;
use crate::lifecycle::CloseReport;
use crate::map::{Change, ConcurrentMap, Lookup, Operation};

pub use self::misuse::{Misuse, MisuseKind, Site};

mod frames;
mod identity;
mod lock_order;
mod misuse;
#[cfg(all(test, not(any(raceguard_shuttle, raceguard_loom))))]
mod tests;

/// A map that detects misuse as Go's runtime does for its maps, and says where.
///
/// What is an error here is an error for every strategy, also for one that would have got away with it: so a program
/// that is clean under `Checked` can change its strategy.
///
/// - A call from within a closure of the same map, on the same thread: [`MisuseKind::Reentrant`];
///   [`MisuseKind::LockUpgrade`] when a read contains a write; [`MisuseKind::WriteWhileIterating`] when an iteration does.
///   Also from within `Hash`, `Eq` or `Clone` of keys and values.
/// - A call after `close`: [`MisuseKind::UseAfterClose`], with the place of the `close`.
///   ([`MapError::is_closed`] is true for it, as for [`MapError::Closed`].)
/// - Two checked maps nested in both orders: [`lock_order_warnings`](Self::lock_order_warnings).
///
/// It costs a few nanoseconds per call. Put it outermost: the call sites of a layer around it would be that layer's.
/// It sees calls through itself only, and on one thread: a closure that waits for another thread which uses the map
/// is not detected.
///
/// ```
/// use raceguard_maps::{Checked, ConcurrentMap, MapError, MisuseKind, MutexMap};
///
/// let map = Checked::new(MutexMap::new());
/// map.insert("a", 1)?;
/// map.get_with(&"a", |_| {
///     // Without the layer this line hangs.
///     let Err(MapError::Misuse(misuse)) = map.insert("b", 2) else { panic!() };
///     assert_eq!(misuse.kind, MisuseKind::LockUpgrade);
///     assert_eq!(misuse.second.line(), misuse.first.line() + 2);
/// })?;
/// # Ok::<(), MapError>(())
/// ```
#[derive(Debug)]
pub struct Checked<M> {
    map: M,
    identity: identity::Identity,
    /// Where `close` was called first.
    closed: OnceLock<Site>,
}

impl<M: Default> Default for Checked<M> {
    fn default() -> Self {
        Self::new(M::default())
    }
}

impl<M> Checked<M> {
    /// Checks the use of `map`.
    pub fn new(map: M) -> Self {
        Self { map, identity: identity::Identity::new(), closed: OnceLock::new() }
    }

    /// The map inside, for what only its own type can do. Calls on it are not checked.
    pub fn inner(&self) -> &M {
        &self.map
    }

    /// The map without the layer.
    pub fn into_inner(self) -> M {
        self.map
    }

    /// Nestings of this map with other checked maps that occur in both orders, so that two threads could wait for each
    /// other. The process remembers the first 1,024 nestings and the last 64 warnings.
    pub fn lock_order_warnings(&self) -> Vec<Misuse> {
        lock_order::warnings(self.identity.number())
    }

    #[track_caller]
    fn enter(&self, access: Access) -> Result<Entered, MapError> {
        let second = Location::caller();
        if access != Access::Close
            && let Some(first) = self.closed.get()
        {
            return Err(misuse(MisuseKind::UseAfterClose, first, second));
        }
        let frame = Frame { map: self.identity.number(), access, site: second };
        frames::enter(frame, |outer| {
            if let Some(running) = outer.iter().rev().find(|outer| outer.map == frame.map) {
                return Err(misuse(kind_of(running.access, access), running.site, second));
            }
            if !outer.is_empty() {
                lock_order::note(outer, frame);
            }
            Ok(())
        })
    }
}

fn kind_of(outer: Access, inner: Access) -> MisuseKind {
    match (outer, inner) {
        (Access::Iterate, Access::Write) => MisuseKind::WriteWhileIterating,
        (Access::Read, Access::Write) => MisuseKind::LockUpgrade,
        _ => MisuseKind::Reentrant,
    }
}

fn misuse(kind: MisuseKind, first: Site, second: Site) -> MapError {
    MapError::Misuse(Misuse { kind, first, second })
}

/// Every method is here, also those that the trait provides: `#[track_caller]` names the caller of the outermost
/// function that carries it.
impl<K: Hash + Eq + Clone, V: Clone, M: ConcurrentMap<K, V>> ConcurrentMap<K, V> for Checked<M> {
    type Snapshot = M::Snapshot;

    const CONSISTENCY: Consistency = M::CONSISTENCY;

    #[track_caller]
    fn get_with<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        let _entered = self.enter(Access::Read)?;
        self.map.get_with(key, read)
    }

    #[track_caller]
    fn get<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Option<V>, MapError> {
        let _entered = self.enter(Access::Read)?;
        self.map.get(key)
    }

    #[track_caller]
    fn contains_key<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<bool, MapError> {
        let _entered = self.enter(Access::Read)?;
        self.map.contains_key(key)
    }

    #[track_caller]
    fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let _entered = self.enter(Access::Write)?;
        self.map.insert(key, value)
    }

    #[track_caller]
    fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let _entered = self.enter(Access::Write)?;
        self.map.insert_if_absent(key, value)
    }

    #[track_caller]
    fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        let _entered = self.enter(Access::Write)?;
        self.map.update(key, change)
    }

    #[track_caller]
    fn compute<R>(&self, key: K, decide: impl FnOnce(Option<&V>) -> (Change<V>, R)) -> Result<R, MapError> {
        let _entered = self.enter(Access::Write)?;
        self.map.compute(key, decide)
    }

    #[track_caller]
    fn remove<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Option<V>, MapError> {
        let _entered = self.enter(Access::Write)?;
        self.map.remove(key)
    }

    #[track_caller]
    fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Result<Option<V>, MapError> {
        let _entered = self.enter(Access::Write)?;
        self.map.remove_if(key, condition)
    }

    #[track_caller]
    fn retain(&self, keep: impl FnMut(&K, &V) -> bool) -> Result<usize, MapError> {
        let _entered = self.enter(Access::Iterate)?;
        self.map.retain(keep)
    }

    #[track_caller]
    fn clear(&self) -> Result<usize, MapError> {
        let _entered = self.enter(Access::Write)?;
        self.map.clear()
    }

    #[track_caller]
    fn len(&self) -> Result<usize, MapError> {
        let _entered = self.enter(Access::Read)?;
        self.map.len()
    }

    #[track_caller]
    fn is_empty(&self) -> Result<bool, MapError> {
        let _entered = self.enter(Access::Read)?;
        self.map.is_empty()
    }

    #[track_caller]
    fn shard_lens(&self) -> Result<Vec<usize>, MapError> {
        let _entered = self.enter(Access::Read)?;
        self.map.shard_lens()
    }

    #[track_caller]
    fn for_each(&self, visit: impl FnMut(&K, &V)) -> Result<(), MapError> {
        let _entered = self.enter(Access::Iterate)?;
        self.map.for_each(visit)
    }

    #[track_caller]
    fn snapshot(&self) -> Result<Self::Snapshot, MapError> {
        let _entered = self.enter(Access::Read)?;
        self.map.snapshot()
    }

    #[track_caller]
    fn apply(&self, batch: impl IntoIterator<Item = Operation<K, V>>) -> Result<usize, MapError> {
        let _entered = self.enter(Access::Write)?;
        self.map.apply(batch)
    }

    #[track_caller]
    fn close(&self) -> Result<CloseReport, MapError> {
        let site = Location::caller();
        let _entered = self.enter(Access::Close)?;
        let report = self.map.close()?;
        // Only after it worked: a map that could not be closed can still be used.
        let _ = self.closed.set(site);
        Ok(report)
    }
}
