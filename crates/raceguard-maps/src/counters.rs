//! Counters per key: maps whose values are numbers, so that they can do what a general map cannot.
//!
//! - [`CounterMap`]: counts that many threads add to at once without waiting for each other.
//! - [`QuotaMap`]: balances that never fall below a floor and never change in sum by accident.
//! - [`WindowCounterMap`]: how often something happened lately, for a bounded number of keys.
//!
//! They live as the other maps do: creating one is cheap, `close` reports what was left, and every later call returns
//! `Closed`. `Hash`, `Eq` and `Clone` of keys run under a lock of the map and must not use the same map; when they
//! panic, the call has had no effect.

pub mod clock;
pub mod count;
#[cfg(all(test, any(raceguard_loom, raceguard_shuttle)))]
mod loom_and_shuttle;
pub mod quota;
mod stripe;
pub mod window;

pub use clock::{Clock, ManualClock, SystemClock};
pub use count::CounterMap;
pub use quota::{Quota, QuotaError, QuotaMap, Reservation, Totals};
pub use window::{Activity, WindowCounterMap, WindowSettings};
