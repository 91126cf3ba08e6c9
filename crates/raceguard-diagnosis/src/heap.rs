//! Maps in heap profiles: those made over and over for a moment, those that only grow, and those that finished work
//! keeps.

use std::collections::BTreeMap;

use raceguard_evidence::{Frame, ModulePaths, Origin, Profile, ProfileKind, Record};
use serde::Serialize;

use crate::evidence::Evidence;
use crate::naming::{is_inside, is_package_level};
use crate::operand::{allocates_for_a_map, filled_map};
use crate::source_text::SourceText;

/// Something that a heap profile shows about the maps of one place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeapFinding {
    /// What it is.
    pub kind: HeapKind,
    /// The function that makes the map, or puts entries into it.
    pub function: String,
    /// Relative to the module where it lies inside.
    pub file: String,
    /// From 1; 0 when unknown.
    pub line: u32,
    /// Bytes allocated there since the start of the program.
    pub allocated_bytes: u64,
    /// Objects allocated there since the start.
    pub allocated_objects: u64,
    /// Bytes of those that are alive.
    pub live_bytes: u64,
    /// Objects of those that are alive.
    pub live_objects: u64,
    /// Live bytes in each profile of the program, oldest first.
    pub history: Vec<u64>,
    /// What it rests on, without a full stop.
    pub reason: String,
    /// What to do, without a full stop.
    pub advice: String,
}

/// What a heap profile shows about a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeapKind {
    /// Made at a high rate and dropped at once.
    ShortLived,
    /// Bigger in each profile than in the one before.
    OnlyGrows,
    /// Made for a piece of work, and still there when that ended.
    KeptByFinishedWork,
}

/// Below these nothing is reported.
const MIN_ALLOCATED_BYTES: u64 = 16 << 20;
const MIN_LIVE_BYTES: u64 = 1 << 20;
/// Of all that is allocated, the share from which a place is worth a word.
const MIN_SHARE: f64 = 0.02;
/// At most this share of what was allocated is alive where maps are short-lived.
const SHORT_LIVED: f64 = 0.02;
/// Profiles needed to say that something only grows.
const MIN_HISTORY: usize = 3;

/// What the heap profiles show, most bytes first.
pub(crate) fn heap(evidence: &Evidence, paths: &ModulePaths, sources: &SourceText<'_>) -> Vec<HeapFinding> {
    let mut profiles: Vec<&Profile> = evidence
        .runs
        .iter()
        .flat_map(|run| &run.evidence.foreign)
        .filter_map(|record| match record {
            Record::Profile(profile)
                if matches!(profile.profile, ProfileKind::Heap | ProfileKind::Allocs) =>
            {
                Some(&**profile)
            }
            _ => None,
        })
        .collect();
    profiles.sort_by_key(|profile| profile.time_unix_ns);
    let Some(newest) = profiles.last() else { return Vec::new() };
    let history: Vec<BTreeMap<Place, Sums>> =
        profiles.iter().map(|profile| places(profile, paths, sources)).collect();
    let total = totals(newest);
    let last = history.last().cloned().unwrap_or_default();
    let findings = last.into_iter().filter_map(|(place, sums)| {
        let live =
            history.iter().map(|places| places.get(&place).map_or(0, |sums| sums.live_bytes)).collect();
        judge(place, &sums, live, &total)
    });
    let mut findings: Vec<HeapFinding> = findings.collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.allocated_bytes.max(finding.live_bytes)));
    findings
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    function: String,
    file: String,
    line: u32,
    /// Whether a goroutine that serves one request, or one task, makes a map of its own here.
    of_work: bool,
}

#[derive(Debug, Clone, Default)]
struct Sums {
    allocated_bytes: u64,
    allocated_objects: u64,
    live_bytes: u64,
    live_objects: u64,
}

fn value(profile: &Profile, sample: &raceguard_evidence::Sample, name: &str) -> u64 {
    let value = profile.value_index(name).and_then(|index| sample.values.get(index).copied());
    value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0)
}

fn sums_of(profile: &Profile, sample: &raceguard_evidence::Sample) -> Sums {
    Sums {
        allocated_bytes: value(profile, sample, "alloc_space"),
        allocated_objects: value(profile, sample, "alloc_objects"),
        live_bytes: value(profile, sample, "inuse_space"),
        live_objects: value(profile, sample, "inuse_objects"),
    }
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.allocated_bytes += other.allocated_bytes;
        self.allocated_objects += other.allocated_objects;
        self.live_bytes += other.live_bytes;
        self.live_objects += other.live_objects;
    }
}

fn totals(profile: &Profile) -> Sums {
    let mut total = Sums::default();
    for sample in &profile.samples {
        total.add(&sums_of(profile, sample));
    }
    total
}

