//! What is put into a Go program at link time: members of package archives and the bytes that replace them.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use crate::cache::hex;
use crate::object::{RACE_OBJECT_DIRECT_V1, RACE_OBJECT_DIRECT_V3, RACE_OBJECT_V1, RACE_OBJECT_V3};
use crate::{archive, stub};

/// The member of the race packages that holds Go's own runtime, ThreadSanitizer.
const RACE_OBJECT: &str = "race_linux.syso";

/// The packages that hold it: one of them is linked, by GOAMD64.
const RACE_PACKAGE_V1: &str = "runtime/race/internal/amd64v1";
const RACE_PACKAGE_V3: &str = "runtime/race/internal/amd64v3";

/// One member of one package's archive, and what takes its place.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// Import path of the package.
    pub package: &'static str,
    /// Name of the member in the package's archive.
    pub member: &'static str,
    /// The new bytes.
    pub bytes: Cow<'static, [u8]>,
}

/// All that raceguard replaces in a program.
#[derive(Debug, Clone)]
pub struct Substitution {
    replacements: Vec<Replacement>,
}

impl Substitution {
    /// A race runtime in place of ThreadSanitizer, and nothing else: `v1` for GOAMD64 v1 and v2, `v3` for v3 and
    /// v4.
    pub fn of_race_objects(v1: &'static [u8], v3: &'static [u8]) -> Self {
        let replacement =
            |package, bytes| Replacement { package, member: RACE_OBJECT, bytes: Cow::Borrowed(bytes) };
        Self { replacements: vec![replacement(RACE_PACKAGE_V1, v1), replacement(RACE_PACKAGE_V3, v3)] }
    }

    /// Everything that a program may get, for its identity: which of it a program does get follows from the
    /// archives it is linked from, and these are part of the build's own identity.
    pub fn possible() -> Self {
        let part = |member, bytes: &'static [u8]| Replacement {
            package: stub::PACKAGE,
            member,
            bytes: Cow::Borrowed(bytes),
        };
        Self::of_race_objects(RACE_OBJECT_V1, RACE_OBJECT_V3)
            .with(part("direct v1", RACE_OBJECT_DIRECT_V1))
            .with(part("direct v3", RACE_OBJECT_DIRECT_V3))
            .with(part("version", stub::VERSION.as_bytes()))
    }

    /// What a program gets that is linked with the Go runtime in the archive `runtime`: direct calls if its stubs
    /// look as expected, else the stock stubs and the object for them.
    pub fn for_runtime(runtime: &[u8]) -> Self {
        Self::direct(runtime).unwrap_or_else(|| Self::of_race_objects(RACE_OBJECT_V1, RACE_OBJECT_V3))
    }

    fn direct(runtime: &[u8]) -> Option<Self> {
        let members = archive::members(runtime).ok()?;
        let stubs = members.iter().find(|member| member.name == stub::MEMBER)?;
        let direct = stub::direct(&runtime[stubs.data.clone()])?;
        let race = |package, object| {
            let bytes = Cow::Owned(stub::fill_in(object, &direct.offsets)?);
            Some(Replacement { package, member: RACE_OBJECT, bytes })
        };
        let replacements = vec![
            race(RACE_PACKAGE_V1, RACE_OBJECT_DIRECT_V1)?,
            race(RACE_PACKAGE_V3, RACE_OBJECT_DIRECT_V3)?,
            Replacement { package: stub::PACKAGE, member: stub::MEMBER, bytes: Cow::Owned(direct.member) },
        ];
        Some(Self { replacements })
    }

    /// Whether programs call the race runtime directly.
    pub fn is_direct(&self) -> bool {
        self.replacements.iter().any(|replacement| replacement.package == stub::PACKAGE)
    }

    /// Adds a replacement.
    #[must_use]
    pub fn with(mut self, replacement: Replacement) -> Self {
        self.replacements.push(replacement);
        self
    }

    /// The replacements by package, in the order they were added.
    pub fn replacements(&self) -> &[Replacement] {
        &self.replacements
    }

    /// Whether `package` is one whose presence in a link step means that the program is built with `-race`.
    pub fn is_race_package(package: &str) -> bool {
        [RACE_PACKAGE_V1, RACE_PACKAGE_V3].contains(&package)
    }

    /// A short hash of everything that is replaced. Two programs of the same packages are the same program
    /// exactly when it is equal.
    pub fn identity(&self) -> String {
        let mut hash = Sha256::new();
        for Replacement { package, member, bytes } in &self.replacements {
            for part in [package.as_bytes(), member.as_bytes(), bytes] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        hex(&hash.finalize()[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_changes_with_every_part() {
        let base = Substitution::of_race_objects(b"object", b"object");
        let stub =
            |member, bytes: &'static [u8]| Replacement { package: "runtime", member, bytes: bytes.into() };
        let all = [
            base.identity(),
            Substitution::of_race_objects(b"object", b"objecu").identity(),
            base.clone().with(stub("race_amd64.o", b"s")).identity(),
            base.clone().with(stub("race_amd64.", b"os")).identity(),
        ];
        for (index, identity) in all.iter().enumerate() {
            assert_eq!(identity.len(), 32);
            assert!(!all[..index].contains(identity));
        }
        assert_eq!(base.identity(), Substitution::of_race_objects(b"object", b"object").identity());
    }
}
