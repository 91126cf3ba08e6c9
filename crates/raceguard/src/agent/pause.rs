//! How long to wait before the next try.

use std::time::Duration;

/// Pauses that double, each between half and all of it: so that a thousand agents do not come back at once.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    next: Duration,
    first: Duration,
    longest: Duration,
}

impl Pauses {
    /// Pauses that begin with `first` and are never longer than `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, first, longest }
    }

    /// The next one; at least what the server asked for.
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        let pause = share(self.next, 0.5 + chance() / 2.0);
        self.next = (self.next * 2).min(self.longest);
        let asked = asked.map_or(Duration::ZERO, |asked| asked + share(self.first, chance()));
        pause.max(asked.min(MOST_ASKED))
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

/// What a server may ask for.
const MOST_ASKED: Duration = Duration::from_mins(10);

/// A share of a time.
pub fn share(time: Duration, share: f64) -> Duration {
    Duration::from_secs_f64(time.as_secs_f64() * share)
}

/// A number from 0 to 1; a half when the system has no chance to give.
pub fn chance() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_heed_the_server() {
        let second = Duration::from_secs(1);
        let mut pauses = Pauses::new(second, second * 5);
        for most in [1, 2, 4, 5, 5] {
            let pause = pauses.next(None);
            assert!((second * most / 2..=second * most).contains(&pause), "{pause:?} of {most}");
        }
        assert!((second * 20..=second * 21).contains(&pauses.next(Some(second * 20))));
        assert!(pauses.next(Some(second * 100_000)) <= MOST_ASKED);
        pauses.reset();
        assert!(pauses.next(None) <= second);
    }
}
