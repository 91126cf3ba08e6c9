//! A table by ids, which Go's runtime counts up from 1 in each generation.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// How far beyond the number of entries an id may be to have its place in the list.
const SPARE: usize = 1 << 16;

/// Values by id. Ids that follow each other, more or less, have a list; others cost a look-up.
#[derive(Debug)]
pub(super) struct IdTable<T> {
    list: Vec<Option<T>>,
    entries: usize,
    others: HashMap<u64, T, RandomState>,
}

impl<T> Default for IdTable<T> {
    fn default() -> Self {
        Self { list: Vec::new(), entries: 0, others: HashMap::default() }
    }
}

impl<T: Copy> IdTable<T> {
    pub(super) fn get(&self, id: u64) -> Option<T> {
        let listed = usize::try_from(id).ok().and_then(|id| self.list.get(id).copied().flatten());
        if listed.is_some() || self.others.is_empty() { listed } else { self.others.get(&id).copied() }
    }

    pub(super) fn insert(&mut self, id: u64, value: T) {
        self.entries += 1;
        match usize::try_from(id) {
            Ok(id) if id < 2 * self.entries + SPARE => {
                if id >= self.list.len() {
                    self.list.resize(id + 1, None);
                }
                self.list[id] = Some(value);
            }
            _ => drop(self.others.insert(id, value)),
        }
    }

    /// How many values were inserted.
    pub(super) fn len(&self) -> usize {
        self.entries
    }

    /// Empties it, keeping its memory.
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.entries = 0;
        self.others.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_wherever_their_id_lies() {
        let mut table = IdTable::default();
        let ids = [1, 2, 70_000, 5, u64::MAX, 1 << 40];
        for id in ids {
            table.insert(id, id ^ 7);
        }
        assert_eq!(table.len(), ids.len());
        for id in ids {
            assert_eq!(table.get(id), Some(id ^ 7));
        }
        assert_eq!((table.get(3), table.get(70_001), table.get(1 << 41)), (None, None, None));
        assert!(table.list.len() < 100_000);
        table.clear();
        assert_eq!((table.get(1), table.get(u64::MAX), table.len()), (None, None, 0));
    }
}
