//! PostgreSQL: one database for any number of replicas.
//!
//! A connection that broke is made again before the next transaction or question; what was under way when it broke
//! fails, and whoever wanted it tries again. Texts can't hold the character NUL there, so it is kept as U+FFFD.
//!
//! Unlike with SQLite, a statement that fails takes its whole transaction with it: [`Connection::commit`] then fails too.

mod client;
mod convert;
mod tls;

use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, Error, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::tls::Security;
use super::{Connection, Database, Dialect, Row, StoreError, Value};
use client::Client;

/// Statements that a connection keeps prepared; beyond that all are prepared anew.
const PREPARED: usize = 256;

/// How long connecting may take, where the address does not say.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// What a connection for questions begins with: it changes nothing, and no question holds up others for ever.
const READING: &str = "SET default_transaction_read_only = on; SET statement_timeout = '30s'";

/// What a connection that changes things begins with. A transaction whose replica hangs lets go of its locks.
const WRITING: &str = "SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '30s';
                       SET client_min_messages = warning";

/// A database of a PostgreSQL server.
#[derive(Clone)]
pub struct PostgresDatabase {
    server: Arc<Server>,
}

/// Where it is, and how it is spoken with.
struct Server {
    config: Config,
    /// Nothing when connections are never encrypted.
    tls: Option<MakeRustlsConnect>,
}

impl std::fmt::Debug for PostgresDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresDatabase").field("config", &self.server.config).finish_non_exhaustive()
    }
}

impl Server {
    fn connect(&self) -> Result<Client, StoreError> {
        Client::connect(&self.config, self.tls.as_ref())
    }
}

impl PostgresDatabase {
    /// The one at this address: `postgres://USER:PASSWORD@HOST:PORT/NAME`, or `host=… user=… dbname=…`; `sslmode` and
    /// `sslrootcert` may be among its parameters.
    ///
    /// # Errors
    ///
    /// [`StoreError::Address`] when it is no address, or the certificates that it names can't be read. Nothing is
    /// connected yet.
    pub fn new(address: &str) -> Result<Self, StoreError> {
        let (address, security) = Security::take(address)?;
        let mut config = Config::from_str(&address).map_err(|error| StoreError::Address(say(&error)))?;
        config.ssl_mode(security.mode);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIME);
        }
        if config.get_application_name().is_none() {
            config.application_name("raceguard");
        }
        config.tcp_user_timeout(Duration::from_secs(20)).keepalives_idle(Duration::from_secs(10));
        Ok(Self { server: Arc::new(Server { config, tls: security.connector()? }) })
    }

    fn connect(&self, session: &'static str) -> Result<Box<dyn Connection>, StoreError> {
        let mut connection = PostgresConnection {
            server: Arc::clone(&self.server),
            session,
            client: None,
            prepared: HashMap::new(),
            transaction: Transaction::None,
        };
        connection.client()?;
        Ok(Box::new(connection))
    }
}

impl Database for PostgresDatabase {
    fn writing(&self) -> Result<Box<dyn Connection>, StoreError> {
        self.connect(WRITING)
    }

    fn reading(&self) -> Result<Box<dyn Connection>, StoreError> {
        self.connect(READING)
    }

    fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }

    fn reserve_log(&self, _bytes: u64) -> std::io::Result<()> {
        Ok(())
    }
}

/// Where a connection is in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    None,
    Open,
    /// A statement failed: the server refuses all but its end.
    Failed,
}

struct PostgresConnection {
    server: Arc<Server>,
    session: &'static str,
    client: Option<Client>,
    prepared: HashMap<String, Statement>,
    transaction: Transaction,
}

