//! RG104: a copy of the map by a loop, for language versions without the package maps.

use super::function_tree::FunctionTree;
use crate::finding::{Finding, Fix};
use crate::rules::ProgramContext;
use crate::syntax::ast::{ExprId, StmtKind};
use crate::syntax::name::Name;
use crate::types::{ObjectId, Type};

/// Copies the map that a `return` gives away, and returns the copy.
pub(super) fn fix(context: &ProgramContext<'_>, finding: &Finding) -> Option<Fix> {
    let site = finding.sites.first().filter(|site| site.action == "return")?;
    let tree = FunctionTree::at(context, site.location)?;
    if context.program.package(tree.unit.package).files[tree.unit.file as usize].language >= (1, 21) {
        return None;
    }
    let (block, number, _) = tree.statements_around(&[site.location.span])?;
    let statement = &tree.arena[block.stmts[number]];
    let StmtKind::Return(values) = &statement.kind else { return None };
    let is_map = |&&value: &&ExprId| {
        let ty = context.program.underlying(tree.info.type_of(value));
        matches!(ty, Type::Map(_)) && tree.root_of_path(value).is_some()
    };
    let mut maps = values.iter().filter(is_map);
    let (Some(&map), None) = (maps.next(), maps.next()) else { return None };
    let ty = written_type(&tree, finding)?;
    let taken = |name: &&str| tree.info.locals.iter().any(|local| local.name.as_str() == *name);
    if ["copied", "key", "value"].iter().any(taken) {
        return None;
    }
    let indent = tree.indent(statement.span.start)?;
    let text = tree.expr_text(map);
    let copy = format!(
        "copied := make({ty}, len({text}))\n{indent}for key, value := range {text} {{\n{indent}\tcopied[key] = value\n\
         {indent}}}\n{indent}"
    );
    let edits = vec![tree.insert(statement.span.start, copy), tree.replace(tree.arena[map].span, "copied")];
    Some(Fix { title: "give away a copy".to_owned(), edits })
}

/// The type of the field, as the struct in the same file declares it.
fn written_type(tree: &FunctionTree<'_>, finding: &Finding) -> Option<String> {
    let (ty, field) = finding.subject.rsplit(' ').next()?.rsplit_once('.')?;
    let program = tree.context.program;
    let owner: ObjectId = program.lookup(tree.unit.package, Name::new(ty.rsplit('.').next()?))?;
    let Type::Struct(structure) = program.underlying(&program.object_type(owner)) else { return None };
    if structure.package != tree.unit.package || structure.file != tree.unit.file {
        return None;
    }
    let declared = structure.fields.iter().find(|known| known.name.as_str() == field)?;
    let end = tree.line_end_of(declared.span.end);
    let line = tree.text(crate::syntax::span::Span::new(declared.span.end, end));
    let ty = line.split("//").next()?.trim();
    (ty.starts_with("map[") && !ty.contains(['`', '{', '"'])).then(|| ty.to_owned())
}
