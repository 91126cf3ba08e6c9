//! The table of what each map promises, for `docs/maps.md`.

use std::fmt::Write as _;

use raceguard_maps::advice::Strategy;

/// One row for each strategy.
pub(super) fn table() -> String {
    let mut table = String::from(
        "| strategy | reads | writes | `len` | `for_each` | `snapshot` | `retain`, `clear` | `apply` | a panic in `update` leaves |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for strategy in Strategy::ALL {
        let promises = strategy.consistency();
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} |",
            strategy.name(),
            promises.read,
            promises.write,
            promises.len,
            promises.for_each,
            promises.snapshot,
            promises.retain,
            promises.apply,
            promises.update_on_panic,
        );
    }
    table
}
