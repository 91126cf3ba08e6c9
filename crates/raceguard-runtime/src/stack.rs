//! Go's own stack, followed by frame pointers: for what the Go runtime does on behalf of an instrumented function.

/// Most frames of the Go runtime between a statement and what the runtime announces for it.
const RUNTIME_FRAMES: usize = 12;
/// No goroutine's stack is larger (runtime.maxstacksize on 64-bit systems).
const MAX_STACK: usize = 1 << 30;

/// Follows frame pointers from `frame` up to the innermost instrumented function, which returns to `caller`; the
/// answer is where that function called into the Go runtime. `end` is the upper end of the stack.
///
/// If the runtime has `named` a statement, that one has to be on the way: of a `select` it names the case, which is
/// no call and better than any.
pub fn statement(caller: u64, named: Option<u64>, frame: usize, end: usize) -> Option<u64> {
    let mut frame = frame;
    let mut pc = None;
    let mut seen = named.is_none();
    for _ in 0..RUNTIME_FRAMES {
        if !frame.is_multiple_of(8) || frame == 0 || frame + 16 > end || end - frame > MAX_STACK {
            return None;
        }
        // SAFETY: inside the goroutine's stack, above its stack pointer: Go's frames begin with the caller's frame
        // pointer and the return address.
        let (outer, return_address) = unsafe { (*(frame as *const usize), *((frame + 8) as *const u64)) };
        if return_address == caller {
            return pc.filter(|_| seen);
        }
        seen |= named == Some(return_address);
        pc = Some(return_address);
        if outer <= frame {
            return None;
        }
        frame = outer;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stack of frames at every second word, each with its return address; the lowest comes first.
    fn stack(return_addresses: &[u64]) -> Vec<u64> {
        let mut words = vec![0; 2 * return_addresses.len()];
        let base = words.as_ptr() as u64;
        for (index, &address) in return_addresses.iter().enumerate() {
            let last = index + 1 == return_addresses.len();
            words[2 * index] = if last { 0 } else { base + 16 * (index as u64 + 1) };
            words[2 * index + 1] = address;
        }
        words
    }

    fn find(caller: u64, words: &[u64]) -> Option<u64> {
        let start = words.as_ptr() as usize;
        statement(caller, None, start, start + 8 * words.len())
    }

    #[test]
    fn a_named_statement_that_is_no_call_on_the_stack_stands() {
        let words = stack(&[0x10, 0x20, 0x30]);
        let start = words.as_ptr() as usize;
        let find = |named| statement(0x30, Some(named), start, start + 8 * words.len());
        assert_eq!(find(0x10), Some(0x20), "the runtime named a function of its own");
        assert_eq!(find(0x77), None);
    }

    #[test]
    fn the_statement_is_below_the_function_s_return() {
        let words = stack(&[0x10, 0x20, 0x30, 0x40]);
        assert_eq!(find(0x30, &words), Some(0x20));
        assert_eq!(find(0x10, &words), None, "nothing of the runtime in between");
    }

    #[test]
    fn a_broken_chain_ends_the_search() {
        let mut words = stack(&[0x10, 0x20, 0x30]);
        assert_eq!(find(0x99, &words), None);
        words[2] = 0x1234_5678;
        assert_eq!(find(0x30, &words), None);
    }
}
