//! From windows to an objective: compliance, error budget, burn rates. Numbers in, numbers out.

use serde::Serialize;

use super::{OBJECTIVE, PERIOD_MS, TARGET, WINDOW_MS};

/// The requests of one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowCount {
    /// Its number since the Unix epoch.
    pub window: i64,
    /// Requests that began in it.
    pub requests: u64,
    /// Those that were affected.
    pub affected: u64,
}

impl WindowCount {
    /// Service-level thread safety: the share that was not affected; nothing without requests.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
    pub fn slts(self) -> Option<f64> {
        (self.requests > 0).then(|| 1.0 - self.affected.min(self.requests) as f64 / self.requests as f64)
    }

    /// Whether it reaches the target; nothing without requests.
    pub fn is_good(self) -> Option<bool> {
        // In whole numbers: 19 of 20 are exactly 0.95, which a quotient of floats may miss.
        (self.requests > 0).then(|| self.affected.min(self.requests) * 20 <= self.requests)
    }
}

/// How a service does against the objective.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slo {
    /// The service; empty for an unknown one. Of the fleet: `(fleet)`.
    pub service: String,
    /// SLTS of the newest window with requests in the last hour.
    pub slts: Option<f64>,
    /// When that window begins, in milliseconds since the Unix epoch.
    pub slts_window_ms: Option<i64>,
    /// Windows with requests that ended in the last hour.
    pub windows: u64,
    /// Those of them that reached the target.
    pub good: u64,
    /// `good / windows`; nothing without windows.
    pub compliance: Option<f64>,
    /// Whether compliance is at least the objective; true without windows.
    pub met: bool,
    /// The error budget of the last 30 days.
    pub budget: Budget,
    /// How fast the budget is spent.
    pub burn: Burn,
}

/// How many windows may fail, and how many did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Budget {
    /// Windows with requests that ended in the period.
    pub windows: u64,
    /// Those that missed the target.
    pub bad: u64,
    /// How many may: `(1 - objective) * windows`.
    pub allowed: f64,
    /// What is left as a share of what is allowed: 1 untouched, 0 spent, negative overspent. 1 without windows.
    pub remaining: f64,
}

/// Share of bad windows over the share that is allowed: at 1 the budget lasts exactly its period. Nothing without
/// requests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Burn {
    /// Over the last ended window.
    #[serde(rename = "5m")]
    pub five_minutes: Option<f64>,
    /// Over 6 windows.
    #[serde(rename = "30m")]
    pub half_hour: Option<f64>,
    /// Over 12 windows.
    #[serde(rename = "1h")]
    pub hour: Option<f64>,
    /// Over 72 windows.
    #[serde(rename = "6h")]
    pub six_hours: Option<f64>,
    /// Both 5 minutes and 1 hour burn at 14.4 or more: a thirtieth of a month's budget times 14.4 in an hour.
    pub fast: bool,
    /// Both 30 minutes and 6 hours burn at 6 or more.
    pub slow: bool,
}

/// Burn rates from which somebody should know, as in the Site Reliability Workbook, chapter 5.
const FAST: f64 = 14.4;
const SLOW: f64 = 6.0;

/// Windows of an hour.
const HOUR: i64 = 12;

/// How a service does at a time. The windows may be in any order, each number once for each service they are of.
pub fn slo(service: &str, windows: &[WindowCount], now_ms: i64) -> Slo {
    let running = super::window_of(now_ms);
    let newest = windows
        .iter()
        .filter(|count| count.requests > 0 && count.window <= running && count.window >= running - HOUR)
        .map(|count| count.window)
        .max();
    let sum = newest.map(|newest| {
        let of = windows.iter().filter(|count| count.window == newest);
        of.fold(WindowCount { window: newest, requests: 0, affected: 0 }, |sum, count| WindowCount {
            window: newest,
            requests: sum.requests + count.requests,
            affected: sum.affected + count.affected,
        })
    });
    let ended = |last: i64| Ended::of(windows, running, last);
    let (hour, period) = (ended(HOUR), ended(PERIOD_MS / WINDOW_MS));
    let compliance = hour.good_share();
    Slo {
        service: service.to_owned(),
        slts: sum.and_then(WindowCount::slts),
        slts_window_ms: newest.map(|window| window * WINDOW_MS),
        windows: hour.windows,
        good: hour.windows - hour.bad,
        compliance,
        met: compliance.is_none_or(|compliance| compliance >= OBJECTIVE),
        budget: period.budget(),
        burn: burn(ended),
    }
}

