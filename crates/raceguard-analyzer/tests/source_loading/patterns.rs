//! What patterns match.

use super::*;

const MODULE: &str = "
-- go.mod --
module example.com/app

go 1.25

ignore ./web
ignore cache
-- main.go --
package main

import \"fmt\"
-- api/api.go --
package api
-- api/v2/api.go --
package api
-- api/testdata/x.go --
package x
-- api/_old/x.go --
package x
-- api/.git/x.go --
package x
-- web/x.go --
package x
-- api/cache/x.go --
package x
-- vendor/example.org/x/x.go --
package x
-- docs/readme.md --
nothing
-- nested/go.mod --
module example.com/app/nested
-- nested/n.go --
package nested
";

#[test]
fn dots_leave_out_what_go_leaves_out() {
    let loaded = load_files(MODULE, &["./..."]);
    assert_eq!(roots(&loaded), ["example.com/app", "example.com/app/api", "example.com/app/api/v2"]);
    let expected = "/w/nested: a module of its own: not part of the pattern, as in Go";
    assert_eq!(problems(&loaded), [expected]);
    assert_eq!(loaded.losses(), 0);
    assert_eq!(roots(&load_files(MODULE, &[])), roots(&loaded), "no pattern means ./...");
}

#[test]
fn what_is_named_is_matched_whatever_its_name() {
    for (pattern, expected) in [
        (".", "example.com/app"),
        ("./api", "example.com/app/api"),
        ("api/v2/", "example.com/app/api/v2"),
        ("/w/api", "example.com/app/api"),
        ("./api/testdata", "example.com/app/api/testdata"),
        ("./api/testdata/...", "example.com/app/api/testdata"),
        ("./web", "example.com/app/web"),
        ("nested", "example.com/app/nested"),
        ("example.com/app/api/v2", "example.com/app/api/v2"),
        ("net/http", "net/http"),
    ] {
        let loaded = load_files(MODULE, &[pattern]);
        assert_eq!((pattern, roots(&loaded)), (pattern, vec![expected]));
        assert_eq!(problems(&loaded), [""; 0]);
    }
}

