//! Events of processors (P): which thread runs Go code with which of them.

use super::{Advance, Order, Processor, ProcessorStatus, Thread, broken};
use crate::foreign::execution_trace::wire::Event;

impl Order {
    /// Said of each processor once in a generation, before all else.
    pub(super) fn proc_status(&mut self, event: &Event, thread: Option<u32>) -> Advance {
        use ProcessorStatus::{Abandoned, Idle, Running, Syscall};
        let [id, number, ..] = event.arguments;
        let status = match number {
            1 => Running,
            2 => Idle,
            3 => Syscall,
            4 => Abandoned,
            _ => return Err(broken(event, "has a status that is not known")),
        };
        let sequence = self.sequence(0);
        match self.processors.get_mut(&id) {
            // In a system call of a thread that is known after all: nothing was lost.
            Some(known) if status == Abandoned && known.status == Syscall => known.sequence = sequence,
            Some(known) if known.status == status => known.sequence = sequence,
            Some(_) => return Err(broken(event, "contradicts what happened to the processor before")),
            None => {
                if self.processors.len() >= super::MOST_ALIVE {
                    return Err(broken(event, "tells of more processors than there can be"));
                }
                self.processors.insert(id, Processor { status, sequence });
            }
        }
        if let (Running | Syscall, Some(place)) = (status, thread) {
            self.threads[place as usize].processor = Some(id);
        }
        self.stamp(event.time);
        Ok(true)
    }

    pub(super) fn proc_start(&mut self, event: &Event, thread: Option<u32>, current: Thread) -> Advance {
        let [id, number, ..] = event.arguments;
        let sequence = self.sequence(number);
        let Some(processor) = self.processors.get_mut(&id) else { return Ok(false) };
        let ready = processor.status == ProcessorStatus::Idle && sequence.follows(processor.sequence);
        // A thread in a system call may hold a processor that is yet to be stolen from it.
        if !ready || current.processor.is_some() {
            return Ok(false);
        }
        if thread.is_none() {
            return Err(broken(event, "has no thread"));
        }
        *processor = Processor { status: ProcessorStatus::Running, sequence };
        self.bind(thread, Thread { processor: Some(id), ..current });
        self.stamp(event.time);
        Ok(true)
    }

    pub(super) fn proc_stop(&mut self, event: &Event, thread: Option<u32>, current: Thread) -> Advance {
        let processor = current.processor.and_then(|id| self.processors.get_mut(&id));
        let Some(processor) = processor else { return Err(broken(event, "has no processor")) };
        if !matches!(processor.status, ProcessorStatus::Running | ProcessorStatus::Syscall) {
            return Err(broken(event, "is of a processor that does not run"));
        }
        processor.status = ProcessorStatus::Idle;
        self.bind(thread, Thread { processor: None, ..current });
        self.stamp(event.time);
        Ok(true)
    }

    /// Another thread takes the processor of one that is in a system call.
    pub(super) fn proc_steal(&mut self, event: &Event, thread: Option<u32>, current: Thread) -> Advance {
        use ProcessorStatus::{Abandoned, Idle, Syscall};
        let [id, number, from, _] = event.arguments;
        let sequence = self.sequence(number);
        let Some(processor) = self.processors.get_mut(&id) else { return Ok(false) };
        if !matches!(processor.status, Syscall | Abandoned) || !sequence.follows(processor.sequence) {
            return Ok(false);
        }
        let abandoned = processor.status == Abandoned;
        *processor = Processor { status: Idle, sequence };
        // Of an abandoned one it is not known what its thread has come to since.
        if !abandoned {
            let robbed = self.thread_places.get(&from).copied();
            let robbed_thread = robbed.map_or(current, |place| self.threads[place as usize]);
            if robbed_thread.processor != Some(id) {
                return Err(broken(event, "takes a processor from a thread that does not have it"));
            }
            self.bind(robbed.or(thread), Thread { processor: None, ..robbed_thread });
        }
        self.stamp(event.time);
        Ok(true)
    }
}
