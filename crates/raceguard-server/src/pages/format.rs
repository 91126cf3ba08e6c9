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
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
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
}
