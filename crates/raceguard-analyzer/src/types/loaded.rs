//! From loaded packages to a program: reads the declarations of all files.

use foldhash::{HashMap, HashMapExt as _};
use rayon::prelude::*;

use super::object::PackageId;
use super::program::{FileInput, PackageInput, Program, Role};
use crate::source;
use crate::source::{FileKind, Loaded, SourceFile};
use crate::syntax::name::Name;
use crate::syntax::{Mode, SyntaxError, parse_file};

/// A program, and where it comes from.
#[derive(Debug)]
pub struct LoadedProgram {
    /// The program. A package together with its own tests is one package, with the id that it has in [`Loaded`]; the
    /// tests beside packages follow after all of these.
    pub program: Program,
    /// Where each package of the program comes from, by its id.
    pub origins: Vec<Origin>,
    /// Files that are not valid Go, in the order of packages. What could be read of them is in the program.
    pub syntax_errors: Vec<FileErrors>,
}

/// Where a package of the program comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The package that was loaded.
    pub package: source::PackageId,
    /// For each file, its index in [`source::Package::files`].
    pub files: Vec<usize>,
}

/// What is wrong in a file.
#[derive(Debug, Clone)]
pub struct FileErrors {
    /// The package that was loaded.
    pub package: source::PackageId,
    /// Index in [`source::Package::files`].
    pub file: usize,
    /// The errors outside of function bodies; never empty.
    pub errors: Vec<SyntaxError>,
}

/// A package of the program to be made.
struct Unit<'a> {
    package: &'a source::Package,
    external: bool,
}

impl Unit<'_> {
    fn files(&self) -> impl Iterator<Item = (usize, &SourceFile)> {
        let external = self.external;
        self.package
            .files
            .iter()
            .enumerate()
            .filter(move |(_, file)| (file.kind == FileKind::XTest) == external)
    }

    fn input(&self) -> (PackageInput, Origin, Vec<FileErrors>) {
        let suffix = if self.external { "_test" } else { "" };
        let role = match self.package.role {
            source::Role::Root => Role::Root,
            source::Role::Dependency => Role::Dependency,
        };
        let mut input = PackageInput {
            path: Name::new(&format!("{}{suffix}", self.package.import_path)),
            name: Name::new(&format!("{}{suffix}", self.package.name)),
            files: Vec::new(),
            imports: HashMap::new(),
            role,
        };
        let mut origin = Origin { package: self.package.id, files: Vec::new() };
        let mut wrong = Vec::new();
        for (index, file) in self.files() {
            let parsed = parse_file(&file.bytes, Mode { bodies: false, comments: role == Role::Root });
            if !parsed.errors.is_empty() {
                wrong.push(FileErrors { package: self.package.id, file: index, errors: parsed.errors });
            }
            for import in &parsed.file.imports {
                if let Some(package) = self.package.resolve_import(import.path.as_str()) {
                    input.imports.insert(import.path, PackageId(package.0));
                }
            }
            origin.files.push(index);
            let version = |number| u16::try_from(number).unwrap_or(u16::MAX);
            let language = (version(file.language.major), version(file.language.minor));
            input.files.push(FileInput { source: file.bytes.clone(), syntax: parsed.file, language });
        }
        (input, origin, wrong)
    }
}

impl LoadedProgram {
    /// Reads the declarations of all files, in parallel. Comments are kept of the packages that are analysed.
    pub fn new(loaded: &Loaded) -> Self {
        let own = loaded.packages.iter().map(|package| Unit { package, external: false });
        let beside = loaded.packages.iter().filter(|package| {
            let mut files = package.files.iter();
            files.any(|file| file.kind == FileKind::XTest)
        });
        let beside = beside.map(|package| Unit { package, external: true });
        let units: Vec<Unit<'_>> = own.chain(beside).collect();
        let read: Vec<_> = units.par_iter().map(Unit::input).collect();
        let mut inputs = Vec::with_capacity(read.len());
        let mut origins = Vec::with_capacity(read.len());
        let mut syntax_errors = Vec::new();
        for (input, origin, errors) in read {
            inputs.push(input);
            origins.push(origin);
            syntax_errors.extend(errors);
        }
        Self { program: Program::new(inputs), origins, syntax_errors }
    }
}
