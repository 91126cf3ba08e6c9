//! A connection that blocks, and that can send many statements before the first answer comes.
//!
//! It is a session of `tokio-postgres` on a runtime of its own, which runs only while somebody waits for an answer.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Error, NoTls, Row, Statement};

use super::super::{StoreError, Value};

/// How long the server may take to hear that a connection ends.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// Statements that are under way at once; more wait for the answers to these.
const UNDER_WAY: usize = 1_000;

/// A session.
pub(super) struct Client {
    session: tokio_postgres::Client,
    wire: JoinHandle<Result<(), Error>>,
    runtime: Runtime,
}

impl Client {
    /// Connects. Blocks, as all of this does.
    pub(super) fn connect(config: &Config) -> Result<Self, StoreError> {
        let unreachable = |reason: String| StoreError::Unreachable(reason);
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| unreachable(format!("no connection can be made: {error}")))?;
        let (session, wire) =
            runtime.block_on(config.connect(NoTls)).map_err(|error| unreachable(super::say(&error)))?;
        let wire = runtime.spawn(wire);
        Ok(Self { session, wire, runtime })
    }

    /// Whether it is known to have ended.
    pub(super) fn is_closed(&self) -> bool {
        self.session.is_closed()
    }

    /// Runs statements without parameters.
    pub(super) fn run_script(&self, sql: &str) -> Result<(), Error> {
        self.runtime.block_on(self.session.batch_execute(sql))
    }

    /// Prepares a statement.
    pub(super) fn prepare(&self, sql: &str) -> Result<Statement, Error> {
        self.runtime.block_on(self.session.prepare(sql))
    }

    /// Runs a statement; gives the number of rows that it changed.
    pub(super) fn execute(&self, statement: &Statement, values: &[Value<'_>]) -> Result<u64, Error> {
        self.runtime.block_on(self.session.execute(statement, &parameters(values)))
    }

    /// Runs a statement that answers with rows.
    pub(super) fn query(&self, statement: &Statement, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        self.runtime.block_on(self.session.query(statement, &parameters(values)))
    }

    /// Runs a statement for each group of `width` values; gives the answer to each, or the first error.
    pub(super) fn query_each(
        &self,
        statement: &Statement,
        width: usize,
        values: &[Value<'_>],
    ) -> Result<Vec<Vec<Row>>, Error> {
        let width = width.max(1);
        self.runtime.block_on(async {
            let mut answers = Vec::with_capacity(values.len() / width);
            for part in values.chunks(width * UNDER_WAY) {
                let rows: Vec<_> = part.chunks(width).map(parameters).collect();
                // Each is sent when it is first polled, so all are before any is answered, in this order.
                let asked = rows.iter().map(|row| self.session.query(statement, row));
                for answer in join_all(asked).await {
                    answers.push(answer?);
                }
            }
            Ok(answers)
        })
    }

    /// Ends the session, on a thread that may block.
    pub(super) fn close(self) {
        let Self { session, wire, runtime } = self;
        drop(session);
        // What is left open when the server does not listen any more ends with the process.
        runtime.block_on(async {
            let _ = tokio::time::timeout(CLOSE_TIME, wire).await;
        });
    }
}

fn parameters<'a>(values: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(|value| value as _).collect()
}
