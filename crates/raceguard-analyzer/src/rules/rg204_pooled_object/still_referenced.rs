//! An object is put back while something that outlives the call still refers to it.

use crate::analysis::models::Effect;
use crate::ir::function::{Call, CallMode, ChannelOpKind};
use crate::ir::place::{Place, Value};
use crate::rules::path_checks::PathContext;
use crate::rules::path_facts::arguments::values;
use crate::rules::path_facts::{Step, Trace, What, is_lock_effect, is_shared};
use crate::syntax::span::Span;

/// What still refers to an object that a step puts back.
pub(super) struct Reference {
    /// Where it came to refer to it.
    pub(super) at: Span,
    /// What it does there, for people.
    pub(super) action: &'static str,
}

/// The reference to the object that the step with this number puts back at once.
pub(super) fn reference(context: &PathContext<'_>, trace: &Trace<'_>, number: usize) -> Option<Reference> {
    let What::Call(put) = trace.steps[number].what else { return None };
    let object = put_back(context, put)?;
    let is_object = |value: &Value| value.identity() == Some(object);
    let before = &trace.steps[..number];
    // What stands under a condition may lead elsewhere.
    before.iter().enumerate().filter(|(_, step)| step.nesting == 0).find_map(|(position, step)| {
        let after = &before[position + 1..];
        match step.what {
            What::Channel(op)
                if op.kind == ChannelOpKind::Send && op.value.as_ref().is_some_and(is_object) =>
            {
                (!waits(context, after)).then_some(Reference { at: op.span, action: "send" })
            }
            What::Call(call) if call.mode == CallMode::Go && values(call).any(is_object) => {
                (!waits(context, after)).then_some(Reference { at: call.span, action: "go statement" })
            }
            What::Assign(assign) if is_object(&assign.value) && is_shared(&assign.place) => {
                let kept = !is_overwritten(context, after, &assign.place);
                kept.then_some(Reference { at: assign.span, action: "store" })
            }
            _ => None,
        }
    })
}

/// The object that a call puts into a pool now.
fn put_back<'c>(context: &PathContext<'_>, call: &'c Call) -> Option<&'c Place> {
    let now = call.mode == CallMode::Now && context.models.effect(&call.target) == Some(Effect::PoolPut);
    call.args.first().filter(|_| now)?.identity()
}

/// Whether the function waits for something on the way: for whoever got the object, perhaps.
fn waits(context: &PathContext<'_>, steps: &[Step<'_>]) -> bool {
    steps.iter().any(|step| match step.what {
        What::Channel(op) => matches!(op.kind, ChannelOpKind::Receive | ChannelOpKind::Range),
        What::Call(call) => {
            matches!(context.models.effect(&call.target), Some(Effect::GroupWait | Effect::CondWait))
        }
        // A select may receive.
        What::Branch(_) => true,
        _ => false,
    })
}

/// Whether a place, or what leads to it, is given another value.
fn is_overwritten(context: &PathContext<'_>, steps: &[Step<'_>], place: &Place) -> bool {
    steps.iter().any(|step| match step.what {
        What::Access(access) => access.write && place.strip(&access.place).is_some(),
        // A function that is called, other than with the lock on it, may do so.
        What::Call(call) => call.mode == CallMode::Now && !is_lock(context, call),
        _ => false,
    })
}

fn is_lock(context: &PathContext<'_>, call: &Call) -> bool {
    context.models.effect(&call.target).is_some_and(is_lock_effect)
}
