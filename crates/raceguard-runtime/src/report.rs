//! From two records to a report: who, where, on what; once for each pair of statements.
//!
//! - [`symbols`]: names of program counters, asked of Go
//! - [`map_operation`]: the user's statement instead of the map implementation's
//! - [`text`]: ThreadSanitizer's text
//! - [`json`]: the evidence
//! - [`sink`]: where both go
//! - [`suppression`]: what is not to be reported

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::detect::Earlier;
use crate::lock::SpinLock;
use crate::record::Record;
use crate::shadow;
use crate::slots::Identity;
use crate::{budget, options, slots, sys};
use symbols::Frame;

pub mod json;
mod map_operation;
pub mod sink;
pub mod suppression;
pub mod symbols;
mod text;

/// The access that was being made when the race was found.
pub struct Later {
    /// What it is.
    pub record: Record,
    /// Its calling context.
    pub context: u32,
    /// Its size in bytes.
    pub size: usize,
}

/// One of the two accesses, ready to be shown.
struct Access {
    address: usize,
    size: usize,
    is_write: bool,
    is_atomic: bool,
    map_operation: Option<&'static str>,
    goroutine: Option<u32>,
    finished: bool,
    /// Innermost frame first, beginning within the map operation if it is one, as stock Go has it.
    frames: Vec<Frame>,
    /// How many of the frames belong to the map operation.
    inside_map: usize,
    /// The stack of the `go` statement, then the ones of the ancestors.
    creation: Vec<Vec<Frame>>,
}

impl Access {
    /// The stack from the user's statement on.
    fn stack(&self) -> &[Frame] {
        &self.frames[self.inside_map..]
    }
}

/// What the address belongs to.
struct Object {
    is_heap: bool,
    start: usize,
    size: usize,
    allocation: Vec<Frame>,
}

struct Report {
    id: String,
    /// The later access, then the earlier one.
    accesses: [Access; 2],
    object: Option<Object>,
    notes: Vec<&'static str>,
}

struct Known {
    /// Reported pairs of stacks: their id, and the interval in which they were last seen.
    pairs: BTreeMap<u64, (u32, u32)>,
}

static KNOWN: SpinLock<Known> = SpinLock::new(Known { pairs: BTreeMap::new() });
static FOUND: AtomicU32 = AtomicU32::new(0);
/// Counts how often Go asked for the number of races: `testing` does before and after each test.
static INTERVAL: AtomicU32 = AtomicU32::new(0);
/// Pairs of contexts that were dealt with in this interval.
static RECENT: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];

/// How many races have been reported.
pub fn count() -> u32 {
    FOUND.load(Ordering::Relaxed)
}

/// A test begins or ends: races that were seen before are worth a record again.
pub fn next_interval() {
    INTERVAL.fetch_add(1, Ordering::Relaxed);
}

/// Reports a race, or counts it if its pair of statements has been reported.
#[cold]
pub fn race(later: &Later, earlier: &Earlier) {
    let interval = INTERVAL.load(Ordering::Relaxed);
    let contexts = pair_key(u64::from(later.context), u64::from(earlier.context));
    let recent_key = contexts ^ u64::from(interval).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let recent = &RECENT[(recent_key >> 54) as usize];
    if recent.load(Ordering::Relaxed) == recent_key {
        return;
    }
    recent.store(recent_key, Ordering::Relaxed);
    let accesses = [later_access(later, earlier.address), earlier_access(earlier)];
    let suppressions = &options::get().suppressions;
    if accesses.iter().any(|access| suppression::applies(suppressions, &access.frames)) {
        return;
    }
    let mut known = KNOWN.lock();
    let key = pair_key(statement_key(&accesses[0]), statement_key(&accesses[1]));
    if let Some((id, seen)) = known.pairs.get_mut(&key) {
        if *seen != interval {
            *seen = interval;
            sink::evidence(&repeat(*id));
        }
        return;
    }
    let number = FOUND.fetch_add(1, Ordering::Relaxed) + 1;
    known.pairs.insert(key, (number, interval));
    let report = Report {
        id: report_id(number),
        object: object(earlier.address),
        accesses,
        notes: budget::notes().collect(),
    };
    let options = options::get();
    let strip = core::str::from_utf8(&options.strip_path_prefix).unwrap_or("");
    sink::evidence(&json::race(&report));
    sink::text(&text::render(&report, strip));
    if options.halt_on_error {
        sys::exit_process(options.exit_code);
    }
}

fn report_id(number: u32) -> String {
    format!("{}-{number}", sys::process_id())
}

fn repeat(number: u32) -> String {
    let mut line = json::Line::new("repeat");
    line.string("race", &report_id(number));
    line.finish()
}

fn pair_key(a: u64, b: u64) -> u64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    (low.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ high).wrapping_mul(0xff51_afd7_ed55_8ccd).max(1)
}

/// Statements are the same when all their frames are at the same lines, whatever the operation inside a map.
fn statement_key(access: &Access) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64 ^ u64::from(access.is_write);
    let mut mix = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    for frame in access.stack() {
        frame.function.bytes().for_each(&mut mix);
        frame.line.to_le_bytes().into_iter().for_each(&mut mix);
    }
    hash
}

fn later_access(later: &Later, address: usize) -> Access {
    let mut access = access(later.record, later.context, address);
    access.finished = false;
    access.size = later.size;
    access
}

fn earlier_access(earlier: &Earlier) -> Access {
    access(earlier.record, earlier.context, earlier.address)
}

fn access(record: Record, context: u32, address: usize) -> Access {
    let frames = symbols::stack(context);
    let (map_operation, inside_map) =
        map_operation::of(&frames).map_or((None, 0), |(operation, inside)| (Some(operation), inside));
    let (owner, finished) = slots::owner(record.slot(), record.clock());
    let first_byte = record.mask().trailing_zeros() as usize;
    Access {
        address: address + first_byte.min(7),
        size: record.mask().count_ones() as usize,
        is_write: record.is_write(),
        is_atomic: record.is_atomic(),
        map_operation,
        goroutine: owner.map(|owner| owner.number).filter(|&number| number != Identity::FORGOTTEN),
        finished,
        frames,
        inside_map,
        creation: owner.map_or_else(Vec::new, |owner| symbols::creation(owner.spawn)),
    }
}

fn object(address: usize) -> Option<Object> {
    if !shadow::is_heap(address) {
        return shadow::has_shadow(address).then(|| Object {
            is_heap: false,
            start: address,
            size: 0,
            allocation: Vec::new(),
        });
    }
    let (start, size) = symbols::heap_object(address)?;
    let context = shadow::allocation(start, address);
    let allocation = if context == 0 { Vec::new() } else { symbols::stack(context) };
    Some(Object { is_heap: true, start, size, allocation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_no_order() {
        assert_eq!(pair_key(3, 9), pair_key(9, 3));
        assert_ne!(pair_key(3, 9), pair_key(3, 10));
    }
}
