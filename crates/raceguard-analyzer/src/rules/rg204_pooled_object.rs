//! RG204: an object is used after it went back into its pool.

mod still_referenced;

use self::still_referenced::Reference;
use super::Rule;
use super::path_checks::PathContext;
use super::path_facts::arguments::Fate;
use super::path_facts::{Mark, Marked, Step as PathStep, Trace, What};
use crate::analysis::models::Effect;
use crate::finding::{Finding, Severity};
use crate::ir::function::{Call, Target};
use crate::ir::place::{Place, Root, Step, Value};
use crate::syntax::span::Span;
use crate::types::Type;

/// `RG204`
pub const RULE: Rule = Rule {
    code: "RG204",
    name: "pooled-object",
    summary: "An object of a sync.Pool is used after it was put back",
    severity: Severity::Error,
    what: "Reports an object that is used after `Put`, put twice, put while something that was given it before still \
           refers to it, or returned (itself, or its bytes) by a function that puts it back on return.",
    why: "After `Put` the pool may hand the object to any other goroutine. Whoever keeps a reference reads and writes \
          data that belongs to someone else: answers that mix the bytes of two requests.",
    bad: r#"package render

import (
	"bytes"
	"sync"
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func Render(name string) []byte {
	buffer := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buffer)
	buffer.Reset()
	buffer.WriteString("hello " + name)
	return buffer.Bytes() // want RG204 "buffer"
}
"#,
    good: r#"package render

import (
	"bytes"
	"sync"
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func Render(name string) []byte {
	buffer := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buffer)
	buffer.Reset()
	buffer.WriteString("hello " + name)
	return bytes.Clone(buffer.Bytes())
}
"#,
    remedy: "Put the object back only when nothing refers to it any more, and copy what must outlive it (the bytes of \
             a buffer above all).",
    limits: "A reference that outlives `Put` is seen where the same function stores or sends the object itself, or \
             passes it to a goroutine. Parts of an object are not followed, but for slices and maps that are returned. \
             Helpers that always put back what they are given are followed.",
    fixable: false,
};

/// Looks at what is done with objects after they were put back.
pub(super) fn check(context: &PathContext<'_>, findings: &mut Vec<Finding>) {
    for trace in context.traces.iter().filter(|trace| !trace.irregular) {
        let mut reported: Vec<Span> = Vec::new();
        for (number, step) in trace.steps.iter().enumerate() {
            if let (What::Call(put), Some(reference)) =
                (step.what, still_referenced::reference(context, trace, number))
            {
                findings.push(referenced(context, trace, put.span, &reference));
            }
            if let Some((marked, span, message)) =
                used(context, trace, step).or_else(|| returned(context, trace, step))
                && !reported.contains(&marked.at)
            {
                reported.push(marked.at);
                findings.push(finding(context, trace, marked, span, message));
            }
        }
    }
}

/// The use of an object that was put back before.
fn used<'s>(
    context: &PathContext<'_>,
    trace: &Trace<'_>,
    step: &'s PathStep<'_>,
) -> Option<(&'s Marked, Span, &'static str)> {
    let results = &context.unit.body(trace.body).results;
    let put = |value: &Value| {
        let place = value.identity()?;
        step.facts.marked_holder(Mark::Put, place).filter(|marked| marked.place == *place)
    };
    let part = |(number, value): (usize, &Value)| {
        let place = value.identity()?;
        let ty = results.get(number).map(|&var| context.program.underlying(&context.unit.var(var).ty));
        let marked = step.facts.marked_holder(Mark::Put, place)?;
        let refers = matches!(ty, Some(Type::Slice(_) | Type::Map(_))) && matches!(value, Value::Load(_));
        let inside = refers && !marked.by_helper;
        (inside && lies_inside(place.strip(&marked.place)?)).then_some(marked)
    };
    match step.what {
        What::Access(access) => {
            let marked = step.facts.marked_holder(Mark::Put, &access.place)?;
            let inside = lies_inside(access.place.strip(&marked.place)?);
            inside.then_some((marked, access.span, "is used after it was put back"))
        }
        What::Call(call) => {
            let marked = call.receiver.iter().chain(&call.args).find_map(put)?;
            let again = context.models.effect(&call.target) == Some(Effect::PoolPut) || puts(context, call);
            let message = if again { "is put back twice" } else { "is used after it was put back" };
            Some((marked, call.span, message))
        }
        What::Return(values, span) => {
            let whole =
                values.iter().find_map(put).map(|marked| (marked, span, "is returned after it was put back"));
            whole.or_else(|| {
                let marked = values.iter().enumerate().find_map(part)?;
                Some((marked, span, "was put back, and a part of it is returned"))
            })
        }
        _ => None,
    }
}

