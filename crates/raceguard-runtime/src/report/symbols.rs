//! Names and places of program counters, asked of the Go runtime by its callback.

use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char, c_void};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::context;

/// Go's `racecallbackthunk`.
pub type Callback = extern "C" fn(command: usize, context: *mut c_void);

const SYMBOLISE_CODE: usize = 1;
const SYMBOLISE_DATA: usize = 2;
static CALLBACK: AtomicUsize = AtomicUsize::new(0);

/// Remembers the callback that `__tsan_init` got.
pub fn set_callback(callback: Callback) {
    CALLBACK.store(callback as usize, Ordering::Release);
}

fn call(command: usize, context: *mut c_void) {
    let callback = CALLBACK.load(Ordering::Acquire);
    if callback != 0 {
        // SAFETY: only `set_callback` stores here.
        let callback = unsafe { core::mem::transmute::<usize, Callback>(callback) };
        callback(command, context);
    }
}

/// A line of a stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Full name as Go prints it.
    pub function: String,
    /// Path as the compiler recorded it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// The program counter, inside the call.
    pub pc: u64,
    /// Distance from the function's entry.
    pub offset: usize,
    /// Compiled into its caller.
    pub inlined: bool,
}

/// runtime/race.go: symbolizeCodeContext.
#[repr(C)]
struct CodeContext {
    pc: usize,
    function: *const c_char,
    file: *const c_char,
    line: usize,
    offset: usize,
    result: usize,
}

/// runtime/race.go: symbolizeDataContext.
#[repr(C)]
struct DataContext {
    address: usize,
    heap: usize,
    start: usize,
    size: usize,
    name: *const c_char,
    file: *const c_char,
    line: usize,
    result: usize,
}

fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::from("??");
    }
    // SAFETY: Go hands out NUL-terminated strings that live as long as the program.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// Appends the frames of return address `pc`: the function it lies in, after those inlined into it.
fn push_frames(pc: u64, frames: &mut Vec<Frame>) {
    let mut at = pc.wrapping_sub(1) as usize;
    for _ in 0..64 {
        let mut context = CodeContext {
            pc: at,
            function: core::ptr::null(),
            file: core::ptr::null(),
            line: 0,
            offset: 0,
            result: 0,
        };
        call(SYMBOLISE_CODE, (&raw mut context).cast());
        let inlined = context.pc != at;
        frames.push(Frame {
            function: text(context.function),
            file: text(context.file),
            line: context.line,
            pc: at as u64,
            offset: context.offset,
            inlined,
        });
        if !inlined {
            return;
        }
        at = context.pc;
    }
}

/// The stack of context `id`. Its outermost frame lies in the Go runtime and is left out.
pub fn stack(id: u32) -> Vec<Frame> {
    let mut frames = Vec::new();
    for pc in context::frames(id) {
        push_frames(pc, &mut frames);
    }
    finish(frames)
}

/// The stacks of the `go` statements of a goroutine and its ancestors, by its spawn node.
pub fn creation(spawn: u32) -> Vec<Vec<Frame>> {
    context::spawns(spawn).map(|(_, statement)| stack(statement)).collect()
}

fn finish(mut frames: Vec<Frame>) -> Vec<Frame> {
    if frames.len() > 1 {
        frames.pop();
    }
    frames
}

/// Start and size of the heap object that holds `address`, if Go knows one.
pub fn heap_object(address: usize) -> Option<(usize, usize)> {
    let mut context = DataContext {
        address,
        heap: 0,
        start: 0,
        size: 0,
        name: core::ptr::null(),
        file: core::ptr::null(),
        line: 0,
        result: 0,
    };
    call(SYMBOLISE_DATA, (&raw mut context).cast());
    (context.result != 0 && context.heap != 0).then_some((context.start, context.size))
}
