//! Failures of the go command that are not failures of tests: what it printed, read for what the user can do.

use std::path::Path;

/// How much of what Go prints outside of tests is kept to find out why it failed, in bytes.
pub const KEPT_MESSAGES: usize = 256 << 10;

/// Go could not do its work for a reason outside of the code under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoFailure {
    /// What the user does next.
    pub hint: String,
}

/// Where a failure of Go lies, as far as the course of the run tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A test ran and failed.
    Tests,
    /// Packages do not compile, and no test failed.
    Code,
    /// Nothing was built: only Go's messages tell.
    Unknown,
}

/// Words by which the system says that a file can't be written.
const UNWRITABLE: [&str; 5] = [
    "read-only file system",
    "permission denied",
    "operation not permitted",
    "not a directory",
    "no space left on device",
];

/// Reads the reason off what Go printed (`messages`), when it failed. A failure of tests is theirs unless Go's caches could
/// not be written.
pub fn diagnose(messages: &str, caches: &[&Path], fault: Fault) -> Option<GoFailure> {
    let failure = |hint: &str| Some(GoFailure { hint: hint.to_owned() });
    if let Some(cache) = caches.iter().find(|cache| names_unwritable(messages, cache)) {
        return Some(GoFailure {
            hint: format!(
                "Go can't write its cache {}: make it writable, or set GOMODCACHE or GOCACHE to a folder that is; \
                 with a read-only module cache run `go mod download` where it can be written, or use a vendor folder",
                cache.display()
            ),
        });
    }
    match fault {
        Fault::Tests => return None,
        Fault::Code => {
            return failure(
                "mend what Go's compiler says above; what does not compile was not tested for races",
            );
        }
        Fault::Unknown => {}
    }
    let says = |text: &str| messages.contains(text);
    if says("go.mod file not found")
        || says("cannot find main module")
        || says("does not contain main module")
    {
        return failure("run it inside of a Go module, or name the module's folder with -C");
    }
    if says("listed in go.work") {
        return failure("name the modules of the workspace (./module/...), or go into one of them with -C");
    }
    let bad_pattern = messages.lines().any(|line| line.starts_with("pattern ") || line.starts_with("stat "));
    if bad_pattern
        || says("matched no packages")
        || says("no packages to test")
        || says("directory not found")
    {
        return failure("check the package patterns; `go list ./...` shows the packages of this module");
    }
    if says("no Go files in ") {
        return failure("name the packages that are meant: ./... stands for all of this module");
    }
    if says("Run 'go help ") {
        return failure("`go help testflag` and `go help build` list Go's flags, `raceguard --help` ours");
    }
    if says("no space left on device") {
        return failure("free some space (`go clean -cache` empties Go's build cache) and run it again");
    }
    if says("updates to go.mod needed") || says("missing go.sum entry") || says("no required module provides")
    {
        return failure("run `go mod tidy` first");
    }
    failure("see Go's message above; `go vet` on the same packages repeats it")
}

fn names_unwritable(messages: &str, folder: &Path) -> bool {
    let Some(folder) = folder.to_str().filter(|folder| folder.len() > 1) else { return false };
    messages
        .lines()
        .any(|line| line.contains(folder) && UNWRITABLE.iter().any(|reason| line.contains(reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(messages: &str, fault: Fault) -> Option<String> {
        diagnose(messages, &[Path::new("/home/me/go/pkg/mod")], fault).map(|failure| failure.hint)
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_named_whatever_else_happened() {
        let message = "go: example.com/x@v1.0.0: mkdir /home/me/go/pkg/mod/cache: read-only file system\n";
        assert!(hint(message, Fault::Tests).unwrap().contains("/home/me/go/pkg/mod"));
        assert!(hint(message, Fault::Code).unwrap().contains("/home/me/go/pkg/mod"));
        assert!(
            hint("open /home/me/go/pkg/mod/cache/lock: permission denied\n", Fault::Unknown)
                .unwrap()
                .contains("GOMODCACHE")
        );
        assert_eq!(hint("a_test.go:1: open /data: permission denied\n", Fault::Tests), None);
    }

    #[test]
    fn patterns_without_packages_get_a_hint() {
        for message in [
            "go: warning: \"./nope/...\" matched no packages\nno packages to test\n",
            "# ./nope/...\npattern ./nope/...: lstat ./nope/: no such file or directory\n",
            "# ./nope\nstat /m/nope: directory not found\n",
        ] {
            assert!(hint(message, Fault::Unknown).unwrap().contains("go list"), "{message}");
        }
    }

    #[test]
    fn a_folder_without_go_files_and_a_wrong_flag_get_hints_of_their_own() {
        assert!(hint("# .\nno Go files in /m\n", Fault::Unknown).unwrap().contains("./... stands for all"));
        let usage = "invalid value \"x\" for flag -count: parse error\n\
            Run 'go help test' and 'go help testflag' for details.\n";
        assert!(hint(usage, Fault::Unknown).unwrap().contains("raceguard --help"));
    }

    #[test]
    fn failing_tests_are_no_failure_of_go() {
        assert_eq!(hint("matched no packages\n", Fault::Tests), None);
    }

    #[test]
    fn code_that_does_not_compile_is_said_to_be_untested() {
        assert!(hint("./a.go:2:19: too many return values\n", Fault::Code).unwrap().contains("not tested"));
    }

    #[test]
    fn a_missing_module_gets_a_hint() {
        for message in [
            "go: go.mod file not found in current directory or any parent directory\n",
            "pattern ./...: directory prefix . does not contain main module or its selected dependencies\n",
        ] {
            assert!(hint(message, Fault::Unknown).unwrap().contains("-C"), "{message}");
        }
    }
}
