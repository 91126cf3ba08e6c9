//! The detector against the definition: random programs, and for every access the question whether any earlier one
//! races with it, answered by plain vector clocks and a list of all accesses ever made.

use std::collections::HashMap;

use crate::detect_tests::{World, races, update_atomically};
use crate::goroutine::Goroutine;
use crate::record::{ATOMIC, WRITE};
use crate::{heap, sync_object};

/// A small deterministic generator: the tests need variety, not quality.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

type PlainClock = HashMap<usize, u64>;

fn join(into: &mut PlainClock, from: &PlainClock) {
    for (&who, &when) in from {
        let entry = into.entry(who).or_default();
        *entry = when.max(*entry);
    }
}

#[derive(Clone, Copy)]
struct Event {
    who: usize,
    when: u64,
    start: usize,
    end: usize,
    kind: u64,
}

impl Event {
    fn contains(&self, byte: usize) -> bool {
        (self.start..self.end).contains(&byte)
    }
}

/// The definition.
#[derive(Default)]
struct Model {
    clocks: Vec<PlainClock>,
    syncs: HashMap<usize, PlainClock>,
    events: Vec<Event>,
}

impl Model {
    fn start(&mut self, parent: Option<usize>) -> usize {
        let who = self.clocks.len();
        let mut clock = parent.map_or_else(PlainClock::new, |parent| self.clocks[parent].clone());
        clock.insert(who, 1);
        self.clocks.push(clock);
        if let Some(parent) = parent {
            self.tick(parent);
        }
        who
    }

    fn learn_everything(&mut self, who: usize) {
        for other in 0..self.clocks.len() {
            if other != who {
                let now = self.clocks[other][&other];
                let entry = self.clocks[who].entry(other).or_default();
                *entry = now.max(*entry);
                // What follows is another epoch, so that the model is as strict as can be.
                self.tick(other);
            }
        }
    }

    fn tick(&mut self, who: usize) {
        *self.clocks[who].get_mut(&who).unwrap() += 1;
    }

    /// Whether an earlier access races with this one: on any byte, and on a byte that this goroutine has not accessed
    /// in the same epoch in a way that says as much. The detector must find the latter and may find the former: what
    /// is on record already need not be reported again.
    fn access(&mut self, who: usize, start: usize, end: usize, kind: u64) -> (bool, bool) {
        let clock = &self.clocks[who];
        let now = clock[&who];
        let races_on = |byte: usize| {
            self.events.iter().any(|event| {
                event.contains(byte)
                    && (event.kind | kind) & WRITE != 0
                    && event.kind & kind & ATOMIC == 0
                    && event.who != who
                    && clock.get(&event.who).copied().unwrap_or(0) < event.when
            })
        };
        let is_on_record = |byte: usize| {
            self.events.iter().any(|event| {
                event.contains(byte)
                    && (event.who, event.when) == (who, now)
                    && event.kind & WRITE >= kind & WRITE
                    && event.kind & ATOMIC <= kind & ATOMIC
            })
        };
        let racy: Vec<usize> = (start..end).filter(|&byte| races_on(byte)).collect();
        let must = racy.iter().any(|&byte| !is_on_record(byte));
        self.events.push(Event { who, when: now, start, end, kind });
        (!racy.is_empty(), must)
    }

    fn allocate(&mut self, start: usize, end: usize) {
        let old = std::mem::take(&mut self.events);
        for event in old {
            // What reaches beyond the object stays.
            let (left, right) = (event.end.min(start), event.start.max(end));
            if event.start < left {
                self.events.push(Event { end: left, ..event });
            }
            if right < event.end {
                self.events.push(Event { start: right, ..event });
            }
        }
    }
}

struct Pair {
    world: World,
    model: Model,
    live: Vec<(usize, &'static mut Goroutine)>,
    memory: usize,
    locks: Vec<usize>,
    /// Goroutines also learn everything at times, as finalizers do. What the others do after that in the same epoch
    /// counts as known (see the crate's page), so that nothing is said of missed races.
    finalizers: bool,
}

const BYTES: usize = 96;

impl Pair {
    fn new(finalizers: bool) -> Self {
        let mut world = World::new();
        let memory = world.allocate(BYTES);
        let locks = (0..5).map(|_| world.allocate(8)).collect();
        let mut model = Model::default();
        let first = model.start(None);
        let main = Goroutine::first();
        Self { world, model, live: vec![(first, main)], memory, locks, finalizers }
    }

