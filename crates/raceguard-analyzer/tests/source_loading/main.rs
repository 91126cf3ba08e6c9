//! Loading of sources, on trees in memory: what is matched, what imports mean, what goes wrong.
//!
//! A test is a tree in txtar form, a load, and the expected result as text.

mod modules;
mod packages;
mod patterns;
mod problems;

use raceguard_analyzer::source::{
    BuildContext, Environment, LoadOptions, Loaded, MemoryTree, Package, Role, UnitKind, load,
};

/// A standard library of a few packages, with a vendored one.
const STANDARD: &str = "
-- VERSION --
go1.26.3
-- src/go.mod --
module std

go 1.26
-- src/runtime/proc.go --
package runtime
-- src/fmt/print.go --
package fmt

import \"io\"
-- src/io/io.go --
package io
-- src/net/http/server.go --
package http

import (
	\"fmt\"
	\"golang.org/x/net/http2/hpack\"
)
-- src/vendor/golang.org/x/net/http2/hpack/hpack.go --
package hpack

import \"io\"
";

/// A tree with a Go installation and the files of a text below `/w`, where the user stands.
fn tree(files: &str) -> MemoryTree {
    MemoryTree::new().with_txtar("/go", STANDARD).with_txtar("/w", files)
}

fn environment() -> Environment {
    let goroot = Some("/go".into());
    Environment { goroot, module_cache: Some("/cache".into()), ..Environment::new("/w") }
}

fn load_with(
    tree: &MemoryTree,
    environment: &Environment,
    build: &BuildContext,
    patterns: &[&str],
) -> Loaded {
    let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    load(tree, environment, build, &patterns, &LoadOptions::default(), &mut |_| {})
}

fn load_tree(tree: &MemoryTree, patterns: &[&str]) -> Loaded {
    load_with(tree, &environment(), &BuildContext::default(), patterns)
}

fn load_files(files: &str, patterns: &[&str]) -> Loaded {
    load_tree(&tree(files), patterns)
}

/// The import paths of the packages that were asked for, sorted.
fn roots(loaded: &Loaded) -> Vec<&str> {
    let mut paths: Vec<&str> = loaded.roots().map(|package| package.import_path.as_str()).collect();
    paths.sort_unstable();
    paths
}

/// The import paths of all other packages, sorted.
fn dependencies(loaded: &Loaded) -> Vec<&str> {
    let packages = loaded.packages.iter().filter(|package| package.role == Role::Dependency);
    let mut paths: Vec<&str> = packages.map(|package| package.import_path.as_str()).collect();
    paths.sort_unstable();
    paths
}

/// The one package with an import path.
#[track_caller]
fn package<'a>(loaded: &'a Loaded, import_path: &str) -> &'a Package {
    let mut packages = loaded.packages.iter().filter(|package| package.import_path == import_path);
    let package = packages.next().unwrap_or_else(|| panic!("{import_path} is not loaded"));
    assert!(packages.next().is_none(), "{import_path} is loaded twice");
    package
}

/// The directory that an import in a package leads to.
#[track_caller]
fn directory_of<'a>(loaded: &'a Loaded, from: &str, import: &str) -> Option<&'a str> {
    let target = package(loaded, from).resolve_import(import)?;
    loaded.package(target).directory.to_str()
}

/// The files of a unit, by their path below the module.
fn files(package: &Package, unit: UnitKind) -> Vec<&str> {
    package.files_of(unit).map(|file| file.relative.as_str()).collect()
}

/// All problems, as they are printed.
fn problems(loaded: &Loaded) -> Vec<String> {
    loaded.problems.iter().map(ToString::to_string).collect()
}
