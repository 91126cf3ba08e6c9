//! Advice follows the measurements, within 10 % of the best in every measured cell, and respects what a profile needs.

use std::collections::BTreeMap;

use raceguard_maps::advice::{
    Cell, Measurements, Mix, Needs, Recommendation, Strategy, Values, WorkloadProfile, advise, advise_from,
};

const THREADS: [u32; 2] = [1, 2];
const KEYS: [u64; 2] = [1000, 1_000_000];
const SKEWS: [f64; 2] = [0.0, 0.99];
const WRITES: [f64; 5] = [0.0, 0.01, 0.1, 0.5, 1.0];

/// A whole grid of figures that look random, the same each time.
fn random_grid(seed: u64) -> Measurements {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f64::from(u32::try_from(state >> 33).unwrap() % 3000) / 10.0 + 1.0
    };
    let mut cells = Vec::new();
    for threads in THREADS {
        for keys in KEYS {
            for skew in SKEWS {
                for writes in WRITES {
                    let mops: BTreeMap<_, _> = Strategy::ALL.into_iter().map(|one| (one, next())).collect();
                    let values = Values::Copy;
                    cells.push(Cell { threads, keys, skew, writes, values, round_trip_nanos: None, mops });
                }
            }
        }
    }
    measurements(cells)
}

fn measurements(cells: Vec<Cell>) -> Measurements {
    Measurements { schema: 1, command: "test".to_owned(), machine: "none".to_owned(), cells }
}

/// One cell of two threads, a thousand keys and a tenth of writes.
fn one_cell(mops: &[(Strategy, f64)]) -> Measurements {
    measurements(vec![Cell {
        threads: 2,
        keys: 1000,
        skew: 0.0,
        writes: 0.1,
        values: Values::Copy,
        round_trip_nanos: None,
        mops: mops.iter().copied().collect(),
    }])
}

fn load(threads: u32, keys: u64, skew: f64, writes: f64) -> WorkloadProfile {
    WorkloadProfile {
        mix: Mix {
            reads: Some(1.0 - writes),
            overwrites: Some(writes),
            inserts: Some(0.0),
            removes: Some(0.0),
            read_modify_writes: Some(0.0),
            ..Mix::default()
        },
        iterations_per_million: Some(0.0),
        keys: Some(keys),
        key_bytes: Some(8),
        key_copy: Some(true),
        value_bytes: Some(8),
        value_copy: Some(true),
        skew: Some(skew),
        threads: Some(threads),
        hold_nanos: Some(0),
        ..WorkloadProfile::default()
    }
}

fn cell_load() -> WorkloadProfile {
    load(2, 1000, 0.0, 0.1)
}

fn mops_of(advice: &Recommendation, strategy: Strategy) -> f64 {
    if advice.strategy == strategy {
        return advice.expected_mops.unwrap();
    }
    advice.runners_up.iter().find(|one| one.strategy == strategy).unwrap().mops.unwrap()
}

fn assert_close(left: f64, right: f64) {
    assert!((left / right - 1.0).abs() < 1e-6, "{left}, expected {right}");
}

/// In each cell, what advice picks does at least nine tenths of what the best does. Repetitions of a cell count as
/// their geometric mean.
fn assert_within_a_tenth(measured: &Measurements) {
    for cell in &measured.cells {
        let mut profile = load(cell.threads, cell.keys, cell.skew, cell.writes);
        if cell.values == Values::Any {
            (profile.key_copy, profile.value_copy) = (Some(false), Some(false));
        }
        let same = |other: &&Cell| {
            (other.threads, other.keys, other.values) == (cell.threads, cell.keys, cell.values)
                && other.skew.to_bits() == cell.skew.to_bits()
                && other.writes.to_bits() == cell.writes.to_bits()
        };
        let mut sums: BTreeMap<Strategy, (f64, f64)> = BTreeMap::new();
        for (strategy, mops) in measured.cells.iter().filter(same).flat_map(|cell| &cell.mops) {
            let (logarithms, count) = sums.entry(*strategy).or_default();
            (*logarithms, *count) = (*logarithms + mops.ln(), *count + 1.0);
        }
        let mean = |strategy| sums.get(&strategy).map(|(logarithms, count)| (logarithms / count).exp());
        let best = sums.keys().filter_map(|strategy| mean(*strategy)).fold(0.0, f64::max);
        let advice = advise_from(measured, &profile).unwrap();
        let picked = mean(advice.strategy).unwrap();
        assert!(picked >= best * 0.9, "{cell:?}: {} does {picked}, the best {best}", advice.strategy);
    }
}

