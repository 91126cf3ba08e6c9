//! Interface values that are printed: `%v` walks the fields of whatever is behind them, maps with locks of their own
//! included.

use foldhash::{HashMap, HashMapExt as _};

use super::contexts::{Contexts, OriginKind};
use super::facts::{Facts, NodeRef, unit_of};
use super::hidden::{is_printed, prints_itself};
use super::report::origin_reason;
use crate::analysis::models::Effect;
use crate::finding::{Finding, Location, Reason, Severity, Site};
use crate::ir::function::{BodyId, Call, FieldKey, How};
use crate::rules::{self, ProgramContext};
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::types::{ObjectId, ObjectKind, PackageId, Program, Type};

/// An interface value that is printed.
#[derive(Debug, Clone)]
pub(super) struct Formatted {
    /// Its type.
    pub(super) interface: Type,
    /// The field that it was read from.
    pub(super) field: Option<FieldKey>,
    /// The call.
    pub(super) span: Span,
    /// The body it stands in.
    pub(super) body: BodyId,
}

/// A struct with a map and a mutex beside it.
struct Guarded {
    owner: ObjectId,
    map: Name,
    lock: Name,
}

/// An interface that more types than this implement says too little of what is behind a value.
const MAX_TYPES: usize = 4;

/// The interface value that a call prints as its argument of this number.
pub(super) fn printed_interface(
    context: &ProgramContext<'_>,
    unit: &crate::ir::function::Unit,
    call: &Call,
    effect: Effect,
    number: usize,
    body: BodyId,
) -> Option<Formatted> {
    let Effect::Walks(first) = effect else { return None };
    let ty = call.arg_types.get(number)?;
    let Type::Interface(_) = context.program.underlying(ty) else { return None };
    let methods = context.program.interface_methods(ty);
    let silent = |name: &str| !matches!(name, "String" | "Error" | "Format" | "GoString");
    let telling = !methods.is_empty() && methods.iter().all(|method| silent(method.name.as_str()));
    if number < usize::from(first) || !telling || !is_printed(context, unit, call, number) {
        return None;
    }
    let field = call.arg_fields.get(number).cloned().flatten();
    Some(Formatted { interface: ty.clone(), field, span: call.span, body })
}

/// Reports printed interface values behind which there is a map that others may write to at that time.
pub(super) fn check(
    context: &ProgramContext<'_>,
    facts: &Facts,
    contexts: &Contexts,
    findings: &mut Vec<Finding>,
) {
    let mut known: HashMap<ObjectId, Vec<Guarded>> = HashMap::new();
    for (node, known_facts) in facts.nodes() {
        let started = contexts.of(node).iter().copied().find(|&origin| {
            matches!(contexts.origin(origin).kind, OriginKind::Goroutine(_) | OriginKind::Handler)
        });
        let Some(origin) = started else { continue };
        for formatted in &known_facts.formatted {
            let Some(interface) = formatted.interface.named() else { continue };
            let behind = known
                .entry(interface)
                .or_insert_with(|| guarded_implementations(context.program, &formatted.interface));
            if let Some(guarded) = behind.first() {
                let origin = origin_reason(context, contexts, origin);
                findings.extend(finding(context, node, formatted, guarded, origin));
            }
        }
    }
}

fn finding(
    context: &ProgramContext<'_>,
    node: NodeRef,
    formatted: &Formatted,
    guarded: &Guarded,
    origin: Reason,
) -> Option<Finding> {
    let program = context.program;
    let unit = unit_of(context, node);
    let owner = program.object(guarded.owner).name;
    let map = format!("{owner}.{}", guarded.map);
    let value = formatted.field.as_ref().map_or_else(
        || program.display(&formatted.interface).to_string(),
        |field| {
            format!("{}.{}", program.object(field.owner).name, field.fields.last().copied().unwrap_or(owner))
        },
    );
    let location = Location { package: unit.package, file: unit.file, span: formatted.span };
    let site = Site {
        location,
        function: unit.body(formatted.body).name.clone(),
        action: How::HiddenIterate.noun(false),
        write: false,
        locks: Vec::new(),
        origin: vec![origin],
        calls: Vec::new(),
    };
    let declared = program.object(guarded.owner);
    let declaration = Location { package: guarded.owner.package, file: declared.file, span: declared.span };
    let lock = format!("{owner}.{}", guarded.lock);
    Some(Finding {
        rule: rules::find("RG103")?,
        severity: Severity::Warning,
        subject: format!("map {map} behind {value}"),
        message: format!("Printing {value} walks the map {map} of its value without {lock}"),
        sites: vec![site],
        reasons: vec![Reason {
            text: format!(
                "{owner} may be its type: it keeps the map beside a mutex, so several goroutines use it"
            ),
            location: (program.package(guarded.owner.package).role == crate::types::Role::Root)
                .then_some(declaration),
        }],
        remedy: format!(
            "Print an address (%p) or a name instead of the value, or give {owner} a String method"
        ),
        fix: None,
    })
}

/// Structs that implement an interface and keep a map beside a mutex; none if too many types implement it.
fn guarded_implementations(program: &Program, interface: &Type) -> Vec<Guarded> {
    let wanted: Vec<Name> = program.interface_methods(interface).iter().map(|method| method.name).collect();
    let mut found = Vec::new();
    let mut count = 0;
    for (package, index) in program.packages().iter().zip(0..) {
        // The standard library's own types either say how they print or hold no maps that others change.
        if !package.path.as_str().contains('.') && package.role != crate::types::Role::Root {
            continue;
        }
        for (object, position) in package.objects().iter().zip(0..) {
            let declares = |name: &Name| object.methods().iter().any(|(known, _)| known == name);
            if object.kind != (ObjectKind::Type { alias: false }) || !wanted.iter().all(declares) {
                continue;
            }
            let owner = ObjectId { package: PackageId(index), index: position };
            let ty = Type::Named(owner, None);
            if !program.implements(&ty, interface) {
                continue;
            }
            count += 1;
            if !prints_itself(program, &ty) {
                found.extend(guarded(program, owner));
            }
        }
    }
    if count > MAX_TYPES { Vec::new() } else { found }
}

fn guarded(program: &Program, owner: ObjectId) -> Option<Guarded> {
    let Type::Struct(structure) = program.underlying(&program.object_type(owner)) else { return None };
    let map = structure.fields.iter().find(|field| matches!(program.underlying(&field.ty), Type::Map(_)))?;
    let is_lock = |ty: &Type| {
        let shown = program.display(ty.strip_pointer()).to_string();
        shown == "sync.Mutex" || shown == "sync.RWMutex"
    };
    let lock = structure.fields.iter().find(|field| is_lock(&field.ty))?;
    Some(Guarded { owner, map: map.name, lock: lock.name })
}
