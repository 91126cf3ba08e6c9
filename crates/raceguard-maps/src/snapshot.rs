//! Snapshots: the entries of a map at one time, owned by the caller.

/// Entries of a map as they were when the snapshot was taken. Holding one blocks nobody.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, MapSnapshot, ShardedMap};
///
/// let map: ShardedMap<&str, u32> = ShardedMap::new();
/// map.insert("a", 1)?;
/// let seen = map.snapshot()?;
/// // The map may change while it is walked over, also by the one who walks.
/// for (key, value) in seen.iter() {
///     map.insert(*key, value + 1)?;
/// }
/// assert_eq!((seen.len(), map.get(&"a")?), (1, Some(2)));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
pub trait MapSnapshot<K, V> {
    /// How many entries there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries, in no order.
    fn iter<'a>(&'a self) -> impl Iterator<Item = (&'a K, &'a V)>
    where
        K: 'a,
        V: 'a;
}

/// A snapshot that copied the entries into one vector.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, MutexMap};
///
/// let map: MutexMap<&str, u32> = MutexMap::new();
/// map.insert("b", 2)?;
/// map.insert("a", 1)?;
/// let mut entries = map.snapshot()?.into_vec();
/// entries.sort_unstable();
/// assert_eq!(entries, [("a", 1), ("b", 2)]);
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Entries<K, V>(Vec<(K, V)>);

impl<K, V> Entries<K, V> {
    /// A snapshot of these entries.
    pub fn new(entries: Vec<(K, V)>) -> Self {
        Self(entries)
    }

    /// The entries as a vector.
    pub fn into_vec(self) -> Vec<(K, V)> {
        self.0
    }
}

impl<K, V> MapSnapshot<K, V> for Entries<K, V> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn iter<'a>(&'a self) -> impl Iterator<Item = (&'a K, &'a V)>
    where
        K: 'a,
        V: 'a,
    {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl<K, V> IntoIterator for Entries<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
