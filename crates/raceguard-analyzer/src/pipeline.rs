//! From loaded packages to the units that the analysis reads.

use foldhash::{HashMap, HashMapExt as _};
use rayon::prelude::*;

use crate::analysis::models::Models;
use crate::analysis::units::Units;
use crate::finding::Finding;
use crate::ir::function::Unit;
use crate::ir::lower::{Input, lower_function, lower_initialisers};
use crate::rules::{BODY_CHECKS, BodyContext};
use crate::source::{self, Loaded};
use crate::syntax::ast::{Body, Decl};
use crate::syntax::span::Span;
use crate::syntax::{SyntaxError, parse_body};
use crate::types::{
    FileErrors, FuncId, LoadedProgram, Origin, PackageId, Program, Role, closure_names, resolve_body,
    resolve_initialisers,
};

/// A file of the program, and where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileOrigin {
    /// Its package among the loaded ones.
    pub package: source::PackageId,
    /// Its index there.
    pub file: usize,
}

/// A syntax error, and the file it is in.
#[derive(Debug, Clone)]
pub struct FileError {
    /// The package.
    pub package: PackageId,
    /// Index of the file in the package.
    pub file: u32,
    /// What is wrong.
    pub error: SyntaxError,
}

/// A program with its functions lowered.
#[derive(Debug)]
pub struct Lowered {
    /// All packages: a package together with its own tests is one, its external tests are another.
    pub program: Program,
    /// Where each file of each package of the program came from.
    pub origins: Vec<Vec<FileOrigin>>,
    /// What library functions do.
    pub models: Models,
    /// The functions of the analysed packages.
    pub units: Units,
    /// Syntax errors of the analysed packages.
    pub errors: Vec<FileError>,
    /// What rules found in single functions.
    pub findings: Vec<Finding>,
}

/// Parses, resolves and lowers what was loaded.
pub fn lower(loaded: &Loaded) -> Lowered {
    let LoadedProgram { program, origins, syntax_errors } = LoadedProgram::new(loaded);
    let origins: Vec<Vec<FileOrigin>> = origins
        .into_iter()
        .map(|Origin { package, files }| files.into_iter().map(|file| FileOrigin { package, file }).collect())
        .collect();
    let mut errors = file_errors(syntax_errors, &origins);
    let models = Models::new(&program);
    let tests: Tests = origins
        .iter()
        .map(|files| {
            let is_test = |origin: &FileOrigin| loaded.package(origin.package).files[origin.file].is_test();
            files.iter().map(is_test).collect()
        })
        .collect();
    let functions: Vec<FuncId> = (0..program.function_count())
        .filter_map(|index| u32::try_from(index).ok().map(FuncId))
        .filter(|&func| program.package(program.function(func).package).role == Role::Root)
        .collect();
    let lowered: Vec<LoweredBody> =
        functions.par_iter().filter_map(|&func| lower_one(&program, &tests, func)).collect();
    let mut units = Vec::with_capacity(lowered.len());
    let mut findings = Vec::new();
    for body in lowered {
        units.push(body.unit);
        errors.extend(body.errors);
        findings.extend(body.findings);
    }
    units.extend(initialisers(&program, &tests));
    let units = Units::new(units, &models);
    Lowered { program, origins, models, units, errors, findings }
}

/// Errors by the files of the program.
fn file_errors(found: Vec<FileErrors>, origins: &[Vec<FileOrigin>]) -> Vec<FileError> {
    let mut files: HashMap<FileOrigin, (PackageId, u32)> = HashMap::new();
    for (package, id) in origins.iter().zip(0..) {
        for (&origin, file) in package.iter().zip(0..) {
            files.insert(origin, (PackageId(id), file));
        }
    }
    let mut errors = Vec::new();
    for FileErrors { package, file, errors: wrong } in found {
        if let Some(&(package, file)) = files.get(&FileOrigin { package, file }) {
            errors.extend(wrong.into_iter().map(|error| FileError { package, file, error }));
        }
    }
    errors
}

/// Of each file of each package, whether it is a test.
type Tests = Vec<Vec<bool>>;

/// A function lowered.
struct LoweredBody {
    unit: Unit,
    errors: Vec<FileError>,
    findings: Vec<Finding>,
}

fn lower_one(program: &Program, tests: &Tests, func: FuncId) -> Option<LoweredBody> {
    let object = program.function(func);
    let file = program.object(object).file;
    let declaration = program.function_declaration(func);
    let Body::Skipped(span) = declaration.body else { return None };
    let source = &program.package(object.package).files[file as usize].source;
    let parsed = parse_body(source, span);
    let info = resolve_body(program, func, &parsed.arena, &parsed.block);
    let name = program.runtime_name(func);
    let names = closure_names(&name, &parsed.arena, span);
    let input = Input {
        program,
        package: object.package,
        file,
        func: Some(func),
        name: &name,
        arena: &parsed.arena,
        info: &info,
        source,
        test: tests[object.package.0 as usize][file as usize],
        closure_names: &names,
    };
    let unit = lower_function(input, &parsed.block);
    let errors =
        parsed.errors.into_iter().map(|error| FileError { package: object.package, file, error }).collect();
    let mut findings = Vec::new();
    let context = BodyContext { input: &input, block: &parsed.block, unit: &unit };
    for check in BODY_CHECKS {
        check(&context, &mut findings);
    }
    Some(LoweredBody { unit, errors, findings })
}

/// The initialisers of package-level variables, one unit for each file that has some.
fn initialisers(program: &Program, tests: &Tests) -> Vec<Unit> {
    let files: Vec<(PackageId, u32)> = program
        .packages()
        .iter()
        .zip(0..)
        .filter(|(package, _)| package.role == Role::Root)
        .flat_map(|(package, id)| (0..package.files.len()).map(move |file| (PackageId(id), file)))
        .filter_map(|(package, file)| Some((package, u32::try_from(file).ok()?)))
        .collect();
    files.par_iter().filter_map(|&(package, file)| lower_file(program, tests, package, file)).collect()
}

fn lower_file(program: &Program, tests: &Tests, package: PackageId, file: u32) -> Option<Unit> {
    let input = &program.package(package).files[file as usize];
    let initialised = |decl: &Decl| match decl {
        Decl::Var(specs) => specs.iter().any(|spec| !spec.values.is_empty()),
        _ => false,
    };
    if !input.syntax.decls.iter().any(initialised) {
        return None;
    }
    let info = resolve_initialisers(program, package, file);
    let name = format!("{}.init", program.package(package).path);
    let whole = Span::new(0, u32::try_from(input.source.len()).unwrap_or(u32::MAX));
    let names = closure_names(&name, &input.syntax.arena, whole);
    let input_of_file = Input {
        program,
        package,
        file,
        func: None,
        name: &name,
        arena: &input.syntax.arena,
        info: &info,
        source: &input.source,
        test: tests[package.0 as usize][file as usize],
        closure_names: &names,
    };
    Some(lower_initialisers(input_of_file, &input.syntax))
}
