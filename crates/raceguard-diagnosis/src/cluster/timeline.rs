//! What happened when to a cluster.

use super::Event;
use crate::evidence::Evidence;
use crate::observation::{Observation, ObservationKind};

/// The events that the members' records have a time for, oldest first.
pub(super) fn timeline(members: &[&Observation], evidence: &Evidence) -> Vec<Event> {
    let mut events = Vec::new();
    for member in members {
        for sighting in member.sightings.iter().filter(|sighting| sighting.time_unix_ns > 0) {
            let times = match (member.kind, sighting.occurrences) {
                (ObservationKind::Static, _) | (_, 0 | 1) => String::new(),
                (_, times) => format!(", {times} times in this run"),
            };
            events.push(Event {
                time_unix_ns: sighting.time_unix_ns,
                kind: kind(member.kind).to_owned(),
                text: format!("{}{times}", member.headline),
                run: evidence.runs[sighting.run].name.clone(),
            });
        }
    }
    events.sort();
    events.dedup();
    events
}

fn kind(kind: ObservationKind) -> &'static str {
    match kind {
        ObservationKind::Race => "race",
        ObservationKind::Crash => "crash",
        ObservationKind::Static => "static",
    }
}
