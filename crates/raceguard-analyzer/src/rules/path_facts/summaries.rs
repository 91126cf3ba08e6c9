//! What functions do to the locks of those who call them.

use foldhash::{HashMap, HashSet};
use rayon::prelude::*;

use super::always::{self, Blocking};
use super::arguments::{Argument, note_arguments};
use super::calls::resolve;
use super::{Walked, What, is_lock_effect, is_stable, lock_place};
use crate::analysis::models::Effect;
use crate::ir::function::{BodyId, Call, CallMode, FieldKey, Target, Unit, for_each_call};
use crate::ir::place::{Place, Root, Step};
use crate::rules::ProgramContext;
use crate::syntax::span::Span;
use crate::types::FuncId;

/// A place as callers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rules) enum Relative {
    /// Reached from the parameter with this number, the receiver being the first.
    Parameter(usize, Vec<Step>),
    /// Reached from a package-level variable.
    Global(Place),
}

/// A lock that a function always takes before it does anything else with it.
#[derive(Debug, Clone)]
pub(in crate::rules) struct Taken {
    /// Which.
    pub(in crate::rules) lock: Relative,
    /// Whether it excludes readers too.
    pub(in crate::rules) exclusive: bool,
    /// The function that does.
    pub(in crate::rules) by: FuncId,
    /// Where.
    pub(in crate::rules) at: Span,
}

/// What a function does to locks and arguments of those who call it.
#[derive(Debug, Default)]
pub(in crate::rules) struct Summary {
    /// Locks that it leaves locked on every way out.
    pub(in crate::rules) acquires: Vec<(Relative, bool, Option<FieldKey>)>,
    /// Locks that it may release although it did not take them.
    pub(in crate::rules) may_release: Vec<Relative>,
    /// Locks that it takes on every way through, before it releases them.
    pub(in crate::rules) always_takes: Vec<Taken>,
    /// The call with which it blocks on every way through.
    pub(in crate::rules) blocks: Option<Blocking>,
    /// What becomes of its arguments.
    pub(in crate::rules) arguments: Vec<Argument>,
}

/// The summaries of all functions that do something of this.
#[derive(Debug, Default)]
pub(in crate::rules) struct Summaries {
    by_func: HashMap<FuncId, Summary>,
    analysed: HashSet<FuncId>,
}

impl Summaries {
    /// Walks all functions that use locks.
    pub(in crate::rules) fn new(context: &ProgramContext<'_>) -> Self {
        let units = &context.units.units;
        let none = Self::default();
        let made: Vec<(FuncId, Summary)> = units
            .par_iter()
            .filter(|unit| uses_locks(context, unit))
            .filter_map(|unit| {
                let walked =
                    Walked { program: context.program, models: context.models, summaries: &none, unit };
                Some((unit.func?, summarise(walked)))
            })
            .collect();
        let analysed = units.iter().filter_map(|unit| unit.func).collect();
        let mut summaries = Self { by_func: made.into_iter().collect(), analysed };
        summaries.add_helpers_of_helpers(context);
        always::spread(context, &mut summaries.by_func);
        note_arguments(context, &mut summaries.by_func);
        summaries
    }

    /// Walks those functions again that call one which leaves a lock locked, or releases its caller's.
    fn add_helpers_of_helpers(&mut self, context: &ProgramContext<'_>) {
        let helps = |call: &Call| match &call.target {
            Target::Function(func) => self
                .by_func
                .get(func)
                .is_some_and(|summary| !summary.acquires.is_empty() || !summary.may_release.is_empty()),
            _ => false,
        };
        let made: Vec<(FuncId, Summary)> = context
            .units
            .units
            .par_iter()
            .filter(|unit| {
                let mut found = false;
                let body = unit.bodies.first();
                for_each_call(body.map_or(&[][..], |body| &body.block), &mut |call| found |= helps(call));
                found
            })
            .filter_map(|unit| {
                let walked =
                    Walked { program: context.program, models: context.models, summaries: self, unit };
                Some((unit.func?, summarise(walked)))
            })
            .collect();
        self.by_func.extend(made);
    }

    /// What a function does, if it does something to locks.
    pub(in crate::rules) fn get(&self, func: FuncId) -> Option<&Summary> {
        self.by_func.get(&func)
    }

