//! The events of all threads of a generation, merged into one order.
//!
//! Of each thread the next event is known. The earliest of them by its clock is tried first; when it can't have
//! happened yet, the others in the order of their clocks.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};

use foldhash::fast::RandomState;

use super::generation::Generation;
use super::order::{Broken, Order};
use super::summary::{Observer, Summary};
use super::wire::Event;

/// How often events may be tried in vain, beyond [`TRIES_PER_EVENT`] of each event. Real traces need a handful; the
/// bound keeps a made-up one from taking forever.
const SPARE_TRIES: u64 = 1_000_000;
const TRIES_PER_EVENT: u64 = 64;

/// Plays the events of a generation.
pub(super) fn play(generation: &Generation, order: &mut Order, summary: &mut Summary) -> Result<(), Broken> {
    let observer = &mut Observer::new(summary, generation);
    order.begin(generation.number);
    observer.now(order.stamp(generation.clock.nanoseconds(generation.earliest)));
    let mut samples: Vec<u64> =
        generation.samples.iter().map(|&ticks| generation.clock.nanoseconds(ticks)).collect();
    samples.sort_unstable();
    let mut merge = Merge::new(generation, order)?;
    let mut samples = samples.into_iter().peekable();
    while let Some(time) = merge.earliest() {
        while let Some(sample) = samples.next_if(|&sample| sample < time) {
            let time = order.stamp(sample);
            observer.sample(time);
        }
        merge.step(order, observer)?;
    }
    for sample in samples {
        let time = order.stamp(sample);
        observer.sample(time);
    }
    Ok(())
}

/// The next event of a thread.
struct Cursor {
    thread: Option<u32>,
    /// Its batches, as places in the generation, and the next of them.
    batches: Vec<u32>,
    next_batch: usize,
    /// What is left of the present batch.
    start: usize,
    end: usize,
    /// With its time in nanoseconds.
    event: Event,
}

impl Cursor {
    /// Goes to the next event; `false` at the end.
    fn forward(&mut self, generation: &Generation) -> Result<bool, Broken> {
        while self.start == self.end {
            let Some(&place) = self.batches.get(self.next_batch) else { return Ok(false) };
            let batch = generation.batches[place as usize];
            self.next_batch += 1;
            (self.start, self.end) = (batch.start, batch.end);
            self.event.time = generation.clock.nanoseconds(batch.time);
        }
        let mut rest = &generation.events[self.start..self.end];
        let Some(mut event) = Event::take(&mut rest) else {
            let kind = generation.events[self.start];
            return Err(Broken(format!("an event of the unknown kind {kind}, or one that ends early")));
        };
        self.start = self.end - rest.len();
        event.time = generation.clock.nanoseconds(event.time).saturating_add(self.event.time);
        self.event = event;
        Ok(true)
    }
}

/// Time and place of cursors, the earliest first.
type Heap = BinaryHeap<Reverse<(u64, u32)>>;

struct Merge<'g> {
    generation: &'g Generation,
    cursors: Vec<Cursor>,
    heap: Heap,
    /// How often events may still be tried in vain.
    tries: u64,
    held_back: Vec<Reverse<(u64, u32)>>,
}

impl<'g> Merge<'g> {
    fn new(generation: &'g Generation, order: &mut Order) -> Result<Self, Broken> {
        let mut cursors: Vec<Cursor> = Vec::new();
        let mut places: HashMap<u64, usize, RandomState> = HashMap::default();
        for (place, batch) in (0_u32..).zip(&generation.batches) {
            let cursor = *places.entry(batch.thread).or_insert(cursors.len());
            if cursor == cursors.len() {
                let thread = order.thread(batch.thread)?;
                let event = Event::default();
                cursors.push(Cursor { thread, batches: Vec::new(), next_batch: 0, start: 0, end: 0, event });
            }
            cursors[cursor].batches.push(place);
        }
        let mut heap = Heap::new();
        for (place, cursor) in (0_u32..).zip(&mut cursors) {
            if cursor.forward(generation)? {
                heap.push(Reverse((cursor.event.time, place)));
            }
        }
        Ok(Self { generation, cursors, heap, tries: SPARE_TRIES, held_back: Vec::new() })
    }

    /// Clock of the thread whose event is tried next.
    fn earliest(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((time, _))| *time)
    }

    /// Plays one event, and its thread goes to the next one.
    fn step(&mut self, order: &mut Order, observer: &mut Observer<'_>) -> Result<(), Broken> {
        let Some(mut top) = self.heap.peek_mut() else { return Ok(()) };
        let cursor = &mut self.cursors[top.0.1 as usize];
        self.tries += TRIES_PER_EVENT;
        if order.advance(&cursor.event, cursor.thread, observer)? {
            observer.count(cursor.event.kind);
            if cursor.forward(self.generation)? {
                top.0.0 = cursor.event.time;
            } else {
                PeekMut::pop(top);
            }
            return Ok(());
        }
        drop(top);
        let played = self.try_others(order, observer);
        self.heap.extend(self.held_back.drain(..));
        played
    }

    fn try_others(&mut self, order: &mut Order, observer: &mut Observer<'_>) -> Result<(), Broken> {
        self.held_back.extend(self.heap.pop());
        while let Some(Reverse((time, place))) = self.heap.pop() {
            let cursor = &mut self.cursors[place as usize];
            if order.advance(&cursor.event, cursor.thread, observer)? {
                observer.count(cursor.event.kind);
                if cursor.forward(self.generation)? {
                    self.heap.push(Reverse((cursor.event.time, place)));
                }
                return Ok(());
            }
            self.held_back.push(Reverse((time, place)));
            self.tries = self.tries.checked_sub(1).ok_or_else(|| {
                Broken("its events hardly ever fit together in the order of their clocks".to_owned())
            })?;
        }
        Err(Broken("no thread's next event can have happened next".to_owned()))
    }
}
