//! [`Acknowledgement`]: the handle on a queued operation, to wait for or to await.

use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::error::MapError;
use crate::raw::sync::Mutex;

/// Does what a map's queue holds, or says that it cannot from here.
pub(super) trait Help: Send + Sync {
    /// Does the queued operations on this thread. `Reentrant` when called from within one of them.
    fn help(&self) -> Result<(), MapError>;
}

/// A queued operation. It is done whether or not anybody waits for it.
///
/// [`wait`](Self::wait) blocks; as a future it can be awaited under any runtime. If the operation panicked, the
/// panic goes on to whoever waits.
///
/// ```
/// use raceguard_maps::{Operation, SerialMap};
///
/// let map: SerialMap<&str, u32> = SerialMap::new();
/// let first = map.enqueue(Operation::Insert("a", 1))?;
/// let second = map.enqueue(Operation::Insert("a", 2))?;
/// assert_eq!(second.wait()?, Some(1));
/// assert_eq!(first.wait()?, None);
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[must_use = "the operation is done anyway, but whether it was is only known from here"]
pub struct Acknowledgement<R> {
    slot: Arc<Slot<R>>,
    helper: Arc<dyn Help>,
}

enum Outcome<R> {
    Done(R),
    Panicked(Box<dyn Any + Send>),
    Refused(MapError),
}

enum State<R> {
    Waiting(Option<Waker>),
    Ready(Outcome<R>),
    Taken,
}

struct Slot<R>(Mutex<State<R>>);

/// The other end: what is dropped without an answer answers `Closed`.
pub(super) struct Answer<R>(Option<Arc<Slot<R>>>);

/// Both ends for one operation of the map behind `helper`.
pub(super) fn acknowledgement<R>(helper: Arc<dyn Help>) -> (Answer<R>, Acknowledgement<R>) {
    let slot = Arc::new(Slot(Mutex::new(State::Waiting(None))));
    (Answer(Some(Arc::clone(&slot))), Acknowledgement { slot, helper })
}

impl<R> Answer<R> {
    pub(super) fn give(mut self, result: Result<R, Box<dyn Any + Send>>) {
        self.fill(result.map_or_else(Outcome::Panicked, Outcome::Done));
    }

    fn fill(&mut self, outcome: Outcome<R>) {
        let Some(slot) = self.0.take() else { return };
        let before = std::mem::replace(&mut *slot.0.lock(), State::Ready(outcome));
        if let State::Waiting(Some(task)) = before {
            task.wake();
        }
    }
}

impl<R> Drop for Answer<R> {
    fn drop(&mut self) {
        self.fill(Outcome::Refused(MapError::Closed));
    }
}

impl<R> Acknowledgement<R> {
    /// Waits until the operation is done and returns its result. Waiting means helping: this thread does what the
    /// queue holds instead of waiting for a wake-up. From within an operation of the same map it returns
    /// [`MapError::Reentrant`], since it would wait for itself.
    pub fn wait(self) -> Result<R, MapError> {
        if let Some(outcome) = self.take() {
            return outcome.into_result();
        }
        self.helper.help()?;
        // Whatever is queued is done or answered within a turn, and this thread has just had one.
        self.take().map_or(Err(MapError::Closed), Outcome::into_result)
    }

    /// Whether the operation is done, so that [`wait`](Self::wait) returns at once.
    pub fn is_done(&self) -> bool {
        matches!(*self.slot.0.lock(), State::Ready(_))
    }

    fn take(&self) -> Option<Outcome<R>> {
        let mut state = self.slot.0.lock();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Ready(outcome) => Some(outcome),
            other => {
                *state = other;
                None
            }
        }
    }
}

impl<R> Future for Acknowledgement<R> {
    type Output = Result<R, MapError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Cloned outside the lock: a waker is code of the runtime.
        let waker = context.waker().clone();
        let mut state = self.slot.0.lock();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Ready(outcome) => {
                drop(state);
                Poll::Ready(outcome.into_result())
            }
            State::Waiting(old) => {
                *state = State::Waiting(Some(waker));
                drop(state);
                drop(old);
                Poll::Pending
            }
            State::Taken => panic!("an acknowledgement was polled after it was done"),
        }
    }
}

impl<R> Outcome<R> {
    fn into_result(self) -> Result<R, MapError> {
        match self {
            Self::Done(result) => Ok(result),
            Self::Panicked(payload) => resume_unwind(payload),
            Self::Refused(error) => Err(error),
        }
    }
}

impl<R> fmt::Debug for Acknowledgement<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acknowledgement").field("done", &self.is_done()).finish_non_exhaustive()
    }
}
