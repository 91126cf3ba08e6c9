//! RG403: goroutines count in adjacent memory.

pub(super) mod fields;

use super::Rule;
use super::path_checks::PathContext;
use super::path_facts::{Step, Trace, What};
use crate::analysis::models::Effect;
use crate::finding::{Finding, Severity};
use crate::ir::function::{Access, BodyId, CallMode, How, Target};
use crate::ir::place::{Index, Place, Root, Step as PathStep, Value};
use crate::types::Type;

/// `RG403`
pub const RULE: Rule = Rule {
    code: "RG403",
    name: "false-sharing",
    summary: "Goroutines count in adjacent elements of the same slice or array",
    severity: Severity::Advice,
    what: "Reports a loop in a goroutine that counts in `counts[i]` on every round, where `i` is the goroutine's own \
           number and the elements are small; and fields that lie side by side in a struct, where two functions that are \
           started as goroutines count in one of them each.",
    why: "Up to eight such counters lie in one cache line. Each write takes the line away from the other cores, so \
          the goroutines slow each other down although they share no data: several times slower than with one core.",
    bad: r#"package sum

import "sync"

func Even(parts [][]int) int {
	counts := make([]int, len(parts))
	var wg sync.WaitGroup
	for i, part := range parts {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for _, value := range part {
				if value%2 == 0 {
					counts[i]++ // want RG403 "counts"
				}
			}
		}()
	}
	wg.Wait()
	total := 0
	for _, count := range counts {
		total += count
	}
	return total
}
"#,
    good: r#"package sum

import "sync"

func Even(parts [][]int) int {
	counts := make([]int, len(parts))
	var wg sync.WaitGroup
	for i, part := range parts {
		wg.Add(1)
		go func() {
			defer wg.Done()
			count := 0
			for _, value := range part {
				if value%2 == 0 {
					count++
				}
			}
			counts[i] = count
		}()
	}
	wg.Wait()
	total := 0
	for _, count := range counts {
		total += count
	}
	return total
}
"#,
    remedy: "Count in a local variable and store it once at the end; or pad each element to a cache line \
             (`_ [56]byte`, or `cpu.CacheLinePad` of golang.org/x/sys).",
    limits: "Who runs on which core is not known. Fields count only if the goroutines are seen to be started, and if both \
             are numbers declared next to each other.",
    fixable: false,
};

/// Looks at the function literals that loops start as goroutines.
pub(super) fn check(context: &PathContext<'_>, findings: &mut Vec<Finding>) {
    for trace in context.traces.iter().filter(|trace| is_started_in_loop(context, trace.body)) {
        for pair in trace.steps.windows(2) {
            if let Some(access) = counted(context, trace, pair) {
                findings.push(finding(context, trace, access));
                break;
            }
        }
    }
}

fn is_started_in_loop(context: &PathContext<'_>, body: BodyId) -> bool {
    let is_body = |value: Option<&Value>| matches!(value, Some(Value::Closure(started)) if *started == body);
    context.traces.iter().flat_map(|trace| &trace.steps).any(|step| {
        let What::Call(call) = step.what else { return false };
        let target = match &call.target {
            Target::Value(value) => Some(value),
            _ => None,
        };
        let group = match context.models.effect(&call.target) {
            Some(Effect::GroupGo(argument)) => call.args.get(usize::from(argument)),
            _ => None,
        };
        step.loops > 0 && (call.mode == CallMode::Go && is_body(target) || is_body(group))
    })
}

/// The write of `x[i]++` in a loop, where `i` stays the same.
fn counted<'s>(context: &PathContext<'_>, trace: &Trace<'_>, pair: &[Step<'s>]) -> Option<&'s Access> {
    let [Step { what: What::Access(read), .. }, Step { what: What::Access(write), loops, .. }] = pair else {
        return None;
    };
    let same = !read.write && write.write && read.place == write.place && write.how == How::Plain;
    if !same || *loops == 0 {
        return None;
    }
    let (last, _) = write.place.steps.split_last()?;
    let (PathStep::Element(Index::Var(index)) | PathStep::Index(Index::Var(index))) = *last else {
        return None;
    };
    let index = context.unit.var(index);
    let own_number = index.body != trace.body || index.iteration.is_none();
    (own_number && is_small(context, &write.place)).then_some(write)
}

/// Whether the elements are numbers: several of them lie in one cache line.
fn is_small(context: &PathContext<'_>, place: &Place) -> bool {
    let ty = match (place.root, place.steps.len()) {
        (Root::Site(site), 1) => &context.unit.site(site).ty,
        (Root::Var(var), 1) => &context.unit.var(var).ty,
        _ => return false,
    };
    match context.program.underlying(ty) {
        Type::Slice(element) | Type::Array(element, _) => {
            matches!(context.program.underlying(&element), Type::Basic(_))
        }
        _ => false,
    }
}

fn finding(context: &PathContext<'_>, trace: &Trace<'_>, access: &Access) -> Finding {
    let wording = context.wording();
    let text = wording.line(access.span);
    let name = text.split_once('[').map_or(text, |(name, _)| name);
    let mut site = wording.site(trace.body, access.span, "write");
    site.write = true;
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("slice {name}"),
        message: format!("goroutines count in adjacent elements of {name} on every round of a loop"),
        sites: vec![site],
        reasons: vec![
            wording.reason("each goroutine writes its own element, in the cache line of others", access.span),
        ],
        remedy: format!("count in a local variable, and store it in {name} once at the end"),
        fix: None,
    }
}
