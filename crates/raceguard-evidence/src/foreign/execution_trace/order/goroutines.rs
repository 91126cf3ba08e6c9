//! Events of goroutines: how they are created, run, wait, call the system, and end.

use super::{Advance, Broken, Cause, Goroutine, Order, ProcessorStatus, Reason, State, Thread, broken};
use crate::foreign::execution_trace::summary::Observer;
use crate::foreign::execution_trace::wire::{self, Event};

impl Order {
    /// Said of each goroutine once in a generation, before all else.
    pub(super) fn go_status(
        &mut self,
        event: &Event,
        thread: Option<u32>,
        current: Thread,
        observer: &mut Observer<'_>,
    ) -> Advance {
        let [id, on, number, stack] = event.arguments;
        let Some(state) = State::numbered(number) else {
            return Err(broken(event, "has a status that is not known"));
        };
        let slot = match self.slots.get(&id) {
            Some(&slot) if self.goroutines[slot as usize].state == state => slot,
            Some(_) => return Err(broken(event, "contradicts what happened to the goroutine before")),
            None if self.generation == self.first_generation => self.appear(id, observer)?,
            None => return Err(broken(event, "tells of a goroutine that nothing created")),
        };
        let sequence = self.sequence(0);
        self.goroutines[slot as usize].sequence = sequence;
        match state {
            State::Running => self.bind(thread, Thread { goroutine: Some(slot), ..current }),
            State::Syscall => self.bind_syscall(event, slot, on, thread)?,
            _ => {}
        }
        self.change(event, slot, state, Cause { stack, ..Cause::default() }, observer);
        Ok(true)
    }

    /// Binds a goroutine in a system call to its thread, which may be another one than the event's.
    fn bind_syscall(&mut self, event: &Event, slot: u32, on: u64, thread: Option<u32>) -> Result<(), Broken> {
        let Some(place) = self.thread(on)? else {
            return Err(broken(event, "tells of a system call without a thread"));
        };
        let first = self.generation == self.first_generation;
        let bound = &mut self.threads[place as usize].goroutine;
        let may_bind = bound.is_none() || (first && thread == Some(place));
        if *bound != Some(slot) && !may_bind {
            return Err(broken(event, "contradicts what is known of the thread"));
        }
        *bound = Some(slot);
        Ok(())
    }

    pub(super) fn go_create(
        &mut self,
        event: &Event,
        current: Thread,
        observer: &mut Observer<'_>,
    ) -> Advance {
        if current.processor.is_none() {
            return Err(broken(event, "has no processor"));
        }
        let running = |slot: u32| self.goroutines[slot as usize].state == State::Running;
        if !current.goroutine.is_none_or(running) {
            return Err(broken(event, "is of a goroutine that does not run"));
        }
        let blocked = event.kind == wire::GO_CREATE_BLOCKED;
        let slot = self.create(event, observer)?;
        let state = if blocked { State::Waiting } else { State::Runnable };
        let reason = if blocked { Reason::Coroutine } else { Reason::Unknown };
        self.change(event, slot, state, Cause { reason, stack: event.arguments[1], waker: 0 }, observer);
        Ok(true)
    }

    pub(super) fn go_create_syscall(
        &mut self,
        event: &Event,
        thread: Option<u32>,
        current: Thread,
        observer: &mut Observer<'_>,
    ) -> Advance {
        if thread.is_none() || current.goroutine.is_some() {
            return Err(broken(event, "is of a thread that has a goroutine already, or of none"));
        }
        let slot = self.create(event, observer)?;
        self.bind(thread, Thread { goroutine: Some(slot), ..current });
        self.change(event, slot, State::Syscall, Cause::default(), observer);
        Ok(true)
    }

    pub(super) fn go_start(
        &mut self,
        event: &Event,
        thread: Option<u32>,
        current: Thread,
        observer: &mut Observer<'_>,
    ) -> Advance {
        let [id, number, ..] = event.arguments;
        let Some(slot) = self.ready(id, State::Runnable, number) else { return Ok(false) };
        if thread.is_none() || current.processor.is_none() || current.goroutine.is_some() {
            return Err(broken(event, "is of a thread that can't start a goroutine"));
        }
        let sequence = self.sequence(number);
        self.goroutines[slot as usize].sequence = sequence;
        self.bind(thread, Thread { goroutine: Some(slot), ..current });
        self.change(event, slot, State::Running, Cause::default(), observer);
        Ok(true)
    }