    fn step(&mut self, numbers: &mut Numbers, most: usize) {
        let index = numbers.below(self.live.len());
        match numbers.below(20) {
            0 if self.live.len() < most => {
                let (who, goroutine) = &mut self.live[index];
                let child = Goroutine::start(goroutine, 0x1000);
                let number = self.model.start(Some(*who));
                self.live.push((number, child));
            }
            1 if self.live.len() > 2 => {
                let (_, goroutine) = self.live.swap_remove(index);
                goroutine.end();
            }
            2..=7 => self.synchronise(numbers, index),
            8 => self.operate(numbers, index),
            10 if self.finalizers && numbers.below(4) == 0 => {
                let (who, goroutine) = &mut self.live[index];
                goroutine.learn_everything();
                self.model.learn_everything(*who);
            }
            9 if numbers.below(6) == 0 => {
                let (start, size) = (8 * numbers.below(BYTES / 8), 8 << numbers.below(3));
                let size = size.min(BYTES - start);
                heap::freed(self.memory + start, size);
                heap::allocated(self.memory + start, size, 0);
                self.model.allocate(start, start + size);
                let freed = self.memory + start..self.memory + start + size;
                self.model.syncs.retain(|address, _| !freed.contains(address));
            }
            _ => self.access(numbers, index),
        }
    }

    fn synchronise(&mut self, numbers: &mut Numbers, index: usize) {
        let lock = self.locks[numbers.below(self.locks.len())];
        let (who, goroutine) = &mut self.live[index];
        let who = *who;
        let old = self.model.syncs.get(&lock).cloned().unwrap_or_default();
        let own = self.model.clocks[who].clone();
        match numbers.below(6) {
            0..=2 => {
                if let Some(object) = sync_object::find(lock) {
                    object.acquire(goroutine);
                }
                join(&mut self.model.clocks[who], &old);
            }
            3 => {
                sync_object::find_or_create(lock).release(goroutine);
                self.model.syncs.insert(lock, own);
                self.model.tick(who);
            }
            4 => {
                sync_object::find_or_create(lock).release_merge(goroutine);
                join(self.model.syncs.entry(lock).or_default(), &own);
                self.model.tick(who);
            }
            _ => {
                sync_object::find_or_create(lock).release_acquire(goroutine);
                self.model.syncs.insert(lock, own);
                join(&mut self.model.clocks[who], &old);
                self.model.tick(who);
            }
        }
    }

    /// A read-modify-write operation on a variable that is accessed in other ways too.
    fn operate(&mut self, numbers: &mut Numbers, index: usize) {
        let at = 8 * numbers.below(BYTES / 16);
        let (address, stored) = (self.memory + at, numbers.below(4) > 0);
        let (who, goroutine) = &mut self.live[index];
        let who = *who;
        let found = !update_atomically(goroutine, address, stored, 0x3000).is_empty();
        let (may, must) = self.model.access(who, at, at + 8, WRITE | ATOMIC);
        let old = self.model.syncs.get(&address).cloned().unwrap_or_default();
        join(&mut self.model.clocks[who], &old);
        if stored {
            let own = self.model.clocks[who].clone();
            self.model.syncs.insert(address, own);
            self.model.tick(who);
        }
        assert!(!found || may, "false report: goroutine {who} operates on {at}");
        assert!(found || !must || self.finalizers, "missed: goroutine {who} operates on {at}");
    }

    fn access(&mut self, numbers: &mut Numbers, index: usize) {
        let kind = [0, 0, WRITE, WRITE | ATOMIC, ATOMIC][numbers.below(5)];
        let (start, size) = match numbers.below(4) {
            0 => (numbers.below(BYTES), 1),
            1 => (4 * numbers.below(BYTES / 4), 1),
            2 => (8 * numbers.below(BYTES / 8), 8),
            _ => {
                let start = numbers.below(BYTES);
                (start, 1 + numbers.below(BYTES - start))
            }
        };
        let site = 0x2000 + numbers.below(4) as u64;
        let (who, goroutine) = &mut self.live[index];
        let found = !races(goroutine, self.memory + start, size, kind, site).is_empty();
        let (may, must) = self.model.access(*who, start, start + size, kind);
        let what = format!("goroutine {who} accesses {start}..{} as {kind:#x}", start + size);
        assert!(!found || may, "false report: {what}");
        assert!(found || !must || self.finalizers, "missed: {what}");
    }
}

fn agree(seeds: std::ops::Range<u64>, most: usize, steps: usize, finalizers: bool) {
    for seed in seeds {
        let mut numbers = Numbers(seed);
        let mut pair = Pair::new(finalizers);
        for step in 0..steps {
            let result =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pair.step(&mut numbers, most)));
            assert!(result.is_ok(), "seed {seed}, step {step}, at most {most} goroutines");
        }
        drop(pair.world);
    }
}

#[test]
fn few_goroutines_agree_with_the_definition() {
    agree(0..400, 4, 400, false);
}

#[test]
fn a_dozen_goroutines_agree_with_the_definition() {
    agree(1000..1150, 12, 600, false);
}

#[test]
fn hundreds_of_goroutines_agree_with_the_definition() {
    agree(5000..5008, 300, 4000, false);
}

#[test]
fn finalizers_cause_no_false_reports() {
    agree(7000..7200, 6, 500, true);
    agree(8000..8004, 200, 4000, true);
}
