//! Adjacent fields of a struct that two goroutines count in.

use foldhash::{HashSet, HashSetExt as _};

use super::RULE;
use crate::analysis::models::Effect;
use crate::finding::Finding;
use crate::ir::function::{BodyId, Call, CallMode, FieldKey, How, Target};
use crate::ir::place::Value;
use crate::rules::ProgramContext;
use crate::rules::collected::Collected;
use crate::rules::fields::{field_location, field_type, function_path, is_named};
use crate::rules::path_checks::PathContext;
use crate::rules::path_facts::summaries::Summaries;
use crate::rules::path_facts::{Trace, What};
use crate::rules::wording::{Wording, field_name};
use crate::syntax::span::Span;
use crate::types::{FuncId, Program, Type};

/// What a function does about counters.
pub(in crate::rules) enum Fact {
    /// It starts a function as a goroutine.
    Starts(FuncId),
    /// It counts in a field on each round of a loop.
    Counts(Counter),
}

/// A field that is counted in on each round of a loop.
pub(in crate::rules) struct Counter {
    field: FieldKey,
    unit: usize,
    body: BodyId,
    at: Span,
    /// Whether the body is a literal that is started as a goroutine.
    started: bool,
}

/// Notes the goroutines that a function starts, and the counters in its loops.
pub(in crate::rules) fn collect(context: &PathContext<'_>, collected: &mut Collected) {
    if context.wording().is_test() {
        return;
    }
    for trace in context.traces {
        for step in &trace.steps {
            match step.what {
                What::Call(call) if call.mode == CallMode::Go => {
                    if let Target::Function(func) = call.target {
                        collected.counters.push(Fact::Starts(func));
                    }
                }
                What::Call(call) if step.loops > 0 && is_atomic_add(context.program, call) => {
                    note(context, trace, call.field.as_ref(), call.span, collected);
                }
                What::Access(access)
                    if step.loops > 0
                        && access.write
                        && access.how == How::Plain
                        && is_count(context, access.span) =>
                {
                    note(context, trace, access.field.as_ref(), access.span, collected);
                }
                _ => {}
            }
        }
    }
}

fn note(
    context: &PathContext<'_>,
    trace: &Trace<'_>,
    field: Option<&FieldKey>,
    at: Span,
    collected: &mut Collected,
) {
    let Some(field) = field.filter(|field| !field.contents) else { return };
    let started = context.traces.iter().flat_map(|outer| &outer.steps).any(|step| match step.what {
        What::Call(call) => is_started(context, call, trace.body),
        _ => false,
    });
    let (unit, body) = (context.index, trace.body);
    let field = FieldKey { steps: 0, ..field.clone() };
    collected.counters.push(Fact::Counts(Counter { field, unit, body, at, started }));
}

fn is_started(context: &PathContext<'_>, call: &Call, body: BodyId) -> bool {
    let is_body = |value: &Value| matches!(value, Value::Closure(started) if *started == body);
    let target = matches!(&call.target, Target::Value(value) if is_body(value));
    let group = matches!(context.models.effect(&call.target), Some(Effect::GroupGo(_)));
    call.mode == CallMode::Go && target || group && call.args.iter().any(is_body)
}

fn is_atomic_add(program: &Program, call: &Call) -> bool {
    let Target::Function(func) = call.target else { return false };
    let (package, _, name) = function_path(program, func);
    package == "sync/atomic" && name.starts_with("Add")
}

/// Whether a write is `x++`, `x--`, or `x += n`.
fn is_count(context: &PathContext<'_>, write: Span) -> bool {
    let text = context.wording().line(write);
    text.ends_with("++") || text.ends_with("--") || text.contains("+=")
}

/// Reports fields that lie side by side and are counted in by two different goroutines.
pub(in crate::rules) fn check(
    context: &ProgramContext<'_>,
    _: &Summaries,
    collected: &Collected,
    findings: &mut Vec<Finding>,
) {
    let mut started: HashSet<FuncId> = HashSet::new();
    let mut counters: Vec<&Counter> = Vec::new();
    for fact in &collected.counters {
        match fact {
            Fact::Starts(func) => {
                started.insert(*func);
            }
            Fact::Counts(counter) => counters.push(counter),
        }
    }
    counters.retain(|counter| {
        let func = context.units.units[counter.unit].func.filter(|_| counter.body == BodyId(0));
        counter.started || func.is_some_and(|func| started.contains(&func))
    });
    let mut told: HashSet<&FieldKey> = HashSet::new();
    for second in &counters {
        let alone = |one: &Counter, field: &FieldKey| {
            !counters
                .iter()
                .any(|other| (other.unit, other.body) == (one.unit, one.body) && other.field == *field)
        };
        let first = counters.iter().find(|first| {
            follows(context.program, &first.field, &second.field)
                && alone(first, &second.field)
                && alone(second, &first.field)
        });
        if let Some(first) = first
            && told.insert(&second.field)
        {
            findings.extend(finding(context, first, second));
        }
    }
}

/// Whether a field of a struct is declared right after another one, and both are numbers.
fn follows(program: &Program, first: &FieldKey, second: &FieldKey) -> bool {
    let ([one], [other]) = (first.fields.as_slice(), second.fields.as_slice()) else { return false };
    if first.owner != second.owner {
        return false;
    }
    let Type::Struct(structure) = program.underlying(&program.object_type(first.owner)) else { return false };
    let side_by_side = structure.fields.windows(2).any(|pair| pair[0].name == *one && pair[1].name == *other);
    side_by_side && is_number(program, first) && is_number(program, second)
}

fn is_number(program: &Program, field: &FieldKey) -> bool {
    let ty = field_type(program, field);
    let atomics = ["Int32", "Int64", "Uint32", "Uint64", "Uintptr"];
    atomics.iter().any(|name| is_named(program, &ty, "sync/atomic", name))
        || matches!(program.underlying(&ty), Type::Basic(_))
}

fn finding(context: &ProgramContext<'_>, first: &Counter, second: &Counter) -> Option<Finding> {
    let names = (field_name(context.program, &first.field), field_name(context.program, &second.field));
    let wording =
        |counter: &Counter| Wording { program: context.program, unit: &context.units.units[counter.unit] };
    let mut declared = wording(second).site(second.body, second.at, "declaration");
    declared.location = field_location(context.program, &second.field)?;
    let mut sites = vec![declared];
    for counter in [first, second] {
        let mut site = wording(counter).site(counter.body, counter.at, "write");
        site.write = true;
        sites.push(site);
    }
    Some(Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("field {}", names.1),
        message: format!(
            "{} lies in the cache line of {}, and another goroutine counts in that",
            names.1, names.0
        ),
        sites,
        reasons: vec![
            wording(first).reason(format!("one goroutine counts in {} in a loop", names.0), first.at),
            wording(second).reason(format!("another one counts in {} in a loop", names.1), second.at),
        ],
        remedy: format!("put `_ [56]byte` between {} and {}, or count in local variables", names.0, names.1),
        fix: None,
    })
}
