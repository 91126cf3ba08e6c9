//! Crashes at any operation of the disk, and disks that fail: what the next opening finds is a prefix of what was issued
//! that has every acknowledged write.
//!
//! `RACEGUARD_CASES=n` runs n cases instead of the default.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use raceguard_maps::durable::{Ack, Durable, DurableOptions, Native, OpenError, Sync};
use raceguard_maps::{Change, ConcurrentMap, MapError, MutexMap, Operation};

use crate::disk::{Disk, End, Faults};
use crate::random::Random;

type Entries = BTreeMap<u64, Vec<u8>>;
type Map = Durable<u64, Vec<u8>, MutexMap<u64, Vec<u8>>>;

fn cases(default: u64) -> u64 {
    std::env::var("RACEGUARD_CASES")
        .map_or(default, |text| text.parse().expect("RACEGUARD_CASES is a number"))
}

fn open(disk: &Disk, sync: Sync, compact_at: u64) -> Result<Map, OpenError> {
    DurableOptions::new(Native, Native)
        .sync(sync)
        .segment_bytes(8 << 10)
        .compact_at(compact_at)
        .open_on(Arc::new(disk.clone()), MutexMap::new())
}

fn entries(map: &Map) -> Entries {
    let mut entries = Entries::new();
    map.for_each(|key, value| assert_eq!(entries.insert(*key, value.clone()), None)).expect("open");
    entries
}

/// A write that was issued: what it does to a sequential map.
#[derive(Debug, Clone)]
enum Issued {
    Set(u64, Vec<u8>),
    Append(u64, u8),
    Unset(u64),
    Batch(Vec<(u64, Option<Vec<u8>>)>),
    KeepOdd,
}

impl Issued {
    fn random(random: &mut Random, count: u64) -> Self {
        let key = random.below(12);
        let value = |random: &mut Random| {
            let length = if random.percent(5) { 3_000 } else { random.below(40) };
            let mut value = count.to_le_bytes().to_vec();
            value.resize(8 + usize::try_from(length).expect("small"), 9);
            value
        };
        match random.below(20) {
            0..10 => Self::Set(key, value(random)),
            10..14 => Self::Append(key, random.next().to_le_bytes()[0]),
            14..17 => Self::Unset(key),
            17..19 => Self::Batch(
                (0..=random.below(5))
                    .map(|_| (random.below(12), if random.percent(70) { Some(value(random)) } else { None }))
                    .collect(),
            ),
            _ => Self::KeepOdd,
        }
    }

    fn apply(&self, entries: &mut Entries) {
        match self {
            Self::Set(key, value) => drop(entries.insert(*key, value.clone())),
            Self::Append(key, byte) => entries.entry(*key).or_default().push(*byte),
            Self::Unset(key) => drop(entries.remove(key)),
            Self::Batch(changes) => {
                for (key, value) in changes {
                    match value {
                        Some(value) => entries.insert(*key, value.clone()),
                        None => entries.remove(key),
                    };
                }
            }
            Self::KeepOdd => entries.retain(|key, _| key % 2 == 1),
        }
    }

    /// Does it and waits, or does it behind.
    fn run(&self, map: &Map, behind: bool) -> Result<Option<Ack<()>>, MapError> {
        let append = |byte: u8| {
            move |old: Option<&Vec<u8>>| {
                let mut value = old.cloned().unwrap_or_default();
                value.push(byte);
                (Change::Put(value), ())
            }
        };
        let set = |value: &Vec<u8>| {
            let value = value.clone();
            move |_: Option<&Vec<u8>>| (Change::Put(value), ())
        };
        match self {
            Self::Set(key, value) if behind => return map.behind().compute(*key, set(value)).map(Some),
            Self::Append(key, byte) if behind => return map.behind().compute(*key, append(*byte)).map(Some),
            Self::Unset(key) if behind => {
                return map.behind().compute(*key, |_| (Change::Remove, ())).map(Some);
            }
            Self::Set(key, value) => drop(map.insert(*key, value.clone())?),
            Self::Append(key, byte) => map.compute(*key, append(*byte))?,
            Self::Unset(key) => drop(map.remove(key)?),
            Self::Batch(changes) => {
                map.apply(changes.iter().map(|(key, value)| match value {
                    Some(value) => Operation::Insert(*key, value.clone()),
                    None => Operation::Remove(*key),
                }))?;
            }
            Self::KeepOdd => drop(map.retain(|key, _| key % 2 == 1)?),
        }
        Ok(None)
    }
}