impl Connection for PostgresConnection {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        self.run(sql, values, Client::execute)
    }

    fn query(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let rows = self.run(sql, values, Client::query)?;
        rows.iter().map(convert::row).collect()
    }

    fn query_each(
        &mut self,
        sql: &str,
        width: usize,
        values: &[Value<'_>],
    ) -> Result<Vec<Vec<Row>>, StoreError> {
        let answers =
            self.run(sql, values, |client, statement, values| client.query_each(statement, width, values))?;
        answers.iter().map(|rows| rows.iter().map(convert::row).collect()).collect()
    }

    fn run_script(&mut self, sql: &str) -> Result<(), StoreError> {
        let outcome = self.client()?.run_script(sql);
        outcome.map_err(|error| self.failed(&error))
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        if let Err(error) = self.client()?.run_script("BEGIN") {
            // It broke while it was idle, most likely; nothing was begun, so beginning again is harmless.
            let StoreError::Unreachable(_) = self.failed(&error) else { return Err(self.failed(&error)) };
            let again = self.client()?.run_script("BEGIN");
            again.map_err(|error| self.failed(&error))?;
        }
        self.transaction = Transaction::Open;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if self.transaction == Transaction::Failed {
            return Err(StoreError::Postgres("a statement of the transaction had failed".to_owned()));
        }
        let outcome = self.client()?.run_script("COMMIT");
        outcome.map_err(|error| self.failed(&error))?;
        self.transaction = Transaction::None;
        Ok(())
    }

    fn rollback(&mut self) {
        if self.transaction != Transaction::None
            && let Some(client) = &self.client
            && client.run_script("ROLLBACK").is_err()
        {
            self.drop_client();
        }
        self.transaction = Transaction::None;
    }
}

impl PostgresConnection {
    /// The connection, made again if it broke. One that broke in a transaction stays so until the transaction ends.
    fn client(&mut self) -> Result<&Client, StoreError> {
        if self.client.as_ref().is_some_and(Client::is_closed) {
            self.drop_client();
        }
        if self.client.is_none() {
            if self.transaction != Transaction::None {
                return Err(StoreError::Unreachable("the connection broke in a transaction".to_owned()));
            }
            let client = self.server.connect()?;
            client.run_script(self.session).map_err(|error| StoreError::Unreachable(say(&error)))?;
            self.client = Some(client);
        }
        self.client.as_ref().ok_or_else(|| StoreError::Unreachable("there is no connection".to_owned()))
    }

    fn run<T>(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        run: impl Fn(&Client, &Statement, &[Value<'_>]) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        match self.try_run(sql, values, &run) {
            // It broke while it was idle; a question may be asked again, a change may have been made.
            Err(StoreError::Unreachable(_))
                if self.transaction == Transaction::None && sql.trim_start().starts_with("SELECT") =>
            {
                self.try_run(sql, values, &run)
            }
            outcome => outcome,
        }
    }

    fn try_run<T>(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        run: impl Fn(&Client, &Statement, &[Value<'_>]) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        self.client()?;
        let statement = if let Some(statement) = self.prepared.get(sql) {
            statement.clone()
        } else {
            let prepared = self.client()?.prepare(sql);
            let statement = prepared.map_err(|error| self.failed(&error))?;
            if self.prepared.len() >= PREPARED {
                self.prepared.clear();
            }
            self.prepared.insert(sql.to_owned(), statement.clone());
            statement
        };
        let outcome = run(self.client()?, &statement, values);
        outcome.map_err(|error| self.failed(&error))
    }

    /// What the error means for the connection, and for whoever asked.
    fn failed(&mut self, error: &Error) -> StoreError {
        if self.transaction == Transaction::Open {
            self.transaction = Transaction::Failed;
        }
        let closed = error.is_closed() || self.client.as_ref().is_none_or(Client::is_closed);
        match error.code() {
            Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED) => {
                StoreError::Conflict(say(error))
            }
            // The server shuts down, or a plan no longer fits a table that changed: a new connection has neither.
            Some(state) if state.code().starts_with("57P") || *state == SqlState::FEATURE_NOT_SUPPORTED => {
                self.drop_client();
                StoreError::Unreachable(say(error))
            }
            Some(_) if !closed => StoreError::Postgres(say(error)),
            None if !closed && error.as_db_error().is_none() && !is_io(error) => {
                StoreError::Postgres(say(error))
            }
            _ => {
                self.drop_client();
                StoreError::Unreachable(say(error))
            }
        }
    }

    fn drop_client(&mut self) {
        self.prepared.clear();
        if let Some(client) = self.client.take() {
            close(client);
        }
    }
}

impl Drop for PostgresConnection {
    fn drop(&mut self) {
        self.drop_client();
    }
}

/// Closes the connection on a thread that may block, which asynchronous code's may not.
fn close(client: Client) {
    if tokio::runtime::Handle::try_current().is_ok() {
        std::thread::spawn(move || client.close());
    } else {
        client.close();
    }
}

fn is_io(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

/// The error with its cause: on its own it says `db error`.
fn say(error: &Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(error), _) => match error.detail() {
            Some(detail) => format!("{}: {detail}", error.message()),
            None => error.message().to_owned(),
        },
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}
