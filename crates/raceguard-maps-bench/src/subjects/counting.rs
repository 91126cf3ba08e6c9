//! [`CounterMap`], which is no map of values: only counting is measured of it.

use raceguard_maps::{CounterMap, MapSnapshot};

use super::ours::done;
use crate::subject::{Handle, Subject};

pub(crate) struct Counting(CounterMap<u64>);

impl Subject<u64, u64> for Counting {
    type Handle<'a> = &'a Self;

    fn empty() -> Self {
        Self(CounterMap::new())
    }

    fn handle(&self) -> &Self {
        self
    }
}

impl Handle<u64, u64> for &Counting {
    #[inline]
    fn get(&mut self, key: &u64, read: impl Fn(&u64) -> u64) -> Option<u64> {
        done(self.0.get(key)).map(|count| read(&count))
    }

    fn insert(&mut self, key: u64, value: u64) {
        done(self.0.take(&key));
        done(self.0.add(&key, value));
    }

    fn remove(&mut self, key: &u64) -> bool {
        done(self.0.take(key)).is_some()
    }

    /// Adds one, which is what the bench does with a count.
    #[inline]
    fn update(&mut self, key: &u64, _change: impl Fn(&u64) -> u64) {
        done(self.0.add(key, 1));
    }

    fn for_each(&mut self, visit: impl FnMut(&u64)) {
        done(self.0.snapshot()).iter().map(|(_, count)| count).for_each(visit);
    }

    fn len(&mut self) -> usize {
        done(self.0.len())
    }
}