    /// A goroutine ends, yields, or begins to wait.
    pub(super) fn go_stop(
        &mut self,
        event: &Event,
        thread: Option<u32>,
        current: Thread,
        observer: &mut Observer<'_>,
    ) -> Advance {
        let slot = self.running(event, current)?;
        self.bind(thread, Thread { goroutine: None, ..current });
        let [reason, stack, ..] = event.arguments;
        let cause = Cause { reason: Reason::Text(reason), stack, waker: 0 };
        match event.kind {
            wire::GO_DESTROY => self.end(event, slot, observer),
            wire::GO_STOP => self.change(event, slot, State::Runnable, cause, observer),
            _ => self.change(event, slot, State::Waiting, cause, observer),
        }
        Ok(true)
    }

    pub(super) fn go_unblock(&mut self, event: &Event, observer: &mut Observer<'_>) -> bool {
        let [id, number, waker, _] = event.arguments;
        let Some(slot) = self.ready(id, State::Waiting, number) else { return false };
        let sequence = self.sequence(number);
        self.goroutines[slot as usize].sequence = sequence;
        self.change(event, slot, State::Runnable, Cause { waker, ..Cause::default() }, observer);
        true
    }

    /// One coroutine hands over to another: three changes in one event.
    pub(super) fn go_switch(
        &mut self,
        event: &Event,
        thread: Option<u32>,
        current: Thread,
        observer: &mut Observer<'_>,
    ) -> Advance {
        let from = self.running(event, current)?;
        let [id, number, ..] = event.arguments;
        let Some(to) = self.ready(id, State::Waiting, number) else { return Ok(false) };
        let sequence = self.sequence(number);
        self.goroutines[to as usize].sequence = sequence;
        self.change(event, to, State::Runnable, Cause::default(), observer);
        if event.kind == wire::GO_SWITCH {
            let cause = Cause { reason: Reason::Coroutine, ..Cause::default() };
            self.change(event, from, State::Waiting, cause, observer);
        } else {
            self.end(event, from, observer);
        }
        self.bind(thread, Thread { goroutine: Some(to), ..current });
        self.change(event, to, State::Running, Cause::default(), observer);
        Ok(true)
    }

    pub(super) fn go_syscall_begin(
        &mut self,
        event: &Event,
        current: Thread,
        observer: &mut Observer<'_>,
    ) -> Advance {
        let slot = self.running(event, current)?;
        let [number, stack, ..] = event.arguments;
        let sequence = self.sequence(number);
        let processor = current.processor.and_then(|id| self.processors.get_mut(&id));
        let Some(processor) = processor else { return Err(broken(event, "has no processor")) };
        if !sequence.follows(processor.sequence) {
            return Err(broken(event, "does not follow what happened to the processor before"));
        }
        processor.status = ProcessorStatus::Syscall;
        processor.sequence = sequence;
        self.change(event, slot, State::Syscall, Cause { stack, ..Cause::default() }, observer);
        Ok(true)
    }

    pub(super) fn go_syscall_end(
        &mut self,
        event: &Event,
        current: Thread,
        observer: &mut Observer<'_>,
    ) -> Advance {
        let slot = self.in_syscall(event, current)?;
        let processor = current.processor.and_then(|id| self.processors.get_mut(&id));
        match processor {
            Some(processor) if processor.status == ProcessorStatus::Syscall => {
                processor.status = ProcessorStatus::Running;
            }
            _ => return Err(broken(event, "has no processor that is in a system call")),
        }
        self.change(event, slot, State::Running, Cause::default(), observer);
        Ok(true)
    }

