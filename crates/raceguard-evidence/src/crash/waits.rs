//! What a goroutine waits for, read off the arguments in its stack.
//!
//! Go prints the arguments of each call, and marks those that may be stale with a question mark; these are not used.

/// A function of Go's that waits, and which address its first argument is.
struct Waiting {
    function: &'static str,
    /// The lock or channel itself, or only the semaphore inside one.
    is_object: bool,
}

/// Functions that wait on their first argument, in `sync`, `internal/sync` and `runtime` of Go 1.22 to 1.27.
const WAITING: [Waiting; 21] = [
    object("sync.(*Mutex).lockSlow"),
    object("internal/sync.(*Mutex).lockSlow"),
    object("sync.(*Mutex).Lock"),
    object("internal/sync.(*Mutex).Lock"),
    object("sync.(*RWMutex).Lock"),
    object("sync.(*RWMutex).RLock"),
    object("sync.(*WaitGroup).Wait"),
    object("sync.(*Cond).Wait"),
    object("runtime.chanrecv"),
    object("runtime.chanrecv1"),
    object("runtime.chanrecv2"),
    object("runtime.chansend"),
    object("runtime.chansend1"),
    semaphore("sync.runtime_Semacquire"),
    semaphore("sync.runtime_SemacquireMutex"),
    semaphore("internal/sync.runtime_SemacquireMutex"),
    semaphore("sync.runtime_SemacquireRWMutex"),
    semaphore("sync.runtime_SemacquireRWMutexR"),
    semaphore("sync.runtime_SemacquireWaitGroup"),
    semaphore("sync.runtime_notifyListWait"),
    semaphore("runtime.semacquire1"),
];

const fn object(function: &'static str) -> Waiting {
    Waiting { function, is_object: true }
}

const fn semaphore(function: &'static str) -> Waiting {
    Waiting { function, is_object: false }
}

/// Looks at the calls of one goroutine, innermost first.
#[derive(Debug, Default, Clone)]
pub(super) struct WaitsOn {
    object: Option<u64>,
    semaphore: Option<u64>,
    /// A frame of the program was seen: what stands further out did not wait.
    ended: bool,
}

impl WaitsOn {
    /// Takes a call: the function, and its arguments as printed, without the outer parentheses.
    pub(super) fn call(&mut self, function: &str, arguments: &str) {
        if self.ended {
            return;
        }
        let is_waiting_package =
            ["sync.", "internal/sync.", "runtime."].iter().any(|p| function.starts_with(p));
        if !is_waiting_package {
            self.ended = true;
            return;
        }
        let Some(waiting) = WAITING.iter().find(|waiting| waiting.function == function) else { return };
        let Some(address) = first_address(arguments) else { return };
        let slot = if waiting.is_object { &mut self.object } else { &mut self.semaphore };
        slot.get_or_insert(address);
    }

    /// The address of the lock or channel, or else of the semaphore in it.
    pub(super) fn address(&self) -> Option<u64> {
        self.object.or(self.semaphore)
    }
}

/// The first argument, when it is an address that is not stale.
fn first_address(arguments: &str) -> Option<u64> {
    let first = arguments.split(',').next()?.trim();
    let address = u64::from_str_radix(first.strip_prefix("0x")?, 16).ok()?;
    // Smaller numbers are no addresses of Go's heap or data.
    (address >= 0x1000).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(calls: &[(&str, &str)]) -> Option<u64> {
        let mut waits = WaitsOn::default();
        for (function, arguments) in calls {
            waits.call(function, arguments);
        }
        waits.address()
    }

    #[test]
    fn the_lock_goes_before_its_semaphore() {
        let calls = [
            ("runtime.semacquire1", "0xc000010014, 0x0, 0x3"),
            ("internal/sync.runtime_SemacquireMutex", "0x0?, 0x0?, 0x0?"),
            ("internal/sync.(*Mutex).lockSlow", "0xc000010010"),
            ("main.main", ""),
        ];
        assert_eq!(address(&calls), Some(0x00c0_0001_0010));
        assert_eq!(address(&calls[..2]), Some(0x00c0_0001_0014));
    }

    #[test]
    fn stale_arguments_and_frames_of_the_program_say_nothing() {
        assert_eq!(address(&[("sync.(*RWMutex).Lock", "0xc000010010?")]), None);
        assert_eq!(address(&[("sync.(*RWMutex).Lock", "0x0")]), None);
        assert_eq!(address(&[("main.f", "0xc000010010"), ("sync.(*Mutex).Lock", "0xc000010010")]), None);
    }
}
