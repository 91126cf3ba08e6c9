//! Which maps may be shared between threads: as many as is sound, and no more.

use std::cell::Cell;
use std::rc::Rc;

use raceguard_maps::{
    BucketMap, Checked, InlineMap, LockFreeMap, MutexMap, Observed, ReadMostlyMap, RwLockMap, SerialMap,
    ShardedMap, ShardedSnapshotMap, SnapshotMap,
};

/// Asks the compiler whether a type has a marker trait: the inherent constant wins where its bound holds.
macro_rules! has {
    ($type:ty: $marker:ident) => {{
        struct Probe<T: ?Sized>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "its constant is hidden where the bound holds")]
        trait Otherwise {
            const HAS: bool = false;
        }
        impl<T: ?Sized> Otherwise for Probe<T> {}
        #[allow(dead_code, reason = "unused where the bound does not hold")]
        impl<T: ?Sized + $marker> Probe<T> {
            const HAS: bool = true;
        }
        // Keeps the type used where the other constant wins.
        let _ = Probe::<$type>(std::marker::PhantomData);
        <Probe<$type>>::HAS
    }};
}

/// What is sound for any map: shared values need `Send + Sync`, and `Rc` may never cross.
macro_rules! sound {
    ($($map:ident)*) => {$({
        assert!(has!($map<u64, u64>: Send) && has!($map<u64, u64>: Sync), stringify!($map));
        assert!(has!($map<String, String>: Send) && has!($map<String, String>: Sync), stringify!($map));
        assert!(!has!($map<u64, Rc<u64>>: Send) && !has!($map<u64, Rc<u64>>: Sync), stringify!($map));
        assert!(!has!($map<Rc<u64>, u64>: Send) && !has!($map<Rc<u64>, u64>: Sync), stringify!($map));
    })*};
}

/// Readers run side by side on one value, so it has to be `Sync` for the map to be.
macro_rules! reads_are_shared {
    ($($map:ident)*) => {
        $(assert!(!has!($map<u64, Cell<u64>>: Sync), stringify!($map));)*
    };
}

#[test]
fn maps_are_send_and_sync_when_their_entries_are() {
    sound!(MutexMap RwLockMap ShardedMap ReadMostlyMap SnapshotMap ShardedSnapshotMap BucketMap LockFreeMap SerialMap);
    assert!(has!(InlineMap<u64, u64>: Send) && has!(InlineMap<u64, u64>: Sync));
    assert!(!has!(InlineMap<u64, *const u8>: Sync) && !has!(InlineMap<*const u8, u64>: Send));
}

#[test]
fn shared_reads_need_values_that_can_be_shared() {
    reads_are_shared!(RwLockMap ShardedMap ReadMostlyMap SnapshotMap ShardedSnapshotMap LockFreeMap);
}

#[test]
fn one_lock_needs_no_more_than_send() {
    assert!(has!(MutexMap<u64, Cell<u64>>: Sync));
}

#[test]
fn layers_add_no_bounds_and_take_none_away() {
    assert!(has!(Checked<MutexMap<u64, u64>>: Sync) && !has!(Checked<MutexMap<u64, Rc<u64>>>: Sync));
    assert!(has!(Observed<MutexMap<u64, u64>>: Sync) && !has!(Observed<MutexMap<u64, Rc<u64>>>: Sync));
}
