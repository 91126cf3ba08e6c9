//! What runs beside the requests: a group of tasks that begin and end together.
//!
//! The first that fails cancels the rest, all are awaited, and none is awaited for ever.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Why a task ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// It gave up.
    #[error("{task} ended: {reason}")]
    Failed {
        /// Which one.
        task: &'static str,
        /// What it says.
        reason: String,
    },
    /// It panicked.
    #[error("a task panicked: {0}")]
    Panicked(tokio::task::JoinError),
    /// It did not end in time when it was told to.
    #[error("{count} tasks did not end within {within:?} and were cut off")]
    Stuck {
        /// How many.
        count: usize,
        /// How long they had.
        within: Duration,
    },
}

/// A group of tasks.
#[derive(Debug, Default)]
pub struct Tasks {
    running: JoinSet<Result<(), TaskError>>,
    stop: CancellationToken,
}

impl Tasks {
    /// What tells each of them to end.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Starts a task. It ends when the token that it is given is cancelled, or with what went wrong.
    pub fn spawn<F, E>(&mut self, task: &'static str, run: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display,
    {
        let run = run(self.stop.clone());
        self.running.spawn(async move {
            run.await.map_err(|error| TaskError::Failed { task, reason: error.to_string() })
        });
    }

    /// The first failure; waits for ever when there is none.
    pub async fn failed(&mut self) -> TaskError {
        loop {
            match self.running.join_next().await {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => return error,
                Some(Err(error)) => return TaskError::Panicked(error),
                None => std::future::pending().await,
            }
        }
    }

    /// Tells all to end and waits for them; gives the first failure.
    pub async fn end(mut self, within: Duration) -> Result<(), TaskError> {
        self.stop.cancel();
        let mut first = Ok(());
        let all = async {
            while let Some(ended) = self.running.join_next().await {
                let ended = ended.map_err(TaskError::Panicked).and_then(|ended| ended);
                first = std::mem::replace(&mut first, Ok(())).and(ended);
            }
        };
        if tokio::time::timeout(within, all).await.is_err() {
            return Err(TaskError::Stuck { count: self.running.len(), within });
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test]
    async fn the_first_failure_is_told_and_the_rest_end_in_order() {
        let ended = Arc::new(AtomicBool::new(false));
        let mut tasks = Tasks::default();
        let seen = Arc::clone(&ended);
        tasks.spawn("the patient one", |stop| async move {
            stop.cancelled().await;
            seen.store(true, Ordering::SeqCst);
            Ok::<_, String>(())
        });
        tasks.spawn("the quick one", |_| async { Err("no luck") });
        assert_eq!(tasks.failed().await.to_string(), "the quick one ended: no luck");
        tasks.end(Duration::from_secs(5)).await.expect("the other one ends well");
        assert!(ended.load(Ordering::SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_end_is_cut_off() {
        let mut tasks = Tasks::default();
        tasks.spawn("the deaf one", |_| std::future::pending::<Result<(), String>>());
        let error = tasks.end(Duration::from_secs(1)).await.expect_err("it is stuck");
        assert!(matches!(error, TaskError::Stuck { count: 1, .. }), "{error}");
    }
}
