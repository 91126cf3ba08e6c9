//! What a log collector wrote in front of each line, learnt from one line and taken off the others.
//!
//! Times differ from line to line, everything else is the same: two containers have different prefixes, so that their
//! lines are told apart.

use super::timestamp;

/// Longest prefix, in bytes.
const MAX_LENGTH: usize = 1024;

/// The prefix of the lines of one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Prefix {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Time,
}

impl Prefix {
    /// The prefix that a line begins with; `None` when that looks like text of the program.
    pub(super) fn learn(text: &[u8]) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let mut parts = Vec::new();
        let mut literal = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let is_boundary = at == 0 || !text[at - 1].is_ascii_alphanumeric() && text[at - 1] != b'.';
            if let Some(length) = timestamp::length(&text[at..]).filter(|_| is_boundary) {
                if !literal.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut literal)));
                }
                parts.push(Part::Time);
                at += length;
            } else {
                literal.push(text[at]);
                at += 1;
            }
        }
        let ends_well = literal.last().map_or(!parts.is_empty() || text.is_empty(), |last| {
            last.is_ascii_whitespace()
                || b"|:])}>".contains(last)
                || *last == b'm' && literal.contains(&ESCAPE)
        });
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        ends_well.then_some(Self { parts })
    }

    /// How much of a line it fixes: of two prefixes that fit, the one that fixes more is meant.
    pub(super) fn weight(&self) -> usize {
        let weight = |part: &Part| if let Part::Text(text) = part { text.len() } else { 8 };
        self.parts.iter().map(weight).sum()
    }

    /// What follows the prefix in `line`; `None` when the line begins otherwise.
    pub(super) fn strip<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        let mut rest = line;
        for (index, part) in self.parts.iter().enumerate() {
            match part {
                Part::Text(text) => match rest.strip_prefix(text.as_slice()) {
                    Some(after) => rest = after,
                    // Of an empty line the blanks at the end of the prefix may be gone.
                    None if index + 1 == self.parts.len() && rest == text.trim_ascii_end() => {
                        return Some(b"");
                    }
                    None => return None,
                },
                Part::Time => rest = &rest[timestamp::length(rest)?..],
            }
        }
        Some(rest)
    }

    /// Whether `other` begins as this one does.
    pub(super) fn begins(&self, other: &Self) -> bool {
        let Some((last, before)) = self.parts.split_last() else { return true };
        let Some(rest) = other.parts.strip_prefix(before) else { return false };
        match (last, rest.first()) {
            (Part::Text(text), Some(Part::Text(longer))) => longer.starts_with(text),
            (Part::Time, Some(Part::Time)) => true,
            _ => false,
        }
    }
}

const ESCAPE: u8 = 0x1b;

/// A line without its end, and without colours at its end.
pub(super) fn without_end(line: &[u8]) -> &[u8] {
    let mut line = line;
    loop {
        let trimmed = line.trim_ascii_end();
        let Some(escape) =
            trimmed.last().filter(|last| **last == b'm').and_then(|_| memchr::memrchr(ESCAPE, trimmed))
        else {
            return trimmed;
        };
        let codes = &trimmed[escape + 1..trimmed.len() - 1];
        if !codes.starts_with(b"[") || !codes[1..].iter().all(|byte| byte.is_ascii_digit() || *byte == b';') {
            return trimmed;
        }
        line = &trimmed[..escape];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip<'a>(learnt: &str, line: &'a str) -> Option<&'a str> {
        let prefix = Prefix::learn(learnt.as_bytes()).expect("a prefix");
        prefix.strip(line.as_bytes()).map(|rest| std::str::from_utf8(rest).expect("text"))
    }

    #[test]
    fn times_may_differ_and_nothing_else() {
        let learnt = "2026-11-20T13:14:16.1Z stderr F ";
        assert_eq!(strip(learnt, "2026-11-20T13:14:17.123456Z stderr F \tmain.go:1"), Some("\tmain.go:1"));
        assert_eq!(strip(learnt, "2026-11-20T13:14:17.123456Z stdout F x"), None);
        assert_eq!(strip("pod/api-7f9c | ", "pod/api-7f9d | x"), None);
        assert_eq!(strip("pod/api-7f9c | ", "pod/api-7f9c |"), Some(""));
        assert_eq!(strip("Nov 20 13:14:16 host app[99]: ", "Nov 20 13:14:17 host app[99]: x"), Some("x"));
        assert_eq!(strip("\u{1b}[36mweb-1  | \u{1b}[0m", "\u{1b}[36mweb-1  | \u{1b}[0mx"), Some("x"));
    }

    #[test]
    fn text_of_the_program_is_no_prefix() {
        for text in ["progress: 50%", "saw \"", "main.go: `", "x"] {
            assert_eq!(Prefix::learn(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Prefix::learn(b""), Some(Prefix::default()));
    }

    #[test]
    fn one_prefix_may_begin_another() {
        let learn = |text: &str| Prefix::learn(text.as_bytes()).expect("a prefix");
        assert!(learn("web | ").begins(&learn("web | job: ")));
        assert!(learn("").begins(&learn("web | ")));
        assert!(!learn("api | ").begins(&learn("web | ")));
    }

    #[test]
    fn colours_at_the_end_of_a_line_are_taken_off() {
        assert_eq!(without_end(b"main.f()\x1b[0m\r\n"), b"main.f()");
        assert_eq!(without_end(b"program \x1b[31m stem"), b"program \x1b[31m stem");
    }
}
