//! Damaged logs: what was acknowledged is never dropped in silence, and any bytes at all are read without a panic.

use std::collections::BTreeMap;
use std::sync::Arc;

use raceguard_maps::durable::{DurableOptions, Files, LogReport, Native, OpenError};
use raceguard_maps::{ConcurrentMap, MutexMap};

use crate::disk::{Disk, End, Faults};
use crate::random::Random;

fn options() -> DurableOptions<u64, u64> {
    DurableOptions::new(Native, Native).segment_bytes(8 << 10).compact_at(u64::MAX)
}

/// A log of `records` writes, the n-th of which sets key `n % 10` to `n`.
fn log(records: u64, compact_at: Option<u64>) -> Disk {
    let disk = Disk::new(1, Faults::default());
    let map = options().open_on(Arc::new(disk.clone()), MutexMap::new()).expect("a new log opens");
    for record in 1..=records {
        map.insert(record % 10, record).expect("the disk works");
        if compact_at == Some(record) {
            map.compact().expect("the disk works");
        }
    }
    let stopped = disk.after(End::Kill, Faults::default());
    drop(map);
    stopped
}

fn segments(disk: &Disk) -> Vec<String> {
    let mut names = disk.list().expect("listed");
    names.retain(|name| name.starts_with("wal-"));
    names.sort();
    names
}

fn inspect(disk: &Disk) -> (LogReport, BTreeMap<u64, u64>) {
    let map = MutexMap::new();
    let report = options().inspect_on(disk, &map).expect("readable");
    let mut entries = BTreeMap::new();
    map.for_each(|key, value| entries.extend([(*key, *value)])).expect("open");
    (report, entries)
}

fn after(records: u64) -> BTreeMap<u64, u64> {
    (1..=records).map(|record| (record % 10, record)).collect()
}

#[test]
fn a_damaged_record_is_reported_with_what_is_behind_it() {
    let disk = log(300, None);
    let names = segments(&disk);
    assert!(names.len() > 2, "the log has several segments: {names:?}");
    let mut bytes = disk.contents(&names[0]);
    // Frames of u64 to u64 take 24 + 25 bytes, padded to 56.
    let offset = 4096 + 56 * 9;
    bytes[offset + 30] ^= 1;
    disk.put(&names[0], bytes);

    let refused = options().open_on(Arc::new(disk.clone()), MutexMap::new());
    let Err(OpenError::Damaged(report)) = refused else { panic!("it opened") };
    let damage = report.damage.as_ref().expect("it is damaged");
    assert_eq!(
        (damage.file.as_str(), damage.offset, damage.sequence),
        (names[0].as_str(), offset as u64, 10)
    );
    assert_eq!((report.last_sequence, damage.records_behind), (9, 290));

    let (report, entries) = inspect(&disk);
    assert_eq!(entries, after(9));
    assert!(report.to_string().contains("acknowledged records are damaged"), "{report}");
}

#[test]
fn damage_in_the_last_segment_is_told_from_a_torn_end() {
    let disk = log(50, None);
    let name = segments(&disk).pop().expect("a segment");
    let whole = disk.contents(&name);
    let last = 4096 + 56 * 49;

    let mut bytes = whole.clone();
    bytes[last + 30] ^= 1;
    disk.put(&name, bytes);
    let (report, entries) = inspect(&disk);
    assert_eq!(
        (entries, report.damage),
        (after(49), None),
        "nothing proves that the last one was acknowledged"
    );
    assert_eq!(report.torn_tail.expect("it is seen").sequence, 50);

    let mut bytes = whole;
    bytes[last - 56 + 30] ^= 1;
    disk.put(&name, bytes);
    let (report, entries) = inspect(&disk);
    assert_eq!(entries, after(48));
    let damage = report.damage.expect("record 50 proves that 49 was durable");
    assert_eq!((damage.sequence, damage.records_behind), (49, 1));
}

#[test]
fn a_missing_segment_is_damage() {
    let disk = log(300, None);
    let names = segments(&disk);
    disk.remove(&names[1]).expect("removed");
    let (report, entries) = inspect(&disk);
    let damage = report.damage.expect("records are missing");
    assert_eq!(entries, after(damage.sequence - 1));
    assert!(options().open_on(Arc::new(disk), MutexMap::new()).is_err());
}

