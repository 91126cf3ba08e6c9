//! The events of the format: their numbers, names and numbers of arguments, as Go 1.22 to 1.27 write them.

use crate::foreign::varint::take_varint;

/// Largest batch of events that Go's runtime writes, in bytes.
pub(super) const LARGEST_BATCH: u64 = 64 << 10;
/// Longest string.
pub(super) const LONGEST_STRING: u64 = 1 << 10;
/// Most frames of a stack.
pub(super) const DEEPEST_STACK: u64 = 128;

pub(super) const EVENT_BATCH: u8 = 1;
pub(super) const STACKS: u8 = 2;
pub(super) const STACK: u8 = 3;
pub(super) const STRINGS: u8 = 4;
pub(super) const STRING: u8 = 5;
pub(super) const CPU_SAMPLES: u8 = 6;
pub(super) const CPU_SAMPLE: u8 = 7;
pub(super) const FREQUENCY: u8 = 8;
pub(super) const PROCS_CHANGE: u8 = 9;
pub(super) const PROC_START: u8 = 10;
pub(super) const PROC_STOP: u8 = 11;
pub(super) const PROC_STEAL: u8 = 12;
pub(super) const PROC_STATUS: u8 = 13;
pub(super) const GO_CREATE: u8 = 14;
pub(super) const GO_CREATE_SYSCALL: u8 = 15;
pub(super) const GO_START: u8 = 16;
pub(super) const GO_DESTROY: u8 = 17;
pub(super) const GO_DESTROY_SYSCALL: u8 = 18;
pub(super) const GO_STOP: u8 = 19;
pub(super) const GO_BLOCK: u8 = 20;
pub(super) const GO_UNBLOCK: u8 = 21;
pub(super) const GO_SYSCALL_BEGIN: u8 = 22;
pub(super) const GO_SYSCALL_END: u8 = 23;
pub(super) const GO_SYSCALL_END_BLOCKED: u8 = 24;
pub(super) const GO_STATUS: u8 = 25;
pub(super) const STW_BEGIN: u8 = 26;
pub(super) const STW_END: u8 = 27;
pub(super) const GC_ACTIVE: u8 = 28;
pub(super) const GC_BEGIN: u8 = 29;
pub(super) const GC_END: u8 = 30;
pub(super) const USER_TASK_BEGIN: u8 = 40;
pub(super) const USER_TASK_END: u8 = 41;
pub(super) const USER_REGION_BEGIN: u8 = 42;
pub(super) const USER_REGION_END: u8 = 43;
pub(super) const USER_LOG: u8 = 44;
/// Since Go 1.23.
pub(super) const GO_SWITCH: u8 = 45;
pub(super) const GO_SWITCH_DESTROY: u8 = 46;
pub(super) const GO_CREATE_BLOCKED: u8 = 47;
pub(super) const GO_STATUS_STACK: u8 = 48;
pub(super) const EXPERIMENTAL_BATCH: u8 = 49;
/// Since Go 1.25.
pub(super) const SYNC: u8 = 50;
pub(super) const CLOCK_SNAPSHOT: u8 = 51;
/// Since Go 1.26.
pub(super) const END_OF_GENERATION: u8 = 52;
/// Events from here on belong to experiments.
pub(super) const EXPERIMENTAL: u8 = 128;

