//! `WindowCounterMap` against a list of every addition with its time.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use raceguard_maps::counters::{Activity, ManualClock, WindowCounterMap, WindowSettings};
use raceguard_maps::{CloseReport, MapError};

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> WindowSettings {
    WindowSettings {
        window: 10 * SECOND,
        buckets: 5,
        half_life: 4 * SECOND,
        idle_after: 30 * SECOND,
        max_keys: 100,
    }
}

fn map(settings: &WindowSettings) -> (WindowCounterMap<u64, ManualClock>, ManualClock) {
    let clock = ManualClock::new();
    (WindowCounterMap::with_clock(settings, clock.clone()).unwrap(), clock)
}

/// Every addition: when, which key, how much.
type History = Vec<(Duration, u64, u64)>;

/// What the settings promise for a key: `None` when it has been idle for too long at some time since.
fn expected(history: &History, key: u64, now: Duration) -> Option<Activity> {
    let own: Vec<(Duration, u64)> =
        history.iter().filter(|(_, added, _)| *added == key).map(|(at, _, count)| (*at, *count)).collect();
    let last = own.last()?.0;
    if now.saturating_sub(last) >= settings().idle_after {
        return None;
    }
    let gap = own.windows(2).rposition(|pair| pair[1].0.saturating_sub(pair[0].0) >= settings().idle_after);
    let own = &own[gap.map_or(0, |gap| gap + 1)..];
    let bucket = |at: Duration| at.as_nanos() / (2 * SECOND).as_nanos();
    let in_window = own.iter().filter(|(at, _)| bucket(*at) + 5 > bucket(now)).map(|(_, count)| *count).sum();
    let weight = |at: Duration| (-now.saturating_sub(at).as_secs_f64() / 4.0).exp2();
    let decayed = own.iter().map(|(at, count)| f64::from(u32::try_from(*count).unwrap()) * weight(*at)).sum();
    Some(Activity { in_window, decayed, idle: now.saturating_sub(last) })
}

fn same(left: Option<Activity>, right: Option<Activity>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => {
            left.in_window == right.in_window
                && left.idle == right.idle
                && (left.decayed - right.decayed).abs() <= right.decayed.abs() * 1e-9
        }
        (left, right) => left.is_none() && right.is_none(),
    }
}

#[test]
fn counts_are_those_of_the_list() {
    let (map, clock) = map(&settings());
    let mut now = Duration::ZERO;
    let mut history = History::new();
    let mut random = 88_172_645_463_325_252_u64;
    for _ in 0..4000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Mostly small steps, sometimes so large that all keys are idle.
        let step = Duration::from_millis(if random.is_multiple_of(200) { 29_000 } else { random % 900 });
        clock.advance(step);
        now += step;
        let key = random >> 32 & 7;
        map.add(&key, random % 5).unwrap();
        history.push((now, key, random % 5));
        for key in 0..8 {
            let (got, wanted) = (map.get(&key).unwrap(), expected(&history, key, now));
            assert!(same(got, wanted), "key {key} at {now:?}: {got:?}, expected {wanted:?}");
        }
    }
    let snapshot: HashMap<u64, Activity> = map.snapshot().unwrap().into_iter().collect();
    for key in 0..8 {
        assert!(same(snapshot.get(&key).copied(), expected(&history, key, now)));
    }
}

#[test]
fn what_was_counted_leaves_the_window_bucket_by_bucket() {
    let (map, clock) = map(&settings());
    let mut in_window = Vec::new();
    for _ in 0..6 {
        map.add(&1, 1).unwrap();
        in_window.push(map.get(&1).unwrap().unwrap().in_window);
        clock.advance(2 * SECOND);
    }
    for _ in 0..6 {
        in_window.push(map.get(&1).unwrap().unwrap().in_window);
        clock.advance(2 * SECOND);
    }
    assert_eq!(in_window, [1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 0, 0]);
}

#[test]
fn sums_saturate() {
    let (map, clock) = map(&settings());
    map.add(&1, u64::MAX).unwrap();
    map.add(&1, 1).unwrap();
    clock.advance(2 * SECOND);
    map.add(&1, 1).unwrap();
    assert_eq!(map.get(&1).unwrap().unwrap().in_window, u64::MAX);
}

