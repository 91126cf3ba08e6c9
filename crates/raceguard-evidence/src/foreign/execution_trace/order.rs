//! The order of events across threads, by playing Go's scheduler.
//!
//! Clocks of different processors disagree, so time alone does not order the events of different threads. Some
//! events carry numbers that count the changes of a goroutine or processor within a generation; others follow from
//! the state that they need. [`Order::advance`] says of the next event of a thread whether it can have happened now.
//! The rules are those of the reader in Go's `internal/trace`.
//!
//! What a goroutine goes through is handed to the [`Observer`], by *slots*: small numbers that are used again when a
//! goroutine has ended.

mod goroutines;
mod processors;

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::summary::Observer;
use super::wire::{self, Event};

/// Most goroutines that live at once, and most threads: what the order is kept for.
const MOST_ALIVE: usize = 2_000_000;

/// Why the events of a generation can't be put in order.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

/// Whether an event can have happened now: `false` when another thread's must come before.
pub(super) type Advance = Result<bool, Broken>;

/// State of a goroutine, as numbered in the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    /// Not known yet, or ended.
    #[default]
    Absent,
    Runnable,
    Running,
    Syscall,
    Waiting,
}

impl State {
    fn numbered(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Runnable),
            2 => Some(Self::Running),
            3 => Some(Self::Syscall),
            4 => Some(Self::Waiting),
            _ => None,
        }
    }
}

/// What a change of a goroutine's state says beyond the state.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cause {
    /// Why it waits.
    pub(super) reason: Reason,
    /// Where the goroutine is, in the generation's table.
    pub(super) stack: u64,
    /// Where the goroutine is that ended the wait.
    pub(super) waker: u64,
}

/// Why a goroutine waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Reason {
    /// The trace does not say.
    #[default]
    Unknown,
    /// A string of the generation's table.
    Text(u64),
    /// It switched to another coroutine.
    Coroutine,
}

/// Count of changes: generation, and number within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sequence(u64, u64);

impl Sequence {
    fn follows(self, earlier: Self) -> bool {
        self.0 == earlier.0 && Some(self.1) == earlier.1.checked_add(1)
    }
}

#[derive(Debug)]
struct Goroutine {
    id: u64,
    state: State,
    sequence: Sequence,
}

#[derive(Debug)]
struct Processor {
    status: ProcessorStatus,
    sequence: Sequence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProcessorStatus {
    Running,
    Idle,
    Syscall,
    /// In a system call of a thread that is not known any more.
    Abandoned,
}

/// A thread, with the slot of its goroutine and its processor.
#[derive(Debug, Clone, Copy, Default)]
struct Thread {
    goroutine: Option<u32>,
    processor: Option<u64>,
}

/// Thread id of batches that belong to no thread.
const NO_THREAD: u64 = u64::MAX;

/// The scheduler as far as the events that were played tell.
#[derive(Debug, Default)]
pub(super) struct Order {
    generation: u64,
    first_generation: u64,
    slots: HashMap<u64, u32, RandomState>,
    goroutines: Vec<Goroutine>,
    free: Vec<u32>,
    processors: HashMap<u64, Processor, RandomState>,
    thread_places: HashMap<u64, u32, RandomState>,
    threads: Vec<Thread>,
    /// Number of the last event of the collector, and whether it is marking.
    collector: Option<(u64, bool)>,
    last_time: u64,
}

impl Order {
    /// Begins a generation.
    pub(super) fn begin(&mut self, generation: u64) {
        self.generation = generation;
        if self.first_generation == 0 {
            self.first_generation = generation;
        }
    }

    /// Forgets all but the time: the next generation is as the first one of a trace.
    pub(super) fn start_over(&mut self) {
        *self = Self { last_time: self.last_time, ..Self::default() };
    }

    /// The place of a thread; `None` for no thread.
    pub(super) fn thread(&mut self, id: u64) -> Result<Option<u32>, Broken> {
        if id == NO_THREAD {
            return Ok(None);
        }
        let next = u32::try_from(self.threads.len()).unwrap_or(u32::MAX);
        let place = *self.thread_places.entry(id).or_insert(next);
        if place == next {
            if self.threads.len() >= MOST_ALIVE {
                return Err(Broken(format!("it has more than {MOST_ALIVE} threads")));
            }
            self.threads.push(Thread::default());
        }
        Ok(Some(place))
    }

