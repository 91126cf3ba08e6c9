//! Makes records of what was found.

use super::{Found, What};
use crate::findings::TestName;
use crate::foreign::{ForeignError, Sink};
use crate::race::Race;
use crate::record::Extra;
use crate::run::{Attribution, AttributionBy};

/// Numbers the races of one file and hands records on.
#[derive(Debug, Default)]
pub(crate) struct Emitter {
    races: u64,
}

impl Emitter {
    /// Goes on behind as many races.
    pub(crate) fn behind(races: u64) -> Self {
        Self { races }
    }

    /// Races so far.
    pub(crate) fn races(&self) -> u64 {
        self.races
    }

    /// Hands on all that was found; `test` says what test printed it, by the tag of its first line.
    pub(crate) fn emit_all(
        &mut self,
        found: &mut Vec<Found>,
        test: impl Fn(usize) -> Option<TestName>,
        sink: &mut dyn Sink,
    ) -> Result<(), ForeignError> {
        for Found { what, place } in found.drain(..) {
            let test = test(place.tag);
            match what {
                What::Race(race) => self.race(*race, test, sink)?,
                What::Crash(mut crash) => {
                    if let Some(test) = test {
                        (crash.package, crash.test) = (Some(test.package), test.test);
                    }
                    sink.record((*crash).into())?;
                }
                What::Dump(dump) => sink.record((*dump).into())?,
                What::Skipped(what) => sink.skip(what, place.line),
            }
        }
        Ok(())
    }

    fn race(
        &mut self,
        mut race: Race,
        test: Option<TestName>,
        sink: &mut dyn Sink,
    ) -> Result<(), ForeignError> {
        self.races += 1;
        race.id = format!("{}-{}", sink.source().id, self.races);
        let attribution = test.map(|test| attribution(&race, test));
        sink.record(race.into())?;
        attribution.map_or(Ok(()), |attribution| sink.record(attribution.into()))
    }
}

fn attribution(race: &Race, test: TestName) -> Attribution {
    let stacks = race.accesses.iter().map(|access| &access.stack);
    let stacks = stacks.chain(race.goroutines.iter().map(|goroutine| &goroutine.created_at));
    let top_level = test.test.as_deref().and_then(|name| name.split('/').next());
    let is_in_stack = top_level.is_some_and(|name| {
        let mut frames = stacks.flatten().filter(|frame| frame.is_test_entry());
        frames.any(|frame| frame.name().local().split('.').any(|part| part == name))
    });
    Attribution {
        race: race.id.clone(),
        package: test.package,
        tests: test.test.into_iter().collect(),
        by: if is_in_stack { AttributionBy::Stack } else { AttributionBy::Time },
        extra: Extra::new(),
    }
}
