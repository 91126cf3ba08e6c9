//! Maps that functions like `fmt.Println` and `json.Marshal` walk inside the values that they are given.

use crate::analysis::models::Effect;
use crate::ir::function::{Call, Target, Unit};
use crate::ir::place::Step;
use crate::rules::ProgramContext;
use crate::syntax::name::Name;
use crate::types::{ObjectId, Program, StructType, Type};

/// A map inside a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InnerMap {
    /// The way from what the value is or points to, down to the map.
    pub(super) fields: Vec<Step>,
    /// The struct type that has the map as its field.
    pub(super) owner: ObjectId,
    /// That field.
    pub(super) name: Name,
}

/// How a function walks what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    /// All fields; pointers below the first are printed as addresses.
    Format,
    /// Exported fields, through pointers.
    Encode,
    /// All fields, through pointers.
    Compare,
}

/// Pointers are followed so deep.
const MAX_DEPTH: usize = 3;

/// The maps that a call walks inside its argument of this number, if it walks that at all.
pub(super) fn inner_maps(
    context: &ProgramContext<'_>,
    unit: &Unit,
    call: &Call,
    effect: Effect,
    number: usize,
) -> Vec<InnerMap> {
    let Effect::Walks(first) = effect else { return Vec::new() };
    let (Some(walk), Some(ty)) = (walk_of(context, call), call.arg_types.get(number)) else {
        return Vec::new();
    };
    if number < usize::from(first) || walk == Walk::Format && !is_printed(context, unit, call, number) {
        return Vec::new();
    }
    let mut found = Vec::new();
    search(context.program, ty.strip_pointer(), walk, 0, &mut Vec::new(), &mut found);
    found
}

fn walk_of(context: &ProgramContext<'_>, call: &Call) -> Option<Walk> {
    let Target::Function(func) = &call.target else { return None };
    let program = context.program;
    match program.package(program.function(*func).package).path.as_str() {
        "fmt" | "log" | "log/slog" | "testing" => Some(Walk::Format),
        "encoding/json" | "encoding/gob" | "encoding/xml" | "gopkg.in/yaml.v2" | "gopkg.in/yaml.v3" => {
            Some(Walk::Encode)
        }
        "reflect" => Some(Walk::Compare),
        _ => None,
    }
}

fn search(
    program: &Program,
    ty: &Type,
    walk: Walk,
    depth: usize,
    way: &mut Vec<Step>,
    found: &mut Vec<InnerMap>,
) {
    let (Some(owner), Type::Struct(structure)) = (ty.named(), program.underlying(ty)) else { return };
    if depth > MAX_DEPTH || owner.is_universe() || shows_itself(program, ty, walk) {
        return;
    }
    for field in walked_fields(&structure, walk) {
        way.push(Step::Field(field.name));
        let inner = field.ty.strip_pointer();
        let through_pointer = !std::ptr::eq(inner, &raw const field.ty);
        if let Type::Map(_) = program.underlying(&field.ty) {
            found.push(InnerMap { fields: way.clone(), owner, name: field.name });
        } else if !through_pointer {
            search(program, inner, walk, depth + 1, way, found);
        } else if walk != Walk::Format {
            way.push(Step::Deref);
            search(program, inner, walk, depth + 1, way, found);
            way.pop();
        }
        way.pop();
    }
}

fn walked_fields(structure: &StructType, walk: Walk) -> impl Iterator<Item = &crate::types::Field> {
    structure.fields.iter().filter(move |field| walk != Walk::Encode || field.name.is_exported())
}

/// Whether a type has a method that is called instead of walking its fields.
pub(super) fn prints_itself(program: &Program, ty: &Type) -> bool {
    shows_itself(program, ty, Walk::Format)
}

fn shows_itself(program: &Program, ty: &Type, walk: Walk) -> bool {
    let own: &[&str] = match walk {
        Walk::Format => &["String", "Error", "Format", "GoString", "LogValue"],
        Walk::Encode => &["MarshalJSON", "MarshalText", "GobEncode", "MarshalXML", "MarshalYAML"],
        Walk::Compare => &[],
    };
    program.methods(ty).iter().any(|method| own.contains(&method.name.as_str()))
}

/// Whether a formatting function prints its argument of this number as a value: where the format can be read, whether
/// its verb does.
pub(super) fn is_printed(context: &ProgramContext<'_>, unit: &Unit, call: &Call, number: usize) -> bool {
    let Target::Function(func) = &call.target else { return true };
    let program = context.program;
    let name = program.object(program.function(*func)).name;
    if !name.as_str().ends_with('f') && name.as_str() != "Errorf" {
        return true;
    }
    let format = usize::from(name.as_str().starts_with('F') && name.as_str() != "Fatalf");
    if number <= format {
        return false;
    }
    let file = &program.package(unit.package).files[unit.file as usize];
    let text = file.source.get(call.span.start as usize..call.span.end as usize).unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let Some(literal) = text.split_once('"').and_then(|(_, rest)| rest.split_once('"')) else { return true };
    verb(literal.0, number - format - 1).is_none_or(|verb| !matches!(verb, 'T' | 'p'))
}

/// The verb for an argument; none if it can't be told.
fn verb(format: &str, argument: usize) -> Option<char> {
    let mut verbs = format.split('%').skip(1);
    let mut count = 0;
    while let Some(part) = verbs.next() {
        let Some(verb) = part.chars().find(char::is_ascii_alphabetic) else {
            // `%%`: what follows the second sign is text.
            verbs.next();
            continue;
        };
        if count == argument {
            return Some(verb);
        }
        count += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::verb;

    #[test]
    fn each_argument_has_its_verb() {
        assert_eq!(verb("conn=%p, request=%+v", 0), Some('p'));
        assert_eq!(verb("conn=%p, request=%+v", 1), Some('v'));
        assert_eq!(verb("100%% of %s", 0), Some('s'));
        assert_eq!(verb("%d", 1), None);
    }
}
