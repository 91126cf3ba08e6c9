//! All packages of a run, and what they declare.

use std::sync::Arc;

use foldhash::HashMap;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::collect;
use super::implementations::ImplementationIndex;
use super::object::{FuncId, Object, ObjectId, ObjectKind, PackageId};
use crate::syntax::ast::{Decl, File, FuncDecl, Param};
use crate::syntax::name::Name;

/// What a package is to the analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Analysed: its types are candidates of interface calls.
    Root,
    /// Only imported.
    Dependency,
}

/// A package to make a [`Program`] of.
#[derive(Debug)]
pub struct PackageInput {
    /// Its import path.
    pub path: Name,
    /// Its name, from its package clauses.
    pub name: Name,
    /// Its files.
    pub files: Vec<FileInput>,
    /// What the import paths in its files stand for; a path that is missing is a package that is not there.
    pub imports: HashMap<Name, PackageId>,
    /// What it is to the analysis.
    pub role: Role,
}

/// A file of a package.
#[derive(Debug)]
pub struct FileInput {
    /// Its bytes.
    pub source: Arc<[u8]>,
    /// Its tree; bodies may be skipped.
    pub syntax: File,
    /// Go's language version that applies to it, major and minor.
    pub language: (u16, u16),
}

/// An import of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import {
    /// The path.
    pub path: Name,
    /// The package, if it is there.
    pub package: Option<PackageId>,
}

/// A package.
#[derive(Debug)]
pub struct Package {
    /// Its import path.
    pub path: Name,
    /// Its name.
    pub name: Name,
    /// Its files.
    pub files: Vec<FileInput>,
    /// What it is to the analysis.
    pub role: Role,
    pub(super) objects: Vec<Object>,
    pub(super) scope: HashMap<Name, u32>,
    pub(super) file_scopes: Vec<FileScope>,
}

/// Names that a file's imports bring.
#[derive(Debug, Default)]
pub(super) struct FileScope {
    /// Imports in order, as in the syntax.
    pub(super) imports: Vec<Import>,
    /// Index in `imports` by the name in the file.
    pub(super) names: HashMap<Name, u32>,
    /// Like `names`, for packages that are not there: names that they probably have.
    pub(super) guesses: HashMap<Name, u32>,
    /// Packages whose names are the file's own.
    pub(super) dot_imports: Vec<u32>,
}

impl Package {
    /// An import of a file: its index in the file's imports.
    pub fn import(&self, file: usize, index: u32) -> Import {
        self.file_scopes[file].imports[index as usize]
    }

    /// All its declarations, in the order of files and declarations: constants, variables, types, functions, methods.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }
}

/// All packages of a run.
#[derive(Debug)]
pub struct Program {
    pub(super) packages: Vec<Package>,
    functions: Vec<ObjectId>,
    pub(super) implementations: ImplementationIndex,
}

impl Program {
    /// Collects the declarations of all packages. [`PackageId`]s are indexes of `packages`.
    pub fn new(packages: Vec<PackageInput>) -> Self {
        let names: Vec<Name> = packages.iter().map(|package| package.name).collect();
        let mut packages: Vec<Package> =
            packages.into_par_iter().map(|package| collect::collect(package, &names)).collect();
        let mut functions = Vec::new();
        for (package, id) in packages.iter_mut().zip(0..) {
            let package_id = PackageId(id);
            collect::identify(package, package_id, &mut functions);
        }
        Self { packages, functions, implementations: ImplementationIndex::default() }
    }

    /// All packages, in the order of their ids.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The package with this id.
    pub fn package(&self, id: PackageId) -> &Package {
        &self.packages[id.0 as usize]
    }

    /// The object with this id, which must not be [predeclared](ObjectId::is_universe).
    pub fn object(&self, id: ObjectId) -> &Object {
        &self.packages[id.package.0 as usize].objects[id.index as usize]
    }

    /// The number of functions and methods.
    pub fn function_count(&self) -> usize {
        self.functions.len()
    }

    /// The object of a function.
    pub fn function(&self, id: FuncId) -> ObjectId {
        self.functions[id.0 as usize]
    }

    /// The declaration of a function.
    pub fn function_declaration(&self, id: FuncId) -> &FuncDecl {
        let object = self.function(id);
        match self.declaration(object) {
            Decl::Func(decl) => decl,
            _ => unreachable!("a function's object comes from a function declaration"),
        }
    }

    /// The file that declares an object.
    pub fn file_of(&self, id: ObjectId) -> &FileInput {
        &self.package(id.package).files[self.object(id).file as usize]
    }

    /// What `name` is at the level of `package`.
    pub fn lookup(&self, package: PackageId, name: Name) -> Option<ObjectId> {
        let index = *self.package(package).scope.get(&name)?;
        Some(ObjectId { package, index })
    }

    /// The declaration that an object is part of.
    pub(super) fn declaration(&self, id: ObjectId) -> &Decl {
        let object = self.object(id);
        &self.file_of(id).syntax.decls[object.decl as usize]
    }

    /// The type parameters that a type or function declares.
    pub fn type_params(&self, id: ObjectId) -> &[Param] {
        if id.is_universe() {
            return &[];
        }
        match self.declaration(id) {
            Decl::Type(specs) => {
                specs.get(self.object(id).spec as usize).map_or(&[], |spec| &spec.type_params)
            }
            Decl::Func(decl) => &decl.type_params,
            _ => &[],
        }
    }

    /// The method of a type that is declared with this name.
    pub(super) fn declared_method(&self, ty: ObjectId, name: Name) -> Option<ObjectId> {
        let methods = self.object(ty).methods();
        let (_, index) = methods.iter().find(|(known, _)| *known == name)?;
        Some(ObjectId { package: ty.package, index: *index })
    }

    /// The function that an object is.
    pub fn func_of(&self, id: ObjectId) -> Option<FuncId> {
        if id.is_universe() { None } else { self.object(id).func() }
    }

    /// Whether a type is an alias.
    pub(super) fn is_alias(&self, id: ObjectId) -> bool {
        !id.is_universe() && self.object(id).kind == ObjectKind::Type { alias: true }
    }
}
