//! The end of a map's life, on one thread.

use raceguard_maps::{CloseReport, ConcurrentMap};

use crate::every_call::{self, says_closed};
use crate::family::Family;

/// `close` reports what was there, is idempotent, and every other method then says `Closed` without calling anything.
pub(crate) fn check<F: Family, M: ConcurrentMap<F::Key, F::Value>>(map: &M) {
    for (method, error) in every_call::outcomes::<F, M>(map) {
        assert_eq!(error, None, "{method} of an open map");
    }
    map.clear().expect("open");
    let count = F::KEYS.min(9);
    for n in 0..count {
        map.insert(F::key(n), F::value(n)).expect("open");
    }
    let first = map.close().expect("closes");
    assert_eq!((first.entries as u64, first.already_closed, first.dropped), (count, false, 0));
    for (method, error) in every_call::outcomes::<F, M>(map) {
        assert!(error.as_ref().is_some_and(says_closed), "{method} of a closed map: {error:?}");
    }
    let never: Result<Option<()>, _> =
        map.get_with(&F::key(0), |_| panic!("a closed map has nothing to show"));
    assert!(never.is_err());
    for _ in 0..2 {
        assert_eq!(map.close(), Ok(CloseReport { already_closed: true, ..first.clone() }));
    }
}