#[test]
fn the_longest_waiting_key_makes_room() {
    let small = WindowSettings { max_keys: 3, ..settings() };
    let (map, clock) = map(&small);
    for key in [1, 2, 3, 1, 4] {
        clock.advance(SECOND);
        map.add(&key, 1).unwrap();
    }
    let left: HashSet<u64> = map.snapshot().unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, HashSet::from([1, 3, 4]));
    assert_eq!(map.get(&2).unwrap(), None);
}

#[test]
fn there_are_never_more_keys_than_allowed() {
    for max_keys in [1, 7, 64, 1000] {
        let (map, clock) = map(&WindowSettings { max_keys, ..settings() });
        for key in 0..10_000 {
            map.add(&key, 1).unwrap();
            if key % 100 == 0 {
                clock.advance(SECOND / 100);
                assert!(map.len().unwrap() <= max_keys);
            }
        }
        let left = map.len().unwrap();
        assert!(left <= max_keys && left * 4 >= max_keys * 3, "{left} of {max_keys}");
    }
}

#[test]
fn idle_keys_go() {
    let (map, clock) = map(&settings());
    for key in 0..50 {
        map.add(&key, 1).unwrap();
    }
    clock.advance(29 * SECOND);
    map.add(&0, 1).unwrap();
    clock.advance(SECOND);
    assert_eq!(map.get(&1).unwrap(), None, "an idle key is not shown, whether or not it is still in memory");
    assert_eq!(map.snapshot().unwrap().len(), 1);
    assert_eq!(map.evict_idle(), Ok(49));
    assert_eq!(map.len(), Ok(1));
    clock.advance(30 * SECOND);
    map.add(&99, 1).unwrap();
    assert_eq!(map.len(), Ok(1), "adding evicts what is idle");
}

#[test]
fn removed_keys_start_anew() {
    let (map, _) = map(&settings());
    map.add(&1, 5).unwrap();
    assert_eq!(map.remove(&1).unwrap().unwrap().in_window, 5);
    assert_eq!(map.remove(&1).unwrap(), None);
    map.add(&1, 2).unwrap();
    assert_eq!(map.get(&1).unwrap().unwrap().in_window, 2);
}

#[test]
fn threads_lose_no_addition() {
    let (map, clock) =
        map(&WindowSettings { window: 1000 * SECOND, idle_after: 2000 * SECOND, ..settings() });
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (map, clock) = (&map, &clock);
            scope.spawn(move || {
                for step in 0..10_000 {
                    map.add(&((step + thread) % 50), 1).unwrap();
                    if step % 100 == 0 {
                        clock.advance(SECOND / 10);
                    }
                }
            });
        }
    });
    let total: u64 = map.snapshot().unwrap().iter().map(|(_, activity)| activity.in_window).sum();
    assert_eq!(total, 40_000);
}

#[test]
fn impossible_settings_are_refused() {
    for (settings, setting) in [
        (WindowSettings { buckets: 0, ..settings() }, "buckets = 0"),
        (WindowSettings { buckets: 5000, ..settings() }, "buckets = 5000"),
        (WindowSettings { window: Duration::ZERO, ..settings() }, "window = 0ns"),
        (WindowSettings { window: Duration::MAX, ..settings() }, "window ="),
        (WindowSettings { half_life: Duration::ZERO, ..settings() }, "half_life = 0ns"),
        (WindowSettings { idle_after: SECOND, ..settings() }, "idle_after = 1s"),
        (WindowSettings { max_keys: 0, ..settings() }, "max_keys = 0"),
    ] {
        let error = WindowCounterMap::<u64>::new(&settings).unwrap_err().to_string();
        assert!(error.contains(setting), "{error}");
    }
}

#[test]
fn after_close_every_call_is_refused() {
    let (map, _) = map(&settings());
    map.add(&1, 1).unwrap();
    assert_eq!(map.close(), Ok(CloseReport { entries: 1, ..CloseReport::default() }));
    assert_eq!(map.close(), Ok(CloseReport { entries: 1, already_closed: true, ..CloseReport::default() }));
    assert_eq!(map.add(&1, 1), Err(MapError::Closed));
    assert_eq!(map.get(&1), Err(MapError::Closed));
    assert_eq!(map.remove(&1), Err(MapError::Closed));
    assert_eq!(map.snapshot(), Err(MapError::Closed));
    assert_eq!(map.evict_idle(), Err(MapError::Closed));
    assert_eq!(map.len(), Err(MapError::Closed));
    assert_eq!(map.is_empty(), Err(MapError::Closed));
}