#[test]
fn advice_is_within_a_tenth_of_the_best_in_every_built_in_cell() {
    let measured = Measurements::built_in();
    assert!(!measured.cells.is_empty(), "the library is built with figures");
    assert_within_a_tenth(&measured);
}

#[test]
fn advice_is_within_a_tenth_of_the_best_in_every_cell_of_any_grid() {
    for seed in 1..20 {
        assert_within_a_tenth(&random_grid(seed));
    }
}

#[test]
fn the_built_in_figures_are_a_file_that_the_bench_writes() {
    let measured = Measurements::built_in();
    assert_eq!(measured.to_json().unwrap(), include_str!("../src/advice/measured.json"));
}

#[test]
fn between_cells_time_is_interpolated() {
    let cell = |keys, writes, mops| Cell {
        keys,
        writes,
        mops: BTreeMap::from([(Strategy::MutexMap, mops)]),
        ..one_cell(&[]).cells[0].clone()
    };
    let measured = measurements(vec![
        cell(1 << 10, 0.0, 100.0),
        cell(1 << 10, 1.0, 50.0),
        cell(1 << 20, 0.0, 50.0),
        cell(1 << 20, 1.0, 25.0),
    ]);
    let expected =
        |keys, writes| advise_from(&measured, &load(2, keys, 0.0, writes)).unwrap().expected_mops.unwrap();
    assert_close(expected(1 << 10, 0.0), 100.0);
    // A quarter of writes at 20 ns, the rest reads at 10 ns.
    assert_close(expected(1 << 10, 0.25), 1000.0 / 12.5);
    // Half-way by the logarithm, between 10 ns and 20 ns.
    assert_close(expected(1 << 15, 0.0), 1000.0 / 15.0);
}

#[test]
fn beyond_the_cells_the_nearest_counts_and_that_is_said() {
    let measured = one_cell(&[(Strategy::ShardedMap, 80.0)]);
    let advice = advise_from(&measured, &load(64, 1000, 0.0, 0.1)).unwrap();
    assert_close(advice.expected_mops.unwrap(), 80.0);
    assert!(advice.notes.iter().any(|note| note.starts_with("threads beyond what was measured")));
    let shards = &advice.settings[0];
    assert_eq!((shards.name, shards.value), ("shards", 1024));
    assert!(advise_from(&measured, &cell_load()).unwrap().notes.is_empty());
}

#[test]
fn of_two_alike_the_plainer_is_taken() {
    let measured = one_cell(&[(Strategy::ShardedMap, 100.0), (Strategy::LockFreeMap, 102.0)]);
    let advice = advise_from(&measured, &cell_load()).unwrap();
    assert_eq!(advice.strategy, Strategy::ShardedMap);
    assert!(advice.reason.contains("LockFreeMap does as much within the noise"), "{}", advice.reason);
    let measured = one_cell(&[(Strategy::ShardedMap, 100.0), (Strategy::LockFreeMap, 110.0)]);
    let advice = advise_from(&measured, &cell_load()).unwrap();
    assert_eq!(advice.strategy, Strategy::LockFreeMap);
    assert!(advice.reason.contains("next is ShardedMap with 100"), "{}", advice.reason);
}

#[test]
fn what_was_not_measured_comes_last() {
    let measured = one_cell(&[(Strategy::SerialMap, 1.0)]);
    let advice = advise_from(&measured, &cell_load()).unwrap();
    assert_eq!(advice.strategy, Strategy::SerialMap);
    assert_eq!(advice.runners_up.len(), 9);
    assert!(advice.runners_up.iter().all(|one| one.mops.is_none()));
    let nothing = advise_from(&measurements(Vec::new()), &cell_load()).unwrap();
    assert_eq!((nothing.strategy, nothing.expected_mops), (Strategy::MutexMap, None));
    assert!(nothing.notes[0].starts_with("nothing was measured"));
}

#[test]
fn strategies_that_promise_too_little_are_left_out() {
    let measured = random_grid(1);
    let unsuited = |change: &dyn Fn(&mut WorkloadProfile)| {
        let mut profile = cell_load();
        change(&mut profile);
        let advice = advise_from(&measured, &profile).unwrap();
        let unsuited: Vec<Strategy> = advice.unsuited.iter().map(|one| one.strategy).collect();
        assert!(!unsuited.contains(&advice.strategy));
        assert_eq!(advice.runners_up.len() + unsuited.len() + 1, Strategy::ALL.len());
        unsuited
    };
    assert_eq!(unsuited(&|_| ()), []);
    assert_eq!(unsuited(&|profile| profile.value_copy = Some(false)), [Strategy::InlineMap]);
    assert_eq!(unsuited(&|profile| profile.key_copy = None), [Strategy::InlineMap]);
    let wait_free = unsuited(&|profile| profile.needs.wait_free_reads = true);
    assert!(wait_free.contains(&Strategy::RwLockMap) && !wait_free.contains(&Strategy::SnapshotMap));
    let ordered = unsuited(&|profile| profile.needs.ordered_snapshots = true);
    assert!(ordered.contains(&Strategy::ShardedMap) && !ordered.contains(&Strategy::MutexMap));
    let everything = unsuited(&|profile| {
        profile.value_copy = Some(false);
        profile.needs = Needs {
            durable: true,
            ordered_snapshots: true,
            acknowledged: true,
            wait_free_reads: true,
            ..Needs::default()
        };
    });
    assert_eq!(everything.len(), Strategy::ALL.len() - 1, "SnapshotMap promises everything");
}

