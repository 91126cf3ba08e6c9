//! The rules that look at what holds on every way through a function.

use rayon::prelude::*;

use super::collected::Collected;
use super::path_facts::summaries::Summaries;
use super::path_facts::{Trace, Walked, What, lock_place};
use super::wording::Wording;
use super::{PATH_CHECKS, PATH_COLLECTORS, PATH_PROGRAM_CHECKS, ProgramContext};
use crate::analysis::models::{Effect, Models};
use crate::finding::Finding;
use crate::ir::function::{Call, Unit, for_each_call};
use crate::ir::place::{Place, Value};
use crate::types::Program;

/// A function, and what holds on every way through it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathContext<'a> {
    /// Packages, names and types.
    pub(super) program: &'a Program,
    /// What library functions do.
    pub(super) models: &'a Models,
    /// What functions do to the locks of those who call them.
    pub(super) summaries: &'a Summaries,
    /// The function.
    pub(super) unit: &'a Unit,
    /// Its index among the units.
    pub(super) index: usize,
    /// Its bodies, walked through.
    pub(super) traces: &'a [Trace<'a>],
}

impl<'a> PathContext<'a> {
    /// What findings say of the function.
    pub(super) const fn wording(&self) -> Wording<'a> {
        Wording { program: self.program, unit: self.unit }
    }

    /// Whether a call releases a lock.
    pub(super) fn releases(&self, call: &Call) -> bool {
        matches!(self.models.effect(&call.target), Some(Effect::Unlock | Effect::ReadUnlock))
    }

    /// Whether a function literal of the function releases a lock: a goroutine may, or whoever gets the literal.
    pub(super) fn is_released_in_literal(&self, place: &Place) -> bool {
        let mut released = false;
        for body in self.unit.bodies.iter().skip(1) {
            for_each_call(&body.block, &mut |call| {
                released |= self.releases(call) && lock_place(call).as_ref() == Some(place);
            });
        }
        released
    }

    /// Whether something else may release a lock: a function literal, or whoever is given `mu.Unlock` or the mutex.
    pub(super) fn is_handed_on(&self, place: &Place) -> bool {
        let gives = |value: &Value| match value {
            Value::Method(_, receiver) => {
                receiver.identity().is_some_and(|known| known == place || place.strip(known).is_some())
            }
            Value::Address(known) => known == place,
            _ => false,
        };
        self.is_released_in_literal(place)
            || self.traces.iter().flat_map(|trace| &trace.steps).any(|step| match step.what {
                What::Return(values, _) => values.iter().any(gives),
                What::Call(call) => call.args.iter().any(gives),
                What::Assign(assign) => gives(&assign.value),
                _ => false,
            })
    }
}

/// Walks all functions, and runs the rules that need it.
pub(super) fn check(context: &ProgramContext<'_>, findings: &mut Vec<Finding>) {
    let summaries = Summaries::new(context);
    let found: Vec<(Vec<Finding>, Collected)> = context
        .units
        .units
        .par_iter()
        .enumerate()
        .map(|(index, unit)| {
            let mut found = Vec::new();
            let mut collected = Collected::default();
            with_traces(context, &summaries, (index, unit), |paths| {
                for check in PATH_CHECKS {
                    check(paths, &mut found);
                }
                for collect in PATH_COLLECTORS {
                    collect(paths, &mut collected);
                }
            });
            (found, collected)
        })
        .collect();
    let mut collected = Collected::default();
    for (found, noted) in found {
        findings.extend(found);
        collected.append(noted);
    }
    for check in PATH_PROGRAM_CHECKS {
        check(context, &summaries, &collected, findings);
    }
}

fn with_traces(
    context: &ProgramContext<'_>,
    summaries: &Summaries,
    (index, unit): (usize, &Unit),
    look: impl FnOnce(&PathContext<'_>),
) {
    let walked = Walked { program: context.program, models: context.models, summaries, unit };
    let traces = walked.traces();
    let Walked { program, models, summaries, unit } = walked;
    look(&PathContext { program, models, summaries, unit, index, traces: &traces });
}