/// Events of the batches of a thread: number, name, arguments behind the time.
const TIMED: [(u8, &str, u8); 52] = [
    (PROCS_CHANGE, "ProcsChange", 2),
    (PROC_START, "ProcStart", 2),
    (PROC_STOP, "ProcStop", 0),
    (PROC_STEAL, "ProcSteal", 3),
    (PROC_STATUS, "ProcStatus", 2),
    (GO_CREATE, "GoCreate", 3),
    (GO_CREATE_SYSCALL, "GoCreateSyscall", 1),
    (GO_START, "GoStart", 2),
    (GO_DESTROY, "GoDestroy", 0),
    (GO_DESTROY_SYSCALL, "GoDestroySyscall", 0),
    (GO_STOP, "GoStop", 2),
    (GO_BLOCK, "GoBlock", 2),
    (GO_UNBLOCK, "GoUnblock", 3),
    (GO_SYSCALL_BEGIN, "GoSyscallBegin", 2),
    (GO_SYSCALL_END, "GoSyscallEnd", 0),
    (GO_SYSCALL_END_BLOCKED, "GoSyscallEndBlocked", 0),
    (GO_STATUS, "GoStatus", 3),
    (STW_BEGIN, "STWBegin", 2),
    (STW_END, "STWEnd", 0),
    (GC_ACTIVE, "GCActive", 1),
    (GC_BEGIN, "GCBegin", 2),
    (GC_END, "GCEnd", 1),
    (31, "GCSweepActive", 1),
    (32, "GCSweepBegin", 1),
    (33, "GCSweepEnd", 2),
    (34, "GCMarkAssistActive", 1),
    (35, "GCMarkAssistBegin", 1),
    (36, "GCMarkAssistEnd", 0),
    (37, "HeapAlloc", 1),
    (38, "HeapGoal", 1),
    (39, "GoLabel", 1),
    (USER_TASK_BEGIN, "UserTaskBegin", 4),
    (USER_TASK_END, "UserTaskEnd", 2),
    (USER_REGION_BEGIN, "UserRegionBegin", 3),
    (USER_REGION_END, "UserRegionEnd", 3),
    (USER_LOG, "UserLog", 4),
    (GO_SWITCH, "GoSwitch", 2),
    (GO_SWITCH_DESTROY, "GoSwitchDestroy", 2),
    (GO_CREATE_BLOCKED, "GoCreateBlocked", 3),
    (GO_STATUS_STACK, "GoStatusStack", 4),
    (CLOCK_SNAPSHOT, "ClockSnapshot", 3),
    // What the AllocFree experiment writes.
    (128, "Span", 3),
    (129, "SpanAlloc", 3),
    (130, "SpanFree", 1),
    (131, "HeapObject", 2),
    (132, "HeapObjectAlloc", 2),
    (133, "HeapObjectFree", 1),
    (134, "GoroutineStack", 2),
    (135, "GoroutineStackAlloc", 2),
    (136, "GoroutineStackFree", 1),
    // Counted, but of batches of their own.
    (CPU_SAMPLE, "CPUSample", NOT_TIMED),
    (EXPERIMENTAL_BATCH, "ExperimentalBatch", NOT_TIMED),
];

const NOT_TIMED: u8 = u8::MAX;

const ARGUMENTS: [u8; 256] = {
    let mut arguments = [NOT_TIMED; 256];
    let mut index = 0;
    while index < TIMED.len() {
        arguments[TIMED[index].0 as usize] = TIMED[index].2;
        index += 1;
    }
    arguments
};

/// The name that Go's own tools give a kind of event.
pub(super) fn name(kind: u8) -> Option<&'static str> {
    TIMED.iter().find(|timed| timed.0 == kind).map(|timed| timed.1)
}

/// An event of a thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: u8,
    /// In a batch the ticks since the event before; after that nanoseconds.
    pub(super) time: u64,
    pub(super) arguments: [u64; 4],
}

impl Event {
    /// Takes the next event off the front; `None` for one that is unknown or ends early.
    #[inline]
    pub(super) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (&kind, mut rest) = bytes.split_first()?;
        let count = ARGUMENTS[kind as usize];
        if count == NOT_TIMED {
            return None;
        }
        let mut event = Self { kind, time: take_varint(&mut rest)?, arguments: [0; 4] };
        for argument in event.arguments.iter_mut().take(count.into()) {
            *argument = take_varint(&mut rest)?;
        }
        *bytes = rest;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_takes_its_arguments_and_no_more() {
        let mut bytes = [GO_UNBLOCK, 5, 0x81, 1, 2, 3, GO_DESTROY, 1].as_slice();
        let unblock = Event { kind: GO_UNBLOCK, time: 5, arguments: [129, 2, 3, 0] };
        assert_eq!(Event::take(&mut bytes), Some(unblock));
        assert_eq!(Event::take(&mut bytes), Some(Event { kind: GO_DESTROY, time: 1, arguments: [0; 4] }));
        assert_eq!(Event::take(&mut bytes), None);
    }

    #[test]
    fn what_is_not_of_a_thread_is_no_event() {
        for kind in [0, EVENT_BATCH, STRINGS, FREQUENCY, SYNC, END_OF_GENERATION, 53, 127, 137, 255] {
            assert_eq!(Event::take(&mut [kind, 1, 1, 1, 1, 1].as_slice()), None, "{kind}");
        }
    }
}
