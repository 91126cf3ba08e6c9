//! Memory that the requests under way share: two thousand clients that each send a large body must not take it all.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// Bytes of a unit.
const UNIT: usize = 4 << 10;

/// How much all requests together may hold.
#[derive(Debug, Clone)]
pub struct Memory {
    units: Arc<Semaphore>,
}

/// What one request holds; given back when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    memory: Memory,
    held: Option<OwnedSemaphorePermit>,
    /// Bytes asked for.
    bytes: usize,
}

/// Other requests hold all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much is being received at once; send again in a second")]
pub struct OutOfMemory;

impl Memory {
    /// Memory of this many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { units: Arc::new(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS))) }
    }

    /// Nothing of it yet.
    pub fn reservation(&self) -> Reservation {
        Reservation { memory: self.clone(), held: None, bytes: 0 }
    }

    /// Bytes that are free.
    pub fn free(&self) -> usize {
        self.units.available_permits() * UNIT
    }
}

impl Reservation {
    /// Takes that many bytes more, at once or not at all.
    pub fn grow(&mut self, bytes: usize) -> Result<(), OutOfMemory> {
        let bytes = self.bytes.saturating_add(bytes);
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = u32::try_from(bytes.div_ceil(UNIT).saturating_sub(held)).map_err(|_| OutOfMemory)?;
        if missing > 0 {
            let more = Arc::clone(&self.memory.units)
                .try_acquire_many_owned(missing)
                .map_err(|_: TryAcquireError| OutOfMemory)?;
            match &mut self.held {
                Some(held) => held.merge(more),
                held => *held = Some(more),
            }
        }
        self.bytes = bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_missing_to_others_until_it_is_given_back() {
        let memory = Memory::new(1 << 20);
        let (mut one, mut other) = (memory.reservation(), memory.reservation());
        for _ in 0..100 {
            one.grow(5000).expect("there is room");
        }
        assert_eq!(memory.free(), (1 << 20) - 500_000_usize.next_multiple_of(UNIT));
        assert_eq!(other.grow(600_000), Err(OutOfMemory));
        drop(one);
        other.grow(600_000).expect("there is room again");
        drop(other);
        assert_eq!(memory.free(), 1 << 20);
    }
}
