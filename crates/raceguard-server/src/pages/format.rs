//! Numbers and times as pages show them.

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::Timestamp;

use super::preferences::Language;

/// A time: exact for machines, and how long ago for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Template)]
#[template(path = "part/when.html")]
pub(super) struct When {
    /// RFC 3339.
    pub(super) exact: String,
    /// In UTC, to the second.
    pub(super) utc: String,
    /// `3 min ago`; the date when that is long ago.
    pub(super) ago: String,
    /// Under which name scripts change it; empty when they don't.
    field: &'static str,
}

impl HtmlSafe for When {}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

impl When {
    /// A time in milliseconds since the Unix epoch, seen at another.
    pub(super) fn new(at_ms: i64, now_ms: i64, language: Language) -> Self {
        let Ok(time) = Timestamp::from_millisecond(at_ms) else { return Self::default() };
        let utc = time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        let seconds = (now_ms - at_ms) / 1000;
        let (count, unit) = match seconds {
            ..MINUTE => (seconds.max(0), 0),
            MINUTE..HOUR => (seconds / MINUTE, 1),
            HOUR..DAY => (seconds / HOUR, 2),
            DAY.. => (seconds / DAY, 3),
        };
        let ago = match language {
            _ if count > 60 && unit == 3 => utc[..10].to_owned(),
            Language::English => format!("{count} {} ago", ["s", "min", "h", "d"][unit]),
            Language::Chinese => format!("{count} {}前", ["秒", "分钟", "小时", "天"][unit]),
        };
        Self { exact: time.to_string(), utc, ago, field: "" }
    }

    /// The same, to be changed by scripts under this name.
    pub(super) fn named(self, field: &'static str) -> Self {
        Self { field, ..self }
    }
}

/// `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share of one, in hundredths: `99.5 %`. Never rounded up to all.
pub(super) fn percent(share: f64) -> String {
    let hundredths = share * 100.0;
    if (hundredths.round() - hundredths).abs() < 1e-9 {
        return format!("{hundredths:.0} %");
    }
    format!("{:.1} %", if share < 1.0 { hundredths.min(99.9) } else { hundredths })
}

/// Nanoseconds in the unit that suits: `1.5 ms`.
pub(super) fn duration(ns: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(60_000_000_000, "min"), (1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")];
    match UNITS.iter().find(|(unit, _)| ns >= *unit) {
        Some((unit, name)) => {
            let tenths = ns / (unit / 10);
            format!("{}.{} {name}", grouped(tenths / 10), tenths % 10)
        }
        None => format!("{ns} ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_groups_of_three() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_time_is_told_by_its_distance() {
        let ago = |seconds: i64, language| When::new(0, seconds * 1000, language).ago;
        assert_eq!(ago(-5, Language::English), "0 s ago");
        assert_eq!(ago(59, Language::English), "59 s ago");
        assert_eq!(ago(3 * HOUR + 5, Language::Chinese), "3 小时前");
        assert_eq!(ago(61 * DAY, Language::English), "1970-01-01");
        assert_eq!(When::new(1_500, 0, Language::English).utc, "1970-01-01 00:00:01 UTC");
        assert_eq!(When::new(i64::MAX, 0, Language::English), When::default());
    }

    #[test]
    fn shares_and_durations_are_short() {
        assert_eq!(
            [1.0, 0.5, 0.9996, 0.123, -0.5].map(percent),
            ["100 %", "50 %", "99.9 %", "12.3 %", "-50 %"]
        );
        assert_eq!(
            [999, 1_500, 2_000_000, 90_000_000_000].map(duration),
            ["999 ns", "1.5 µs", "2.0 ms", "1.5 min"]
        );
    }
}