fn burn(ended: impl Fn(i64) -> Ended) -> Burn {
    let (five_minutes, half_hour) = (ended(1).burn(), ended(6).burn());
    let (hour, six_hours) = (ended(HOUR).burn(), ended(6 * HOUR).burn());
    let both = |short: Option<f64>, long: Option<f64>, limit: f64| {
        short.is_some_and(|rate| rate >= limit) && long.is_some_and(|rate| rate >= limit)
    };
    Burn {
        five_minutes,
        half_hour,
        hour,
        six_hours,
        fast: both(five_minutes, hour, FAST),
        slow: both(half_hour, six_hours, SLOW),
    }
}

/// Windows with requests among the last so many that have ended.
#[derive(Debug, Clone, Copy)]
struct Ended {
    windows: u64,
    bad: u64,
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
impl Ended {
    fn of(windows: &[WindowCount], running: i64, last: i64) -> Self {
        let among = windows.iter().filter(|count| count.window < running && count.window >= running - last);
        let good = among.filter_map(|count| count.is_good());
        good.fold(Self { windows: 0, bad: 0 }, |sum, good| Self {
            windows: sum.windows + 1,
            bad: sum.bad + u64::from(!good),
        })
    }

    fn good_share(self) -> Option<f64> {
        (self.windows > 0).then(|| (self.windows - self.bad) as f64 / self.windows as f64)
    }

    fn burn(self) -> Option<f64> {
        (self.windows > 0).then(|| self.bad as f64 / self.windows as f64 / (1.0 - OBJECTIVE))
    }

    fn budget(self) -> Budget {
        let allowed = self.windows as f64 * (1.0 - OBJECTIVE);
        let remaining = if self.windows == 0 { 1.0 } else { 1.0 - self.bad as f64 / allowed };
        Budget { windows: self.windows, bad: self.bad, allowed, remaining }
    }
}

const _: () = assert!(TARGET == 0.95, "is_good counts in twentieths");

#[cfg(test)]
mod tests {
    use super::*;

    fn count(window: i64, requests: u64, affected: u64) -> WindowCount {
        WindowCount { window, requests, affected }
    }

    #[test]
    fn nineteen_of_twenty_is_enough() {
        assert_eq!(count(1, 20, 1).is_good(), Some(true));
        assert_eq!(count(1, 19, 1).is_good(), Some(false));
        assert_eq!(count(1, 0, 0).is_good(), None);
        assert_eq!(count(1, 4, 1).slts(), Some(0.75));
    }

    #[test]
    fn windows_without_requests_do_not_count_and_the_running_one_not_yet() {
        let now = 100 * WINDOW_MS + 1;
        let windows =
            [count(100, 10, 10), count(99, 10, 0), count(98, 0, 0), count(97, 10, 5), count(87, 10, 10)];
        let slo = slo("pay", &windows, now);
        assert_eq!((slo.windows, slo.good, slo.compliance, slo.met), (2, 1, Some(0.5), false));
        assert_eq!((slo.slts, slo.slts_window_ms), (Some(0.0), Some(100 * WINDOW_MS)));
        assert_eq!((slo.budget.windows, slo.budget.bad), (3, 2));
        assert_eq!(slo.burn.five_minutes, Some(0.0));
        assert!(slo.burn.hour.is_some_and(|rate| (rate - 100.0).abs() < 1e-9), "{:?}", slo.burn);
        assert!(!slo.burn.fast && slo.burn.slow);
    }

    #[test]
    fn without_requests_nothing_is_missed() {
        let slo = slo("pay", &[], 0);
        assert_eq!((slo.slts, slo.compliance, slo.met, slo.burn.hour), (None, None, true, None));
        assert!((slo.budget.remaining - 1.0).abs() < f64::EPSILON);
    }
}
