//! Any program of map operations on every strategy and on `std::collections::HashMap`: `cargo fuzz run maps`.
#![no_main]

#[path = "../../crates/raceguard-maps/tests/differential/interpreter.rs"]
mod interpreter;

use interpreter::{Step, run};
use libfuzzer_sys::fuzz_target;
use raceguard_maps::{
    BucketMap, InlineMap, LockFreeMap, MutexMap, ReadMostlyMap, RwLockMap, SerialMap, ShardedMap, ShardedSnapshotMap,
    SnapshotMap,
};

fuzz_target!(|program: Vec<Step>| {
    run(&MutexMap::new(), &program);
    run(&RwLockMap::new(), &program);
    run(&ShardedMap::new(), &program);
    run(&ReadMostlyMap::new(), &program);
    run(&SnapshotMap::new(), &program);
    run(&ShardedSnapshotMap::new(), &program);
    run(&SerialMap::new(), &program);
    run(&BucketMap::new(), &program);
    run(&InlineMap::new(), &program);
    run(&LockFreeMap::new(), &program);
});
