//! Failures of the go command that are not failures of tests: what it printed, read for what the user can do.

use std::path::Path;

/// Go could not do its work for a reason outside of the code under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoFailure {
    /// What the user does next.
    pub hint: String,
}

/// Words by which the system says that a file can't be written.
const UNWRITABLE: [&str; 5] = [
    "read-only file system",
    "permission denied",
    "operation not permitted",
    "not a directory",
    "no space left on device",
];

/// Reads the reason off what Go printed (`messages`), when it failed. `ran_tests` says whether any test ran or
/// failed to compile: then the failure is theirs unless Go's caches could not be written.
pub fn diagnose(messages: &str, caches: &[&Path], ran_tests: bool) -> Option<GoFailure> {
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
    if ran_tests {
        return None;
    }
    let says = |text: &str| messages.contains(text);
    if says("go.mod file not found")
        || says("cannot find main module")
        || says("does not contain main module")
    {
        return failure("run it inside of a Go module, or name the module's folder with -C");
    }
    let bad_pattern = messages.lines().any(|line| line.starts_with("pattern ") || line.starts_with("stat "));
    if bad_pattern
        || says("matched no packages")
        || says("no packages to test")
        || says("directory not found")
    {
        return failure("check the package patterns; `go list ./...` shows the packages of this module");
    }
    if says("no space left on device") {
        return failure("free some space (`go clean -cache` empties Go's build cache) and run it again");
    }
    if says("updates to go.mod needed") || says("missing go.sum entry") || says("no required module provides")
    {
        return failure("run `go mod tidy` first");
    }
    failure(
        "Go stopped before it ran a test, see its message above; `go vet` on the same packages repeats it",
    )
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

    fn hint(messages: &str, ran_tests: bool) -> Option<String> {
        diagnose(messages, &[Path::new("/home/me/go/pkg/mod")], ran_tests).map(|failure| failure.hint)
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_named_whatever_else_happened() {
        let message = "go: example.com/x@v1.0.0: mkdir /home/me/go/pkg/mod/cache: read-only file system\n";
        assert!(hint(message, true).unwrap().contains("/home/me/go/pkg/mod"));
        assert!(
            hint("open /home/me/go/pkg/mod/cache/lock: permission denied\n", false)
                .unwrap()
                .contains("GOMODCACHE")
        );
        assert_eq!(hint("a_test.go:1: open /data: permission denied\n", true), None);
    }

    #[test]
    fn patterns_without_packages_get_a_hint() {
        for message in [
            "go: warning: \"./nope/...\" matched no packages\nno packages to test\n",
            "# ./nope/...\npattern ./nope/...: lstat ./nope/: no such file or directory\n",
            "# ./nope\nstat /m/nope: directory not found\n",
        ] {
            assert!(hint(message, false).unwrap().contains("go list"), "{message}");
        }
    }

    #[test]
    fn failing_tests_are_no_failure_of_go() {
        assert_eq!(hint("matched no packages\n", true), None);
    }

    #[test]
    fn a_missing_module_gets_a_hint() {
        for message in [
            "go: go.mod file not found in current directory or any parent directory\n",
            "pattern ./...: directory prefix . does not contain main module or its selected dependencies\n",
        ] {
            assert!(hint(message, false).unwrap().contains("-C"), "{message}");
        }
    }
}
