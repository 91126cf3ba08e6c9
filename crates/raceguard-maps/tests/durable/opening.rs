//! Opening: bad folders, locks, other encodings, other versions, and a log that an earlier build wrote.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use raceguard_maps::durable::{
    Codec, CodecError, Durable, DurableOptions, Files, Native, OpenError, Postcard, Sync,
};
use raceguard_maps::{ConcurrentMap, LockFreeMap, MapError, MutexMap, Operation, SnapshotMap};

use crate::disk::{Disk, End, Faults};

type Map = Durable<u64, String, MutexMap<u64, String>>;

fn open(folder: &Path) -> Result<Map, OpenError> {
    DurableOptions::new(Native, Native).segment_bytes(8 << 10).open(folder, MutexMap::new())
}

#[test]
fn a_missing_folder_is_named() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let missing = home.path().join("nowhere");
    let error = open(&missing).expect_err("there is no folder");
    assert!(matches!(&error, OpenError::FolderMissing(path) if *path == missing));
    assert_eq!(
        error.to_string(),
        format!("the log folder {} does not exist: create it first", missing.display())
    );
}

#[test]
fn a_file_is_no_folder() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let file = home.path().join("file");
    std::fs::write(&file, "").expect("writable");
    let error = open(&file).expect_err("a file is no folder");
    assert!(error.to_string().contains("cannot use as a folder"), "{error}");
}

#[test]
fn a_second_map_is_told_who_has_the_log() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let first = open(home.path()).expect("a new log opens");
    let error = open(home.path()).expect_err("the first one has it");
    assert_eq!(
        error.to_string(),
        format!(
            "{} is locked by process {}: only one map may write a log; close the other one",
            home.path().join("lock").display(),
            std::process::id()
        )
    );
    first.close().expect("closes");
    open(home.path()).expect("closing unlocks");
}

#[test]
fn an_encoding_that_changed_is_an_error() {
    let home = tempfile::tempdir().expect("a temporary folder");
    open(home.path()).expect("a new log opens").insert(1, "one".to_owned()).expect("the disk works");
    let error = DurableOptions::<u64, Vec<u8>>::new(Native, Native)
        .open(home.path(), MutexMap::new())
        .expect_err("values were text");
    assert!(
        matches!(&error, OpenError::Encoding { what: "value", found, expected, .. } if found == "utf-8" && expected == "bytes"),
        "{error}"
    );
}

#[test]
fn bytes_that_the_codec_refuses_are_an_error() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let bytes = DurableOptions::<u64, Vec<u8>>::new(Native, Named).open(home.path(), MutexMap::new());
    bytes.expect("a new log opens").insert(1, vec![255]).expect("the disk works");
    let error = DurableOptions::<u64, String>::new(Native, Named).open(home.path(), MutexMap::new());
    let error = error.expect_err("those bytes are no text");
    assert!(matches!(error, OpenError::Undecodable { sequence: 1, .. }), "{error}");
}

/// Two encodings under one name, as happens when somebody forgets to count the version up.
struct Named;

impl<T> Codec<T> for Named
where
    Native: Codec<T>,
{
    fn name(&self) -> String {
        "value/1".to_owned()
    }

    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
        Native.encode(value, out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, CodecError> {
        Native.decode(bytes)
    }
}

#[test]
fn a_log_of_a_newer_version_is_refused() {
    let disk = Disk::new(1, Faults::default());
    let options = || DurableOptions::<u64, String>::new(Native, Native).segment_bytes(8 << 10);
    let map = options().open_on(Arc::new(disk.clone()), MutexMap::new()).expect("a new log opens");
    map.insert(1, "one".to_owned()).expect("the disk works");
    drop(map);
    let name =
        disk.list().expect("listed").into_iter().find(|name| name.starts_with("wal-")).expect("a segment");
    let mut bytes = disk.contents(&name);
    bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
    disk.put(&name, bytes);
    let error = options()
        .open_on(Arc::new(disk.after(End::Kill, Faults::default())), MutexMap::new())
        .expect_err("the log is newer");
    assert_eq!(
        error.to_string(),
        format!("/memory/{name} has log format 2, this version reads up to 1: open it with a newer version")
    );
}

#[test]
fn settings_without_sense_are_refused() {
    let home = tempfile::tempdir().expect("a temporary folder");
    for bytes in [0, 8191, (1 << 30) + 1, u64::MAX] {
        let options = DurableOptions::<u64, String>::new(Native, Native).segment_bytes(bytes);
        let error = options.open(home.path(), MutexMap::new()).expect_err("refused");
        assert!(
            error.to_string().starts_with(&format!("segment_bytes = {bytes} is not possible")),
            "{error}"
        );
    }
    let filled = MutexMap::new();
    filled.insert(1, "one".to_owned()).expect("open");
    let error = DurableOptions::new(Native, Native).open(home.path(), filled).expect_err("not empty");
    assert!(matches!(error, OpenError::Map(MapError::Configuration { setting: "map", .. })), "{error}");
}

/// `tests/durable/format-1` was written by the first build that had format 1: every later one must read it.
#[test]
fn a_log_of_format_1_is_read() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/durable/format-1");
    let home = tempfile::tempdir().expect("a temporary folder");
    for file in std::fs::read_dir(kept).expect("it is kept") {
        let file = file.expect("readable").path();
        std::fs::copy(&file, home.path().join(file.file_name().expect("a file"))).expect("copied");
    }
    let map = open(home.path()).expect("format 1 is read");
    let mut entries = BTreeMap::new();
    map.for_each(|key, value| drop(entries.insert(*key, value.clone()))).expect("open");
    assert_eq!(entries, format_1());
    assert!(map.report().snapshot.is_some(), "it was kept with a snapshot, to read that too");
}

