//! Filling and emptying a map, for what it leaves in memory.

use std::borrow::Borrow;
use std::time::Duration;

use super::Filled;
use crate::data::Data;
use crate::subject::{Handle, Subject};

/// Inserts and removals after which a map that puts off freeing should have freed.
const SETTLING: u32 = 10_000;

impl<D: Data, M: Subject<D::Key, D::Value>> Filled<D, M> {
    pub(super) fn insert_all(&self, keys: u32) {
        let mut handle = self.map.handle();
        for index in 0..keys {
            handle.insert(self.data.key(index).borrow().clone(), self.data.value(index));
        }
        assert_eq!(handle.len(), keys as usize, "a map lost entries while it was filled");
    }

    pub(super) fn remove_and_settle(&self, keys: u32) {
        let mut handle = self.map.handle();
        for index in 0..keys {
            handle.remove(self.data.key(index).borrow());
        }
        for index in 0..SETTLING {
            handle.insert(self.data.key(index % 16).borrow().clone(), self.data.value(index % 16));
            handle.remove(self.data.key(index % 16).borrow());
        }
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(handle.len(), 0, "a map kept entries that were removed");
    }
}
