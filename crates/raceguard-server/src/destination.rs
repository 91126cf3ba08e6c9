//! Where accepted evidence goes: to this process's writer, or into the queue that replicas share.

use crate::batch::Batch;
use crate::cluster::Queue;
use crate::store::{Receipt, StoreError, Writer};

/// Takes batches; what it has taken is durable.
#[derive(Debug, Clone)]
pub enum Destination {
    /// The writer of this process.
    Writer(Writer),
    /// The queue of a cluster. Its replicas write from there.
    Queue(Box<Queue>),
}

impl Destination {
    /// Takes a batch; returns when it is durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] at once when too much waits. After other errors the batch may be sent again.
    pub async fn write(&self, batch: Batch, received_ms: i64) -> Result<Receipt, StoreError> {
        match self {
            Self::Writer(writer) => writer.write(batch, received_ms).await,
            Self::Queue(queue) => queue.put(batch, received_ms).await,
        }
    }
}
