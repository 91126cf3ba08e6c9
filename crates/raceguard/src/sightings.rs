//! Which tests ran when the runtime printed its report of a race.
//!
//! The report stands in the output among the lines that say which test starts and ends, in the order in which
//! it all happened. That is exact, where comparing times of two processes is not.

use std::collections::{BTreeMap, HashMap};

use raceguard_evidence::Race;
use raceguard_gotool::events::TestEvent;

use crate::race_text::AddressScanner;
use crate::timeline::Timeline;

/// The reports of races in the output of tests.
#[derive(Debug, Default)]
pub struct Sightings {
    scanners: BTreeMap<String, AddressScanner>,
    found: HashMap<u64, Vec<Sighting>>,
}

/// One report of a race.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The package in whose output it stood.
    pub package: String,
    /// The innermost tests of the package that ran.
    pub tests: Vec<String>,
}

impl Sightings {
    /// Takes the next event, when `timeline` has taken it.
    pub fn note(&mut self, event: &TestEvent, timeline: &Timeline) {
        let (Some(package), Some(output)) = (&event.package, &event.output) else { return };
        let scanner = self.scanners.entry(package.clone()).or_default();
        for address in output.lines().filter_map(|line| scanner.line(line)) {
            let tests = timeline.tests_now(package).into_iter().map(str::to_owned).collect();
            self.found.entry(address).or_default().push(Sighting { package: package.clone(), tests });
        }
    }

    /// The sighting of a race: the `nth` (from 0) that its process reported at its address, in `package` when
    /// that is known.
    pub fn of(&self, race: &Race, nth: usize, package: Option<&str>) -> Option<&Sighting> {
        let at_address = self.found.get(&address(race)?)?;
        let mut in_package =
            at_address.iter().filter(|sighting| package.is_none_or(|package| sighting.package == package));
        in_package.nth(nth)
    }
}

/// The address of a race as a number.
pub fn address(race: &Race) -> Option<u64> {
    u64::from_str_radix(race.address.strip_prefix("0x")?, 16).ok()
}
