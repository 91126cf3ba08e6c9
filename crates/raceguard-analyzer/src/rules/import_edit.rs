//! Adding an import.

use crate::finding::{Edit, Location};
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::types::{PackageId, Program};

/// What makes a file import a package of the standard library: nothing if it does already. None: something else has
/// the package's name, or a name was given to it.
pub(super) fn import_edit(program: &Program, package: PackageId, file: u32, path: &str) -> Option<Vec<Edit>> {
    let input = &program.package(package).files[file as usize];
    let imports = &input.syntax.imports;
    if let Some(known) = imports.iter().find(|import| import.path.as_str() == path) {
        return known.name.is_none().then(Vec::new);
    }
    let taken = |import: &str| import.rsplit('/').next() == Some(path);
    let declared = program.lookup(package, Name::new(path)).is_some();
    if declared || imports.iter().any(|import| taken(import.path.as_str())) {
        return None;
    }
    let at = |offset: u32| Location { package, file, span: Span::new(offset, offset) };
    let Some(first) = imports.first() else {
        let edit =
            Edit { location: at(input.syntax.package.span.end), text: format!("\n\nimport \"{path}\"") };
        return Some(vec![edit]);
    };
    let start = first.name.map_or(first.span.start, |name| name.span.start);
    let line =
        input.source[..start as usize].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let prefix = &input.source[line..start as usize];
    if prefix.starts_with(b"import") {
        let edit = Edit { location: at(u32::try_from(line).ok()?), text: format!("import \"{path}\"\n") };
        return Some(vec![edit]);
    }
    // In the first group of the list, before the first path that sorts after it.
    let group = imports.iter().take_while(|import| {
        let between = input.source.get(start as usize..import.span.start as usize).unwrap_or_default();
        !between.windows(2).any(|pair| pair == b"\n\n") && !between.contains(&b')')
    });
    let mut last = first;
    for import in group {
        if import.path.as_str() > path {
            let offset = import.name.map_or(import.span.start, |name| name.span.start);
            return Some(vec![Edit { location: at(offset), text: format!("\"{path}\"\n\t") }]);
        }
        last = import;
    }
    Some(vec![Edit { location: at(last.span.end), text: format!("\n\t\"{path}\"") }])
}
