//! How fast the holder of a token may send: token buckets that may be overdrawn.
//!
//! How many records a request has is known when it was read. So a request is let in while its token's buckets are not
//! overdrawn, and what it turns out to be is taken from them afterwards. On average no more than the rate comes through, and
//! a batch that is larger than a bucket is not refused for ever.

use std::time::{Duration, Instant};

use raceguard_maps::{Change, ConcurrentMap as _, ShardedMap};

use super::TokenKey;

/// What the holder of a token may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Records in a second.
    pub records: u64,
    /// Bytes of bodies in a second, as they are sent.
    pub bytes: u64,
    /// For how many seconds' worth a holder that was silent may send at once.
    pub burst: Duration,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self { records: 100_000, bytes: 64 << 20, burst: Duration::from_secs(10) }
    }
}

/// The holder of a token sends too fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this token sends more than {limit} {what} a second; send again in {} s, or have its limit raised", .wait.as_secs())]
pub struct TooFast {
    /// `records` or `bytes`.
    pub what: &'static str,
    /// How many are allowed.
    pub limit: u64,
    /// When it may send again, in whole seconds.
    pub wait: Duration,
}

/// How much each token may still send.
#[derive(Debug)]
pub struct Rates {
    limits: RateLimits,
    accounts: ShardedMap<TokenKey, Account>,
}

#[derive(Debug, Clone, Copy)]
struct Account {
    records: f64,
    bytes: f64,
    /// When they were that.
    at: Instant,
}

impl Rates {
    /// Nobody sent anything yet.
    pub fn new(limits: RateLimits) -> Self {
        Self { limits, accounts: ShardedMap::new() }
    }

    /// Whether the holder may send now.
    pub fn check(&self, token: TokenKey, now: Instant) -> Result<(), TooFast> {
        let Ok(Some(account)) = self.accounts.get(&token) else { return Ok(()) };
        let account = self.refilled(Some(&account), now);
        let limits = &self.limits;
        match (wait(account.records, limits.records), wait(account.bytes, limits.bytes)) {
            (None, None) => Ok(()),
            (Some(records), bytes) if bytes.is_none_or(|bytes| bytes <= records) => {
                Err(TooFast { what: "records", limit: limits.records, wait: records })
            }
            (_, bytes) => {
                Err(TooFast { what: "bytes", limit: limits.bytes, wait: bytes.unwrap_or(Duration::ZERO) })
            }
        }
    }

    /// Takes records from what the holder may send.
    pub fn charge_records(&self, token: TokenKey, records: u64, now: Instant) {
        self.change(token, now, |account| account.records -= float(records));
    }

    /// Takes bytes from what the holder may send.
    pub fn charge_bytes(&self, token: TokenKey, bytes: u64, now: Instant) {
        self.change(token, now, |account| account.bytes -= float(bytes));
    }

    fn change(&self, token: TokenKey, now: Instant, change: impl FnOnce(&mut Account)) {
        // The map fails only when it is closed, which nobody does.
        let _ = self.accounts.compute(token, |account| {
            let mut account = self.refilled(account, now);
            change(&mut account);
            (Change::Put(account), ())
        });
    }

    /// The account as it is now; a new one is full.
    fn refilled(&self, account: Option<&Account>, now: Instant) -> Account {
        let burst = self.limits.burst.as_secs_f64();
        let full = |rate: u64| float(rate) * burst;
        let (records, bytes) = (full(self.limits.records), full(self.limits.bytes));
        let Some(account) = account else { return Account { records, bytes, at: now } };
        let passed = now.saturating_duration_since(account.at).as_secs_f64();
        Account {
            records: (account.records + float(self.limits.records) * passed).min(records),
            bytes: (account.bytes + float(self.limits.bytes) * passed).min(bytes),
            at: account.at.max(now),
        }
    }
}

/// How long until there is something again, in whole seconds.
fn wait(left: f64, rate: u64) -> Option<Duration> {
    // A day is long enough to say that the rate does not allow it.
    const LONGEST: f64 = 86_400.0;
    (left < 0.0).then(|| Duration::from_secs_f64((-left / float(rate.max(1))).ceil().clamp(1.0, LONGEST)))
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: TokenKey = TokenKey(1);

    #[test]
    fn a_debt_is_paid_off_at_the_rate_and_the_wait_says_when() {
        let rates = Rates::new(RateLimits { records: 100, bytes: 1 << 30, burst: Duration::from_secs(2) });
        let start = Instant::now();
        rates.check(TOKEN, start).expect("nothing was sent");
        // 200 are there at once; a batch that is larger passes and leaves a debt.
        rates.charge_records(TOKEN, 450, start);
        let error = rates.check(TOKEN, start).expect_err("250 too many");
        assert_eq!((error.what, error.limit, error.wait), ("records", 100, Duration::from_secs(3)));
        rates.check(TOKEN, start + Duration::from_millis(2400)).expect_err("10 too many");
        rates.check(TOKEN, start + error.wait).expect("it is paid off");
        // Others are not concerned, and silence earns no more than the burst.
        rates.check(TokenKey(2), start).expect("it sent nothing");
        let later = start + Duration::from_hours(1);
        rates.charge_records(TOKEN, 201, later);
        rates.check(TOKEN, later).expect_err("one too many");
    }

    #[test]
    fn bytes_count_as_well_and_the_longer_wait_is_told() {
        let rates = Rates::new(RateLimits { records: 10, bytes: 1000, burst: Duration::from_secs(1) });
        let start = Instant::now();
        rates.charge_bytes(TOKEN, 6000, start);
        let error = rates.check(TOKEN, start).expect_err("5000 too many");
        assert_eq!((error.what, error.wait), ("bytes", Duration::from_secs(5)));
        rates.charge_records(TOKEN, 110, start);
        let error = rates.check(TOKEN, start).expect_err("100 too many as well");
        assert_eq!((error.what, error.wait), ("records", Duration::from_secs(10)));
    }
}
