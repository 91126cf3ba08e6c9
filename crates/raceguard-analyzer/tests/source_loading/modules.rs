//! What imports mean: the standard library, main modules, workspaces, replacements, vendor directories, the cache.

use super::*;
use raceguard_analyzer::source::{ModuleKind, VendorChoice, WorkspaceChoice};

const CACHE: &str = "
-- github.com/!burnt!sushi/toml@v1.4.0/go.mod --
module github.com/BurntSushi/toml

go 1.18
-- github.com/!burnt!sushi/toml@v1.4.0/decode.go --
package toml

import \"golang.org/x/sync/errgroup\"
-- golang.org/x/sync@v0.10.0/errgroup/errgroup.go --
package errgroup
-- golang.org/x/sync@v0.5.0/errgroup/errgroup.go --
package errgroup
-- example.org/fork@v1.9.0/lib.go --
package lib
-- example.org/deep/v2@v2.0.0/x/x.go --
package x
-- example.org/deep@v1.0.0/v2/x/x.go --
package x
-- example.org/deep@v1.0.0/y/y.go --
package y
";

fn load_with_cache(files: &str) -> Loaded {
    load_tree(&tree(files).with_txtar("/cache", CACHE), &["./..."])
}

#[test]
fn dependencies_come_from_the_module_cache_in_the_chosen_version() {
    let loaded = load_with_cache(
        "
-- go.mod --
module m
go 1.22
require (
	github.com/BurntSushi/toml v1.4.0
	golang.org/x/sync v0.10.0 // indirect
)
-- a.go --
package m

import (
	\"fmt\"
	\"github.com/BurntSushi/toml\"
)
",
    );
    assert_eq!(
        dependencies(&loaded),
        ["fmt", "github.com/BurntSushi/toml", "golang.org/x/sync/errgroup", "io"]
    );
    let toml = package(&loaded, "github.com/BurntSushi/toml");
    assert_eq!(toml.directory.to_str(), Some("/cache/github.com/!burnt!sushi/toml@v1.4.0"));
    let module = loaded.module_of(toml);
    assert_eq!((module.kind, module.version.as_deref()), (ModuleKind::Dependency, Some("v1.4.0")));
    assert_eq!((module.language.minor, toml.files[0].relative.as_str()), (18, "decode.go"));
    let errgroup = package(&loaded, "golang.org/x/sync/errgroup");
    assert_eq!(errgroup.directory.to_str(), Some("/cache/golang.org/x/sync@v0.10.0/errgroup"));
    assert_eq!(loaded.module_of(errgroup).language.minor, 16, "its go.mod is not there");
    assert_eq!((loaded.missing.len(), loaded.problems.len()), (0, 0));
}

#[test]
fn the_longest_module_path_with_the_package_wins() {
    let loaded = load_with_cache(
        "
-- go.mod --
module m
go 1.22
require (
	example.org/deep v1.0.0
	example.org/deep/v2 v2.0.0
)
-- a.go --
package m

import (
	\"example.org/deep/v2/x\"
	\"example.org/deep/y\"
)
",
    );
    assert_eq!(
        directory_of(&loaded, "m", "example.org/deep/v2/x"),
        Some("/cache/example.org/deep/v2@v2.0.0/x")
    );
    assert_eq!(directory_of(&loaded, "m", "example.org/deep/y"), Some("/cache/example.org/deep@v1.0.0/y"));
}

#[test]
fn replacements_lead_elsewhere() {
    let tree = tree(
        "
-- m/go.mod --
module m
go 1.22
require (
	example.org/lib v1.0.0
	example.org/local v0.0.0
)
replace example.org/lib => example.org/fork v1.9.0
replace example.org/local => ../local
-- m/a.go --
package m

import (
	\"example.org/lib\"
	\"example.org/local/sub\"
)
-- local/go.mod --
module example.org/local
go 1.23
-- local/sub/s.go --
package sub
",
    );
    let loaded = load_tree(&tree.with_txtar("/cache", CACHE), &["./m"]);
    assert_eq!(directory_of(&loaded, "m", "example.org/lib"), Some("/cache/example.org/fork@v1.9.0"));
    assert_eq!(directory_of(&loaded, "m", "example.org/local/sub"), Some("/w/local/sub"));
    let sub = package(&loaded, "example.org/local/sub");
    assert_eq!((sub.role, loaded.module_of(sub).language.minor), (Role::Dependency, 23));
}