/// What `tests/durable/format-1` holds.
fn format_1() -> BTreeMap<u64, String> {
    (0..20)
        .filter(|key| key % 3 != 0)
        .map(|key| (key, format!("value {key}")))
        .chain([(99, "last".to_owned())])
        .collect()
}

/// Writes a log like the kept one, and reads it: what a new format version has to be kept with.
#[test]
fn a_log_like_the_kept_one_can_be_written() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let folder = std::env::var_os("RACEGUARD_KEEP_FORMAT").map_or(home.path().to_owned(), Into::into);
    let map = open(&folder).expect("a new log opens");
    for key in 0..20 {
        map.insert(key, format!("value {key}")).expect("the disk works");
    }
    map.compact().expect("the disk works");
    map.retain(|key, _| key % 3 != 0).expect("the disk works");
    map.apply([Operation::Insert(98, "gone".to_owned()), Operation::Remove(98)]).expect("the disk works");
    map.insert(99, "last".to_owned()).expect("the disk works");
    map.close().expect("closes");
    let read = MutexMap::new();
    DurableOptions::new(Native, Native).inspect(&folder, &read).expect("readable");
    let mut entries = BTreeMap::new();
    read.for_each(|key: &u64, value: &String| drop(entries.insert(*key, value.clone()))).expect("open");
    assert_eq!(entries, format_1());
}

#[test]
fn serde_types_and_other_strategies() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let options = || DurableOptions::<String, (u32, Option<String>)>::new(Native, Postcard::named("pair/1"));
    let map = options().open(home.path(), SnapshotMap::new()).expect("a new log opens");
    map.insert("a".to_owned(), (1, Some("x".to_owned()))).expect("the disk works");
    map.update("a", |pair| pair.0 += 1).expect("the disk works");
    map.compact().expect("the disk works");
    map.close().expect("closes");
    let map = options().open(home.path(), LockFreeMap::new()).expect("opens with any strategy");
    assert_eq!(map.get("a"), Ok(Some((2, Some("x".to_owned())))));
}

#[test]
fn closing_drains_what_was_written_behind_and_can_be_repeated() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let options = DurableOptions::<u64, String>::new(Native, Native)
        .sync(Sync::Group(std::time::Duration::from_mins(1)));
    let map = options.open(home.path(), MutexMap::new()).expect("a new log opens");
    let acks: Vec<_> = (0..10).map(|key| map.behind().insert(key, key.to_string()).expect("open")).collect();
    assert_eq!(map.get(&3), Ok(None), "what is not durable is not visible");
    assert!(acks.iter().all(|ack| !ack.is_done()));
    let report = map.close().expect("closes, long before the minute is over");
    assert_eq!((report.entries, report.drained, report.dropped, report.already_closed), (10, 10, 0, false));
    for ack in acks {
        assert_eq!(ack.wait(), Ok(None));
    }
    assert_eq!(map.insert(1, String::new()), Err(MapError::Closed));
    assert_eq!(map.get(&1), Err(MapError::Closed));
    assert!(map.close().expect("again").already_closed);
    drop(map);
    assert_eq!(open(home.path()).expect("opens").len(), Ok(10));
}
