//! Packages and their files: what to analyse, what it imports, and everything that went wrong on the way.
//!
//! [`load`] takes patterns as Go's tools do, and no Go toolchain:
//!
//! | pattern | matches |
//! |---|---|
//! | `.`, `./sub`, `sub` | the package in a directory; a path that exists needs no `./` |
//! | `./...`, `sub/...`, `./a.../x` | packages at and below a directory; `...` stands for any text |
//! | `a.go b.go` | one package of just these files for each of their directories; build constraints do not count |
//! | `example.com/app/sub`, `net/...` | packages by import path: of the main modules, the standard library, dependencies |
//! | `std` | the standard library |
//!
//! Patterns with `...` leave out what Go leaves out: `testdata`, `vendor`, names that begin with `_` or `.`, what
//! go.mod ignores, modules nested in a module. Below a directory that is in no module, each module is loaded as its
//! own; a directory without any go.mod is treated as a module of its name.
//!
//! The way of a load, by module: patterns become directories (`roots`, `pattern`, `walk`); modules say what imports
//! mean (`modules`, `build_list`, `resolve`); directories become packages (`read_directory`, `header`); waves of that
//! follow imports until nothing is new (`load`); packages get their order and numbers (`loaded`).
//!
//! Invariants:
//!
//! - [`SourceTree`] is the only door to files; [`FileSystem`] alone touches the disk. No environment variable is read,
//!   no program run, nothing written.
//! - Nothing is lost silently: what can't be read or understood is a [`SourceProblem`] or a [`MissingImport`].
//! - Links to directories are not followed within a pattern, so no walk is endless; links to files are.
//! - The same tree and arguments give the same result in the same order.
//!
//! Known limits: GOPATH mode and relative imports (`import "./x"`) are not supported. One Go installation serves all
//! modules of a load, whatever their `toolchain` lines say. Named files are analysed without the rest of their
//! package, as on Go's command line.

mod build_context;
mod build_list;
mod constraint;
mod directive_lines;
mod environment;
mod file_system;
mod goroot;
mod header;
mod import_order;
mod load;
mod loaded;
mod memory_tree;
mod mod_file;
mod modules;
mod package;
mod path_names;
mod pattern;
mod problem;
mod read_directory;
mod resolve;
mod roots;
mod text_check;
mod tree;
mod txtar;
mod vendor_list;
mod versions;
mod walk;
mod work_file;

pub use build_context::BuildContext;
pub use constraint::{Constraint, ConstraintError};
pub use directive_lines::ManifestError;
pub use environment::{Environment, VendorChoice, WorkspaceChoice};
pub use file_system::FileSystem;
pub use goroot::Goroot;
pub use header::{Header, HeaderError, ImportSpec};
pub use load::{LoadOptions, LoadProgress, load};
pub use loaded::{Loaded, MissingImport};
pub use memory_tree::MemoryTree;
pub use mod_file::{ModFile, Replace, ReplaceTarget, Require};
pub use package::{
    FileKind, IgnoreReason, IgnoredFile, Module, ModuleId, ModuleKind, Package, PackageId, Role, SourceFile,
    UnitKind,
};
pub use problem::{Position, ProblemKind, Severity, SourceProblem};
pub use tree::{Entry, EntryKind, Metadata, SourceTree, TreeError, TreeErrorKind};
pub use txtar::txtar_files;
pub use vendor_list::{VendorList, VendoredModule};
pub use versions::LanguageVersion;
pub use work_file::WorkFile;
