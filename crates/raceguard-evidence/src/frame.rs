//! One frame of a stack, and the parts of a Go function name.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::record::Extra;

/// One frame of a stack. Stacks list the innermost frame first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Full name as Go prints it, e.g. `example.com/m/pkg.(*T).M.func1`.
    #[serde(default)]
    pub function: String,
    /// Source file: absolute, or trimmed by `-trimpath` or `strip_path_prefix`; empty when unknown.
    #[serde(default)]
    pub file: String,
    /// Line in the file, from 1; 0 when unknown.
    #[serde(default)]
    pub line: u32,
    /// Program counter as `0x…`, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pc: Option<String>,
    /// Distance of the program counter from the function's entry, in bytes, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Whether the call was inlined into the next outer frame.
    #[serde(default, skip_serializing_if = "is_false")]
    pub inlined: bool,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Frame {
    /// A frame of `function` at `file`:`line`, with nothing else known.
    pub fn new(function: impl Into<String>, file: impl Into<String>, line: u32) -> Self {
        Self { function: function.into(), file: file.into(), line, ..Self::default() }
    }

    /// The parts of the function's name.
    pub fn name(&self) -> FunctionName<'_> {
        FunctionName::parse(&self.function)
    }

    /// What identifies the place.
    pub(crate) fn as_ref(&self) -> FrameRef<'_> {
        FrameRef { function: &self.function, file: &self.file }
    }

    /// Whether the frame is inside Go's runtime or the packages that stand for it in a stack (map
    /// implementation, race hooks, atomics), so that the user's statement is further out.
    pub fn is_runtime_internal(&self) -> bool {
        self.as_ref().is_runtime_internal()
    }

    /// Whether the frame belongs to what starts tests and goroutines, and says nothing about the code under test.
    pub fn is_harness(&self) -> bool {
        self.as_ref().is_harness()
    }

    /// Whether the frame is in a test file.
    pub fn is_in_test_file(&self) -> bool {
        self.as_ref().is_in_test_file()
    }

    /// Whether the frame is a test function or test method (`TestX`, `BenchmarkX`, `FuzzX`, `ExampleX`) of a
    /// test file, or a closure inside one.
    pub fn is_test_entry(&self) -> bool {
        self.as_ref().is_test_entry()
    }
}

/// Function and file of a frame, wherever they are kept. The questions are those of [`Frame`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameRef<'a> {
    pub(crate) function: &'a str,
    pub(crate) file: &'a str,
}

impl FrameRef<'_> {
    pub(crate) fn is_runtime_internal(self) -> bool {
        let package = FunctionName::parse(self.function).package();
        matches!(&*package, "runtime" | "internal/race" | "internal/bytealg" | "sync/atomic")
            || package.starts_with("internal/runtime/")
            || package.starts_with("runtime/internal/")
    }

    pub(crate) fn is_harness(self) -> bool {
        let package = FunctionName::parse(self.function).package();
        matches!(&*package, "runtime" | "testing")
            || package.starts_with("testing/")
            || self.file.ends_with("_testmain.go")
    }

    pub(crate) fn is_in_test_file(self) -> bool {
        self.file.ends_with("_test.go")
    }

    pub(crate) fn is_test_entry(self) -> bool {
        self.is_in_test_file() && FunctionName::parse(self.function).is_test_entry()
    }
}

/// Position in a stack of the statement that made an access: the first frame outside Go's runtime, or the innermost
/// one when every frame is inside.
pub(crate) fn statement_index<'a>(stack: impl IntoIterator<Item = FrameRef<'a>>) -> usize {
    stack.into_iter().position(|frame| !frame.is_runtime_internal()).unwrap_or(0)
}

/// A Go function name, split into import path and the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionName<'a> {
    package: &'a str,
    local: &'a str,
}

impl<'a> FunctionName<'a> {
    /// Splits a name as Go prints it.
    pub fn parse(function: &'a str) -> Self {
        // Type arguments and receivers may hold import paths of their own.
        let plain = function.find(['[', '(']).map_or(function, |end| &function[..end]);
        let last_element = plain.rfind('/').map_or(0, |slash| slash + 1);
        match plain[last_element..].find('.') {
            Some(dot) => {
                let dot = last_element + dot;
                Self { package: &function[..dot], local: &function[dot + 1..] }
            }
            None => Self { package: "", local: function },
        }
    }

