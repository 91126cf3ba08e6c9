//! The store-buffering litmus test: two threads each write a key of their own and then read the other's.
//!
//! A write that is still on its way to memory when the call returns lets both threads read the old value, which no order
//! of the four calls explains. Recording a history hides that, for a shared clock is a memory barrier; so here two
//! threads run freely, number their writes, and keep what they read. Thread A's read after its i-th write showed B's
//! write number `a[i]`. So B's write `a[i] + 1` comes after that read, and the read of B after it has to see A's write
//! number i at least: otherwise the four stand in a circle.

use std::sync::Barrier;
use std::thread;

use raceguard_maps::ConcurrentMap;

use crate::subjects::Home;

/// Writes of each thread.
pub(crate) const WRITES: usize = 30_000;

/// The value before the first write.
const FIRST: u64 = 1;

/// Whether some order explains what the two threads saw.
pub(crate) fn passes<M: ConcurrentMap<u64, u64> + Send + Sync>(make: fn() -> Home<M>) -> bool {
    let map = make();
    for key in 0..2 {
        map.insert(key, FIRST).expect("open");
    }
    let start = Barrier::new(2);
    let [a, b] = thread::scope(|scope| {
        let run = |own: u64| {
            let (map, start) = (&*map, &start);
            scope.spawn(move || {
                start.wait();
                (1..=WRITES as u64)
                    .map(|number| {
                        map.insert(own, FIRST + number).expect("open");
                        map.get(&(1 - own)).expect("open").expect("never removed") - FIRST
                    })
                    .collect::<Vec<u64>>()
            })
        };
        [run(0), run(1)].map(|thread| thread.join().expect("no panic"))
    });
    // Writes are numbered from one: the read after write n is at n - 1.
    a.iter().zip(1..).all(|(seen, number)| {
        let later = b.get(usize::try_from(*seen).expect("at most WRITES"));
        later.is_none_or(|read| *read >= number)
    })
}
