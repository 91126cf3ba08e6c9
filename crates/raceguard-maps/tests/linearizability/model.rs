//! The sequential map that histories are checked against: calls, what they return, and what they do.

use raceguard_maps::Operation;

/// How many keys the histories are about: few, so that calls meet.
pub(crate) const KEYS: usize = 3;

/// Keys from here on make the map grow and shrink meanwhile and are in no history.
pub(crate) const FILLER: u64 = 100;

/// The value of each key.
pub(crate) type State = [Option<u64>; KEYS];

/// What `compute` is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Keep,
    /// Puts a value that depends on the one shown.
    Advance(u64),
    /// Removes what is there, puts a value where nothing is.
    Toggle(u64),
}

/// One call of the interface. Conditions hold for values that are even.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Get(usize),
    Insert(usize, u64),
    InsertIfAbsent(usize, u64),
    Update(usize, u64),
    Compute(usize, Decision),
    Remove(usize),
    RemoveIfEven(usize),
    RetainOdd,
    Clear,
    Len,
    ForEach,
    Snapshot,
    Apply(Vec<Operation<u64, u64>>),
}

/// What a call showed to its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The value that was there: read, replaced, removed, or shown to the closure.
    Was(Option<u64>),
    /// How many entries there were, went, or changed.
    Count(usize),
    /// All entries that were visited.
    Saw(State),
    /// Nothing that could be checked.
    Unknown,
}

/// What `update` makes of a value.
pub(crate) fn advanced(value: u64, by: u64) -> u64 {
    value.wrapping_mul(31).wrapping_add(by)
}

impl Decision {
    /// The value afterwards.
    pub(crate) fn after(self, value: Option<u64>) -> Option<u64> {
        match self {
            Self::Keep => value,
            Self::Advance(by) => Some(advanced(value.unwrap_or(0), by)),
            Self::Toggle(fresh) => {
                if value.is_some() {
                    None
                } else {
                    Some(fresh)
                }
            }
        }
    }
}

impl Call {
    /// The key, for a call about one.
    pub(crate) fn key(&self) -> Option<usize> {
        match self {
            Self::Get(key)
            | Self::Insert(key, _)
            | Self::InsertIfAbsent(key, _)
            | Self::Update(key, _)
            | Self::Compute(key, _)
            | Self::Remove(key)
            | Self::RemoveIfEven(key) => Some(*key),
            Self::RetainOdd | Self::Clear | Self::Len | Self::ForEach | Self::Snapshot | Self::Apply(_) => {
                None
            }
        }
    }

    /// Does the call on a sequential map. `None` when it cannot have had this outcome.
    pub(crate) fn step(&self, outcome: &Outcome, state: &State) -> Option<State> {
        let mut after = *state;
        let shown = self.run(&mut after);
        (*outcome == Outcome::Unknown || *outcome == shown).then_some(after)
    }

    fn run(&self, state: &mut State) -> Outcome {
        let before = *state;
        let removed = |after: &State| before.iter().flatten().count() - after.iter().flatten().count();
        if let Some(key) = self.key() {
            state[key] = self.value_after(before[key]);
            return Outcome::Was(before[key]);
        }
        match self {
            Self::Len => Outcome::Count(before.iter().flatten().count()),
            Self::ForEach | Self::Snapshot => Outcome::Saw(before),
            Self::Clear => {
                *state = State::default();
                Outcome::Count(removed(state))
            }
            Self::RetainOdd => {
                for value in state.iter_mut() {
                    *value = value.filter(|value| value % 2 == 1);
                }
                Outcome::Saw(before)
            }
            Self::Apply(batch) => {
                let changed = batch.iter().filter(|operation| apply(operation, state)).count();
                Outcome::Count(changed)
            }
            _ => unreachable!("calls about one key are done"),
        }
    }

    fn value_after(&self, value: Option<u64>) -> Option<u64> {
        match self {
            Self::Insert(_, fresh) => Some(*fresh),
            Self::InsertIfAbsent(_, fresh) => value.or(Some(*fresh)),
            Self::Update(_, by) => value.map(|value| advanced(value, *by)),
            Self::Compute(_, decision) => decision.after(value),
            Self::Remove(_) => None,
            Self::RemoveIfEven(_) => value.filter(|value| value % 2 == 1),
            _ => value,
        }
    }
}

/// Whether it changed the state.
fn apply(operation: &Operation<u64, u64>, state: &mut State) -> bool {
    let call = call_of(operation);
    let key = call.key().expect("a batch is about single keys");
    let before = state[key];
    state[key] = call.value_after(before);
    matches!(operation, Operation::Insert(..)) || before.is_some() != state[key].is_some()
}

/// The call that does the same as one operation of a batch.
pub(crate) fn call_of(operation: &Operation<u64, u64>) -> Call {
    let index = |key: u64| usize::try_from(key).expect("less than KEYS");
    match *operation {
        Operation::Insert(key, value) => Call::Insert(index(key), value),
        Operation::InsertIfAbsent(key, value) => Call::InsertIfAbsent(index(key), value),
        Operation::Remove(key) => Call::Remove(index(key)),
    }
}