    /// Whether the body of a function is among the analysed ones.
    pub(in crate::rules) fn is_analysed(&self, func: FuncId) -> bool {
        self.analysed.contains(&func)
    }
}

fn uses_locks(context: &ProgramContext<'_>, unit: &Unit) -> bool {
    let mut found = false;
    for body in &unit.bodies {
        for_each_call(&body.block, &mut |call| {
            found |= context.models.effect(&call.target).is_some_and(is_lock_effect);
        });
    }
    found
}

fn summarise(walked: Walked<'_>) -> Summary {
    let trace = super::walk::trace(walked, BodyId(0));
    let mut summary = Summary::default();
    let mut touched: Vec<Place> = Vec::new();
    for step in &trace.steps {
        let What::Call(call) = step.what else { continue };
        let Some(effect) = walked.models.effect(&call.target).filter(|_| call.mode != CallMode::Go) else {
            summary.may_release.extend(released_by(walked, step, call));
            continue;
        };
        if !is_lock_effect(effect) || matches!(call.target, Target::Missing(..)) {
            continue;
        }
        let Some(place) = lock_place(call) else { continue };
        let first = !touched.contains(&place);
        let Some(lock) = relative(walked.unit, &place) else { continue };
        match effect {
            Effect::Unlock | Effect::ReadUnlock if step.facts.lock(&place).is_none() => {
                summary.may_release.push(lock);
            }
            Effect::Lock | Effect::ReadLock if call.mode == CallMode::Defer => {}
            Effect::Lock | Effect::ReadLock if first && step.nesting == 0 && !trace.irregular => {
                let exclusive = effect == Effect::Lock;
                let by = walked.unit.func;
                summary.always_takes.extend(by.map(|by| Taken { lock, exclusive, by, at: call.span }));
            }
            _ => {}
        }
        touched.push(place);
    }
    release_in_literals(walked, &mut summary);
    if let Some((first, rest)) = trace.exits.split_first()
        && !trace.irregular
    {
        for held in &first.held {
            let everywhere = rest.iter().all(|exit| exit.held.iter().any(|other| other.place == held.place));
            if let (true, Some(lock)) = (everywhere, relative(walked.unit, &held.place)) {
                summary.acquires.push((lock, held.exclusive, held.field.clone()));
            }
        }
    }
    prune(&trace, &mut summary);
    summary
}

/// A lock is taken on every way only if no way out comes before it.
fn prune(trace: &super::Trace<'_>, summary: &mut Summary) {
    let first_exit = trace.exits.iter().map(|exit| exit.span.start).min().unwrap_or(u32::MAX);
    summary.always_takes.retain(|taken| taken.at.start < first_exit);
}

/// Function literals that release a lock may be called by whoever gets them.
fn release_in_literals(walked: Walked<'_>, summary: &mut Summary) {
    for body in walked.unit.bodies.iter().skip(1) {
        for_each_call(&body.block, &mut |call| {
            let releases =
                matches!(walked.models.effect(&call.target), Some(Effect::Unlock | Effect::ReadUnlock));
            if let (true, Some(place)) = (releases, lock_place(call))
                && let Some(lock) = relative(walked.unit, &place)
                && !summary.may_release.contains(&lock)
            {
                summary.may_release.push(lock);
            }
        });
    }
}

/// Locks of the caller that a helper of a helper releases.
fn released_by(walked: Walked<'_>, step: &super::Step<'_>, call: &Call) -> Vec<Relative> {
    let Target::Function(func) = call.target else { return Vec::new() };
    let summary = walked.summaries.get(func).filter(|_| call.mode != CallMode::Go);
    let released = summary.into_iter().flat_map(|summary| &summary.may_release);
    released
        .filter_map(|lock| resolve(call, lock))
        .filter(|place| step.facts.lock(place).is_none())
        .filter_map(|place| relative(walked.unit, &place))
        .collect()
}

/// A place as callers see it, if they can name it.
pub(super) fn relative(unit: &Unit, place: &Place) -> Option<Relative> {
    if !is_stable(unit, place) {
        return None;
    }
    match place.root {
        Root::Global(_) => Some(Relative::Global(place.clone())),
        Root::Var(var) => {
            let number = unit.body(BodyId(0)).params.iter().position(|&param| param == var)?;
            Some(Relative::Parameter(number, place.steps.clone()))
        }
        _ => None,
    }
}