#[test]
fn a_damaged_snapshot_is_damage() {
    let disk = log(100, Some(60));
    let name = disk
        .list()
        .expect("listed")
        .into_iter()
        .find(|name| name.starts_with("snapshot"))
        .expect("a snapshot");
    let whole = disk.contents(&name);
    for offset in [3, 20, 4096 + 3, 4096 + 30, whole.len() - 12] {
        let mut bytes = whole.clone();
        bytes[offset] ^= 1;
        disk.put(&name, bytes);
        let (report, entries) = inspect(&disk);
        assert_eq!(report.damage.expect("it is damaged").file, name, "byte {offset}");
        assert_eq!(entries, BTreeMap::new(), "byte {offset}");
    }
    disk.put(&name, whole);
    assert_eq!(inspect(&disk).1, after(100));
}

#[test]
fn a_file_of_another_log_is_damage() {
    let (disk, other) = (log(300, None), log(300, None));
    let name = segments(&disk)[1].clone();
    disk.put(&name, other.contents(&name));
    assert_eq!(inspect(&disk).0.damage.expect("it is another log").file, name);
}

/// Any change of any bytes: reading tells of it, or gives what a prefix of the writes made.
#[test]
fn any_bytes_are_read_without_a_panic() {
    let clean = log(200, Some(120));
    let names = clean.list().expect("listed");
    for seed in 0..3_000 {
        let mut random = Random::seeded(seed);
        let disk = clean.after(End::Kill, Faults::default());
        let name = &names[usize::try_from(random.below(names.len() as u64)).expect("small")];
        let mut bytes = clean.contents(name);
        mangle(&mut bytes, &mut random);
        // A cut between two records looks like the end of the log.
        let cut = bytes.len() < clean.contents(name).len();
        disk.put(name, bytes);
        let map = MutexMap::new();
        // Another version or codec name in a header is an error; everything else is read as far as it goes.
        let Ok(report) = options().inspect_on(&disk, &map) else { continue };
        let mut entries = BTreeMap::new();
        map.for_each(|key, value| entries.extend([(*key, *value)])).expect("open");
        assert_eq!(entries, after(report.last_sequence), "seed {seed}: {report}");
        assert!(
            report.last_sequence == 200 || cut || report.damage.is_some() || report.torn_tail.is_some(),
            "seed {seed}: {report}"
        );
    }
}

fn mangle(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let at = usize::try_from(random.below(bytes.len().max(1) as u64)).expect("small");
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.extend((0..random.below(300)).map(|_| random.clone().next().to_le_bytes()[0])),
            // Lengths and counts get the values that break sums.
            2 if at + 8 <= bytes.len() => bytes[at..at + 8].fill(255),
            _ if at < bytes.len() => {
                let end = bytes.len().min(at + 1 + usize::try_from(random.below(16)).expect("small"));
                for byte in &mut bytes[at..end] {
                    *byte = random.next().to_le_bytes()[0];
                }
            }
            _ => {}
        }
    }
}

/// Bytes that no log ever had.
#[test]
fn noise_is_no_log() {
    for seed in 0..2_000 {
        let mut random = Random::seeded(seed);
        let disk = Disk::new(seed, Faults::default());
        for name in ["wal-0000000000000001.log", "snapshot-0000000000000005.snap"] {
            let length = random.below(9_000);
            let mut noise: Vec<u8> = (0..length).map(|_| random.next().to_le_bytes()[0]).collect();
            if random.percent(50) && noise.len() > 12 {
                noise[..8].copy_from_slice(if name.starts_with("wal") { b"rgmapwal" } else { b"rgmapsnp" });
                noise[8..12].copy_from_slice(&1_u32.to_le_bytes());
            }
            disk.put(name, noise);
        }
        let map = MutexMap::new();
        if let Ok(report) = options().inspect_on(&disk, &map) {
            assert!(report.damage.is_some(), "seed {seed}: {report}");
            assert_eq!(map.len(), Ok(0), "seed {seed}");
        }
    }
}
