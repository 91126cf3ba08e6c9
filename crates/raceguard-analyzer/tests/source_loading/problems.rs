//! Bad input: told with a place and a way out, and the rest is loaded all the same.

use super::*;
use raceguard_analyzer::source::{IgnoreReason, Position, ProblemKind, Severity};

#[test]
fn what_is_missing_is_said_once_with_a_count() {
    let files = "
-- go.mod --
module m
-- a.go --
package m

import (
	\"example.org/gone\"
	\"example.org/gone/sub\"
	\"unsafe\"
)
-- b.go --
package m

import gone \"example.org/gone\"
-- c/c.go --
package c

import \"example.org/gone\"
import \"testing\"
";
    let loaded = load_files(files, &["./..."]);
    let missing: Vec<(&str, usize, bool)> =
        loaded.missing.iter().map(|it| (it.path.as_str(), it.count, it.looks_standard)).collect();
    let expected = [("example.org/gone", 3, false), ("example.org/gone/sub", 1, false), ("testing", 1, true)];
    assert_eq!(missing, expected);
    let first = &loaded.missing[0];
    assert_eq!((first.file.to_str(), first.position), (Some("/w/a.go"), Position { line: 4, column: 2 }));
    assert!(first.from_root);
    assert_eq!((roots(&loaded), loaded.losses()), (vec!["m", "m/c"], 0));
}

#[test]
fn without_an_installation_the_standard_library_is_missing() {
    let tree = MemoryTree::new().with_file("/w/a.go", "package a\n\nimport (\n\t\"fmt\"\n\t\"unsafe\"\n)\n");
    let loaded = load_with(&tree, &Environment::new("/w"), &BuildContext::default(), &["."]);
    assert_eq!(loaded.goroot, None);
    let missing: Vec<&str> = loaded.missing.iter().map(|missing| missing.path.as_str()).collect();
    assert_eq!(missing, ["fmt"]);
    let loaded = load_with(&tree, &Environment::new("/w"), &BuildContext::default(), &["std"]);
    assert_eq!(problems(&loaded), ["std: no Go installation was found"]);
}

#[test]
fn files_that_can_not_be_used_are_told_and_the_rest_is_loaded() {
    let tree = tree(
        "
-- go.mod --
module m
-- a.go --
package m
-- b.go --
// no package clause
func f() {}
-- c.go --
//go:build linux &&

package m
-- d.go --
",
    )
    .with_unreadable("/w/e.go")
    .with_symlink("/w/f.go", "f.go")
    .with_symlink("/w/g.go", "a.go")
    .with_symlink("/w/h.go", "gone.go");
    let loaded = load_tree(&tree, &["./..."]);
    let expected = [
        "/w/b.go:2:1: the file is not analysed: expected a package clause, found `func`",
        "/w/c.go:1:20: the file is not analysed: build constraint: a tag is missing at the end",
        "/w/d.go:1:1: the file is not analysed: expected a package clause, found the end of the file",
        "/w/e.go: the file is not analysed: permission denied",
        "/w/f.go: the file is not analysed: too many levels of symbolic links",
        "/w/h.go: the file is not analysed: no such file or directory",
    ];
    assert_eq!(problems(&loaded), expected);
    assert_eq!(loaded.losses(), expected.len());
    let module = package(&loaded, "m");
    assert_eq!(files(module, UnitKind::Package), ["a.go", "g.go"], "a link to a file is the file");
    let unread = module.ignored.iter().filter(|file| file.reason == IgnoreReason::Problem);
    assert_eq!(unread.count(), expected.len());
}

#[test]
fn bytes_that_are_no_text_are_told_and_the_file_is_loaded() {
    let tree = tree("-- go.mod --\nmodule m\n")
        .with_file("/w/bom.go", "\u{feff}package m\n")
        .with_file("/w/middle.go", "package m\n\n// \u{feff}\n")
        .with_file("/w/nul.go", "package m\n\0")
        .with_file("/w/latin.go", b"package m\n\n// caf\xe9\n");
    let loaded = load_tree(&tree, &["."]);
    let expected = [
        "/w/latin.go:3:7: bytes that are not UTF-8",
        "/w/middle.go:3:4: a byte order mark in the middle of the file",
        "/w/nul.go:2:1: a NUL byte, which Go does not allow in source",
    ];
    assert_eq!(problems(&loaded), expected);
    assert_eq!(loaded.losses(), 3);
    let all = ["bom.go", "latin.go", "middle.go", "nul.go"];
    assert_eq!(files(package(&loaded, "m"), UnitKind::Package), all);
}

#[test]
fn a_file_beyond_the_limit_is_skipped_with_its_size() {
    let tree = tree("-- go.mod --\nmodule m\n-- a.go --\npackage m\n");
    let tree = tree.with_file("/w/huge.go", format!("package m\n\n// {}\n", "x".repeat(1000)));
    let options = LoadOptions { largest_file: 1000, ..LoadOptions::default() };
    let (environment, build) = (environment(), BuildContext::default());
    let loaded = load(&tree, &environment, &build, &[], &options, &mut |_| {});
    let expected = "/w/huge.go: the file is not analysed: 1015 bytes, more than the limit of 1000";
    assert_eq!(problems(&loaded), [expected]);
    assert_eq!((loaded.problems[0].kind, loaded.losses()), (ProblemKind::TooLarge, 1));
    assert_eq!(files(package(&loaded, "m"), UnitKind::Package), ["a.go"]);
}

