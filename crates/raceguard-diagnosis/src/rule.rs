//! The rules that findings of a run fall under, with the text users read.
//!
//! A code never changes its meaning: `RG1xx` map traps, `RG2xx` other races by root cause, `RG3xx` locks.

use raceguard_evidence::CrashCause;

/// A rule, and what users read about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable code, e.g. `RG103`.
    pub code: &'static str,
    /// Stable name in kebab case.
    pub name: &'static str,
    /// What happened, in one line.
    pub summary: &'static str,
    /// Why it is bad.
    pub why: &'static str,
    /// What to do about it.
    pub fix: &'static str,
}

impl Rule {
    /// The rule that a crash falls under.
    pub fn of_crash(cause: CrashCause) -> &'static Self {
        match cause {
            CrashCause::ConcurrentMapWrites => &MAP_WRITES,
            CrashCause::ConcurrentMapReadWrite => &MAP_READ_DURING_WRITE,
            CrashCause::ConcurrentMapIterationWrite => &MAP_ITERATION_DURING_WRITE,
            CrashCause::Deadlock => &DEADLOCK,
            CrashCause::UnlockOfUnlockedMutex => &UNLOCK_OF_UNLOCKED,
            CrashCause::CloseOfClosedChannel | CrashCause::SendOnClosedChannel => &CHANNEL_CLOSE,
            CrashCause::NilMapWrite => &NIL_MAP_WRITE,
            CrashCause::WaitGroupMisuse => &WAIT_GROUP,
            _ => &CRASH,
        }
    }
}

/// Every rule, by code.
pub const RULES: &[&Rule] = &[
    &MAP_WRITES,
    &MAP_READ_DURING_WRITE,
    &MAP_ITERATION_DURING_WRITE,
    &NIL_MAP_WRITE,
    &CAPTURED_VARIABLE,
    &CHANNEL_CLOSE,
    &POOLED_OBJECT,
    &SLICE_APPEND,
    &WAIT_GROUP,
    &MIXED_ATOMIC,
    &DATA_RACE,
    &LOST_UPDATE,
    &CRASH,
    &DEADLOCK,
    &UNLOCK_OF_UNLOCKED,
];

/// `RG101`
pub const MAP_WRITES: Rule = Rule {
    code: "RG101",
    name: "concurrent-map-writes",
    summary: "Two goroutines change a map without synchronisation",
    why: "Go's maps are not safe for concurrent use. Two concurrent writes lose entries, corrupt the \
          table, or end the process with `fatal error: concurrent map writes`, which no recover can catch.",
    fix: "Guard every access to the map with one mutex that lives beside it in the same struct; split the \
          map into shards with a mutex each where that one becomes a bottleneck.",
};

/// `RG102`
pub const MAP_READ_DURING_WRITE: Rule = Rule {
    code: "RG102",
    name: "map-read-during-write",
    summary: "A map is read while another goroutine changes it",
    why: "A read beside a write may miss entries that are there, or end the process with `fatal error: \
          concurrent map read and map write`, which no recover can catch. Also `len` and a lookup are \
          reads.",
    fix: "Guard every access, reads too, with one sync.RWMutex. Use sync.Map when each key is written once \
          and read often; swap a new map through atomic.Pointer when reads vastly outnumber reloads.",
};

/// `RG103`
pub const MAP_ITERATION_DURING_WRITE: Rule = Rule {
    code: "RG103",
    name: "map-iteration-during-write",
    summary: "A map is iterated over while another goroutine changes it",
    why: "The iteration may skip or repeat entries, or end the process with `fatal error: concurrent map \
          iteration and map write`, which no recover can catch.",
    fix: "Hold the lock that guards the writes during the whole loop, or copy under the lock (maps.Clone) \
          and iterate over the copy.",
};

/// `RG110`
pub const NIL_MAP_WRITE: Rule = Rule {
    code: "RG110",
    name: "nil-map-write",
    summary: "A map that was never made is written to",
    why: "The zero value of a map can be read, but writing to it panics: `assignment to entry in nil map`. In a \
          goroutine that panic ends the process.",
    fix: "Make the map where it is declared or in the constructor of its struct, before any goroutine that writes \
          to it is started.",
};

/// `RG213`
pub const DATA_RACE: Rule = Rule {
    code: "RG213",
    name: "data-race",
    summary: "Memory is accessed by two goroutines without synchronisation, and one of them writes",
    why: "Go gives no promise on what the reader sees: stale, torn (interfaces, slices and strings are \
          several words) or never-updated values.",
    fix: "Order the two accesses: guard both with the same mutex, hand the value over through a channel, \
          or use sync/atomic for a single word.",
};