/// Whether a function puts what it is given into a pool.
fn puts(context: &PathContext<'_>, call: &Call) -> bool {
    let Target::Function(func) = call.target else { return false };
    let summary = context.summaries.get(func);
    summary.is_some_and(|summary| summary.arguments.iter().any(|argument| argument.fate == Fate::Put))
}

/// Whether steps lead into an object, but not on to others that it refers to.
fn lies_inside(steps: &[Step]) -> bool {
    steps
        .split_first()
        .is_some_and(|(first, rest)| !first.is_inline() && rest.iter().all(|step| step.is_inline()))
}

/// The return of an object, or of what it holds, that is put back on return.
fn returned<'s>(
    context: &PathContext<'_>,
    trace: &Trace<'_>,
    step: &'s PathStep<'_>,
) -> Option<(&'s Marked, Span, &'static str)> {
    let What::Return(values, span) = step.what else { return None };
    let results = &context.unit.body(trace.body).results;
    for (number, value) in values.iter().enumerate() {
        let Some(place) = value.identity() else { continue };
        let ty = results.get(number).map(|&var| context.program.underlying(&context.unit.var(var).ty));
        let refers =
            matches!(ty, Some(Type::Pointer(_) | Type::Slice(_) | Type::Map(_) | Type::Interface(_)));
        let holder = bytes_of(context, place).unwrap_or_else(|| place.clone());
        // A helper may take out of the object what it does not want to put back.
        let intact = |marked: &&Marked| !marked.by_helper || marked.place == holder;
        if let Some(marked) =
            step.facts.marked_holder(Mark::PutAtEnd, &holder).filter(|_| refers).filter(intact)
        {
            return Some((marked, span, "is returned although it is put back on return"));
        }
    }
    None
}

/// The buffer whose `Bytes` a value is.
fn bytes_of(context: &PathContext<'_>, place: &Place) -> Option<Place> {
    let Root::Result(id, 0) = place.root else { return None };
    let call = context.unit.call(id)?;
    let Target::Function(func) = call.target else { return None };
    let object = context.program.function(func);
    let is_bytes = context.program.package(object.package).path.as_str() == "bytes"
        && matches!(context.program.object(object).name.as_str(), "Bytes" | "Next" | "AvailableBuffer");
    call.receiver.as_ref().filter(|_| is_bytes)?.identity().cloned()
}

/// What is put back although something still refers to it.
fn referenced(context: &PathContext<'_>, trace: &Trace<'_>, put: Span, reference: &Reference) -> Finding {
    let wording = context.wording();
    let argument = argument(wording.line(put));
    Finding {
        rule: &RULE,
        severity: Severity::Warning,
        subject: format!("pooled object {argument}"),
        message: format!("{argument} is put back while something that got it before still refers to it"),
        sites: vec![
            wording.site(trace.body, put, "put"),
            wording.site(trace.body, reference.at, reference.action),
        ],
        reasons: vec![wording.reason("it is given away here, and nothing takes it back", reference.at)],
        remedy: "put it back when whoever got it is done with it".to_owned(),
        fix: None,
    }
}

/// The object in the text of a call that puts it back: the argument, or else the receiver.
fn argument(call: &str) -> &str {
    let (function, arguments) = call.split_once('(').unwrap_or(("object", ""));
    match arguments.trim_end_matches(')') {
        "" => function.rsplit_once('.').map_or(function, |(receiver, _)| receiver),
        argument => argument,
    }
}

fn finding(
    context: &PathContext<'_>,
    trace: &Trace<'_>,
    marked: &Marked,
    span: Span,
    message: &str,
) -> Finding {
    let wording = context.wording();
    let argument = argument(wording.line(marked.at));
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("pooled object {argument}"),
        message: format!("{argument} {message}"),
        sites: vec![wording.site(trace.body, span, "use"), wording.site(trace.body, marked.at, "put")],
        reasons: vec![wording.reason("from here on the pool may give it to another goroutine", marked.at)],
        remedy: "put it back after the last use, and copy what outlives it".to_owned(),
        fix: None,
    }
}
