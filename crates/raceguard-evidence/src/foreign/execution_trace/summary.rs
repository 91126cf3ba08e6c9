//! What a trace is summed up to while its events go by.

use std::collections::BTreeMap;

use super::generation::Generation;
use super::key_sums::{Access, KeySums};
use super::names::{Name, Names, Stack};
use super::order::{Cause, Reason, State};
use super::places::Places;
use super::regions::{OpenRegion, Regions};
use super::tasks::Tasks;
use super::wire::{self, Event};
use crate::execution_trace::{ExecutionTrace, GcSummary, GoroutineTime};
use crate::foreign::{ForeignError, Sink};
use crate::record::Record;

/// The sums.
#[derive(Debug)]
pub(super) struct Summary {
    names: Names,
    /// By slot.
    tracks: Vec<Track>,
    kinds: [u64; 256],
    goroutines: u64,
    time: GoroutineTime,
    blocked: Places,
    syscalls: Places,
    gc: GcSummary,
    collection_began: Option<u64>,
    stopped_since: Option<u64>,
    tasks: Tasks,
    keys: KeySums,
    /// Logs outside of regions, and regions and logs beyond what a goroutine may have open.
    lonely_logs: u64,
    too_many_regions: u64,
    /// Time of the first event, and of the last one.
    first: Option<u64>,
    last: u64,
    started_unix_ns: u64,
}

/// A goroutine.
#[derive(Debug, Default)]
struct Track {
    id: u64,
    state: State,
    since: u64,
    reason: Name,
    stack: Stack,
    /// Time blocked, and time able to run without running, so far.
    blocked: u64,
    runnable: u64,
    regions: Regions,
}

impl Track {
    /// Time blocked and able to run until `now`.
    fn waited(&self, now: u64) -> (u64, u64) {
        let present = now.saturating_sub(self.since);
        match self.state {
            State::Waiting => (self.blocked.saturating_add(present), self.runnable),
            State::Runnable => (self.blocked, self.runnable.saturating_add(present)),
            _ => (self.blocked, self.runnable),
        }
    }
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            names: Names::default(),
            tracks: Vec::new(),
            kinds: [0; 256],
            goroutines: 0,
            time: GoroutineTime::default(),
            blocked: Places::default(),
            syscalls: Places::default(),
            gc: GcSummary::default(),
            collection_began: None,
            stopped_since: None,
            tasks: Tasks::default(),
            keys: KeySums::default(),
            lonely_logs: 0,
            too_many_regions: 0,
            first: None,
            last: 0,
            started_unix_ns: 0,
        }
    }
}

impl Summary {
    /// The events that follow are not those that came next: what is open now is closed at the last event known.
    pub(super) fn start_over(&mut self) {
        self.close_all();
        self.tracks.clear();
        self.collection_began = None;
        self.stopped_since = None;
    }

    /// Hands the sums over as records.
    pub(super) fn finish(
        mut self,
        version: String,
        threads: usize,
        processors: usize,
        sink: &mut dyn Sink,
    ) -> Result<(), ForeignError> {
        self.close_all();
        let start = self.first.unwrap_or(0);
        self.keys.finish(self.last);
        if self.keys.were_hurried() {
            sink.warn(
                "regions that were open very long began, for the count of overlaps, later than they did"
                    .to_owned(),
            );
        }
        skip_many(sink, "user logs outside of a region", self.lonely_logs);
        skip_many(sink, "user regions and logs beyond 64 of one goroutine at once", self.too_many_regions);
        skip_many(sink, "user tasks beyond those that are kept", self.tasks.left_out());
        let experimental: u64 = self.kinds[usize::from(wire::EXPERIMENTAL)..].iter().sum();
        skip_many(sink, "events of experiments", experimental);
        let kinds = (0..=u8::MAX).zip(self.kinds).filter(|&(_, count)| count > 0);
        let event_kinds: BTreeMap<String, u64> =
            kinds.filter_map(|(kind, count)| Some((wire::name(kind)?.to_owned(), count))).collect();
        let trace = ExecutionTrace {
            version,
            started_unix_ns: self.started_unix_ns,
            duration_ns: self.last.saturating_sub(start),
            events: self.kinds.iter().sum(),
            event_kinds,
            goroutines: self.goroutines,
            processors: processors as u64,
            threads: threads as u64,
            time: self.time,
            blocked: self.blocked.into_blocked(&self.names),
            syscalls: self.syscalls.into_blocked(&self.names),
            gc: self.gc,
            extra: crate::record::Extra::new(),
        };
        sink.source().produced_unix_ns = self.started_unix_ns;
        sink.record(Record::ExecutionTrace(Box::new(trace)))?;
        for task in self.tasks.into_records(&self.names) {
            sink.record(Record::TraceTask(task))?;
        }
        for key in self.keys.into_records(&self.names, start) {
            sink.record(Record::TraceKey(Box::new(key)))?;
        }
        Ok(())
    }