/// `RG214`
pub const LOST_UPDATE: Rule = Rule {
    code: "RG214",
    name: "lost-update",
    summary: "Two goroutines read, change and write back the same value",
    why: "When both read before either writes back, one of the updates is lost. Counters drift and \
          balances are wrong, without any crash.",
    fix: "Make the whole read-modify-write one step: an atomic type (atomic.Int64 and its Add), or a mutex \
          held from the read to the write.",
};

/// `RG202`
pub const CAPTURED_VARIABLE: Rule = Rule {
    code: "RG202",
    name: "captured-variable",
    summary: "A variable captured by a closure is shared by goroutines",
    why: "A closure captures the variable itself, not its value, so the goroutine and the function that \
          started it work on the same memory; `err` and loop variables are the usual victims.",
    fix: "Declare the variable inside the goroutine, pass its value as an argument, or hand the result \
          back through a channel.",
};

/// `RG207`
pub const SLICE_APPEND: Rule = Rule {
    code: "RG207",
    name: "slice-append",
    summary: "Goroutines append to the same slice",
    why: "append reads and writes length, capacity and backing array. Concurrent appends overwrite each \
          other's elements or leave a slice that points to the wrong array.",
    fix: "Guard the append with a mutex, let each goroutine write its own index of a slice made in \
          advance, or collect through a channel.",
};

/// `RG210`
pub const MIXED_ATOMIC: Rule = Rule {
    code: "RG210",
    name: "mixed-atomic",
    summary: "Memory is accessed through sync/atomic on one side and plainly on the other",
    why: "An atomic access orders nothing against a plain one: the plain side may see stale or torn \
          values.",
    fix: "Give the variable an atomic type (atomic.Int64, atomic.Pointer), so that a plain access does not \
          compile.",
};

/// `RG203`
pub const CHANNEL_CLOSE: Rule = Rule {
    code: "RG203",
    name: "channel-close",
    summary: "A channel is closed while another goroutine may still send on it or close it",
    why: "A send on a closed channel and a second close both panic. Whether it happens depends on which \
          goroutine comes first.",
    fix: "Let only the sender close, after its last send; with several senders wait for all of them \
          (sync.WaitGroup) and close once, or signal the end through a context instead of a close.",
};

/// `RG208`
pub const WAIT_GROUP: Rule = Rule {
    code: "RG208",
    name: "wait-group",
    summary: "A sync.WaitGroup is counted up while another goroutine waits for it",
    why: "When Add runs inside the goroutine it counts, Wait may return before the goroutine has even \
          started.",
    fix: "Call Add before the go statement, or use WaitGroup.Go, which does.",
};

/// `RG204`
pub const POOLED_OBJECT: Rule = Rule {
    code: "RG204",
    name: "pooled-object",
    summary: "An object of a sync.Pool is used after it was put back",
    why: "After Put the pool may hand the object to any other goroutine; whoever keeps a reference writes \
          into data that belongs to someone else.",
    fix: "Put the object back only when nothing refers to it any more, and copy what must outlive it (the \
          bytes of a buffer above all).",
};

/// `RG220`
pub const CRASH: Rule = Rule {
    code: "RG220",
    name: "crash",
    summary: "The program died",
    why: "An unrecovered panic or a fatal error ends the process. Its cause may be another race in this \
          report.",
    fix: "Read the goroutine dump from the first goroutine on, and mend the races of this report first.",
};

/// `RG310`
pub const DEADLOCK: Rule = Rule {
    code: "RG310",
    name: "deadlock",
    summary: "No goroutine can go on",
    why: "Every goroutine waits for another one, so the runtime ends the process.",
    fix: "Find in the dump what each goroutine waits for: a channel nobody serves, a lock taken in another \
          order, a WaitGroup counted too high.",
};

/// `RG311`
pub const UNLOCK_OF_UNLOCKED: Rule = Rule {
    code: "RG311",
    name: "unlock-of-unlocked",
    summary: "A mutex is unlocked that nobody holds",
    why: "The runtime ends the process, and whatever the lock should have guarded was not guarded.",
    fix: "Unlock by defer right after the lock, match RLock with RUnlock, and never copy a mutex.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_unique_and_sorted() {
        assert!(RULES.windows(2).all(|pair| pair[0].code < pair[1].code));
        let mut names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
    }
}
