//! What functions do with what they are given: keep it, change it, or put it back into a pool.

use foldhash::HashMap;
use rayon::prelude::*;

use super::always::certain_calls;
use super::is_shared;
use super::summaries::Summary;
use crate::analysis::models::Effect;
use crate::ir::function::{Call, CallMode, ChannelOpKind, Node, Target, Unit, for_each_node};
use crate::ir::place::{CallId, Place, Root, Step, Value};
use crate::rules::ProgramContext;
use crate::rules::fields::map_of;
use crate::syntax::span::Span;
use crate::types::FuncId;

/// What becomes of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rules) enum Fate {
    /// It is put into a `sync.Pool`.
    Put,
    /// It outlives the call: it is stored, sent, or given to a goroutine.
    Kept,
    /// It is a map, and is changed in place.
    Changed,
}

/// A parameter, and what becomes of what is passed for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rules) struct Argument {
    /// Its number, the receiver being the first.
    pub(in crate::rules) parameter: usize,
    /// What becomes of it.
    pub(in crate::rules) fate: Fate,
}

/// Through this many calls arguments are followed.
const MAX_CALLS: usize = 3;

/// Adds the fates of arguments to the summaries.
pub(super) fn note_arguments(context: &ProgramContext<'_>, summaries: &mut HashMap<FuncId, Summary>) {
    for _ in 0..MAX_CALLS {
        let known = &*summaries;
        let found: Vec<(FuncId, Vec<Argument>)> = context
            .units
            .units
            .par_iter()
            .filter_map(|unit| Some((unit.func?, arguments(context, known, unit))))
            .filter(|(_, arguments)| !arguments.is_empty())
            .collect();
        let mut changed = false;
        for (func, arguments) in found {
            let summary = summaries.entry(func).or_default();
            changed |= summary.arguments != arguments;
            summary.arguments = arguments;
        }
        if !changed {
            break;
        }
    }
}

fn arguments(
    context: &ProgramContext<'_>,
    summaries: &HashMap<FuncId, Summary>,
    unit: &Unit,
) -> Vec<Argument> {
    let Some(body) = unit.bodies.first() else { return Vec::new() };
    let parameter = |value: &Value| {
        let Value::Load(Place { root: Root::Var(var), steps }) = value else { return None };
        steps.is_empty().then(|| body.params.iter().position(|param| param == var)).flatten()
    };
    let mut arguments = Vec::new();
    let mut note = |value: Option<&Value>, fate: Fate| {
        if let Some(parameter) = value.and_then(parameter) {
            let argument = Argument { parameter, fate };
            if !arguments.contains(&argument) {
                arguments.push(argument);
            }
        }
    };
    let returned = returned(&body.block);
    let always: Vec<CallId> = certain_calls(&body.block).map(|call| call.id).collect();
    for_each_node(&body.block, &mut |node| match node {
        Node::Assign(assign) if is_kept(&assign.place, assign.span, &returned) => {
            note(Some(&assign.value), Fate::Kept);
        }
        Node::Access(access) if access.write && access.how.is_map() => {
            note(map_of(&access.place).map(Value::Load).as_ref(), Fate::Changed);
        }
        Node::Channel(op) if op.kind == ChannelOpKind::Send => note(op.value.as_ref(), Fate::Kept),
        Node::Call(call) => {
            // What is put back under a condition may be counted by its users.
            let certain = |fate: Fate| fate != Fate::Put || always.contains(&call.id);
            for (number, fate) in
                fates(context, summaries, call).into_iter().filter(|(_, fate)| certain(*fate))
            {
                note(values(call).nth(number), fate);
            }
        }
        _ => {}
    });
    arguments
}

/// What a call does with which of the values it is given.
fn fates(
    context: &ProgramContext<'_>,
    summaries: &HashMap<FuncId, Summary>,
    call: &Call,
) -> Vec<(usize, Fate)> {
    if call.mode == CallMode::Go {
        return (0..values(call).count()).map(|number| (number, Fate::Kept)).collect();
    }
    match (context.models.effect(&call.target), &call.target) {
        (Some(Effect::PoolPut), _) => vec![(usize::from(call.receiver.is_some()), Fate::Put)],
        (None, Target::Function(func)) => {
            let arguments = summaries.get(func).map(|summary| summary.arguments.as_slice());
            arguments.unwrap_or_default().iter().map(|known| (known.parameter, known.fate)).collect()
        }
        _ => Vec::new(),
    }
}

/// The receiver, if any, and the arguments of a call.
pub(in crate::rules) fn values(call: &Call) -> impl Iterator<Item = &Value> {
    call.receiver.iter().chain(&call.args)
}

/// What the statements that return values name.
#[derive(Debug, Default)]
pub(in crate::rules) struct Returned {
    spans: Vec<Span>,
    roots: Vec<Root>,
}

/// What a block gives back, at all places where it does.
pub(in crate::rules) fn returned(block: &[Node]) -> Returned {
    let mut returned = Returned::default();
    for_each_node(block, &mut |node| {
        if let Node::Return(values, span) = node {
            returned.spans.push(*span);
            returned.roots.extend(values.iter().filter_map(Value::identity).map(|place| place.root));
        }
    });
    returned
}

/// Whether what is stored at a place outlives the function: others reach the place, or it lies in a new object that is
/// returned.
pub(in crate::rules) fn is_kept(place: &Place, stored: Span, returned: &Returned) -> bool {
    match place.root {
        Root::Site(_) => returned.roots.contains(&place.root),
        // A struct that is made in the `return` itself.
        Root::Opaque(_) => {
            matches!(place.steps.as_slice(), [Step::Field(_)])
                && returned.spans.iter().any(|span| span.start <= stored.start && stored.end <= span.end)
        }
        _ => is_shared(place),
    }
}
