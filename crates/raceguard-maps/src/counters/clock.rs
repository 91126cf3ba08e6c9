//! The time that quotas and windows go by: the system's, or one that a test moves.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::raw::sync::Mutex;

/// A monotone clock.
///
/// ```
/// use std::time::{Duration, Instant};
/// use raceguard_maps::QuotaMap;
/// use raceguard_maps::counters::Clock;
///
/// /// A clock that is an hour ahead.
/// #[derive(Debug)]
/// struct Ahead;
///
/// impl Clock for Ahead {
///     fn now(&self) -> Instant {
///         Instant::now() + Duration::from_hours(1)
///     }
/// }
///
/// let quotas: QuotaMap<&str, _> = QuotaMap::with_clock(Ahead);
/// assert!(quotas.is_empty()?);
/// # Ok::<(), raceguard_maps::counters::QuotaError>(())
/// ```
pub trait Clock: Debug + Send + Sync {
    /// The time now; never earlier than what it gave before.
    fn now(&self) -> Instant;
}

/// The system's monotone clock.
///
/// ```
/// use raceguard_maps::counters::{Clock, SystemClock};
///
/// let earlier = SystemClock.now();
/// assert!(SystemClock.now() >= earlier);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// A clock that stands still until it is moved. Clones show the same time.
///
/// ```
/// use std::time::Duration;
/// use raceguard_maps::counters::{Clock, ManualClock};
///
/// let clock = ManualClock::new();
/// let start = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now() - start, Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Instant>>);

impl ManualClock {
    /// A clock that shows the time of its creation.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        *self.0.lock() += by;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        *self.0.lock()
    }
}