/// What one run of a map did until the disk failed it or it ended.
struct Run {
    issued: Vec<Issued>,
    /// All of the first so many were acknowledged, or came before one that was.
    acknowledged: usize,
    failed: bool,
}

fn work(map: &Map, base: &Entries, random: &mut Random, length: u64) -> Run {
    let mut run = Run { issued: Vec::new(), acknowledged: 0, failed: false };
    let mut acks = Vec::new();
    let mut model = base.clone();
    let behind_share = random.below(3) * 40;
    for count in 0..length {
        if random.percent(4) && map.compact().is_err() && random.percent(50) {
            continue;
        }
        let issued = Issued::random(random, count);
        let outcome = issued.run(map, random.percent(behind_share));
        // What changes nothing writes nothing: its acknowledgement says nothing about writes before it.
        let before = model.clone();
        issued.apply(&mut model);
        let changes = model != before;
        if matches!(outcome, Ok(_) | Err(MapError::Durability { .. })) {
            run.issued.push(issued);
        }
        match outcome {
            Ok(_) if !changes => {}
            Ok(Some(ack)) => acks.push((run.issued.len(), ack)),
            Ok(None) => run.acknowledged = run.issued.len(),
            Err(MapError::Durability { .. }) => {
                run.failed = true;
                break;
            }
            Err(other) => panic!("an error that no disk can cause: {other}"),
        }
    }
    for (index, ack) in acks {
        if ack.wait().is_ok() {
            run.acknowledged = run.acknowledged.max(index);
        }
    }
    // What is visible is durable, so it counts as acknowledged: somebody may have read it.
    let seen = entries(map);
    let visible = prefix_with(base, &run.issued, run.acknowledged, &seen);
    run.acknowledged = visible.expect("what is visible is what a prefix of the issued writes makes");
    if run.failed {
        let refused = map.insert(0, Vec::new());
        assert!(
            matches!(refused, Err(MapError::Durability { .. })),
            "a map whose disk failed took {refused:?}"
        );
        assert_eq!(entries(map), seen, "a refused write became visible");
    }
    run
}

/// The length of a prefix of at least `least` writes that makes `wanted` of `base`.
fn prefix_with(base: &Entries, issued: &[Issued], least: usize, wanted: &Entries) -> Option<usize> {
    let mut model = base.clone();
    for length in 0..=issued.len() {
        if length >= least && model == *wanted {
            return Some(length);
        }
        if let Some(next) = issued.get(length) {
            next.apply(&mut model);
        }
    }
    None
}

