//! RG303: two locks are taken in both orders.

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::collected::Collected;
use super::path_checks::PathContext;
use super::path_facts::summaries::Summaries;
use super::path_facts::{What, lock_place};
use super::wording::{Wording, field_name, function_name, object_name};
use super::{ProgramContext, Rule};
use crate::analysis::models::Effect;
use crate::finding::{Finding, Reason, Severity, Site};
use crate::ir::function::{BodyId, Call, CallMode, FieldKey, Target};
use crate::ir::place::{Place, Root};
use crate::syntax::span::Span;
use crate::types::{FuncId, ObjectId, Program};

/// `RG303`
pub const RULE: Rule = Rule {
    code: "RG303",
    name: "lock-order-inversion",
    summary: "Two locks are taken in one order here and in the other order there",
    severity: Severity::Warning,
    what: "Reports two mutexes (fields or package-level variables) where one function takes the second while it holds \
           the first, and another one takes the first while it holds the second, directly or through what it calls.",
    why: "Two goroutines that each hold one of the locks wait for the other one for ever. It takes an unlucky schedule, \
          so tests don't show it; under load it stops the service.",
    bad: r#"package transfer

import "sync"

var (
	accounts sync.Mutex
	journal  sync.Mutex
	balance  int
	entries  int
)

func Deposit(amount int) {
	accounts.Lock()
	defer accounts.Unlock()
	balance += amount
	journal.Lock() // want RG303 "journal"
	defer journal.Unlock()
	entries++
}

func Replay() {
	journal.Lock()
	defer journal.Unlock()
	entries = 0
	accounts.Lock()
	defer accounts.Unlock()
	balance = 0
}
"#,
    good: r#"package transfer

import "sync"

var (
	accounts sync.Mutex
	journal  sync.Mutex
	balance  int
	entries  int
)

func Deposit(amount int) {
	accounts.Lock()
	defer accounts.Unlock()
	balance += amount
	journal.Lock()
	defer journal.Unlock()
	entries++
}

func Replay() {
	accounts.Lock()
	defer accounts.Unlock()
	journal.Lock()
	defer journal.Unlock()
	entries = 0
	balance = 0
}
"#,
    remedy: "Agree on one order, write it down beside the locks, and take them in that order everywhere; or release the \
             first before taking the second.",
    limits: "Locks of a field stand for those of all instances: where two objects of the same types never meet, the \
             report is wrong. Orders of three and more locks, and calls through interfaces, are not followed.",
    fixable: false,
};

/// A lock, whatever the instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Class {
    Global(ObjectId),
    Field(FieldKey),
}

/// What a function does about the order of locks.
pub(super) enum Fact {
    /// It takes a lock.
    Takes(FuncId, Class),
    /// It calls a function.
    Calls(FuncId, FuncId),
    /// It takes a lock, or calls a function, while it holds a lock.
    Edge(Edge),
}

/// A lock that is taken, or a function that is called, while another lock is held.
pub(super) struct Edge {
    held: Class,
    /// Other locks held.
    others: Vec<Class>,
    next: Next,
    /// Index of the function's unit.
    unit: usize,
    body: BodyId,
    /// The call that takes the lock, or that of the function.
    at: Span,
    /// The call that took the lock held.
    since: Span,
}

pub(super) enum Next {
    Lock(Class),
    Call(FuncId),
}

/// Locks that a function takes, itself or through what it calls, each with the function that does.
type Taken = HashMap<FuncId, HashMap<Class, FuncId>>;

/// Collects the orders in which locks are taken, and reports those that exist both ways.
pub(super) fn check(
    context: &ProgramContext<'_>,
    summaries: &Summaries,
    collected: &Collected,
    findings: &mut Vec<Finding>,
) {
    let facts = &collected.lock_order;
    let taken = taken(facts);
    let releasing = releasing(facts, summaries);
    let mut orders: HashMap<(Class, Class), (&Edge, Option<FuncId>)> = HashMap::new();
    let mut pairs = Vec::new();
    for fact in facts {
        let Fact::Edge(edge) = fact else { continue };
        let next: Vec<(&Class, Option<FuncId>)> = match &edge.next {
            Next::Lock(class) => vec![(class, None)],
            Next::Call(func) if releasing.contains(func) => continue,
            Next::Call(func) => taken
                .get(func)
                .into_iter()
                .flatten()
                .map(|(class, through)| (class, Some(*through)))
                .collect(),
        };
        for (class, through) in next {
            if *class == edge.held || edge.others.contains(class) {
                continue;
            }
            let pair = (edge.held.clone(), class.clone());
            let known = orders.entry(pair.clone()).or_insert_with(|| {
                pairs.push(pair);
                (edge, through)
            });
            // The shortest way is the easiest to follow.
            if known.1.is_some() && through.is_none() {
                *known = (edge, through);
            }
        }
    }
    pairs.sort();
    for (first, second) in pairs {
        if first < second
            && let Some(one) = orders.get(&(first.clone(), second.clone()))
            && let Some(other) = orders.get(&(second.clone(), first.clone()))
            && !one.0.others.iter().any(|class| other.0.others.contains(class))
        {
            findings.push(finding(context, (&first, &second), *one, *other));
        }
    }
}

