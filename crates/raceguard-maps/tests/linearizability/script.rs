//! Scripts: what each thread of a history is going to call, made at random from a seed.

use raceguard_maps::Operation;

use super::dice::Dice;
use super::history::Clock;
use super::model::{Call, Decision, KEYS, State};

/// The plan of one history.
pub(crate) struct Script {
    pub(crate) initial: State,
    pub(crate) clock: Clock,
    /// What each thread calls.
    pub(crate) threads: Vec<Vec<Call>>,
    /// How many keys, in no history, come and go meanwhile to make the map grow. Calls that would count or clear them
    /// are then left out.
    pub(crate) filler: u64,
}

/// Which calls a script has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mix {
    /// Mostly calls on single keys.
    Points,
    /// Calls on the whole map among writes.
    Whole,
    /// Each thread writes one key and reads the others: finds a write that is not yet visible when it has returned.
    StoreThenLoad,
}

/// As many calls as the checker's bits hold when each is taken apart into one per key.
const MOST_CALLS: u64 = 14;

impl Script {
    pub(crate) fn random(dice: &mut Dice) -> Self {
        let mix = match dice.below(10) {
            0..5 => Mix::Points,
            5..9 => Mix::Whole,
            _ => Mix::StoreThenLoad,
        };
        let threads = if mix == Mix::StoreThenLoad { 2 } else { 2 + dice.below(3) };
        let filler = if mix == Mix::Points && dice.one_in(4) { 1 + dice.below(40) } else { 0 };
        let mut values = 0;
        let mut script = Self {
            initial: State::default(),
            clock: if mix == Mix::StoreThenLoad || dice.one_in(5) { Clock::PerThread } else { Clock::Shared },
            threads: Vec::new(),
            filler,
        };
        for value in &mut script.initial {
            *value = (mix == Mix::StoreThenLoad || dice.one_in(2)).then(|| fresh(&mut values));
        }
        let calls = 2 + dice.below(MOST_CALLS / threads - 1);
        for thread in 0..threads {
            let plan = if mix == Mix::StoreThenLoad {
                store_then_load(thread, &mut values)
            } else {
                (0..calls).map(|_| call(mix, dice, &mut values)).collect()
            };
            script.threads.push(plan);
        }
        script
    }
}

/// Values are never used twice, so that a value names the call that wrote it.
fn fresh(values: &mut u64) -> u64 {
    *values += 1;
    *values
}

fn store_then_load(thread: u64, values: &mut u64) -> Vec<Call> {
    let own = usize::from(thread == 1);
    vec![
        Call::Insert(own, fresh(values)),
        Call::Get(1 - own),
        Call::Update(own, fresh(values)),
        Call::Get(1 - own),
    ]
}

fn call(mix: Mix, dice: &mut Dice, values: &mut u64) -> Call {
    // Two keys get most of the calls.
    let key = if dice.one_in(6) { KEYS - 1 } else { dice.below(2).try_into().expect("a handful") };
    if mix == Mix::Whole && dice.one_in(3) {
        return match dice.below(12) {
            0..3 => Call::ForEach,
            3..6 => Call::Snapshot,
            6..8 => Call::Len,
            8 => Call::Clear,
            9 => Call::RetainOdd,
            _ => Call::Apply((0..=dice.below(3)).map(|_| operation(dice, values)).collect()),
        };
    }
    match dice.below(16) {
        0..5 => Call::Get(key),
        5..8 => Call::Insert(key, fresh(values)),
        8 => Call::InsertIfAbsent(key, fresh(values)),
        9..11 => Call::Update(key, fresh(values)),
        11 => Call::Compute(key, Decision::Advance(fresh(values))),
        12 => Call::Compute(key, Decision::Toggle(fresh(values))),
        13 => Call::Compute(key, Decision::Keep),
        14 => Call::Remove(key),
        _ => Call::RemoveIfEven(key),
    }
}

fn operation(dice: &mut Dice, values: &mut u64) -> Operation<u64, u64> {
    let key = dice.below(KEYS as u64);
    match dice.below(3) {
        0 => Operation::Insert(key, fresh(values)),
        1 => Operation::InsertIfAbsent(key, fresh(values)),
        _ => Operation::Remove(key),
    }
}