/// Several lives of one log, each with a fault and an end. `Err` tells what went wrong.
fn lives(seed: u64, faults: impl Fn(&mut Random) -> Faults) -> Result<(), String> {
    let mut random = Random::seeded(seed);
    let sync = match random.below(4) {
        0 => Sync::Os,
        1 => Sync::Group(Duration::from_micros(20)),
        _ => Sync::Always,
    };
    let compact_at = if random.percent(20) { 2_000 } else { u64::MAX };
    let mut disk = Disk::new(seed, faults(&mut random));
    let mut base = Entries::new();
    for life in 0..4 {
        let end = if sync == Sync::Os || random.percent(30) { End::Kill } else { End::PowerCut };
        let map = match open(&disk, sync, compact_at) {
            Ok(map) => map,
            Err(OpenError::Io { .. }) => {
                disk = disk.after(end, faults(&mut random));
                continue;
            }
            Err(other) => return Err(format!("life {life}: {other}")),
        };
        if entries(&map) != base {
            return Err(format!("life {life}: found {:?} instead of {base:?}", entries(&map)));
        }
        let run = {
            let length = 10 + random.below(60);
            work(&map, &base, &mut random, length)
        };
        if random.percent(20) {
            // Its own errors are those of the disk; what it leaves is looked at below.
            let _ = map.close();
        }
        let next = disk.after(end, Faults::default());
        drop(map);
        let read: MutexMap<u64, Vec<u8>> = MutexMap::new();
        let report = DurableOptions::new(Native, Native)
            .inspect_on(&next, &read)
            .map_err(|error| error.to_string())?;
        let mut found = Entries::new();
        read.for_each(|key, value| drop(found.insert(*key, value.clone()))).expect("open");
        if prefix_with(&base, &run.issued, run.acknowledged, &found).is_none() {
            return Err(format!(
                "life {life} ({sync:?}, {end:?}): {found:?} is no prefix of {:?} with the first {} on {base:?}; {report}",
                run.issued, run.acknowledged
            ));
        }
        base = found;
        disk = next.after(End::Kill, faults(&mut random));
    }
    Ok(())
}

fn check(first_seed: u64, count: u64, faults: impl Fn(&mut Random) -> Faults + Copy) {
    for seed in first_seed..first_seed + count {
        if let Err(what) = lives(seed, faults) {
            panic!("seed {seed}: {what}");
        }
    }
}

#[test]
fn a_crash_at_any_operation_keeps_what_was_acknowledged() {
    check(0, cases(1_000), |random| Faults {
        crash_at: Some(1 + random.below(160)),
        short_writes: random.percent(30),
        ..Faults::default()
    });
}

#[test]
fn a_sync_that_fails_ends_the_writing_and_loses_nothing() {
    check(1 << 32, cases(500), |random| Faults {
        fail_sync: Some(1 + random.below(40)),
        ..Faults::default()
    });
}

#[test]
fn an_operation_that_fails_loses_nothing() {
    check(2 << 32, cases(500), |random| Faults {
        fail_at: Some(1 + random.below(160)),
        short_writes: random.percent(30),
        ..Faults::default()
    });
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    check(3 << 32, cases(300), |random| Faults {
        capacity: Some(20_000 + usize::try_from(random.below(40_000)).expect("small")),
        ..Faults::default()
    });
}

#[test]
fn several_threads_lose_nothing_that_was_acknowledged() {
    for seed in 0..cases(200) {
        threads(seed);
    }
}

/// Three threads with their own keys; each must find a prefix of its own writes.
fn threads(seed: u64) {
    let mut random = Random::seeded(seed ^ 0xff);
    let disk = Disk::new(seed, Faults { crash_at: Some(10 + random.below(150)), ..Faults::default() });
    let Ok(map) = open(&disk, Sync::Always, 3_000) else { return };
    let writers: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let spawn = |thread: u64| {
            let map = &map;
            scope.spawn(move || {
                let (mut issued, mut acknowledged) = (0, 0);
                for count in 1..200_u64 {
                    issued = count;
                    if map.insert(thread, count.to_le_bytes().to_vec()).is_err() {
                        break;
                    }
                    acknowledged = count;
                }
                (issued, acknowledged)
            })
        };
        let threads: Vec<_> = (0..3).map(spawn).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let next = disk.after(End::PowerCut, Faults::default());
    drop(map);
    let map = open(&next, Sync::Always, u64::MAX).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let found = entries(&map);
    for (thread, (issued, acknowledged)) in (0..).zip(writers) {
        let value =
            found.get(&thread).map_or(0, |value| u64::from_le_bytes(value[..].try_into().expect("eight")));
        assert!(
            (acknowledged..=issued).contains(&value),
            "seed {seed}: {value} of {acknowledged}..={issued}"
        );
    }
}