const VENDORED: &str = "
-- m/go.mod --
module m
go 1.22
require golang.org/x/sync v0.10.0
-- m/a.go --
package m

import (
	\"golang.org/x/sync/errgroup\"
	\"golang.org/x/sync/semaphore\"
)
-- m/vendor/modules.txt --
# golang.org/x/sync v0.10.0
## explicit; go 1.19
golang.org/x/sync/errgroup
-- m/vendor/golang.org/x/sync/errgroup/errgroup.go --
package errgroup
";

#[test]
fn a_vendor_directory_replaces_the_cache() {
    let tree = tree(VENDORED).with_txtar("/cache", CACHE);
    let tree = tree.with_file("/cache/golang.org/x/sync@v0.10.0/semaphore/s.go", "package semaphore");
    let loaded = load_tree(&tree, &["./m"]);
    let vendored = Some("/w/m/vendor/golang.org/x/sync/errgroup");
    assert_eq!(directory_of(&loaded, "m", "golang.org/x/sync/errgroup"), vendored);
    let errgroup = package(&loaded, "golang.org/x/sync/errgroup");
    let module = loaded.module_of(errgroup);
    assert_eq!((module.kind, module.path.as_str()), (ModuleKind::Vendored, "golang.org/x/sync"));
    assert_eq!((module.version.as_deref(), module.language.minor), (Some("v0.10.0"), 19));
    assert_eq!(errgroup.files[0].relative, "errgroup/errgroup.go");
    let missing: Vec<&str> = loaded.missing.iter().map(|missing| missing.path.as_str()).collect();
    assert_eq!(missing, ["golang.org/x/sync/semaphore"], "what is not vendored is missing, as in Go");
    let never = Environment { vendor: VendorChoice::Never, ..environment() };
    let loaded = load_with(&tree, &never, &BuildContext::default(), &["./m"]);
    let cached = Some("/cache/golang.org/x/sync@v0.10.0/errgroup");
    assert_eq!(directory_of(&loaded, "m", "golang.org/x/sync/errgroup"), cached);
    assert_eq!(loaded.missing, []);
}

#[test]
fn an_old_module_uses_its_vendor_directory_only_for_what_the_cache_lacks() {
    let old = VENDORED.replace("go 1.22", "go 1.13");
    let loaded = load_tree(&tree(&old).with_txtar("/cache", CACHE), &["./m"]);
    let cached = Some("/cache/golang.org/x/sync@v0.10.0/errgroup");
    assert_eq!(directory_of(&loaded, "m", "golang.org/x/sync/errgroup"), cached);
    let loaded = load_files(&old, &["./m"]);
    let vendored = Some("/w/m/vendor/golang.org/x/sync/errgroup");
    assert_eq!(directory_of(&loaded, "m", "golang.org/x/sync/errgroup"), vendored);
}

const WORKSPACE: &str = "
-- go.work --
go 1.22

use (
	./api
	./web
)
replace example.org/lib => ./fork
-- api/go.mod --
module example.com/api
go 1.22
require golang.org/x/sync v0.5.0
-- api/api.go --
package api

import (
	\"example.com/web/page\"
	\"example.org/lib\"
	\"golang.org/x/sync/errgroup\"
)
-- web/go.mod --
module example.com/web
go 1.21
require golang.org/x/sync v0.10.0
require example.org/lib v1.0.0
-- web/page/page.go --
package page
-- other/go.mod --
module example.com/other
go 1.22
-- other/o.go --
package other

import \"example.com/web/page\"
-- fork/lib.go --
package lib
";

#[test]
fn modules_of_a_workspace_see_each_other_and_share_versions() {
    let loaded = load_tree(&tree(WORKSPACE).with_txtar("/cache", CACHE), &["./api"]);
    let from_api = |import| directory_of(&loaded, "example.com/api", import);
    assert_eq!(from_api("example.com/web/page"), Some("/w/web/page"));
    assert_eq!(from_api("example.org/lib"), Some("/w/fork"));
    assert_eq!(from_api("golang.org/x/sync/errgroup"), Some("/cache/golang.org/x/sync@v0.10.0/errgroup"));
    let page = package(&loaded, "example.com/web/page");
    assert_eq!(loaded.module_of(page).kind, ModuleKind::Main);
}

