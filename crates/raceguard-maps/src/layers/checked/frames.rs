//! The calls that a thread is in the middle of, innermost last.

use std::cell::RefCell;
use std::marker::PhantomData;

use super::misuse::Site;
use crate::raw::sync::thread_local;

/// What a call does with the map while closures of the caller run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    Iterate,
    Close,
}

/// A call that has not returned yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    /// Which map: never used twice in a process.
    pub(super) map: u64,
    pub(super) access: Access,
    pub(super) site: Site,
}

thread_local! {
    // loom's macro knows no const initializers.
    #[allow(clippy::missing_const_for_thread_local)]
    static FRAMES: RefCell<Vec<Frame>> = RefCell::new(Vec::new());
}

/// Takes its frame away when dropped, so also when the call panics.
#[derive(Debug)]
pub(super) struct Entered {
    depth: usize,
    /// It belongs to the thread that made it.
    _thread: PhantomData<*const ()>,
}

/// Adds a frame, unless `check` objects to it in view of the frames that are there.
pub(super) fn enter<E>(frame: Frame, check: impl FnOnce(&[Frame]) -> Result<(), E>) -> Result<Entered, E> {
    // During the end of a thread its frames may be gone already; the call is then not checked.
    let entered = FRAMES.try_with(|frames| {
        let mut frames = frames.borrow_mut();
        check(&frames)?;
        frames.push(frame);
        Ok(frames.len() - 1)
    });
    Ok(Entered { depth: entered.unwrap_or(Ok(usize::MAX))?, _thread: PhantomData })
}

impl Drop for Entered {
    fn drop(&mut self) {
        let _ = FRAMES.try_with(|frames| frames.borrow_mut().truncate(self.depth));
    }
}
