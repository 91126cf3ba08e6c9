//! The macros that make tests for a subject out of the generic checks.

/// The tests that hold for one family of types and one hasher.
macro_rules! family {
    ($name:ident, $subject:ty, $family:ident, $hasher:ty, [$($check:ident)*]) => {
        mod $name {
            $(#[test]
            fn $check() {
                crate::operations::$check::<crate::family::$family, _>(&*crate::map::<$subject, crate::family::$family, $hasher>());
            })*

            #[test]
            fn closing() {
                crate::closing::check::<crate::family::$family, _>(&*crate::map::<$subject, crate::family::$family, $hasher>());
            }
        }
    };
    ($name:ident, $subject:ty, $family:ident, $hasher:ty) => {
        family!($name, $subject, $family, $hasher, [
            an_empty_map_has_nothing
            insert_replaces
            insert_if_absent_keeps
            reading_shows_the_value
            update_changes_what_is_there
            compute_keeps_puts_and_removes
            remove_takes_the_entry
            remove_if_asks_first
            retain_and_clear_count
            each_entry_is_visited_once
            a_snapshot_stays_as_it_was
            a_batch_is_done_in_order
            it_grows_and_shrinks
        ]);
    };
}

/// The tests of a subject: `copy` for a strategy that holds `Copy` types only, `any` for the others, `layer` for a layer,
/// whose types matter less, for the map inside holds them.
macro_rules! contract {
    ($name:ident, $subject:ty, copy) => {
        mod $name {
            contract!(@copy $subject);
        }
    };
    ($name:ident, $subject:ty, any) => {
        mod $name {
            contract!(@copy $subject);
            contract!(@owned $subject);
        }
    };
    ($name:ident, $subject:ty, layer) => {
        mod $name {
            family!(words, $subject, Words, crate::FastState);
            family!(four_hashes, $subject, Members, crate::hashers::FourHashes);
            contract!(@threads $subject);
            contract!(@owned $subject);
        }
    };
    (@owned $subject:ty) => {
        family!(texts, $subject, Texts, crate::FastState);

        #[test]
        fn a_borrowed_form_of_the_key_finds_it() {
            crate::operations::a_borrowed_key_finds(&*crate::map::<$subject, crate::family::Texts, crate::FastState>());
        }

        #[test]
        fn garbage_stays_bounded() {
            crate::drops::garbage_stays_bounded::<$subject>();
        }

        #[test]
        fn everything_is_dropped_once() {
            crate::drops::everything_is_dropped_once::<$subject>();
        }

        #[test]
        fn close_frees_the_entries() {
            crate::drops::close_frees_the_entries::<$subject>();
        }

        #[test]
        fn a_snapshot_outlives_the_map() {
            crate::drops::a_snapshot_outlives_the_map::<$subject>();
        }

        #[test]
        fn everything_is_dropped_once_under_threads() {
            crate::drops::everything_is_dropped_once_under_threads::<$subject>();
        }

        #[test]
        fn panicking_closures() {
            crate::panics::check::<$subject>(crate::tracked::Call::Closure);
        }

        #[test]
        fn panicking_hash() {
            crate::panics::check::<$subject>(crate::tracked::Call::Hash);
        }

        #[test]
        fn panicking_eq() {
            crate::panics::check::<$subject>(crate::tracked::Call::Eq);
        }

        #[test]
        fn panicking_clone() {
            crate::panics::check::<$subject>(crate::tracked::Call::Clone);
        }

        #[test]
        fn panicking_drop() {
            crate::panics::check::<$subject>(crate::tracked::Call::Drop);
        }
    };
    (@copy $subject:ty) => {
        family!(words, $subject, Words, crate::FastState);
        family!(keyed, $subject, Words, raceguard_maps::KeyedState);
        family!(units, $subject, Units, crate::FastState);
        family!(members, $subject, Members, crate::FastState);
        family!(large, $subject, Large, crate::FastState);
        family!(aligned, $subject, Aligned, crate::FastState);
        family!(padded, $subject, Padded, crate::FastState);
        family!(bytes, $subject, Bytes, crate::FastState);
        family!(colliding_at_zero, $subject, Members, crate::hashers::AllZero);
        family!(colliding_at_ones, $subject, Bytes, crate::hashers::AllOnes);
        family!(four_hashes, $subject, Padded, crate::hashers::FourHashes);
        contract!(@threads $subject);
    };
    (@threads $subject:ty) => {
        mod threads {
            use crate::{FastState, Home, MapOf, family, map, threads};

            fn words() -> Home<MapOf<$subject, family::Words, FastState>> {
                map::<$subject, family::Words, FastState>()
            }

            #[test]
            fn of_disjoint_keys_do_not_disturb_each_other() {
                threads::disjoint_keys(&*words());
            }

            #[test]
            fn lose_no_update() {
                threads::no_update_is_lost(&*words());
            }

            #[test]
            fn lose_no_compute() {
                threads::no_compute_is_lost(&*words());
            }

            #[test]
            fn take_an_entry_once() {
                threads::an_entry_is_taken_once(&*words());
            }

            #[test]
            fn read_whole_values() {
                threads::no_value_is_torn(&*map::<$subject, family::Large, FastState>());
            }

            #[test]
            fn find_keys_that_stay_while_the_map_grows() {
                threads::keys_that_stay_are_found(&*words());
            }

            #[test]
            fn are_told_of_the_close() {
                threads::close_counts_every_write(&*words());
            }

            #[test]
            fn close_once_together() {
                threads::one_of_many_closes(&*words());
            }
        }
    };
}