#[test]
fn dots_stand_for_any_text() {
    let matched = |pattern| {
        let loaded = load_files(MODULE, &[pattern]);
        roots(&loaded).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(matched("./a..."), ["example.com/app/api", "example.com/app/api/v2"]);
    assert_eq!(matched("./.../v2"), ["example.com/app/api/v2"]);
    assert_eq!(matched("example.com/..."), matched("./..."));
    assert_eq!(matched("example.com/app/api/..."), ["example.com/app/api", "example.com/app/api/v2"]);
    assert_eq!(matched("net/..."), ["net/http"]);
    assert_eq!(matched("std"), ["fmt", "io", "net/http", "runtime", "vendor/golang.org/x/net/http2/hpack"]);
}

#[test]
fn patterns_that_overlap_match_once() {
    let loaded = load_files(MODULE, &["./...", "./api", "api", "example.com/app/api"]);
    assert_eq!(roots(&loaded), ["example.com/app", "example.com/app/api", "example.com/app/api/v2"]);
    assert_eq!(loaded.losses(), 0);
}

#[test]
fn named_files_are_a_package_of_their_own_without_constraints() {
    let files = "
-- go.mod --
module m
-- a.go --
package m
-- gen.go --
//go:build ignore

package main

import \"m/lib\"
-- gen_windows.go --
package main
-- lib/lib.go --
package lib
";
    let loaded = load_files(files, &["gen.go", "./gen_windows.go"]);
    assert_eq!((roots(&loaded), dependencies(&loaded)), (vec!["m"], vec!["m/lib"]));
    assert_eq!(super::files(package(&loaded, "m"), UnitKind::Package), ["gen.go", "gen_windows.go"]);
    assert_eq!(package(&loaded, "m").name, "main");
    let both = load_files(files, &[".", "gen.go"]);
    let names: Vec<&str> = both.roots().map(|package| package.name.as_str()).collect();
    assert_eq!((names.len(), names.contains(&"m"), names.contains(&"main")), (2, true, true));
}

#[test]
fn patterns_that_match_nothing_are_problems_with_a_way_out() {
    let loaded = load_files(
        MODULE,
        &["./none", "docs", "typo/...", "none.go", "docs/readme.md", "example.com/app/none"],
    );
    let expected = [
        "/w/docs: no Go files in this directory",
        "/w/docs/readme.md: not a Go file",
        "/w/none: the directory can't be read: no such file or directory",
        "/w/none.go: the file can't be read: no such file or directory",
        "example.com/app/none: the pattern matches no package",
        "typo/...: the pattern matches no package",
    ];
    assert_eq!(problems(&loaded), expected);
    assert_eq!(loaded.losses(), expected.len());
    assert!(loaded.problems.iter().all(|problem| !problem.hint.is_empty()));
    let loaded = load_files("-- m/sub/a.go --\npackage sub\n", &["m"]);
    assert_eq!(loaded.problems[0].hint, "add `/...` to analyse the packages below it");
}

#[test]
fn a_directory_without_go_mod_is_a_module_of_its_name() {
    let files = "-- a.go --\npackage main\n\nimport \"w/sub\"\n-- sub/b.go --\npackage sub\n";
    let loaded = load_files(files, &["./..."]);
    assert_eq!(roots(&loaded), ["w", "w/sub"]);
    assert_eq!(directory_of(&loaded, "w", "w/sub"), Some("/w/sub"));
    let tree = tree("").with_file("/elsewhere/tool/a.go", "package main");
    assert_eq!(roots(&load_tree(&tree, &["/elsewhere/tool"])), ["tool"]);
}

#[test]
fn below_a_directory_in_no_module_every_module_is_loaded() {
    let files = "
-- tools/go.mod --
module example.com/tools
-- tools/a.go --
package tools
-- api/go.mod --
module example.com/api
-- api/deep/a.go --
package deep
-- api/inner/go.mod --
module example.com/inner
-- api/inner/a.go --
package inner
-- scripts/x.go --
package main
";
    let loaded = load_files(files, &["./..."]);
    assert_eq!(roots(&loaded), ["example.com/api/deep", "example.com/tools", "w/scripts"]);
    assert_eq!(problems(&loaded), ["/w/api/inner: a module of its own: not part of the pattern, as in Go"]);
}

#[test]
fn the_standard_library_can_be_what_is_analysed() {
    let tree = tree("").with_txtar(
        "/src/go",
        "
-- src/go.mod --
module std
go 1.27
-- src/runtime/a.go --
package runtime
-- src/io/io.go --
package io
-- src/os/os.go --
package os

import \"io\"
-- src/cmd/go.mod --
module cmd
-- src/cmd/go/main.go --
package main

import (
	\"os\"
	\"cmd/internal/base\"
	\"golang.org/x/mod/modfile\"
)
-- src/cmd/internal/base/base.go --
package base
-- src/cmd/vendor/modules.txt --
# golang.org/x/mod v0.20.0
## explicit; go 1.23
golang.org/x/mod/modfile
-- src/cmd/vendor/golang.org/x/mod/modfile/read.go --
package modfile
",
    );
    let loaded = load_tree(&tree, &["/src/go/src/...", "/src/go/src/cmd/..."]);
    assert_eq!(roots(&loaded), ["cmd/go", "cmd/internal/base", "io", "os", "runtime"]);
    assert_eq!(directory_of(&loaded, "os", "io"), Some("/src/go/src/io"), "its own, not the installation's");
    assert_eq!(directory_of(&loaded, "cmd/go", "os"), Some("/src/go/src/os"));
    assert_eq!(
        directory_of(&loaded, "cmd/go", "golang.org/x/mod/modfile"),
        Some("/src/go/src/cmd/vendor/golang.org/x/mod/modfile")
    );
    assert_eq!((loaded.missing.len(), problems(&loaded)), (0, vec![]));
}