#[test]
fn links_in_a_circle_end_no_walk_and_are_told() {
    let tree = tree("-- go.mod --\nmodule m\n-- a/a.go --\npackage a\n")
        .with_symlink("/w/a/up", "../..")
        .with_symlink("/w/a/self", "self")
        .with_symlink("/w/b", "a")
        .with_symlink("/w/gone", "nowhere");
    let loaded = load_tree(&tree, &["./..."]);
    assert_eq!(roots(&loaded), ["m/a"]);
    let expected = [
        "/w/a/self: a symbolic link that leads back to itself: not followed",
        "/w/a/up: a symbolic link to /, which is around it: not followed",
        "/w/b: a symbolic link to /w/a: not followed",
    ];
    assert_eq!(problems(&loaded), expected);
    assert!(loaded.problems.iter().all(|problem| problem.severity == Severity::Notice));
    assert_eq!(roots(&load_tree(&tree, &["./b"])), ["m/b"], "what is named is followed");
    assert_eq!(roots(&load_tree(&tree, &["./b/..."])), ["m/b"]);
}

#[test]
fn two_packages_in_a_directory_are_analysed_apart() {
    let files = "
-- go.mod --
module m
-- p/a.go --
package p
-- p/b.go --
package p
-- p/b_test.go --
package p_test
-- p/main.go --
package main
-- q/q.go --
package q

import \"m/p\"
";
    let loaded = load_files(files, &["./..."]);
    let expected = "/w/p/main.go:1:9: package main in a directory of package p: both are analysed, apart";
    assert_eq!(problems(&loaded), [expected]);
    assert_eq!(loaded.losses(), 1);
    let names: Vec<(&str, &str)> =
        loaded.roots().map(|package| (package.import_path.as_str(), package.name.as_str())).collect();
    assert_eq!(names.len(), 3);
    assert!(names.contains(&("m/p", "main")));
    let imported = package(&loaded, "m/q").resolve_import("m/p").map(|id| loaded.package(id));
    let imported = imported.expect("the package of most files");
    assert_eq!((imported.name.as_str(), imported.files.len()), ("p", 3));
}

#[test]
fn import_cycles_are_told_with_their_path() {
    let files = "
-- go.mod --
module m
-- a/a.go --
package a

import \"m/b\"
-- b/b.go --
package b

import (
	\"fmt\"
	\"m/c\"
)
-- c/c.go --
package c

import \"m/a\"
-- d/d.go --
package d

import \"m/d\"
-- e/e.go --
package e

import \"m/a\"
";
    let loaded = load_files(files, &["./..."]);
    let expected =
        ["/w/a/a.go:3:8: import cycle: m/a → m/b → m/c → m/a", "/w/d/d.go:3:8: import cycle: m/d → m/d"];
    assert_eq!(problems(&loaded), expected);
    assert_eq!(loaded.losses(), 2);
    assert_eq!(roots(&loaded).len(), 5);
    let (a, e, fmt) = (package(&loaded, "m/a"), package(&loaded, "m/e"), package(&loaded, "fmt"));
    assert!(fmt.id < a.id && a.id < e.id);
}

#[test]
fn errors_in_manifests_are_told_with_their_place() {
    let files = "
-- go.work --
go 1.22
use ./m
use ./gone
user ./x
-- m/go.mod --
module m
go 1.22
requires x v1
require \"open
-- m/a.go --
package m
";
    let loaded = load_files(files, &["./m"]);
    let expected = [
        "/w/go.work:3:1: it uses /w/gone, where there is no go.mod",
        "/w/go.work:4:1: `user` is no directive",
        "/w/m/go.mod:3:1: `requires` is no directive",
        "/w/m/go.mod:4:9: a quoted string has no end on its line",
    ];
    assert_eq!(problems(&loaded), expected);
    assert_eq!((roots(&loaded), loaded.losses()), (vec!["m"], 4));
}

#[test]
fn a_directory_whose_files_all_belong_to_other_builds_is_told_if_it_was_named() {
    let files = "-- go.mod --\nmodule m\n-- w/a_windows.go --\npackage w\n-- b.go --\npackage m\n";
    let loaded = load_files(files, &["./w"]);
    assert_eq!(problems(&loaded), ["/w/w: no Go file in this directory belongs to the build"]);
    assert_eq!(problems(&load_files(files, &["./..."])), [""; 0]);
}

#[test]
fn imports_that_lead_out_of_a_module_lead_nowhere() {
    let files = "-- m/go.mod --\nmodule m\n-- m/a.go --\npackage m\n\nimport \"m/../secret\"\nimport \"/w/secret\"\n\
        import \"../secret\"\nimport \"\"\n-- secret/s.go --\npackage secret\n";
    let loaded = load_files(files, &["./m"]);
    let missing: Vec<&str> = loaded.missing.iter().map(|missing| missing.path.as_str()).collect();
    assert_eq!(missing, ["", "../secret", "/w/secret", "m/../secret"]);
    assert_eq!(dependencies(&loaded), [""; 0]);
}
