//! A generation: the part of a trace that has tables of its own, about a second of a program's life.
//!
//! Its batches of events stay as they are in the file until they are played. Its tables of strings and stacks come in
//! any order among them, mostly last.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::id_table::IdTable;
use super::wire;
use crate::foreign::Sink;
use crate::foreign::varint::take_varint;

/// How many strings a generation may have: each user log adds one. And how many stacks and frames.
const MOST_STRINGS: usize = 8_000_000;
const MOST_ENTRIES: usize = 2_000_000;
/// How many bytes all strings of a generation together may have.
const MOST_TEXT: usize = 256 << 20;
/// How many frames all stacks of a generation together may have.
const MOST_STACK_FRAMES: usize = 16_000_000;
/// How many samples of the processor.
const MOST_SAMPLES: usize = 8_000_000;

/// A generation of a trace.
#[derive(Debug, Default)]
pub(super) struct Generation {
    pub(super) number: u64,
    /// The batches of threads, in the order of the file.
    pub(super) batches: Vec<Batch>,
    /// What the batches hold.
    pub(super) events: Vec<u8>,
    /// Ticks of the earliest batch.
    pub(super) earliest: u64,
    /// Ticks of the samples of the processor.
    pub(super) samples: Vec<u64>,
    pub(super) clock: Clock,
    /// Where in `text` a string begins, and its length.
    strings: IdTable<(u32, u32)>,
    text: Vec<u8>,
    /// Where in `stack_frames` a stack begins and ends.
    stacks: IdTable<(u32, u32)>,
    /// Program counters.
    stack_frames: Vec<u64>,
    frames: HashMap<u64, TableFrame, RandomState>,
}

/// Events of one thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    pub(super) thread: u64,
    /// Of its first event, in ticks.
    pub(super) time: u64,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A frame of the table of stacks; names by their numbers in the table of strings.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableFrame {
    pub(super) function: u64,
    pub(super) file: u64,
    pub(super) line: u64,
}

/// What ticks are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    /// Nanoseconds per tick; 0 when unknown.
    pub(super) tick_ns: f64,
    /// Ticks and nanoseconds since the Unix epoch at one moment, since Go 1.25.
    pub(super) wall: Option<(u64, u64)>,
}

impl Clock {
    /// Ticks in nanoseconds.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "floating point is how Go's own reader counts, and figures are to be the same as its"
    )]
    #[inline]
    pub(super) fn nanoseconds(&self, ticks: u64) -> u64 {
        (ticks as f64 * self.tick_ns) as u64
    }
}

impl Generation {
    /// Empties it, keeping its memory.
    pub(super) fn begin(&mut self, number: u64) {
        self.number = number;
        self.batches.clear();
        self.events.clear();
        self.earliest = u64::MAX;
        self.samples.clear();
        self.clock = Clock::default();
        self.strings.clear();
        self.text.clear();
        self.stacks.clear();
        self.stack_frames.clear();
        self.frames.clear();
    }

