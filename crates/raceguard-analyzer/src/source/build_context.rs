//! Which files belong to a build: operating system, architecture, tags, and what file names say of them.

use std::collections::BTreeSet;

/// What build constraints are evaluated against. The default is linux/amd64 with cgo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildContext {
    /// GOOS.
    pub goos: String,
    /// GOARCH.
    pub goarch: String,
    /// Whether files that import "C" belong to the build.
    pub cgo: bool,
    /// Further tags: those of `-tags`, `race`, experiments, features of the architecture.
    pub tags: BTreeSet<String>,
    /// Tags `go1.1` up to `go1.N` are set for this N. `None`: that of the GOROOT, else [`Self::NEWEST`].
    pub release: Option<u32>,
}

impl Default for BuildContext {
    fn default() -> Self {
        Self::new("linux", "amd64")
    }
}

impl BuildContext {
    /// The newest minor version of Go that the analyzer knows.
    pub const NEWEST: u32 = 27;

    /// The context of a platform, with the tags that Go sets for it by default.
    pub fn new(goos: &str, goarch: &str) -> Self {
        let tags = default_feature(goarch).map(str::to_owned).into_iter().collect();
        Self { goos: goos.to_owned(), goarch: goarch.to_owned(), cgo: true, tags, release: None }
    }

    /// The same context with a tag set.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.tags.insert(tag.to_owned());
        self
    }

    /// N of the highest release tag `go1.N`.
    pub fn newest_release(&self) -> u32 {
        self.release.unwrap_or(Self::NEWEST)
    }

    /// Whether a build tag is set.
    pub fn is_set(&self, tag: &str) -> bool {
        match tag {
            "cgo" => self.cgo || self.tags.contains(tag),
            "gc" => true,
            "unix" => is_unix(&self.goos),
            "linux" if self.goos == "android" => true,
            "solaris" if self.goos == "illumos" => true,
            "darwin" if self.goos == "ios" => true,
            "boringcrypto" => self.tags.contains(tag) || self.tags.contains("goexperiment.boringcrypto"),
            _ => tag == self.goos || tag == self.goarch || self.tags.contains(tag) || self.is_release(tag),
        }
    }

    fn is_release(&self, tag: &str) -> bool {
        let Some(minor) = tag.strip_prefix("go1.") else { return false };
        let plain = minor.bytes().all(|byte| byte.is_ascii_digit()) && !minor.starts_with('0');
        plain && minor.parse::<u32>().is_ok_and(|minor| minor <= self.newest_release())
    }

    /// Whether a file's name lets it belong to the build: `_GOOS`, `_GOARCH` and `_GOOS_GOARCH` before an
    /// optional `_test`.
    pub fn matches_file_name(&self, name: &str) -> bool {
        let stem = name.split('.').next().unwrap_or(name);
        let Some((_, suffixes)) = stem.split_once('_') else { return true };
        let mut words: Vec<&str> = suffixes.split('_').collect();
        words.pop_if(|word| *word == "test");
        match words.as_slice() {
            [.., os, arch] if is_known_os(os) && is_known_arch(arch) => self.is_set(os) && self.is_set(arch),
            [.., word] if is_known_os(word) || is_known_arch(word) => self.is_set(word),
            _ => true,
        }
    }
}

/// The feature tag of an architecture's default level (GOAMD64=v1 and its like).
fn default_feature(goarch: &str) -> Option<&'static str> {
    Some(match goarch {
        "386" => "386.sse2",
        "amd64" => "amd64.v1",
        "arm" => "arm.7",
        "arm64" => "arm64.v8.0",
        "mips" => "mips.hardfloat",
        "mipsle" => "mipsle.hardfloat",
        "mips64" => "mips64.hardfloat",
        "mips64le" => "mips64le.hardfloat",
        "ppc64" => "ppc64.power8",
        "ppc64le" => "ppc64le.power8",
        "riscv64" => "riscv64.rva20u64",
        _ => return None,
    })
}

fn is_known_os(word: &str) -> bool {
    is_unix(word) || matches!(word, "js" | "nacl" | "plan9" | "wasip1" | "windows" | "zos")
}

fn is_unix(word: &str) -> bool {
    matches!(
        word,
        "aix"
            | "android"
            | "darwin"
            | "dragonfly"
            | "freebsd"
            | "hurd"
            | "illumos"
            | "ios"
            | "linux"
            | "netbsd"
            | "openbsd"
            | "solaris"
    )
}

fn is_known_arch(word: &str) -> bool {
    const ARCHITECTURES: [&str; 24] = [
        "386",
        "amd64",
        "amd64p32",
        "arm",
        "arm64",
        "arm64be",
        "armbe",
        "loong64",
        "mips",
        "mips64",
        "mips64le",
        "mips64p32",
        "mips64p32le",
        "mipsle",
        "ppc",
        "ppc64",
        "ppc64le",
        "riscv",
        "riscv64",
        "s390",
        "s390x",
        "sparc",
        "sparc64",
        "wasm",
    ];
    ARCHITECTURES.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_choose_platforms() {
        let linux = BuildContext::default();
        for name in ["a.go", "linux.go", "a_linux.go", "a_amd64.go", "a_linux_amd64_test.go", "a_unix.go"] {
            assert!(linux.matches_file_name(name), "{name}");
        }
        for name in ["a_windows.go", "a_arm64.go", "a_linux_arm64.go", "a_windows_amd64_test.go", "_js.go"] {
            assert!(!linux.matches_file_name(name), "{name}");
        }
        assert!(linux.matches_file_name("a_windows_extra.go"), "only the last words count");
        assert!(
            !linux.matches_file_name("a_linux_windows.go"),
            "only the last word if it is no architecture"
        );
        assert!(linux.matches_file_name("a.pb_windows.go"), "the name ends at its first dot");
    }

    #[test]
    fn tags_follow_from_the_platform() {
        let linux = BuildContext::default();
        for tag in ["linux", "amd64", "unix", "gc", "cgo", "go1.1", "go1.27", "amd64.v1"] {
            assert!(linux.is_set(tag), "{tag}");
        }
        for tag in ["ignore", "windows", "gccgo", "race", "go1.28", "go1.01", "go1.", "amd64.v3", "purego"] {
            assert!(!linux.is_set(tag), "{tag}");
        }
        assert!(BuildContext::new("android", "arm64").is_set("linux"));
        assert!(!BuildContext::new("windows", "amd64").is_set("unix"));
        assert!(linux.clone().with_tag("race").is_set("race"));
        assert!(!BuildContext { cgo: false, ..linux }.is_set("cgo"));
    }
}
