//! Which of two versions of a program is the later one.
//!
//! Versions that both read as semantic ones (`1.4.2`, `v1.4`, `1.5.0-rc.1+build`) are compared as
//! [semver.org](https://semver.org) says, with missing numbers as 0 and without the build. Others, such as commits, have
//! no order of their own: the later one is that which the server saw first later. What it never saw has no place in that
//! order, and a sighting without a version none in any.

use std::cmp::Ordering;

/// The later of two versions, by their names alone; nothing where one of them is no semantic version, unless they are equal.
pub fn compare(first: &str, second: &str) -> Option<Ordering> {
    if first == second {
        return Some(Ordering::Equal);
    }
    Some(Semantic::read(first)?.cmp(&Semantic::read(second)?))
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Semantic<'a> {
    numbers: [u64; 3],
    /// Empty for a release.
    pre: Vec<Identifier<'a>>,
}

/// Numbers come before words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'a> {
    Number(u64),
    Word(&'a str),
}

impl<'a> Semantic<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(version, _)| version);
        let (release, pre) = text.split_once('-').map_or((text, None), |(release, pre)| (release, Some(pre)));
        let mut numbers = [0; 3];
        let parts: Vec<&str> = release.split('.').collect();
        // One number alone is as likely a build counter or the begin of a commit.
        if !(2..=3).contains(&parts.len()) {
            return None;
        }
        for (number, part) in numbers.iter_mut().zip(parts) {
            *number = number_of(part)?;
        }
        let pre = pre.map(|pre| pre.split('.').map(identifier).collect()).unwrap_or_default();
        Some(Self { numbers, pre })
    }

    fn cmp(&self, other: &Self) -> Ordering {
        // What has no suffix is the release, which comes after its candidates.
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| self.pre.is_empty().cmp(&other.pre.is_empty()))
            .then_with(|| self.pre.cmp(&other.pre))
    }
}

fn identifier(text: &str) -> Identifier<'_> {
    number_of(text).map_or(Identifier::Word(text), Identifier::Number)
}

fn number_of(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semantic_versions_are_in_their_order() {
        let order = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "v1.2",
            "1.10.0",
            "2.0.0",
        ];
        for (at, first) in order.iter().enumerate() {
            for (other, second) in order.iter().enumerate() {
                assert_eq!(compare(first, second), Some(at.cmp(&other)), "{first} {second}");
            }
        }
        assert_eq!(compare("1.2.3+a", "v1.2.3"), Some(Ordering::Equal));
    }

    #[test]
    fn commits_have_no_order() {
        assert_eq!(compare("4f0c1d2", "9e0b7aa"), None);
        assert_eq!(compare("17", "18"), None);
        assert_eq!(compare("", "1.0"), None);
        assert_eq!(compare("4f0c1d2", "4f0c1d2"), Some(Ordering::Equal));
        assert_eq!(compare("1.99999999999999999999", "1.0"), None);
    }
}