    /// The import path, empty when the name has none (`panic`).
    pub fn package(&self) -> Cow<'a, str> {
        // Go writes dots of the last path element as %2e in symbol names.
        if self.package.contains("%2e") {
            Cow::Owned(self.package.replace("%2e", "."))
        } else {
            Cow::Borrowed(self.package)
        }
    }

    /// What follows the import path, e.g. `(*T).M.func1`.
    pub fn local(&self) -> &'a str {
        self.local
    }

    /// The name with the last element of the import path only, e.g. `pkg.(*T).M.func1`.
    pub fn short(&self) -> String {
        let package = self.package();
        let last = package.rsplit('/').next().unwrap_or_default();
        if last.is_empty() { self.local.to_owned() } else { format!("{last}.{}", self.local) }
    }

    /// Whether the name is a closure, as Go names them: `F.func1`, `F.func1.2`, `F.gowrap1`, `glob..func1`.
    pub fn is_closure(&self) -> bool {
        self.local.split('.').skip(1).any(|part| {
            ["func", "gowrap", "deferwrap"]
                .iter()
                .any(|prefix| part.strip_prefix(prefix).is_some_and(starts_with_digit))
        })
    }

    fn is_test_entry(&self) -> bool {
        let name = match self.local.strip_prefix('(') {
            Some(receiver) => receiver.split_once(").").map_or("", |(_, method)| method),
            None => self.local,
        };
        let name = name.split('.').next().unwrap_or_default();
        ["Test", "Benchmark", "Fuzz", "Example"].iter().any(|prefix| {
            name.strip_prefix(prefix).is_some_and(|rest| !rest.chars().next().is_some_and(char::is_lowercase))
        })
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_the_import_path() {
        for (function, package, local, short) in [
            ("example.com/m/pkg.(*T).M.func1", "example.com/m/pkg", "(*T).M.func1", "pkg.(*T).M.func1"),
            ("main.main", "main", "main", "main.main"),
            ("gopkg.in/yaml%2ev3.Parse", "gopkg.in/yaml.v3", "Parse", "yaml.v3.Parse"),
            ("a.com/x.F[b.com/y/z.T].func1", "a.com/x", "F[b.com/y/z.T].func1", "x.F[b.com/y/z.T].func1"),
            ("panic", "", "panic", "panic"),
            ("", "", "", ""),
        ] {
            let name = FunctionName::parse(function);
            assert_eq!((&*name.package(), name.local(), name.short().as_str()), (package, local, short));
        }
    }

    #[test]
    fn runtime_internals_are_known_by_package_not_by_prefix() {
        let internal = |function: &str| Frame::new(function, "", 0).is_runtime_internal();
        assert!(internal("runtime.mapassign_faststr"));
        assert!(internal("internal/runtime/maps.(*Iter).Next"));
        assert!(internal("sync/atomic.AddInt64"));
        assert!(!internal("runtime/debug.Stack"));
        assert!(!internal("sync.(*Map).Load"));
        assert!(!internal("example.com/runtime.Run"));
    }

    #[test]
    fn test_entries_follow_gos_naming_rule() {
        let entry = |function: &str| Frame::new(function, "/m/a_test.go", 1).is_test_entry();
        assert!(entry("m.TestPut"));
        assert!(entry("m.TestPut.func1.2"));
        assert!(entry("m.Test"));
        assert!(entry("m.(*Suite).TestPut"));
        assert!(entry("m.FuzzPut"));
        assert!(!entry("m.Testify"));
        assert!(!entry("m.put"));
        assert!(!Frame::new("m.TestPut", "/m/a.go", 1).is_test_entry());
    }

    #[test]
    fn closures_are_known_by_gos_names() {
        let closure = |function| FunctionName::parse(function).is_closure();
        assert!(closure("m.F.func1"));
        assert!(closure("m.(*T).F.gowrap2"));
        assert!(closure("m.glob..func1"));
        assert!(!closure("m.func1"));
        assert!(!closure("m.T.function"));
    }
}