/// Notes what a function does about the order of locks.
pub(super) fn collect(context: &PathContext<'_>, collected: &mut Collected) {
    let facts = &mut collected.lock_order;
    if context.wording().is_test() {
        return;
    }
    for trace in context.traces {
        for step in &trace.steps {
            let What::Call(call) = step.what else { continue };
            if call.mode != CallMode::Now || trace.irregular {
                continue;
            }
            let Some(next) = next(context, trace.body, call, facts) else { continue };
            let Some((held, others)) = step.facts.held.split_last() else { continue };
            let Some(class) = class_of(held.field.as_ref(), &held.place) else { continue };
            let others =
                others.iter().filter_map(|lock| class_of(lock.field.as_ref(), &lock.place)).collect();
            facts.push(Fact::Edge(Edge {
                held: class,
                others,
                next,
                unit: context.index,
                body: trace.body,
                at: call.span,
                since: held.at,
            }));
        }
    }
}

/// The lock that a call takes, or the function that it calls.
fn next(context: &PathContext<'_>, body: BodyId, call: &Call, facts: &mut Vec<Fact>) -> Option<Next> {
    let Target::Function(func) = call.target else { return None };
    // What a function literal does happens when it is called, which is not known.
    let own = context.unit.func.filter(|_| body == BodyId(0));
    match context.models.effect(&call.target) {
        Some(Effect::Lock | Effect::ReadLock) => {
            let class = class_of(call.field.as_ref(), &lock_place(call)?)?;
            facts.extend(own.map(|own| Fact::Takes(own, class.clone())));
            Some(Next::Lock(class))
        }
        None if context.summaries.is_analysed(func) => {
            facts.extend(own.map(|own| Fact::Calls(own, func)));
            Some(Next::Call(func))
        }
        _ => None,
    }
}

fn class_of(field: Option<&FieldKey>, place: &Place) -> Option<Class> {
    if let Some(field) = field {
        let own = FieldKey { contents: false, steps: 0, ..field.clone() };
        return Some(Class::Field(own));
    }
    match place.root {
        Root::Global(object) => Some(Class::Global(object)),
        _ => None,
    }
}

/// Spreads the locks that functions take to those who call them.
fn taken(facts: &[Fact]) -> Taken {
    let mut taken: Taken = HashMap::new();
    let mut callers: HashMap<FuncId, Vec<FuncId>> = HashMap::new();
    let mut queue = Vec::new();
    let mut seen = HashSet::new();
    for fact in facts {
        match fact {
            Fact::Takes(func, class) => {
                taken.entry(*func).or_default().entry(class.clone()).or_insert(*func);
                queue.push(*func);
            }
            Fact::Calls(from, called) if seen.insert((*from, *called)) => {
                callers.entry(*called).or_default().push(*from);
            }
            _ => {}
        }
    }
    while let Some(func) = queue.pop() {
        let own = taken.get(&func).cloned().unwrap_or_default();
        for &caller in callers.get(&func).into_iter().flatten() {
            let known = taken.entry(caller).or_default();
            let before = known.len();
            for (class, through) in &own {
                known.entry(class.clone()).or_insert(*through);
            }
            if known.len() > before {
                queue.push(caller);
            }
        }
    }
    taken
}

/// Functions that may release a lock of their caller, themselves or through what they call: which locks are held
/// inside of them is not known.
fn releasing(facts: &[Fact], summaries: &Summaries) -> HashSet<FuncId> {
    let mut callers: HashMap<FuncId, Vec<FuncId>> = HashMap::new();
    let mut releasing = HashSet::new();
    let mut queue = Vec::new();
    for fact in facts {
        let Fact::Calls(from, called) = fact else { continue };
        callers.entry(*called).or_default().push(*from);
        let releases = summaries.get(*called).is_some_and(|summary| !summary.may_release.is_empty());
        if releases && releasing.insert(*called) {
            queue.push(*called);
        }
    }
    while let Some(func) = queue.pop() {
        for &caller in callers.get(&func).into_iter().flatten() {
            if releasing.insert(caller) {
                queue.push(caller);
            }
        }
    }
    releasing
}

fn class_name(program: &Program, class: &Class) -> String {
    match class {
        Class::Global(object) => object_name(program, *object),
        Class::Field(field) => field_name(program, field),
    }
}

fn finding(
    context: &ProgramContext<'_>,
    (first, second): (&Class, &Class),
    one: (&Edge, Option<FuncId>),
    other: (&Edge, Option<FuncId>),
) -> Finding {
    let names = (class_name(context.program, first), class_name(context.program, second));
    let mut sites = Vec::new();
    let mut reasons = Vec::new();
    for ((edge, through), (held, next)) in [(one, (&names.0, &names.1)), (other, (&names.1, &names.0))] {
        let (site, reason) = describe(context, edge, through, held, next);
        sites.push(site);
        reasons.push(reason);
    }
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("locks {} and {}", names.0, names.1),
        message: format!(
            "{} is locked while {} is held here, and the other way round there",
            names.1, names.0
        ),
        sites,
        reasons,
        remedy: "take the two locks in one order everywhere".to_owned(),
        fix: None,
    }
}

fn describe(
    context: &ProgramContext<'_>,
    edge: &Edge,
    through: Option<FuncId>,
    held: &str,
    next: &str,
) -> (Site, Reason) {
    let wording = Wording { program: context.program, unit: &context.units.units[edge.unit] };
    let mut site = wording.site(edge.body, edge.at, "lock");
    site.locks = vec![held.to_owned()];
    let way =
        through.map_or_else(String::new, |func| format!(" by {}", function_name(context.program, func)));
    (site, wording.reason(format!("{held} is held since here when {next} is locked{way}"), edge.since))
}
