//! Times as log collectors write them in front of a line.

/// The length of the time that `text` begins with, when it begins with one. The character before must be no letter
/// or digit.
pub(super) fn length(text: &[u8]) -> Option<usize> {
    // klog's month and day behind its letter for the severity: `E1120 13:14:16.123456`.
    if let Some(rest) =
        text.split_first().filter(|(letter, _)| b"IWEF".contains(letter)).map(|(_, rest)| rest)
    {
        let length = digits(rest, 4, 4).and_then(|date| followed_by_clock(rest, date, b" "))?;
        return Some(length + 1);
    }
    iso(text)
        .or_else(|| clock(text))
        .or_else(|| named_month(text))
        .or_else(|| epoch(text))
        .or_else(|| elapsed(text))
}

/// The first time in RFC 3339 in `text`, in nanoseconds since the Unix epoch; 0 when there is none.
pub(super) fn unix_ns(text: &str) -> u64 {
    let starts =
        text.char_indices().filter(|(_, character)| character.is_ascii_digit()).map(|(start, _)| start);
    for start in starts.take(64) {
        let Some(length) = iso(&text.as_bytes()[start..]) else { continue };
        return text.get(start..start + length).map_or(0, rfc3339);
    }
    0
}

/// A time in RFC 3339 in nanoseconds since the Unix epoch; 0 when it is none, or has no zone.
pub(crate) fn rfc3339(text: &str) -> u64 {
    let time: Option<jiff::Timestamp> = text.parse().ok();
    time.and_then(|time| u64::try_from(time.as_nanosecond()).ok()).unwrap_or_default()
}

/// `2026-11-20T13:14:16.123456789Z`, `2026/11/20 13:14:16`, `2026-11-20`.
fn iso(text: &[u8]) -> Option<usize> {
    let year = digits(text, 4, 4)?;
    let separator = *text.get(year).filter(|byte| matches!(byte, b'-' | b'/'))?;
    let month = year + 1 + digits(&text[year + 1..], 2, 2)?;
    if text.get(month) != Some(&separator) {
        return None;
    }
    let day = month + 1 + digits(&text[month + 1..], 2, 2)?;
    Some(followed_by_clock(text, day, b"T ").unwrap_or(day))
}

fn followed_by_clock(text: &[u8], date: usize, separators: &[u8]) -> Option<usize> {
    text.get(date).filter(|byte| separators.contains(byte))?;
    Some(date + 1 + clock(&text[date + 1..])?)
}

/// `13:14:16`, `13:14:16.123`, `13:14:16,123Z`, `13:14:16+01:00`.
fn clock(text: &[u8]) -> Option<usize> {
    let hour = digits(text, 2, 2)?;
    let minute = part(text, hour, b":")?;
    let second = part(text, minute, b":")?;
    let mut end = second;
    if let Some(fraction) = text.get(end).filter(|byte| matches!(byte, b'.' | b',')) {
        let _ = fraction;
        end = digits(&text[end + 1..], 1, 12).map_or(end, |length| end + 1 + length);
    }
    match text.get(end) {
        Some(b'Z') => Some(end + 1),
        Some(b'+' | b'-') => {
            let Some(hours) = digits(&text[end + 1..], 2, 4) else { return Some(end) };
            let zone = end + 1 + hours;
            Some(part(text, zone, b":").unwrap_or(zone))
        }
        _ => Some(end),
    }
}

/// Two digits behind a separator.
fn part(text: &[u8], at: usize, separators: &[u8]) -> Option<usize> {
    text.get(at).filter(|byte| separators.contains(byte))?;
    Some(at + 1 + digits(&text[at + 1..], 2, 2)?)
}

/// `Nov 20 13:14:16`, `Nov  2 13:14:16.123456`.
fn named_month(text: &[u8]) -> Option<usize> {
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    MONTHS.iter().find(|month| text.starts_with(**month))?;
    let spaces = text[3..].iter().take_while(|byte| **byte == b' ').count();
    if !(1..=2).contains(&spaces) {
        return None;
    }
    let day = 3 + spaces + digits(&text[3 + spaces..], 1, 2)?;
    followed_by_clock(text, day, b" ")
}

/// `1763644456`, `1763644456.123`, and the same in milliseconds to nanoseconds.
fn epoch(text: &[u8]) -> Option<usize> {
    let seconds = digits(text, 10, 19)?;
    if text.get(seconds) == Some(&b'.') {
        return digits(&text[seconds + 1..], 1, 9).map(|fraction| seconds + 1 + fraction);
    }
    Some(seconds)
}

/// `   12.345678`: seconds since the start, as the kernel counts them.
fn elapsed(text: &[u8]) -> Option<usize> {
    let spaces = text.iter().take_while(|byte| **byte == b' ').count();
    let seconds = spaces + digits(&text[spaces..], 1, 8)?;
    text.get(seconds).filter(|byte| **byte == b'.')?;
    Some(seconds + 1 + digits(&text[seconds + 1..], 3, 9)?)
}

/// The number of digits that `text` begins with, when there are so many and no more.
fn digits(text: &[u8], least: usize, most: usize) -> Option<usize> {
    let count = text.iter().take(most + 1).take_while(|byte| byte.is_ascii_digit()).count();
    (least..=most).contains(&count).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_collector_are_measured() {
        for time in [
            "2026-11-20T13:14:16.123456789Z",
            "2026-11-20T13:14:16.1Z",
            "2026-11-20T13:14:16+01:00",
            "2026-11-20 13:14:16,123",
            "2026/11/20 13:14:16",
            "2026/11/20",
            "13:14:16",
            "13:14:16.123456",
            "Nov 20 13:14:16",
            "Nov  2 13:14:16",
            "E1120 13:14:16.123456",
            "1763644456",
            "1763644456.123",
            "  12.345678",
        ] {
            for rest in ["", " x", "] x", "\t"] {
                assert_eq!(length(format!("{time}{rest}").as_bytes()), Some(time.len()), "{time}{rest}");
            }
        }
        for other in ["web-1", "12", "1.5", "November", "Error", "127.0.0.1", "2026", "13:14", ""] {
            assert_eq!(length(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_time_with_a_zone_is_a_moment() {
        assert_eq!(unix_ns("web | 1970-01-01T00:00:01.5Z stderr F "), 1_500_000_000);
        assert_eq!(unix_ns("2026/11/20 13:14:16 no zone"), 0);
        assert_eq!(unix_ns("web-1 | "), 0);
    }
}
