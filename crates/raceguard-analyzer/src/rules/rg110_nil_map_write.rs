//! RG110: an element of a nil map is assigned to.

mod new_struct;

use super::Rule;
use super::path_checks::PathContext;
use super::path_facts::{Trace, What};
use crate::finding::{Edit, Finding, Fix, Severity};
use crate::ir::function::{Access, How, Var};
use crate::ir::place::{Root, SiteId, Step};
use crate::syntax::span::Span;
use crate::types::LocalKind;

/// `RG110`
pub const RULE: Rule = Rule {
    code: "RG110",
    name: "nil-map-write",
    summary: "A map that was never made is written to",
    severity: Severity::Error,
    what: "Reports an assignment to an element of a map variable that is declared without a value and is given none \
           anywhere.",
    why: "The zero value of a map can be read, but writing to it panics: `assignment to entry in nil map`. In a \
          goroutine that panic ends the process.",
    bad: r#"package tally

func Tally(words []string) map[string]int {
	var counts map[string]int
	for _, word := range words {
		counts[word]++ // want RG110 "counts"
	}
	return counts
}
"#,
    good: r"package tally

func Tally(words []string) map[string]int {
	counts := make(map[string]int)
	for _, word := range words {
		counts[word]++
	}
	return counts
}
",
    remedy: "Make the map where it is declared: `counts := make(map[string]int)`.",
    limits: "Local variables and named results are looked at if they are assigned nowhere, and fields of structs that \
             the function itself makes; a map that is made on some ways only is not reported, nor an object that was \
             given to another function.",
    fixable: true,
};

/// Looks at each assignment to an element for a map that nobody made.
pub(super) fn check(context: &PathContext<'_>, findings: &mut Vec<Finding>) {
    for trace in context.traces {
        for step in &trace.steps {
            let What::Access(access) = step.what else { continue };
            if let (How::MapInsert, Root::Var(var), [Step::Map]) =
                (access.how, access.place.root, access.place.steps.as_slice())
                && stays_nil(context.unit.var(var))
            {
                findings.push(of_variable(context, trace, access.span, context.unit.var(var)));
            }
            if let Some(site) = new_struct::field_of_new(context, trace, access) {
                findings.push(of_field(context, trace, access, site));
            }
        }
    }
}

/// Whether a variable has its zero value all its life.
fn stays_nil(var: &Var) -> bool {
    let never_assigned = match var.kind {
        LocalKind::Var => var.zeroed && var.assignments == 0,
        // Results count two assignments of their own.
        LocalKind::Result => var.assignments == 2,
        _ => false,
    };
    never_assigned && !var.shared
}

fn of_variable(context: &PathContext<'_>, trace: &Trace<'_>, at: Span, var: &Var) -> Finding {
    let wording = context.wording();
    let name = var.name;
    let mut site = wording.site(trace.body, at, "write");
    site.write = true;
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("map {name}"),
        message: format!("{name} is nil here, and writing to it panics"),
        sites: vec![site, wording.site(trace.body, var.span, "declaration")],
        reasons: vec![
            wording.reason(format!("{name} is declared without a value and assigned nowhere"), var.span),
        ],
        remedy: format!("make the map where {name} is declared"),
        fix: make_fix(context, var),
    }
}

fn of_field(context: &PathContext<'_>, trace: &Trace<'_>, access: &Access, made: SiteId) -> Finding {
    let wording = context.wording();
    let text = wording.line(access.span);
    let name = text.split_once('[').map_or(text, |(name, _)| name);
    let made = context.unit.site(made).span;
    let mut site = wording.site(trace.body, access.span, "write");
    site.write = true;
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("map {name}"),
        message: format!("{name} is nil here, and writing to it panics"),
        sites: vec![site, wording.site(trace.body, made, "new object")],
        reasons: vec![wording.reason("the struct is made here without a map in this field", made)],
        remedy: format!("make the map where the struct is made, or before: {name} = make(...)"),
        fix: None,
    }
}

/// `m := make(map[K]V)` for `var m map[K]V`, if the declaration has a line of its own.
fn make_fix(context: &PathContext<'_>, var: &Var) -> Option<Fix> {
    let source = &context.program.package(context.unit.package).files[context.unit.file as usize].source;
    let end = var.span.end as usize;
    let length = source[end..].iter().position(|&byte| byte == b'\n')?;
    let ty = std::str::from_utf8(&source[end..end + length]).ok()?.trim();
    let start = var.span.start.checked_sub(4)?;
    let alone = source.get(start as usize..var.span.start as usize) == Some(b"var ")
        && !ty.contains([',', '=', ';', '/']);
    if !alone || !ty.starts_with("map[") || ty.ends_with('{') {
        return None;
    }
    let span = Span::new(start, u32::try_from(end + length).ok()?);
    let text = format!("{} := make({ty})", var.name);
    let edits = vec![Edit { location: context.wording().location(span), text }];
    Some(Fix { title: "make the map".to_owned(), edits })
}
