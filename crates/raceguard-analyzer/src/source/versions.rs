//! Versions: of the Go language, and of modules.

use std::cmp::Ordering;
use std::fmt;

/// A version of the Go language, such as 1.22.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanguageVersion {
    /// Major version: 1.
    pub major: u32,
    /// Minor version.
    pub minor: u32,
}

impl LanguageVersion {
    /// What Go assumes where go.mod has no `go` line.
    pub const UNSTATED: Self = Self::go1(16);

    /// The lowest version that a file's build constraint can choose.
    const LOWEST_OF_FILE: Self = Self::go1(21);

    /// Go 1.`minor`.
    pub const fn go1(minor: u32) -> Self {
        Self { major: 1, minor }
    }

    /// Reads `1.22`, `1.22.3`, `1.22rc1`, with or without `go` before it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix("go").unwrap_or(text);
        let (major, rest) = leading_number(text)?;
        let Some(rest) = rest.strip_prefix('.') else {
            return rest.is_empty().then_some(Self { major, minor: 0 });
        };
        let (minor, rest) = leading_number(rest)?;
        let rest_is_patch = rest.is_empty() || rest.starts_with(['.', '-', ' ']) || is_pre_release(rest);
        rest_is_patch.then_some(Self { major, minor })
    }

    /// The version of a file whose `//go:build` line implies one: from Go 1.21 on it replaces the module's.
    #[must_use]
    pub fn of_file(self, implied: Option<Self>) -> Self {
        implied.map_or(self, |version| version.max(Self::LOWEST_OF_FILE))
    }

    /// Whether each iteration of a `for` loop has variables of its own (Go 1.22 and later).
    pub fn has_loop_variables_per_iteration(self) -> bool {
        self >= Self::go1(22)
    }
}

impl fmt::Display for LanguageVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// `rc1`, `beta2`, `alpha1`.
fn is_pre_release(text: &str) -> bool {
    ["rc", "beta", "alpha"].iter().any(|kind| text.strip_prefix(kind).is_some_and(|rest| !rest.is_empty()))
}

/// Decimal digits at the start, as Go's version grammar has them: no leading zeros.
fn leading_number(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    if number.len() > 1 && number.starts_with('0') {
        return None;
    }
    Some((number.parse().ok()?, rest))
}

/// Compares two module versions (`v1.2.3`, `v0.0.0-2024…-abc`, `v2.0.0+incompatible`) by semantic versioning.
///
/// What is not a version comes before every version.
pub(crate) fn compare_module_versions(left: &str, right: &str) -> Ordering {
    let (left_parts, right_parts) = (ModuleVersion::parse(left), ModuleVersion::parse(right));
    left_parts.cmp(&right_parts).then_with(|| left.cmp(right))
}

/// A semantic version in comparable form: `None < Some` puts what is no version first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct ModuleVersion<'a> {
    numbers: [u64; 3],
    pre_release: PreRelease<'a>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum PreRelease<'a> {
    Identifiers(Vec<Identifier<'a>>),
    Released,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'a> {
    Number(u64),
    Text(&'a str),
}

impl<'a> ModuleVersion<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix('v')?;
        let text = text.split('+').next().unwrap_or(text);
        let (core, pre_release) = match text.split_once('-') {
            Some((core, identifiers)) => (core, Some(identifiers)),
            None => (text, None),
        };
        let mut numbers = [0; 3];
        let mut parts = core.split('.');
        for number in &mut numbers {
            // `v1` and `v1.2` stand for `v1.0.0` and `v1.2.0`.
            *number = parts.next().map_or(Ok(0), str::parse).ok()?;
        }
        let identifier = |text: &'a str| text.parse().map_or(Identifier::Text(text), Identifier::Number);
        let pre_release = pre_release.map_or(PreRelease::Released, |identifiers| {
            PreRelease::Identifiers(identifiers.split('.').map(identifier).collect())
        });
        parts.next().is_none().then_some(Self { numbers, pre_release })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_versions_are_read_as_go_writes_them() {
        let read = |text| LanguageVersion::parse(text).map(|version| (version.major, version.minor));
        assert_eq!(read("1.22"), Some((1, 22)));
        assert_eq!(read("go1.21.3"), Some((1, 21)));
        assert_eq!(read("1.21rc2"), Some((1, 21)));
        assert_eq!(read("1.26.8 X:nodwarf5"), Some((1, 26)));
        assert_eq!(read("2"), Some((2, 0)));
        for wrong in ["", "1.", "one", "1.022", "1.22x", "1.99999999999"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_file_chooses_its_version_but_none_below_1_21() {
        let module = LanguageVersion::go1(24);
        assert_eq!(module.of_file(None), module);
        assert_eq!(module.of_file(Some(LanguageVersion::go1(22))), LanguageVersion::go1(22));
        assert_eq!(module.of_file(Some(LanguageVersion::go1(17))), LanguageVersion::go1(21));
        assert!(!module.of_file(Some(LanguageVersion::go1(17))).has_loop_variables_per_iteration());
    }

    #[test]
    fn module_versions_are_ordered_by_semantic_versioning() {
        let ascending = [
            "not-a-version",
            "v0.0.0-20190101000000-aaaaaaaaaaaa",
            "v0.0.0-20240101000000-aaaaaaaaaaaa",
            "v0.9.0",
            "v0.10.0-rc.2",
            "v0.10.0-rc.10",
            "v0.10.0-rc.x",
            "v0.10.0",
            "v1.2.3-0.20240101000000-aaaaaaaaaaaa",
            "v1.2.3",
            "v2.0.0+incompatible",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare_module_versions(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
    }
}