    /// Closes waits and regions that are still open at the last event.
    fn close_all(&mut self) {
        let now = self.last;
        for slot in 0..self.tracks.len() {
            let track = &self.tracks[slot];
            let length = now.saturating_sub(track.since);
            match track.state {
                State::Waiting => self.blocked.add_open(track.reason, track.stack, length),
                State::Syscall => self.syscalls.add_open(0, track.stack, length),
                _ => {}
            }
            self.spend(slot, now);
            self.close_regions(slot, now, None);
        }
        if let Some(began) = self.collection_began.take() {
            self.gc.total_ns = self.gc.total_ns.saturating_add(now.saturating_sub(began));
        }
    }

    /// Adds the time in the present state to the sums.
    fn spend(&mut self, slot: usize, now: u64) {
        let track = &mut self.tracks[slot];
        let length = now.saturating_sub(track.since);
        track.since = now;
        let add = |sum: &mut u64| *sum = sum.saturating_add(length);
        match track.state {
            State::Absent => {}
            State::Running => add(&mut self.time.running_ns),
            State::Syscall => add(&mut self.time.syscall_ns),
            State::Runnable => {
                add(&mut self.time.runnable_ns);
                add(&mut track.runnable);
            }
            State::Waiting => {
                add(&mut self.time.blocked_ns);
                add(&mut track.blocked);
            }
        }
    }

    /// Ends all regions of a goroutine, at `end` or at an end that is not known.
    fn close_regions(&mut self, slot: usize, now: u64, end: Option<u64>) {
        while let Some(region) = self.tracks[slot].regions.pop() {
            self.close_region(slot, region, now, end);
        }
    }

    fn close_region(&mut self, slot: usize, region: OpenRegion, now: u64, end: Option<u64>) {
        let track = &self.tracks[slot];
        let (blocked, runnable) = track.waited(now);
        let access = Access {
            goroutine: track.id,
            task: region.task,
            start: region.start,
            end,
            until: now,
            blocked: blocked.saturating_sub(region.blocked_before),
            runnable: runnable.saturating_sub(region.runnable_before),
            site: region.site,
        };
        if region.keys.is_empty() {
            self.keys.add(region.name, Some((0, 0)), &access);
        }
        for key in region.keys {
            self.keys.add(region.name, key, &access);
        }
        if self.keys.is_time_to_sweep() {
            let open = self.tracks.iter().filter_map(|track| track.regions.earliest_start()).min();
            self.keys.sweep(open.unwrap_or(now).min(now), now);
        }
    }
}

fn skip_many(sink: &mut dyn Sink, what: &str, count: u64) {
    if count > 0 {
        sink.skip(what, 0);
        if let Some(skipped) = sink.source().skipped.iter_mut().find(|skipped| skipped.what == what) {
            skipped.count += count - 1;
        }
    }
}

/// Takes the ordered events of a generation into a summary.
#[derive(Debug)]
pub(super) struct Observer<'a> {
    summary: &'a mut Summary,
    generation: &'a Generation,
}

impl<'a> Observer<'a> {
    pub(super) fn new(summary: &'a mut Summary, generation: &'a Generation) -> Self {
        summary.names.begin();
        Self { summary, generation }
    }

    /// Counts an event.
    pub(super) fn count(&mut self, kind: u8) {
        self.summary.kinds[usize::from(kind)] += 1;
    }

    /// A sample of the processor.
    pub(super) fn sample(&mut self, time: u64) {
        self.count(wire::CPU_SAMPLE);
        self.now(time);
    }

    /// A goroutine takes a slot.
    pub(super) fn appears(&mut self, slot: u32, id: u64) {
        let slot = slot as usize;
        if self.summary.tracks.len() <= slot {
            self.summary.tracks.resize_with(slot + 1, Track::default);
        }
        self.summary.tracks[slot] = Track { id, ..Track::default() };
        self.summary.goroutines += 1;
    }