#[test]
fn a_module_that_the_workspace_does_not_use_stands_alone() {
    let missing = |environment: &Environment, pattern: &str| {
        let tree = tree(WORKSPACE).with_txtar("/cache", CACHE);
        let loaded = load_with(&tree, environment, &BuildContext::default(), &[pattern]);
        loaded.missing.into_iter().map(|missing| missing.path).collect::<Vec<_>>()
    };
    assert_eq!(missing(&environment(), "./other"), ["example.com/web/page"]);
    let off = Environment { workspace: WorkspaceChoice::Off, ..environment() };
    assert_eq!(missing(&off, "./api"), ["example.com/web/page", "example.org/lib"]);
    let named = Environment { workspace: WorkspaceChoice::File("/w/go.work".into()), ..environment() };
    assert_eq!(missing(&named, "./api"), [""; 0]);
}

#[test]
fn a_workspace_can_have_its_own_vendor_directory() {
    let files = format!(
        "{WORKSPACE}-- vendor/modules.txt --\n## workspace\n# golang.org/x/sync v0.10.0\n## go 1.18\n\
         golang.org/x/sync/errgroup\n-- vendor/golang.org/x/sync/errgroup/e.go --\npackage errgroup\n"
    );
    let loaded = load_files(&files, &["./api"]);
    let vendored = Some("/w/vendor/golang.org/x/sync/errgroup");
    assert_eq!(directory_of(&loaded, "example.com/api", "golang.org/x/sync/errgroup"), vendored);
}

#[test]
fn the_standard_library_has_vendored_packages_of_its_own() {
    let files = "-- go.mod --\nmodule m\n-- a.go --\npackage m\n\nimport \"net/http\"\n";
    let loaded = load_files(files, &["."]);
    let hpack = "vendor/golang.org/x/net/http2/hpack";
    assert_eq!(dependencies(&loaded), ["fmt", "io", "net/http", hpack]);
    assert_eq!(
        directory_of(&loaded, "net/http", "golang.org/x/net/http2/hpack"),
        Some("/go/src/vendor/golang.org/x/net/http2/hpack")
    );
    assert_eq!(directory_of(&loaded, hpack, "io"), Some("/go/src/io"));
    let http = package(&loaded, "net/http");
    assert_eq!(http.files[0].relative, "net/http/server.go");
    assert_eq!(loaded.module_of(http).kind, ModuleKind::Standard);
}

#[test]
fn a_module_may_have_a_path_like_the_standard_librarys() {
    let files = "-- go.mod --\nmodule app\n-- a.go --\npackage main\n\nimport (\n\t\"app/net/http\"\n\t\"fmt\"\n)\n\
        -- net/http/h.go --\npackage http\n-- fmt/f.go --\npackage fmt\n";
    let loaded = load_files(files, &["."]);
    assert_eq!(directory_of(&loaded, "app", "app/net/http"), Some("/w/net/http"));
    assert_eq!(directory_of(&loaded, "app", "fmt"), Some("/go/src/fmt"));
}

#[test]
fn a_package_of_a_dependency_can_be_asked_for() {
    let files = "-- go.mod --\nmodule m\ngo 1.22\nrequire golang.org/x/sync v0.10.0\n-- a.go --\npackage m\n";
    let tree = tree(files).with_txtar("/cache", CACHE);
    let loaded = load_tree(&tree, &["golang.org/x/sync/errgroup"]);
    assert_eq!(roots(&loaded), ["golang.org/x/sync/errgroup"]);
}

#[test]
fn modules_loaded_together_keep_their_own_versions() {
    let files = "
-- a/go.mod --
module a
go 1.22
require golang.org/x/sync v0.5.0
-- a/a.go --
package a

import \"golang.org/x/sync/errgroup\"
-- b/go.mod --
module b
go 1.22
require golang.org/x/sync v0.10.0
-- b/b.go --
package b

import \"golang.org/x/sync/errgroup\"
";
    let loaded = load_with_cache(files);
    let from = |root| directory_of(&loaded, root, "golang.org/x/sync/errgroup");
    assert_eq!(from("a"), Some("/cache/golang.org/x/sync@v0.5.0/errgroup"));
    assert_eq!(from("b"), Some("/cache/golang.org/x/sync@v0.10.0/errgroup"));
}
