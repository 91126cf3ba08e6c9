//! Durations, sizes and texts as the configuration writes them. Each refuses what makes no sense, so that the error says
//! in which line.

use std::time::Duration;

use jiff::SignedDuration;
use raceguard_server::origin::NAME_LIMIT;
use serde::Deserialize;

/// A positive duration: `500ms`, `30s`, `5m`, `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Period(pub Duration);

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parsed = text.parse::<SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok());
        match parsed.filter(|it| !it.is_zero()) {
            Some(duration) => Ok(Self(duration)),
            None => Err(format!("{text:?} is no duration; write 500ms, 30s, 5m or 1h")),
        }
    }
}

/// A number of bytes: `4096`, `64KiB`, `16MiB`, `1GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ByteSize(pub u64);

impl TryFrom<String> for ByteSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        const UNITS: [(&str, u64); 4] = [("", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
        let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let factor = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, factor)| *factor);
        let size =
            digits.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
        size.filter(|size| *size > 0)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no size; write 4096, 64KiB, 16MiB or 1GiB"))
    }
}

/// Text that can stand in a header: printable ASCII, short.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(pub String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_plain = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if is_plain && text.len() <= NAME_LIMIT && text.trim() == text {
            return Ok(Self(text));
        }
        Err(format!("{text:?} is no name; write at most {NAME_LIMIT} printable ASCII characters"))
    }
}

/// The base address of something that speaks HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(pub String);

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let url = text.trim_end_matches('/');
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        match rest.filter(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic())) {
            Some(_) => Ok(Self(url.to_owned())),
            None => Err(format!("{text:?} is no address; write http://HOST:PORT or https://HOST:PORT")),
        }
    }
}

/// What must not be shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A pattern of paths: `/var/log/app/*.log`, `/srv/**/evidence.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PathPattern(pub String);

impl TryFrom<String> for PathPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match glob::Pattern::new(&text) {
            Ok(_) if !text.is_empty() => Ok(Self(text)),
            Ok(_) => Err("an empty pattern matches nothing".to_owned()),
            Err(error) => Err(format!("{text:?} is no pattern of paths: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_and_nonsense_refused() {
        let period = |text: &str| Period::try_from(text.to_owned()).map(|it| it.0.as_millis());
        assert_eq!((period("500ms"), period("1h 30m")), (Ok(500), Ok(5_400_000)));
        for text in ["", "5", "-1s", "0s", "soon"] {
            assert!(period(text).is_err(), "{text}");
        }
        let size = |text: &str| ByteSize::try_from(text.to_owned()).map(|it| it.0);
        assert_eq!((size("4096"), size("16MiB"), size("2 KiB")), (Ok(4096), Ok(16 << 20), Ok(2048)));
        for text in ["", "MiB", "1TB", "-1", "99999999999999GiB", "0"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert!(Address::try_from("localhost:7766".to_owned()).is_err());
        assert_eq!(Address::try_from("http://a:1/".to_owned()).map(|it| it.0).as_deref(), Ok("http://a:1"));
        assert!(Name::try_from("gâteway".to_owned()).is_err() && Name::try_from("x\n".to_owned()).is_err());
        assert!(PathPattern::try_from("/a/[".to_owned()).is_err());
    }
}
