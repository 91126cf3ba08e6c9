//! RG404: a whole map is copied under a lock on a hot path.

use foldhash::HashSet;

use super::collected::Collected;
use super::fields::is_named;
use super::guarded_maps::loaded_map;
use super::memory::Memory;
use super::path_checks::PathContext;
use super::path_facts::summaries::Summaries;
use super::path_facts::{Held, Trace, What};
use super::wording::{Wording, function_name};
use super::{ProgramContext, Rule};
use crate::analysis::models::Effect;
use crate::finding::{Finding, Reason, Severity};
use crate::ir::function::{BodyId, CallMode, How, Target, Unit};
use crate::ir::place::Root;
use crate::syntax::span::Span;
use crate::types::{FuncId, Program};

/// `RG404`
pub const RULE: Rule = Rule {
    code: "RG404",
    name: "map-copy-under-lock",
    summary: "A whole map is copied under a lock for every request or iteration",
    severity: Severity::Advice,
    what: "Reports a function that copies a guarded map as a whole while it holds the lock (`maps.Clone`, or a loop \
           that fills another map), if it is an HTTP handler or is called from one or from a loop.",
    why: "The time under the lock grows with the map, and each copy is garbage a moment later. Everybody who writes \
          waits for it.",
    bad: r#"package presence

import (
	"encoding/json"
	"maps"
	"net/http"
	"sync"
)

type Presence struct {
	mu     sync.Mutex
	online map[string]bool
}

func (p *Presence) Join(user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.online[user] = true
}

func (p *Presence) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	p.mu.Lock()
	snapshot := maps.Clone(p.online) // want RG404 "online"
	p.mu.Unlock()
	json.NewEncoder(w).Encode(snapshot)
}
"#,
    good: r#"package presence

import (
	"encoding/json"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
)

type Presence struct {
	writers sync.Mutex
	online  atomic.Pointer[map[string]bool]
}

func (p *Presence) Join(user string) {
	p.writers.Lock()
	defer p.writers.Unlock()
	next := map[string]bool{}
	if current := p.online.Load(); current != nil {
		next = maps.Clone(*current)
	}
	next[user] = true
	p.online.Store(&next)
}

func (p *Presence) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	json.NewEncoder(w).Encode(p.online.Load())
}
"#,
    remedy: "Copy when the map changes, not when it is read: publish an immutable map through `atomic.Pointer`. Or look \
             up under the lock only what the request needs.",
    limits: "How large the map is and how often the function runs is not known.",
    fixable: false,
};

/// What a function does about copies of maps.
pub(super) enum Fact {
    /// It copies a map under a lock.
    Copy(Copy),
    /// It calls a function often.
    Calls(FuncId, usize, Span),
}

impl Fact {
    /// Where one of these functions is called often: the caller's unit, and the call.
    pub(super) fn often(&self, functions: &[FuncId]) -> Option<(usize, Span)> {
        match self {
            Self::Calls(func, caller, at) if functions.contains(func) => Some((*caller, *at)),
            _ => None,
        }
    }
}

/// A copy of a whole map under a lock.
pub(super) struct Copy {
    func: FuncId,
    map: Memory,
    unit: usize,
    body: BodyId,
    span: Span,
    held: Held,
}

/// Collects copies under locks, and reports those in functions that run often.
pub(super) fn check(
    context: &ProgramContext<'_>,
    _: &Summaries,
    collected: &Collected,
    findings: &mut Vec<Finding>,
) {
    let facts = &collected.copies;
    let mut reported = HashSet::default();
    for fact in facts {
        let Fact::Copy(copy) = fact else { continue };
        let unit = &context.units.units[copy.unit];
        let reason = if is_handler(context.program, unit) {
            let text = format!("{} serves HTTP requests", function_name(context.program, copy.func));
            Some(Reason { text, location: None })
        } else {
            facts.iter().find_map(|fact| fact.often(&[copy.func])).map(|(caller, at)| {
                let wording = Wording { program: context.program, unit: &context.units.units[caller] };
                wording.reason("it is called here, in a loop or for each HTTP request", at)
            })
        };
        if let Some(reason) = reason
            && reported.insert((copy.unit, copy.span))
        {
            findings.push(finding(context, copy, reason));
        }
    }
}

/// Notes the copies that a function makes, and what it calls often.
pub(super) fn collect(context: &PathContext<'_>, collected: &mut Collected) {
    let facts = &mut collected.copies;
    let Some(func) = context.unit.func else { return };
    if context.wording().is_test() {
        return;
    }
    let handler = is_handler(context.program, context.unit);
    for trace in context.traces {
        for (number, step) in trace.steps.iter().enumerate() {
            if let What::Call(call) = step.what
                && (step.loops > 0 || handler)
                && call.mode == CallMode::Now
                && let Target::Function(callee) = call.target
            {
                facts.push(Fact::Calls(callee, context.index, call.span));
            }
            if let Some((map, span)) = copied(context, trace, number)
                && let Some(held) = step.facts.held.last().cloned()
            {
                let (unit, body) = (context.index, trace.body);
                facts.push(Fact::Copy(Copy { func, map, unit, body, span, held }));
            }
        }
    }
}

/// The map field that is copied as a whole at a step.
fn copied(context: &PathContext<'_>, trace: &Trace<'_>, number: usize) -> Option<(Memory, Span)> {
    let step = &trace.steps[number];
    match step.what {
        What::Call(call) if context.models.effect(&call.target) == Some(Effect::CloneMap) => {
            Some((loaded_map(context, trace, call.args.first()?)?, call.span))
        }
        What::Access(access) if access.how == How::MapIterate => {
            if access.field.as_ref().is_some_and(|field| !field.contents) {
                return None;
            }
            let map = Memory::of(access.field.as_ref(), &access.place)?;
            let rest = trace.steps[number + 1..].iter().take_while(|inner| inner.nesting >= step.nesting);
            let fills = rest.into_iter().next().is_some_and(|next| {
                matches!(next.what, What::Access(inner)
                    if inner.how == How::MapInsert && matches!(inner.place.root, Root::Site(_)) && next.nesting == step.nesting)
            });
            fills.then_some((map, access.span))
        }
        _ => None,
    }
}

/// Whether a function has the parameters of an HTTP handler.
fn is_handler(program: &Program, unit: &Unit) -> bool {
    let Some(body) = unit.bodies.first() else { return false };
    body.params.iter().any(|&param| is_named(program, &unit.var(param).ty, "net/http", "ResponseWriter"))
}

fn finding(context: &ProgramContext<'_>, copy: &Copy, reason: Reason) -> Finding {
    let wording = Wording { program: context.program, unit: &context.units.units[copy.unit] };
    let name = copy.map.name(context.program);
    let lock = wording.lock_name(&copy.held);
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: copy.map.subject(context.program),
        message: format!("the whole map of {name} is copied while {lock} is held"),
        sites: vec![
            wording.site_with(copy.body, copy.span, "copy", std::slice::from_ref(&copy.held)),
            wording.site(copy.body, copy.held.at, "lock"),
        ],
        reasons: vec![reason],
        remedy: "copy when the map changes instead, and publish the copy through an atomic pointer"
            .to_owned(),
        fix: None,
    }
}