    /// A goroutine comes to a state, perhaps the one that it is in.
    pub(super) fn change(&mut self, time: u64, slot: u32, state: State, cause: Cause) {
        self.now(time);
        let slot = slot as usize;
        let summary = &mut *self.summary;
        let track = &summary.tracks[slot];
        if track.state == state {
            return;
        }
        let length = time.saturating_sub(track.since);
        match track.state {
            State::Waiting => {
                let waker = summary.names.stack(self.generation, cause.waker);
                summary.blocked.add(track.reason, track.stack, length, waker);
            }
            State::Syscall => summary.syscalls.add(0, track.stack, length, Stack::NONE),
            _ => {}
        }
        summary.spend(slot, time);
        summary.tracks[slot].state = state;
        match state {
            State::Waiting | State::Syscall => {
                let stack = summary.names.stack(self.generation, cause.stack);
                let reason = match cause.reason {
                    Reason::Unknown => Some(0),
                    Reason::Text(id) => summary.names.text(self.generation, id),
                    Reason::Coroutine => summary.names.keep_text("coroutine"),
                };
                let track = &mut summary.tracks[slot];
                (track.reason, track.stack) = (reason.unwrap_or(0), stack);
            }
            State::Absent => summary.close_regions(slot, time, Some(time)),
            State::Runnable | State::Running => {}
        }
    }

    /// The collector begins or ends to mark, or is at it when the trace begins.
    pub(super) fn collector(&mut self, time: u64, kind: u8) {
        self.now(time);
        let summary = &mut *self.summary;
        match kind {
            wire::GC_END => {
                if let Some(began) = summary.collection_began.take() {
                    summary.gc.total_ns = summary.gc.total_ns.saturating_add(time.saturating_sub(began));
                }
            }
            _ if summary.collection_began.is_none() => {
                summary.collection_began = Some(time);
                summary.gc.collections += u64::from(kind == wire::GC_BEGIN);
            }
            _ => {}
        }
    }

    /// Any other event, of the goroutine in a slot.
    pub(super) fn annotation(&mut self, time: u64, event: &Event, slot: Option<u32>) {
        self.now(time);
        let summary = &mut *self.summary;
        match event.kind {
            wire::STW_BEGIN => summary.stopped_since = Some(time),
            wire::STW_END => {
                if let Some(since) = summary.stopped_since.take() {
                    let length = time.saturating_sub(since);
                    summary.gc.stopped_ns = summary.gc.stopped_ns.saturating_add(length);
                    summary.gc.max_stopped_ns = summary.gc.max_stopped_ns.max(length);
                }
            }
            wire::USER_TASK_BEGIN => {
                let [id, _parent, name, _] = event.arguments;
                let name = summary.names.text(self.generation, name);
                summary.tasks.begin(id, name, time);
            }
            wire::USER_TASK_END => summary.tasks.end(event.arguments[0], time),
            wire::USER_REGION_BEGIN | wire::USER_REGION_END | wire::USER_LOG => {
                if let Some(slot) = slot {
                    self.region_event(time, event, slot as usize);
                }
            }
            _ => {}
        }
    }

    fn region_event(&mut self, time: u64, event: &Event, slot: usize) {
        let Self { summary, generation } = self;
        let names = &mut summary.names;
        let track = &mut summary.tracks[slot];
        let [task, first, second, _] = event.arguments;
        let first = names.text(generation, first);
        match event.kind {
            wire::USER_REGION_BEGIN => {
                let (blocked_before, runnable_before) = track.waited(time);
                let site = names.stack(generation, second);
                let keys = Vec::new();
                let name = first.unwrap_or(0);
                let region =
                    OpenRegion { name, task, start: time, site, blocked_before, runnable_before, keys };
                summary.too_many_regions += u64::from(!track.regions.begin(region));
            }
            wire::USER_REGION_END => {
                if let Some(region) = track.regions.end(first.unwrap_or(0), task) {
                    summary.close_region(slot, region, time, Some(time));
                }
            }
            _ => {
                let key = names.text(generation, second);
                match track.regions.log(first.zip(key)) {
                    Some(kept) => summary.too_many_regions += u64::from(!kept),
                    None => summary.lonely_logs += 1,
                }
            }
        }
    }

    /// The time has come to `time`.
    pub(super) fn now(&mut self, time: u64) {
        let summary = &mut *self.summary;
        if summary.first.is_none() {
            summary.first = Some(time);
            if let Some((ticks, wall)) = self.generation.clock.wall {
                // The clock was read some time after the start, or before the first event.
                let read = self.generation.clock.nanoseconds(ticks);
                let start = wall.saturating_sub(read.saturating_sub(time));
                summary.started_unix_ns = start.saturating_add(time.saturating_sub(read));
            }
        }
        summary.last = time;
    }
}