    /// How many threads were seen.
    pub(super) fn threads(&self) -> usize {
        self.threads.len()
    }

    /// How many processors were seen.
    pub(super) fn processors(&self) -> usize {
        self.processors.len()
    }

    /// Time of the next event: later than the one before, whatever the clocks say.
    pub(super) fn stamp(&mut self, time: u64) -> u64 {
        self.last_time = time.max(self.last_time.saturating_add(1));
        self.last_time
    }

    /// Plays the next event of a thread, if it can have happened now.
    pub(super) fn advance(
        &mut self,
        event: &Event,
        thread: Option<u32>,
        observer: &mut Observer<'_>,
    ) -> Advance {
        let current = thread.map_or_else(Thread::default, |place| self.threads[place as usize]);
        match event.kind {
            wire::PROC_STATUS => self.proc_status(event, thread),
            wire::PROC_START => self.proc_start(event, thread, current),
            wire::PROC_STOP => self.proc_stop(event, thread, current),
            wire::PROC_STEAL => self.proc_steal(event, thread, current),
            wire::GO_STATUS | wire::GO_STATUS_STACK => self.go_status(event, thread, current, observer),
            wire::GO_CREATE | wire::GO_CREATE_BLOCKED => self.go_create(event, current, observer),
            wire::GO_CREATE_SYSCALL => self.go_create_syscall(event, thread, current, observer),
            wire::GO_START => self.go_start(event, thread, current, observer),
            wire::GO_DESTROY | wire::GO_STOP | wire::GO_BLOCK => {
                self.go_stop(event, thread, current, observer)
            }
            wire::GO_UNBLOCK => Ok(self.go_unblock(event, observer)),
            wire::GO_SWITCH | wire::GO_SWITCH_DESTROY => self.go_switch(event, thread, current, observer),
            wire::GO_SYSCALL_BEGIN => self.go_syscall_begin(event, current, observer),
            wire::GO_SYSCALL_END => self.go_syscall_end(event, current, observer),
            wire::GO_SYSCALL_END_BLOCKED => self.go_syscall_end_blocked(event, thread, current, observer),
            wire::GO_DESTROY_SYSCALL => self.go_destroy_syscall(event, thread, current, observer),
            wire::GC_ACTIVE | wire::GC_BEGIN | wire::GC_END => self.collector(event, observer),
            _ => {
                let time = self.stamp(event.time);
                observer.annotation(time, event, current.goroutine);
                Ok(true)
            }
        }
    }

    /// The collector's events are numbered one after the other over the whole trace.
    fn collector(&mut self, event: &Event, observer: &mut Observer<'_>) -> Advance {
        let number = event.arguments[0];
        let marking = event.kind != wire::GC_END;
        if let Some((last, _)) = self.collector {
            if Some(number) != last.checked_add(1) {
                return Ok(false);
            }
        } else if !marking {
            return Err(Broken("a garbage collection ends that did not begin".to_owned()));
        }
        self.collector = Some((number, marking));
        let time = self.stamp(event.time);
        observer.collector(time, event.kind);
        Ok(true)
    }

    fn sequence(&self, number: u64) -> Sequence {
        Sequence(self.generation, number)
    }

    fn bind(&mut self, thread: Option<u32>, bound: Thread) {
        if let Some(place) = thread {
            self.threads[place as usize] = bound;
        }
    }
}

fn broken(event: &Event, what: &str) -> Broken {
    Broken(format!("{} {what}", wire::name(event.kind).unwrap_or("an event")))
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn states_have_the_numbers_one_to_four() {
        let states = [0, 1, 2, 3, 4, 5, u64::MAX].map(State::numbered);
        let [none, runnable, running, syscall, waiting, five, last] = states;
        assert_eq!((none, five, last), (None, None, None));
        let known = [runnable, running, syscall, waiting].map(Option::unwrap);
        assert_eq!(known, [State::Runnable, State::Running, State::Syscall, State::Waiting]);
    }
}