/// What maps allocated, by the user's statement that made them.
fn places(profile: &Profile, paths: &ModulePaths, sources: &SourceText<'_>) -> BTreeMap<Place, Sums> {
    let mut places: BTreeMap<Place, Sums> = BTreeMap::new();
    for sample in &profile.samples {
        let stack: Vec<&Frame> = profile.stack(sample).collect();
        if !is_map_allocation(&stack) && !is_at_a_map(&stack, sources) {
            continue;
        }
        let outside = |frame: &&&Frame| !frame.is_runtime_internal();
        let own = stack.iter().filter(outside).find(|frame| paths.origin(frame) == Origin::User);
        let Some(frame) = own.or_else(|| stack.iter().find(outside)) else { continue };
        let place = Place {
            function: frame.function.clone(),
            file: paths.relative(&frame.file).to_owned(),
            line: frame.line,
            of_work: is_of_work(&stack) && !fills_a_shared_map(&stack, sources),
        };
        places.entry(place).or_default().add(&sums_of(profile, sample));
    }
    places
}

/// Whether the innermost function outside the runtime makes or fills a map. A heap profile of Go starts at that
/// function: what the map implementation allocates for it is told by the source line alone.
fn is_at_a_map(stack: &[&Frame], sources: &SourceText<'_>) -> bool {
    let Some(frame) = stack.iter().find(|frame| !frame.is_runtime_internal()) else { return false };
    if frame.function.starts_with("maps.") {
        return true;
    }
    let Some(lines) = sources.lines(&frame.file) else { return false };
    let line = (frame.line as usize).checked_sub(1).and_then(|at| lines.get(at));
    line.is_some_and(|line| is_inside(&frame.function, &lines, frame.line) && allocates_for_a_map(line))
}

/// Whether the line puts entries into a map that is not the function's own: a field, or a package-level variable.
fn fills_a_shared_map(stack: &[&Frame], sources: &SourceText<'_>) -> bool {
    let Some(frame) = stack.iter().find(|frame| !frame.is_runtime_internal()) else { return false };
    let Some(lines) = sources.lines(&frame.file) else { return false };
    let line = (frame.line as usize).checked_sub(1).and_then(|at| lines.get(at));
    let filled = line.and_then(|line| filled_map(line));
    filled.is_some_and(|map| map.contains('.') || is_package_level(&map, &lines))
}

/// Whether the map implementation allocates, by the frames of profiles that keep those of the runtime.
fn is_map_allocation(stack: &[&Frame]) -> bool {
    let internal = stack.iter().take_while(|frame| frame.is_runtime_internal());
    internal.into_iter().any(|frame| {
        let name = frame.function.as_str();
        name.starts_with("internal/runtime/maps.")
            || [
                "runtime.makemap",
                "runtime.mapassign",
                "runtime.hashGrow",
                "runtime.newmap",
                "runtime.mapclone",
                "runtime.(*hmap)",
            ]
            .iter()
            .any(|start| name.starts_with(start))
    })
}

/// Requests and tasks: what a server or a worker runs again and again.
fn is_of_work(stack: &[&Frame]) -> bool {
    stack.iter().any(|frame| {
        let name = frame.function.as_str();
        name.starts_with("net/http.(*conn).serve")
            || name.starts_with("google.golang.org/grpc.(*Server).")
            || name.ends_with(".ServeHTTP")
            || name.starts_with("net/rpc.(*service).call")
    })
}

#[expect(clippy::cast_precision_loss, reason = "shares need no more than 53 bits")]
fn judge(place: Place, sums: &Sums, history: Vec<u64>, total: &Sums) -> Option<HeapFinding> {
    let alive = sums.live_bytes as f64 / (sums.allocated_bytes.max(1)) as f64;
    let share = sums.allocated_bytes as f64 / (total.allocated_bytes.max(1)) as f64;
    let live_share = sums.live_bytes as f64 / (total.live_bytes.max(1)) as f64;
    let grows = history.len() >= MIN_HISTORY && history.windows(2).all(|pair| pair[0] < pair[1]);
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let (kind, reason, advice) = if place.of_work
        && sums.live_bytes >= MIN_LIVE_BYTES
        && live_share >= MIN_SHARE
        && alive >= 0.5
    {
        (
            HeapKind::KeptByFinishedWork,
            format!("{} of what requests allocated here is still alive", percent(alive)),
            "look for what keeps it: a map of sessions, a closure, a goroutine that never ends; drop it when the \
             request ends"
                .to_owned(),
        )
    } else if grows && sums.live_bytes >= MIN_LIVE_BYTES {
        (
            HeapKind::OnlyGrows,
            format!("live bytes rose in each of {} profiles", history.len()),
            "delete entries that are done with, bound the map (an LRU cache, a time to live), or make a new one now \
             and then: a map of Go never shrinks"
                .to_owned(),
        )
    } else if sums.allocated_bytes >= MIN_ALLOCATED_BYTES && alive <= SHORT_LIVED && share >= MIN_SHARE {
        (
            HeapKind::ShortLived,
            format!("{} of all bytes allocated are maps made here, and {} of them are alive", percent(share), percent(alive)),
            "reuse one (clear it, or take it from a sync.Pool), give make its size, or use a slice for few keys"
                .to_owned(),
        )
    } else {
        return None;
    };
    Some(HeapFinding {
        kind,
        function: place.function,
        file: place.file,
        line: place.line,
        allocated_bytes: sums.allocated_bytes,
        allocated_objects: sums.allocated_objects,
        live_bytes: sums.live_bytes,
        live_objects: sums.live_objects,
        history,
        reason,
        advice,
    })
}