    /// Comes after the processor was taken away, by another thread or by its own.
    pub(super) fn go_syscall_end_blocked(
        &mut self,
        event: &Event,
        thread: Option<u32>,
        current: Thread,
        observer: &mut Observer<'_>,
    ) -> Advance {
        let processor = current.processor.and_then(|id| self.processors.get(&id));
        if processor.is_some_and(|processor| processor.status == ProcessorStatus::Syscall) {
            return Ok(false);
        }
        let slot = self.in_syscall(event, current)?;
        self.bind(thread, Thread { goroutine: None, ..current });
        self.change(event, slot, State::Runnable, Cause::default(), observer);
        Ok(true)
    }

    /// A goroutine of a call from C ends. Its thread may come back under the same id, so it gives its processor up.
    pub(super) fn go_destroy_syscall(
        &mut self,
        event: &Event,
        thread: Option<u32>,
        current: Thread,
        observer: &mut Observer<'_>,
    ) -> Advance {
        let slot = self.in_syscall(event, current)?;
        if let Some(id) = current.processor {
            match self.processors.get_mut(&id) {
                Some(processor) if processor.status == ProcessorStatus::Syscall => {
                    processor.status = ProcessorStatus::Abandoned;
                }
                _ => return Err(broken(event, "has a processor that is in no system call")),
            }
            // Go's reader makes an event of it, which takes a moment of its own.
            self.stamp(event.time);
        }
        self.bind(thread, Thread::default());
        self.end(event, slot, observer);
        Ok(true)
    }

    /// The goroutine that runs on a thread, with its processor.
    fn running(&self, event: &Event, current: Thread) -> Result<u32, Broken> {
        let slot = current.goroutine.filter(|_| current.processor.is_some());
        slot.filter(|&slot| self.goroutines[slot as usize].state == State::Running)
            .ok_or_else(|| broken(event, "is of a thread on which no goroutine runs"))
    }

    fn in_syscall(&self, event: &Event, current: Thread) -> Result<u32, Broken> {
        let slot = current.goroutine;
        slot.filter(|&slot| self.goroutines[slot as usize].state == State::Syscall)
            .ok_or_else(|| broken(event, "is of a thread that is in no system call"))
    }

    /// The slot of a goroutine, when it is in a state and at the change before the numbered one.
    fn ready(&self, id: u64, state: State, number: u64) -> Option<u32> {
        let slot = *self.slots.get(&id)?;
        let goroutine = &self.goroutines[slot as usize];
        (goroutine.state == state && self.sequence(number).follows(goroutine.sequence)).then_some(slot)
    }

    fn create(&mut self, event: &Event, observer: &mut Observer<'_>) -> Result<u32, Broken> {
        let id = event.arguments[0];
        if self.slots.contains_key(&id) {
            return Err(broken(event, "creates a goroutine that is there already"));
        }
        self.appear(id, observer)
    }

    fn appear(&mut self, id: u64, observer: &mut Observer<'_>) -> Result<u32, Broken> {
        let goroutine = Goroutine { id, state: State::Absent, sequence: self.sequence(0) };
        let slot = if let Some(slot) = self.free.pop() {
            self.goroutines[slot as usize] = goroutine;
            slot
        } else {
            if self.goroutines.len() >= super::MOST_ALIVE {
                return Err(Broken(format!("more than {} goroutines live at once", super::MOST_ALIVE)));
            }
            self.goroutines.push(goroutine);
            u32::try_from(self.goroutines.len() - 1).unwrap_or(u32::MAX)
        };
        self.slots.insert(id, slot);
        observer.appears(slot, id);
        Ok(slot)
    }

    fn change(&mut self, event: &Event, slot: u32, state: State, cause: Cause, observer: &mut Observer<'_>) {
        self.goroutines[slot as usize].state = state;
        let time = self.stamp(event.time);
        observer.change(time, slot, state, cause);
    }

    fn end(&mut self, event: &Event, slot: u32, observer: &mut Observer<'_>) {
        let goroutine = &mut self.goroutines[slot as usize];
        goroutine.state = State::Absent;
        self.slots.remove(&goroutine.id);
        self.free.push(slot);
        let time = self.stamp(event.time);
        observer.change(time, slot, State::Absent, Cause::default());
    }
}