    /// A string; empty when it is not in the table.
    pub(super) fn string(&self, id: u64) -> Cow<'_, str> {
        let (start, length) = self.strings.get(id).unwrap_or_default();
        String::from_utf8_lossy(&self.text[start as usize..][..length as usize])
    }

    /// The program counters of a stack, innermost first; empty for none.
    pub(super) fn stack(&self, id: u64) -> &[u64] {
        let (start, end) = self.stacks.get(id).unwrap_or_default();
        &self.stack_frames[start as usize..end as usize]
    }

    /// What a program counter stands for.
    pub(super) fn frame(&self, pc: u64) -> Option<TableFrame> {
        self.frames.get(&pc).copied()
    }

    /// Takes a batch of the file; `at` is its offset.
    pub(super) fn add(&mut self, thread: u64, time: u64, content: &[u8], at: u64, sink: &mut dyn Sink) {
        self.earliest = self.earliest.min(time);
        let Some((&first, rest)) = content.split_first() else { return };
        let whole = match first {
            wire::STRINGS => self.add_strings(rest),
            wire::STACKS => self.add_stacks(rest),
            wire::CPU_SAMPLES => self.add_samples(rest),
            // A frequency stood alone before Go 1.25 put it into batches of their own.
            wire::FREQUENCY => self.add_clock(time, content),
            wire::SYNC => self.add_clock(time, rest),
            _ => {
                let start = self.events.len();
                self.events.extend_from_slice(content);
                self.batches.push(Batch { thread, time, start, end: self.events.len() });
                Some(())
            }
        };
        if whole.is_none() {
            sink.skip("damaged or too large tables of strings, stacks or clocks", at);
        }
    }

    fn add_strings(&mut self, mut content: &[u8]) -> Option<()> {
        while !content.is_empty() {
            take_kind(&mut content, wire::STRING)?;
            let id = take_varint(&mut content)?;
            let length = take_varint(&mut content).filter(|&length| length <= wire::LONGEST_STRING)?;
            let length = u32::try_from(length).ok()?;
            let text = content.split_off(..length as usize)?;
            (self.strings.len() < MOST_STRINGS && self.text.len() < MOST_TEXT).then_some(())?;
            self.strings.insert(id, (u32::try_from(self.text.len()).ok()?, length));
            self.text.extend_from_slice(text);
        }
        Some(())
    }

    fn add_stacks(&mut self, mut content: &[u8]) -> Option<()> {
        while !content.is_empty() {
            take_kind(&mut content, wire::STACK)?;
            let id = take_varint(&mut content)?;
            let depth = take_varint(&mut content).filter(|&depth| depth <= wire::DEEPEST_STACK)?;
            (self.stacks.len() < MOST_ENTRIES && self.stack_frames.len() < MOST_STACK_FRAMES).then_some(())?;
            let start = u32::try_from(self.stack_frames.len()).ok()?;
            for _ in 0..depth {
                let pc = take_varint(&mut content)?;
                let function = take_varint(&mut content)?;
                let file = take_varint(&mut content)?;
                let line = take_varint(&mut content)?;
                self.stack_frames.push(pc);
                if self.frames.len() < MOST_ENTRIES {
                    self.frames.entry(pc).or_insert(TableFrame { function, file, line });
                }
            }
            let end = u32::try_from(self.stack_frames.len()).ok()?;
            self.stacks.insert(id, (start, end));
        }
        Some(())
    }

    fn add_samples(&mut self, mut content: &[u8]) -> Option<()> {
        while !content.is_empty() {
            take_kind(&mut content, wire::CPU_SAMPLE)?;
            let time = take_varint(&mut content)?;
            // Thread, processor, goroutine, stack.
            for _ in 0..4 {
                take_varint(&mut content)?;
            }
            (self.samples.len() < MOST_SAMPLES).then_some(())?;
            self.samples.push(time);
        }
        Some(())
    }

    fn add_clock(&mut self, batch_time: u64, mut content: &[u8]) -> Option<()> {
        let mut time = batch_time;
        while !content.is_empty() {
            match *content.split_off_first()? {
                wire::FREQUENCY => {
                    let per_second = take_varint(&mut content).filter(|&frequency| frequency > 0)?;
                    #[expect(clippy::cast_precision_loss, reason = "as Go's own reader counts")]
                    let tick_ns = 1.0 / (per_second as f64 / 1e9);
                    self.clock.tick_ns = tick_ns;
                }
                wire::CLOCK_SNAPSHOT => {
                    time = time.wrapping_add(take_varint(&mut content)?);
                    let _monotonic = take_varint(&mut content)?;
                    let seconds = take_varint(&mut content)?;
                    let nanoseconds = take_varint(&mut content)?;
                    let wall = seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)?;
                    self.clock.wall = Some((time, wall));
                }
                _ => return None,
            }
        }
        Some(())
    }
}

fn take_kind(content: &mut &[u8], kind: u8) -> Option<()> {
    (*content.split_off_first()? == kind).then_some(())
}