#[test]
fn closures_that_hold_the_map_count() {
    let measured =
        one_cell(&[(Strategy::MutexMap, 100.0), (Strategy::RwLockMap, 50.0), (Strategy::ShardedMap, 20.0)]);
    let held =
        |nanos| advise_from(&measured, &WorkloadProfile { hold_nanos: Some(nanos), ..cell_load() }).unwrap();
    assert_eq!(held(0).strategy, Strategy::MutexMap);
    let long = held(1000);
    assert_eq!(long.strategy, Strategy::ShardedMap);
    assert_close(mops_of(&long, Strategy::MutexMap), 1000.0 / 1010.0);
    // Nine tenths read side by side on two threads, a tenth writes alone.
    assert_close(mops_of(&long, Strategy::RwLockMap), 1000.0 / (20.0 + 450.0 + 100.0));
    assert_close(mops_of(&long, Strategy::ShardedMap), 1000.0 / 550.0);
    assert!(long.notes.iter().any(|note| note.contains("reckoned")));
}

/// On 64 threads, writes to a hot key wait for each other however many shards there are.
#[test]
fn a_hot_key_bounds_what_shards_can_do() {
    let measured = one_cell(&[(Strategy::ShardedMap, 1000.0)]);
    let writes = |skew| {
        let profile = WorkloadProfile { hold_nanos: Some(1000), ..load(64, 1000, skew, 1.0) };
        1000.0 / advise_from(&measured, &profile).unwrap().expected_mops.unwrap() - 1.0
    };
    assert_close(writes(0.0), 1000.0 / 64.0);
    // 1 / (1 + 1/2 + ... + 1/1000) of the writes are on the first key.
    assert_close(writes(1.0), 1000.0 / 7.485_470_860_550_345);
}

#[test]
fn what_the_figures_leave_out_is_said() {
    let mut profile = cell_load();
    profile.mix = Mix { reads: Some(0.9), inserts: Some(0.1), ..Mix::default() };
    profile.iterations_per_million = Some(3.0);
    profile.value_bytes = Some(4096);
    profile.needs.durable = true;
    profile.skew = None;
    profile.other.insert("thread".to_owned(), 8.into());
    let advice = advise_from(&random_grid(2), &profile).unwrap();
    assert!(advice.durable);
    for part in [
        "10 % of the operations insert or remove",
        "iterations",
        "put larger ones into an Arc",
        "Durable",
        "so assumed: mix.overwrites, mix.removes, mix.read_modify_writes, skew",
        "mean nothing here: thread",
    ] {
        assert!(advice.notes.iter().any(|note| note.contains(part)), "{part}: {:?}", advice.notes);
    }
}

#[test]
fn an_impossible_profile_is_refused() {
    let profile = WorkloadProfile { threads: Some(0), ..WorkloadProfile::default() };
    assert!(advise(&profile).unwrap_err().to_string().contains("threads = 0"));
}

#[test]
fn what_far_cores_would_change_is_said() {
    let mut figures = one_cell(&[(Strategy::BucketMap, 100.0), (Strategy::ReadMostlyMap, 90.0)]);
    let notes = |figures: &Measurements, threads, writes| {
        let advice = advise_from(figures, &load(threads, 1000, 0.0, writes)).unwrap();
        assert_eq!(advice.strategy, Strategy::BucketMap);
        advice.notes.into_iter().filter(|note| note.contains("farther apart")).collect::<Vec<_>>()
    };
    assert_eq!(notes(&figures, 2, 0.1), [""; 0], "the distance is not known");
    figures.cells[0].round_trip_nanos = Some(43.0);
    let said = notes(&figures, 2, 0.1);
    assert!(said[0].contains("takes 43 ns") && said[0].contains("ReadMostlyMap (90 here)"), "{said:?}");
    assert_eq!(notes(&figures, 1, 0.1), [""; 0], "one thread waits for no other core");
    assert_eq!(notes(&figures, 2, 0.9), [""; 0], "writes decide");
}
