//! Doing the calls of a script on a map, and writing down what they showed.

use std::sync::atomic::{AtomicU64, Ordering};

use raceguard_maps::{Change, ConcurrentMap, MapSnapshot};

use super::dice::Dice;
use super::history::{Clock, Event};
use super::model::{Call, FILLER, KEYS, Outcome, State, advanced};

/// The clock of one history.
pub(crate) struct Ticks {
    kind: Clock,
    shared: AtomicU64,
}

impl Ticks {
    pub(crate) fn new(kind: Clock) -> Self {
        Self { kind, shared: AtomicU64::new(0) }
    }

    fn tick(&self, own: &mut u64) -> u64 {
        match self.kind {
            Clock::Shared => self.shared.fetch_add(1, Ordering::SeqCst),
            Clock::PerThread => {
                *own += 1;
                *own
            }
        }
    }
}

/// What goes on beside the calls: delays at random, and keys that make the map grow.
pub(crate) struct Surroundings<'a> {
    pub(crate) ticks: &'a Ticks,
    pub(crate) filler: u64,
    /// Wastes a moment, or not. Also called within closures.
    pub(crate) disturb: fn(&mut Dice),
}

/// Does the calls of one thread.
pub(crate) fn thread<M: ConcurrentMap<u64, u64>>(
    map: &M,
    number: usize,
    calls: &[Call],
    around: &Surroundings<'_>,
    dice: &mut Dice,
) -> Vec<Event> {
    let mut own = 0;
    let mut events = Vec::with_capacity(calls.len());
    for call in calls {
        if around.filler > 0 {
            let key = FILLER + dice.below(around.filler);
            let filled = if dice.one_in(2) { map.insert(key, key) } else { map.remove(&key) };
            filled.expect("open");
        }
        (around.disturb)(dice);
        let began = around.ticks.tick(&mut own);
        let outcome = perform(map, call, &mut || (around.disturb)(dice));
        let ended = around.ticks.tick(&mut own);
        events.push(Event { thread: number, call: call.clone(), outcome, began, ended });
    }
    events
}

/// What is left when all threads have ended, in every way of looking.
pub(crate) fn look<M: ConcurrentMap<u64, u64>>(map: &M, filler: u64) -> Vec<Event> {
    let mut calls = vec![Call::ForEach, Call::Snapshot];
    calls.extend((0..KEYS).map(Call::Get));
    if filler == 0 {
        calls.push(Call::Len);
    }
    let event = |(index, call): (usize, Call)| {
        let outcome = perform(map, &call, &mut || ());
        Event { thread: usize::MAX, call, outcome, began: index as u64 * 2, ended: index as u64 * 2 + 1 }
    };
    calls.into_iter().enumerate().map(event).collect()
}

fn perform<M: ConcurrentMap<u64, u64>>(map: &M, call: &Call, pause: &mut impl FnMut()) -> Outcome {
    let key = call.key().unwrap_or(0) as u64;
    match call {
        Call::Get(_) => Outcome::Was(map.get(&key).expect("open")),
        Call::Insert(_, value) => Outcome::Was(map.insert(key, *value).expect("open")),
        Call::InsertIfAbsent(_, value) => Outcome::Was(map.insert_if_absent(key, *value).expect("open")),
        Call::Update(_, by) => {
            let change = |value: &mut u64| {
                let before = *value;
                pause();
                *value = advanced(before, *by);
                before
            };
            Outcome::Was(map.update(&key, change).expect("open"))
        }
        Call::Compute(_, decision) => {
            let decide = |value: Option<&u64>| {
                pause();
                let before = value.copied();
                let change = match decision.after(before) {
                    after if after == before => Change::Keep,
                    Some(after) => Change::Put(after),
                    None => Change::Remove,
                };
                (change, before)
            };
            Outcome::Was(map.compute(key, decide).expect("open"))
        }
        Call::Remove(_) => Outcome::Was(map.remove(&key).expect("open")),
        Call::RemoveIfEven(_) => remove_if_even(map, key, pause),
        Call::Len => Outcome::Count(map.len().expect("open")),
        Call::Clear => Outcome::Count(map.clear().expect("open")),
        Call::Apply(batch) => Outcome::Count(map.apply(batch.iter().cloned()).expect("open")),
        Call::RetainOdd => retain_odd(map, pause),
        Call::ForEach => {
            let mut saw = State::default();
            let visit = |key: &u64, value: &u64| {
                pause();
                see(&mut saw, *key, *value);
            };
            map.for_each(visit).expect("open");
            Outcome::Saw(saw)
        }
        Call::Snapshot => {
            let mut saw = State::default();
            map.snapshot().expect("open").iter().for_each(|(key, value)| see(&mut saw, *key, *value));
            Outcome::Saw(saw)
        }
    }
}

fn remove_if_even<M: ConcurrentMap<u64, u64>>(map: &M, key: u64, pause: &mut impl FnMut()) -> Outcome {
    let mut shown = None;
    let condition = |value: &u64| {
        shown = Some(*value);
        pause();
        value.is_multiple_of(2)
    };
    let removed = map.remove_if(&key, condition).expect("open");
    assert_eq!(
        removed,
        shown.filter(|value| value % 2 == 0),
        "remove_if removed another value than it showed"
    );
    Outcome::Was(shown)
}

fn retain_odd<M: ConcurrentMap<u64, u64>>(map: &M, pause: &mut impl FnMut()) -> Outcome {
    let mut saw = State::default();
    let keep = |key: &u64, value: &u64| {
        see(&mut saw, *key, *value);
        pause();
        *key >= FILLER || value % 2 == 1
    };
    let removed = map.retain(keep).expect("open");
    let even = saw.iter().flatten().filter(|value| *value % 2 == 0).count();
    assert_eq!(removed, even, "retain counted other entries than it was told to remove: {saw:?}");
    Outcome::Saw(saw)
}

fn see(saw: &mut State, key: u64, value: u64) {
    if key >= FILLER {
        return;
    }
    let place = &mut saw[usize::try_from(key).expect("less than KEYS")];
    assert_eq!(place.replace(value), None, "key {key} was visited twice");
}
