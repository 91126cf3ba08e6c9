//! Versions of Go: which ones raceguard works with, and how a `GOVERSION` is read.

use std::fmt;

/// The oldest Go whose race ABI the runtime speaks.
pub const OLDEST_SUPPORTED: GoVersion = GoVersion { major: 1, minor: 22 };

/// The newest Go that the runtime's conformance suite was run against.
pub const NEWEST_TESTED: GoVersion = GoVersion { major: 1, minor: 27 };

/// A Go language release, `1.26` of `go1.26.8`; patch releases never change the race ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoVersion {
    /// 1 for every release of Go so far.
    pub major: u32,
    /// 26 in `go1.26.8`.
    pub minor: u32,
}

impl GoVersion {
    /// Reads what `go env GOVERSION` prints: `go1.26.8`, `go1.27rc1`, `go1.22.3-vendor X:experiment` or
    /// `devel go1.28-0a1b2c3d …`. `None` when there is no release number in it.
    pub fn parse(text: &str) -> Option<Self> {
        let release = text.split_whitespace().find_map(|word| word.strip_prefix("go"))?;
        let (major, rest) = leading_number(release)?;
        let (minor, _) = leading_number(rest.strip_prefix('.')?)?;
        Some(Self { major, minor })
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_releases_candidates_vendors_and_development_versions() {
        for (text, minor) in [
            ("go1.26.8", 26),
            ("go1.22", 22),
            ("go1.27rc1", 27),
            ("go1.24.3-vendor X:rangefunc", 24),
            ("devel go1.28-0a1b2c3d Tue Nov 3 10:00:00 2026 +0000", 28),
        ] {
            assert_eq!(GoVersion::parse(text), Some(GoVersion { major: 1, minor }), "{text}");
        }
    }

    #[test]
    fn text_without_a_release_number_is_no_version() {
        for text in ["", "devel +0a1b2c3d", "go", "gox.y"] {
            assert_eq!(GoVersion::parse(text), None, "{text}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number_not_by_text() {
        assert!(GoVersion { major: 1, minor: 9 } < OLDEST_SUPPORTED);
        assert!(GoVersion { major: 1, minor: 100 } > NEWEST_TESTED);
    }
}
