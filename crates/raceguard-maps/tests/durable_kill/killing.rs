//! Parent and child.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use raceguard_maps::durable::{Durable, DurableOptions, Native, Sync};
use raceguard_maps::{Change, ConcurrentMap, MutexMap};

/// Threads of the child.
const THREADS: u64 = 4;

/// Keys of each of them.
const KEYS: u64 = 40;

/// The folder of the log, for the child; its presence makes a process the child.
const FOLDER: &str = "RACEGUARD_KILL_FOLDER";

/// How the child writes: see `Style`.
const STYLE: &str = "RACEGUARD_KILL_STYLE";

pub(crate) fn main() {
    if let (Ok(folder), Ok(style)) = (std::env::var(FOLDER), std::env::var(STYLE)) {
        write_until_killed(Path::new(&folder), &style);
        return;
    }
    let number = |name: &str, default: u64| {
        std::env::var(name)
            .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
    };
    let (kills, seed) = (number("RACEGUARD_KILLS", 60), number("RACEGUARD_SEED", 1));
    let mut totals = Totals::default();
    // Each log lives through some kills, so that logs are also opened after several of them.
    let mut killed = 0;
    while killed < kills {
        let lives = (kills - killed).min(10);
        one_log(seed.wrapping_mul(1_000_003).wrapping_add(killed), lives, &mut totals);
        killed += lives;
    }
    println!(
        "{killed} kills (seed {seed}): {} acknowledged writes, all found; {} more had been issued and were found; \
         {} torn ends, {} snapshots",
        totals.acknowledged, totals.unacknowledged, totals.torn, totals.snapshots
    );
    assert!(totals.acknowledged > 0, "no child ever acknowledged a write: this test shows nothing");
}

#[derive(Default)]
struct Totals {
    acknowledged: u64,
    unacknowledged: u64,
    torn: u64,
    snapshots: u64,
}

type Map = Durable<u64, u64, MutexMap<u64, u64>>;

fn open(folder: &Path, style: &str) -> Map {
    let sync = match style {
        "group" => Sync::Group(Duration::from_micros(100)),
        "os" => Sync::Os,
        _ => Sync::Always,
    };
    DurableOptions::new(Native, Native)
        .sync(sync)
        .segment_bytes(16 << 10)
        .compact_at(12 << 10)
        .open(folder, MutexMap::new())
        .unwrap_or_else(|error| panic!("the log does not open: {error}"))
}

/// The child: writes and reports, without end.
fn write_until_killed(folder: &Path, style: &str) {
    let map = open(folder, style);
    let pipe = Mutex::new(std::io::stdout());
    let report = |thread: u64, count: u64| {
        // Twelve bytes at once: a pipe takes so few whole or not at all.
        let mut message = [0; 12];
        message[..4].copy_from_slice(&u32::try_from(thread).expect("few").to_le_bytes());
        message[4..].copy_from_slice(&count.to_le_bytes());
        let mut pipe = pipe.lock().expect("no panic");
        // The parent may have stopped reading: it is about to kill.
        let _ = pipe.write_all(&message).and_then(|()| pipe.flush());
    };
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (map, report) = (&map, &report);
            scope.spawn(move || {
                let last = (0..KEYS).filter_map(|key| map.get(&(thread << 32 | key)).expect("open")).max();
                for count in last.map_or(1, |last| last + 1).. {
                    let key = (thread << 32) | (count % KEYS);
                    if style == "behind" {
                        let acks: Vec<_> = (0..4)
                            .map(|_| map.behind().insert(key, count).expect("the disk works"))
                            .collect();
                        for ack in acks {
                            ack.wait().expect("the disk works");
                        }
                    } else if count.is_multiple_of(3) {
                        map.compute(key, |_| (Change::Put(count), ())).expect("the disk works");
                    } else {
                        map.insert(key, count).expect("the disk works");
                    }
                    report(thread, count);
                }
            });
        }
    });
}

/// One log, killed `lives` times.
fn one_log(seed: u64, lives: u64, totals: &mut Totals) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut last = BTreeMap::new();
    for life in 0..lives {
        let mixed = (seed + life).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let style = ["always", "always", "group", "behind", "os"][(mixed % 5) as usize];
        let acknowledged = one_life(home.path(), style, Duration::from_micros(500 + mixed / 5 % 40_000));
        let map = open(home.path(), style);
        totals.torn += u64::from(map.report().torn_tail.is_some());
        totals.snapshots += u64::from(map.report().snapshot.is_some());
        for thread in 0..THREADS {
            let before = last.get(&thread).copied().unwrap_or(0);
            let sure = acknowledged.get(&thread).copied().unwrap_or(before);
            let found = check_thread(&map, thread, sure, &format!("seed {seed}, life {life}, {style}"));
            totals.acknowledged += sure - before;
            totals.unacknowledged += found - sure;
            last.insert(thread, found);
        }
        if mixed.is_multiple_of(2) {
            map.close().expect("closes");
        }
    }
}

/// Everything up to some `n >= sure` must be there, and nothing after it.
fn check_thread(map: &Map, thread: u64, sure: u64, when: &str) -> u64 {
    let entries: BTreeMap<u64, u64> =
        (0..KEYS).filter_map(|key| Some((key, map.get(&(thread << 32 | key)).expect("open")?))).collect();
    let found = entries.values().max().copied().unwrap_or(0);
    assert!(found >= sure, "{when}: thread {thread} had {sure} acknowledged, only {found} was found");
    // A thread writes one at a time and reports before the next, so at most one more than it reported was issued.
    assert!(found <= sure + 1, "{when}: thread {thread} reported {sure}, but {found} was found");
    for key in 0..KEYS {
        let newest = (found.saturating_sub(KEYS - 1)..=found).find(|count| *count > 0 && count % KEYS == key);
        assert_eq!(entries.get(&key).copied(), newest, "{when}: thread {thread}, key {key}, up to {found}");
    }
    found
}

/// Starts a child, kills it after this time, and returns the last write that each thread reported.
fn one_life(folder: &Path, style: &str, time: Duration) -> BTreeMap<u64, u64> {
    let program = std::env::current_exe().expect("a running program has a path");
    let mut child = Command::new(program)
        .env(FOLDER, folder)
        .env(STYLE, style)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
    let mut pipe = child.stdout.take().expect("it was piped");
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("the pipe works");
        bytes
    });
    thread::sleep(time);
    child.kill().expect("the child is ours");
    let status = child.wait().expect("the child is ours");
    assert_eq!(status.code(), None, "the child ended before it was killed");
    let bytes = reader.join().expect("no panic");
    let mut reported = BTreeMap::new();
    for message in bytes.chunks_exact(12) {
        let thread = u32::from_le_bytes(message[..4].try_into().expect("four"));
        let count = u64::from_le_bytes(message[4..].try_into().expect("eight"));
        reported.insert(u64::from(thread), count);
    }
    reported
}
