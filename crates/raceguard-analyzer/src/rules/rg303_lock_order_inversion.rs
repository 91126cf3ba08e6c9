//! RG303: two locks are taken in both orders.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::collected::Collected;
use super::memory::Memory;
use super::path_checks::PathContext;
use super::path_facts::summaries::Summaries;
use super::path_facts::{Held, What, lock_place};
use super::wording::{Wording, function_name};
use super::{ProgramContext, Rule};
use crate::analysis::models::Effect;
use crate::finding::{Finding, Reason, Severity, Site};
use crate::ir::function::{BodyId, Call, CallMode, Target};
use crate::syntax::span::Span;
use crate::types::{FuncId, Role, Type};

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
             report is wrong. Circles of more than three locks are not looked for, and calls through interfaces are \
             followed only where one type of the program can be meant.",
    fixable: false,
};

/// What a function does about the order of locks.
pub(super) enum Fact {
    /// It takes a lock.
    Takes(FuncId, Memory),
    /// It calls a function.
    Calls(FuncId, FuncId),
    /// It takes a lock, or calls a function, while it holds a lock.
    Edge(Edge),
}

/// A lock that is taken, or a function that is called, while another lock is held.
pub(super) struct Edge {
    held: Memory,
    /// Other locks held.
    others: Vec<Memory>,
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
    Lock(Memory),
    Call(FuncId),
}

/// Locks that a function takes, itself or through what it calls, each with the function that does.
type Taken = HashMap<FuncId, HashMap<Memory, FuncId>>;

/// The way in which a lock is first seen to be taken while another one is held.
type Order<'f> = (&'f Edge, Option<FuncId>);

/// All orders, by the lock held and the lock taken.
type Orders<'f> = BTreeMap<(Memory, Memory), Order<'f>>;

/// Reports the orders in which locks are taken that close a circle.
pub(super) fn check(
    context: &ProgramContext<'_>,
    summaries: &Summaries,
    collected: &Collected,
    findings: &mut Vec<Finding>,
) {
    let orders = orders(&collected.lock_order, summaries);
    for circle in circles(&orders) {
        findings.push(finding(context, &circle, &orders));
    }
}

fn orders<'f>(facts: &'f [Fact], summaries: &Summaries) -> Orders<'f> {
    let taken = taken(facts);
    let releasing = releasing(facts, summaries);
    let mut orders = Orders::new();
    for fact in facts {
        let Fact::Edge(edge) = fact else { continue };
        let next: Vec<(&Memory, Option<FuncId>)> = match &edge.next {
            Next::Lock(lock) => vec![(lock, None)],
            Next::Call(func) if releasing.contains(func) => continue,
            Next::Call(func) => {
                taken.get(func).into_iter().flatten().map(|(lock, through)| (lock, Some(*through))).collect()
            }
        };
        for (lock, through) in next {
            if *lock == edge.held || edge.others.contains(lock) {
                continue;
            }
            let known = orders.entry((edge.held.clone(), lock.clone())).or_insert((edge, through));
            // The shortest way is the easiest to follow.
            if known.1.is_some() && through.is_none() {
                *known = (edge, through);
            }
        }
    }
    orders
}

/// Circles of two and of three locks, each from its least lock on. Those of three hold no smaller one.
fn circles<'o>(orders: &'o Orders<'_>) -> Vec<Vec<&'o Memory>> {
    let goes = |from: &Memory, to: &Memory| orders.contains_key(&(from.clone(), to.clone()));
    let mut after: BTreeMap<&Memory, Vec<&Memory>> = BTreeMap::new();
    for (from, to) in orders.keys() {
        after.entry(from).or_default().push(to);
    }
    let mut circles = Vec::new();
    for (first, second) in orders.keys().filter(|(first, second)| first < second) {
        if goes(second, first) {
            circles.push(vec![first, second]);
        }
    }
    for (first, second) in orders.keys().filter(|(first, second)| first < second && !goes(second, first)) {
        for &third in after.get(second).into_iter().flatten() {
            let smaller = goes(third, second) || goes(first, third);
            if first < third && goes(third, first) && !smaller {
                circles.push(vec![first, second, third]);
            }
        }
    }
    circles.retain(|circle| !is_serialised(circle, orders));
    circles
}

/// Each lock of a circle with the one that is taken after it.
fn links<'c, 'o>(circle: &'c [&'o Memory]) -> impl Iterator<Item = (&'o Memory, &'o Memory)> + use<'c, 'o> {
    circle.iter().zip(circle.iter().cycle().skip(1)).map(|(&held, &next)| (held, next))
}

/// Whether another lock is held at all orders of a circle: then they can't meet.
fn is_serialised(circle: &[&Memory], orders: &Orders<'_>) -> bool {
    let mut edges =
        links(circle).filter_map(|(held, next)| Some(orders.get(&(held.clone(), next.clone()))?.0));
    let Some(first) = edges.next() else { return false };
    let rest: Vec<&Edge> = edges.collect();
    first.others.iter().any(|lock| rest.iter().all(|edge| edge.others.contains(lock)))
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
            let Some(class) = held.memory() else { continue };
            let others = others.iter().filter_map(Held::memory).collect();
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
    let func = match &call.target {
        Target::Function(func) => *func,
        Target::Interface(ty, _, candidates) if candidates.len() == 1 && is_own(context, ty) => candidates[0],
        _ => return None,
    };
    // What a function literal does happens when it is called, which is not known.
    let own = context.unit.func.filter(|_| body == BodyId(0));
    match context.models.effect(&call.target) {
        Some(Effect::Lock | Effect::ReadLock) => {
            let class = Memory::of(call.field.as_ref(), &lock_place(call)?)?;
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

/// Whether an interface is one of the analysed packages': of others there may be more types than are seen.
fn is_own(context: &PathContext<'_>, ty: &Type) -> bool {
    let object = ty.named().filter(|object| !object.is_universe());
    object.is_some_and(|object| context.program.package(object.package).role == Role::Root)
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

fn finding(context: &ProgramContext<'_>, circle: &[&Memory], orders: &Orders<'_>) -> Finding {
    let mut sites = Vec::new();
    let mut reasons = Vec::new();
    for (held, next) in links(circle) {
        let Some((edge, through)) = orders.get(&(held.clone(), next.clone())) else { continue };
        let (held, next) = (held.name(context.program), next.name(context.program));
        let (site, reason) = describe(context, edge, *through, &held, &next);
        sites.push(site);
        reasons.push(reason);
    }
    let names: Vec<String> = circle.iter().map(|lock| lock.name(context.program)).collect();
    let there = if names.len() == 2 { "the other way round there" } else { "a circle closes elsewhere" };
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("locks {}", listed(&names)),
        message: format!("{} is locked while {} is held here, and {there}", names[1], names[0]),
        sites,
        reasons,
        remedy: "take the locks in one order everywhere".to_owned(),
        fix: None,
    }
}

/// `a and b`, `a, b and c`
fn listed(names: &[String]) -> String {
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
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
