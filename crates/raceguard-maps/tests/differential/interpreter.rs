//! Runs a program of map operations on a map and on `std::collections::HashMap`, and compares every answer.
//!
//! Shared by the bounded run in the tests and by the fuzz target, which makes its programs with `arbitrary`.

use std::collections::HashMap;

use raceguard_maps::{Change, ConcurrentMap, MapSnapshot, Operation};

/// One step. Keys are small, so that they meet; a run of keys makes the map grow.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub(crate) enum Step {
    /// `get`, `get_with` and `contains_key`
    Get(u8),
    /// `insert`
    Insert(u8, u16),
    /// `insert_if_absent`
    InsertIfAbsent(u8, u16),
    /// `update`
    Update(u8, u16),
    /// `compute`: keep, put or remove by the last field
    Compute(u8, u16, u8),
    /// `remove`
    Remove(u8),
    /// `remove_if` the value is even
    RemoveIfEven(u8),
    /// `insert` of so many keys from a first one on
    InsertRun(u16, u8),
    /// `remove` of so many keys from a first one on
    RemoveRun(u16, u8),
    /// `retain` of the values that leave no rest
    Retain(u8),
    /// `clear`
    Clear,
    /// `apply` of three operations
    Apply(u8, u16),
    /// `len`, `for_each` and `snapshot`
    Look,
}

/// Runs the program on both.
///
/// # Panics
///
/// When they differ.
pub(crate) fn run<M: ConcurrentMap<u32, u64>>(map: &M, program: &[Step]) {
    let mut model = HashMap::new();
    for step in program {
        point(map, &mut model, *step);
        whole(map, &mut model, *step);
    }
    look(map, &model);
    assert_eq!(map.close().expect("closes").entries, model.len());
}

/// Steps about single keys.
fn point<M: ConcurrentMap<u32, u64>>(map: &M, model: &mut HashMap<u32, u64>, step: Step) {
    match step {
        Step::Get(key) => {
            let wanted = model.get(&u32::from(key)).copied();
            assert_eq!(map.get(&u32::from(key)), Ok(wanted));
            assert_eq!(map.get_with(&u32::from(key), |value| *value), Ok(wanted));
            assert_eq!(map.contains_key(&u32::from(key)), Ok(wanted.is_some()));
        }
        Step::Insert(key, value) => {
            assert_eq!(map.insert(key.into(), value.into()), Ok(model.insert(key.into(), value.into())));
        }
        Step::InsertIfAbsent(key, value) => {
            let present = model.get(&u32::from(key)).copied();
            model.entry(key.into()).or_insert(value.into());
            assert_eq!(map.insert_if_absent(key.into(), value.into()), Ok(present));
        }
        Step::Update(key, value) => {
            let change =
                |place: &mut u64| std::mem::replace(place, *place * 3 % 1_000_003 + u64::from(value));
            assert_eq!(map.update(&u32::from(key), change), Ok(model.get_mut(&u32::from(key)).map(change)));
        }
        Step::Compute(key, value, decision) => compute(map, model, key.into(), value.into(), decision),
        Step::Remove(key) => assert_eq!(map.remove(&u32::from(key)), Ok(model.remove(&u32::from(key)))),
        Step::RemoveIfEven(key) => {
            let goes = model.get(&u32::from(key)).is_some_and(|value| value.is_multiple_of(2));
            let wanted = if goes { model.remove(&u32::from(key)) } else { None };
            assert_eq!(map.remove_if(&u32::from(key), |value| value.is_multiple_of(2)), Ok(wanted));
        }
        Step::InsertRun(first, count) => {
            for key in (u32::from(first)..).take(count.into()) {
                assert_eq!(map.insert(key, key.into()), Ok(model.insert(key, key.into())));
            }
        }
        Step::RemoveRun(first, count) => {
            for key in (u32::from(first)..).take(count.into()) {
                assert_eq!(map.remove(&key), Ok(model.remove(&key)));
            }
        }
        Step::Retain(_) | Step::Clear | Step::Apply(..) | Step::Look => {}
    }
}

fn compute<M: ConcurrentMap<u32, u64>>(
    map: &M,
    model: &mut HashMap<u32, u64>,
    key: u32,
    value: u64,
    decision: u8,
) {
    let before = model.get(&key).copied();
    let decide = |shown: Option<&u64>| {
        let change = match decision % 3 {
            0 => Change::Keep,
            1 => Change::Put(shown.map_or(value, |shown| shown + 1)),
            _ => Change::Remove,
        };
        (change, shown.copied())
    };
    match decide(before.as_ref()).0 {
        Change::Keep => {}
        Change::Put(value) => drop(model.insert(key, value)),
        Change::Remove => drop(model.remove(&key)),
    }
    assert_eq!(map.compute(key, decide), Ok(before));
}

/// Steps about the whole map.
fn whole<M: ConcurrentMap<u32, u64>>(map: &M, model: &mut HashMap<u32, u64>, step: Step) {
    match step {
        Step::Retain(divisor) => {
            let before = model.len();
            let keep = |value: &u64| value.is_multiple_of(u64::from(divisor) + 1);
            model.retain(|_, value| keep(value));
            assert_eq!(map.retain(|_, value| keep(value)), Ok(before - model.len()));
        }
        Step::Clear => {
            assert_eq!(map.clear(), Ok(model.len()));
            model.clear();
        }
        Step::Apply(key, value) => {
            let key = u32::from(key);
            let mut changed = 1 + usize::from(model.remove(&key).is_some());
            changed += usize::from(!model.contains_key(&(key + 1)));
            model.insert(key, value.into());
            model.entry(key + 1).or_insert(7);
            let batch = [
                Operation::Remove(key),
                Operation::Insert(key, value.into()),
                Operation::InsertIfAbsent(key + 1, 7),
            ];
            assert_eq!(map.apply(batch), Ok(changed));
        }
        Step::Look => look(map, model),
        _ => {}
    }
}

fn look<M: ConcurrentMap<u32, u64>>(map: &M, model: &HashMap<u32, u64>) {
    assert_eq!(map.len(), Ok(model.len()));
    let mut visited = HashMap::new();
    map.for_each(|key, value| assert_eq!(visited.insert(*key, *value), None, "visited twice")).expect("open");
    assert_eq!(&visited, model);
    let snapshot = map.snapshot().expect("open");
    assert_eq!(snapshot.len(), model.len());
    assert_eq!(&snapshot.iter().map(|(key, value)| (*key, *value)).collect::<HashMap<_, _>>(), model);
}
