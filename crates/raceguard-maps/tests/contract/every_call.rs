//! Every method of the interface once, for checks that have to hold for all of them.

use raceguard_maps::{Change, ConcurrentMap, MapError, MisuseKind, Operation};

use crate::family::Family;

/// Whether the error says that the map is closed: plainly, or with the place of the close as `Checked` does.
pub(crate) fn says_closed(error: &MapError) -> bool {
    match error {
        MapError::Closed => true,
        MapError::Misuse(misuse) => misuse.kind == MisuseKind::UseAfterClose,
        _ => false,
    }
}

/// Calls everything but `close` and returns each method's name with its error, if it gave one.
pub(crate) fn outcomes<F: Family, M: ConcurrentMap<F::Key, F::Value>>(
    map: &M,
) -> Vec<(&'static str, Option<MapError>)> {
    let key = F::key(0);
    let value = || F::value(0);
    vec![
        ("get_with", map.get_with(&key, |_| ()).err()),
        ("get", map.get(&key).err()),
        ("contains_key", map.contains_key(&key).err()),
        ("insert", map.insert(key.clone(), value()).err()),
        ("insert_if_absent", map.insert_if_absent(key.clone(), value()).err()),
        ("update", map.update(&key, |_| ()).err()),
        ("compute", map.compute(key.clone(), |_| (Change::Put(value()), ())).err()),
        ("remove_if", map.remove_if(&key, |_| true).err()),
        ("remove", map.remove(&key).err()),
        ("retain", map.retain(|_, _| true).err()),
        ("clear", map.clear().err()),
        ("len", map.len().err()),
        ("is_empty", map.is_empty().err()),
        ("for_each", map.for_each(|_, _| ()).err()),
        ("snapshot", map.snapshot().err()),
        ("apply", map.apply([Operation::Insert(key.clone(), value())]).err()),
    ]
}
