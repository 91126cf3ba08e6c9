//! What loading gives: modules, packages, files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::constraint::Constraint;
use super::header::ImportSpec;
use super::versions::LanguageVersion;

/// Index of a package in [`Loaded::packages`](super::Loaded::packages).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(pub u32);

/// Index of a module in [`Loaded::modules`](super::Loaded::modules).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(pub u32);

impl PackageId {
    /// The index as a number.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl ModuleId {
    /// The index as a number.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A module: packages that share a path, a version and a language version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Module path; `std` for the standard library.
    pub path: String,
    /// Version, for a dependency.
    pub version: Option<String>,
    /// Its root directory; for a vendored module, the directory of its root package below `vendor`.
    pub directory: PathBuf,
    /// The language its packages are written in.
    pub language: LanguageVersion,
    /// How it came in.
    pub kind: ModuleKind,
}

/// How a module came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModuleKind {
    /// By its go.mod around what was asked for, or by a go.work that uses it.
    Main,
    /// A directory without go.mod, treated as a module of its name.
    AdHoc,
    /// The standard library.
    Standard,
    /// Needed by another module: in the module cache, or a directory that replaces it.
    Dependency,
    /// In a vendor directory.
    Vendored,
}

/// Why a package is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It was asked for: analyse it. Its tests are loaded too.
    Root,
    /// Others import it: its declarations are needed, its tests are not there.
    Dependency,
}

/// A package: the files of one directory that belong together.
///
/// Go builds up to three units of it, see [`Package::units`]. Files are held once.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its index.
    pub id: PackageId,
    /// Import path. Not unique: packages of several modules loaded together, and a directory that mixes packages,
    /// can share one.
    pub import_path: String,
    /// The name in its package clauses, without `_test`.
    pub name: String,
    /// Its directory, absolute.
    pub directory: PathBuf,
    /// Its module.
    pub module: ModuleId,
    /// Why it is loaded.
    pub role: Role,
    /// Its files: by kind, then by name.
    pub files: Vec<SourceFile>,
    /// Go files in its directory that do not belong to this build.
    pub ignored: Vec<IgnoredFile>,
    /// The packages it imports, tests included, by the path in the import. What was not found is not in it.
    pub(crate) imports: BTreeMap<String, PackageId>,
}

/// A Go file.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Absolute path.
    pub path: PathBuf,
    /// Path below the module's root, with `/`, for display.
    pub relative: String,
    /// Its contents.
    pub bytes: Arc<[u8]>,
    /// To which unit it belongs.
    pub kind: FileKind,
    /// Whether it says that it is generated.
    pub generated: bool,
    /// Its imports.
    pub imports: Vec<ImportSpec>,
    /// Its build constraint; the file name's is not in it.
    pub constraint: Option<Constraint>,
    /// The language it is written in: the module's, unless its constraint chooses another.
    pub language: LanguageVersion,
}

/// To which unit a file belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// The package.
    Go,
    /// The package; it imports "C".
    Cgo,
    /// The package's own tests: `_test.go`, with the package's name.
    Test,
    /// The tests beside it: `_test.go`, package `name_test`.
    XTest,
}

/// A Go file that does not belong to the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredFile {
    /// Absolute path.
    pub path: PathBuf,
    /// Why.
    pub reason: IgnoreReason,
}

/// Why a Go file does not belong to the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IgnoreReason {
    /// Its name begins with `_` or `.`
    HiddenName,
    /// Its name is for another platform.
    Platform,
    /// Its build constraint does not hold.
    Constraint,
    /// It imports "C" and cgo is off.
    NoCgo,
    /// It is `package documentation`, which Go passes over.
    Documentation,
    /// It could not be read, or has no package clause: there is a problem that says so.
    Problem,
}

/// What Go compiles together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnitKind {
    /// What others import: no test files.
    Package,
    /// The package together with its own tests.
    WithTests,
    /// The tests beside it, which import the second unit under the package's path.
    ExternalTests,
}

impl UnitKind {
    /// Whether files of a kind belong to the unit.
    pub fn has(self, kind: FileKind) -> bool {
        match self {
            Self::Package => matches!(kind, FileKind::Go | FileKind::Cgo),
            Self::WithTests => kind != FileKind::XTest,
            Self::ExternalTests => kind == FileKind::XTest,
        }
    }
}

impl Package {
    /// The units that Go builds of this package. [`UnitKind::WithTests`] is listed only if it has more files than
    /// [`UnitKind::Package`].
    pub fn units(&self) -> Vec<UnitKind> {
        let has = |kinds: &[FileKind]| self.files.iter().any(|file| kinds.contains(&file.kind));
        let units = [
            (UnitKind::Package, has(&[FileKind::Go, FileKind::Cgo])),
            (UnitKind::WithTests, has(&[FileKind::Test])),
            (UnitKind::ExternalTests, has(&[FileKind::XTest])),
        ];
        units.into_iter().filter_map(|(unit, exists)| exists.then_some(unit)).collect()
    }

    /// The files of a unit.
    pub fn files_of(&self, unit: UnitKind) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().filter(move |file| unit.has(file.kind))
    }

    /// The package that an import in one of this package's files means.
    pub fn resolve_import(&self, path: &str) -> Option<PackageId> {
        self.imports.get(path).copied()
    }

    /// The packages that the files of a unit import, each once.
    pub fn imports_of(&self, unit: UnitKind) -> Vec<PackageId> {
        let specs = self.files_of(unit).flat_map(|file| &file.imports);
        let mut ids: Vec<PackageId> = specs.filter_map(|spec| self.resolve_import(&spec.path)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

impl SourceFile {
    /// Whether the file is a test.
    pub fn is_test(&self) -> bool {
        matches!(self.kind, FileKind::Test | FileKind::XTest)
    }
}
