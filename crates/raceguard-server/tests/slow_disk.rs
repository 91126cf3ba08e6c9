//! A disk that is slow: acknowledgements wait for it, what is too much is put off, and what was acknowledged is there.

mod support;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use raceguard_server::limits::Limits;
use raceguard_server::store::sql::sqlite::SqliteDatabase;
use raceguard_server::store::sql::{Connection, Database, Dialect, Row, Value};
use raceguard_server::store::{Place, Store, StoreError};
use raceguard_server::token::{Role, Token};
use support::{Running, repeat, token};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// SQLite over a disk whose flushes take so many milliseconds.
#[derive(Debug)]
struct Slow {
    database: SqliteDatabase,
    flush_ms: Arc<AtomicU64>,
}

struct SlowConnection {
    connection: Box<dyn Connection>,
    flush_ms: Arc<AtomicU64>,
}

impl Slow {
    fn new(folder: &Path, flush_ms: &Arc<AtomicU64>) -> Arc<Self> {
        let database = SqliteDatabase::new(folder.join("server.db"));
        Arc::new(Self { database, flush_ms: Arc::clone(flush_ms) })
    }

    fn slowed(&self, connection: Box<dyn Connection>) -> Box<dyn Connection> {
        Box::new(SlowConnection { connection, flush_ms: Arc::clone(&self.flush_ms) })
    }
}

impl Database for Slow {
    fn writing(&self) -> Result<Box<dyn Connection>, StoreError> {
        self.database.writing().map(|connection| self.slowed(connection))
    }

    fn reading(&self) -> Result<Box<dyn Connection>, StoreError> {
        self.database.reading()
    }

    fn flush(&self) -> io::Result<()> {
        thread::sleep(Duration::from_millis(self.flush_ms.load(Ordering::SeqCst)));
        self.database.flush()
    }

    fn reserve_log(&self, bytes: u64) -> io::Result<()> {
        self.database.reserve_log(bytes)
    }
}

impl Connection for SlowConnection {
    fn dialect(&self) -> Dialect {
        self.connection.dialect()
    }

    fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        self.connection.execute(sql, values)
    }

    fn query(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        self.connection.query(sql, values)
    }

    fn query_each(
        &mut self,
        sql: &str,
        width: usize,
        values: &[Value<'_>],
    ) -> Result<Vec<Vec<Row>>, StoreError> {
        self.connection.query_each(sql, width, values)
    }

    fn run_script(&mut self, sql: &str) -> Result<(), StoreError> {
        self.connection.run_script(sql)
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.connection.begin()
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        thread::sleep(Duration::from_millis(self.flush_ms.load(Ordering::SeqCst)));
        self.connection.commit()
    }

    fn rollback(&mut self) {
        self.connection.rollback();
    }
}

/// Sends one record as a stream of its own; gives the head of the answer.
async fn send(address: SocketAddr, token: &Token, number: usize) -> String {
    let body = repeat(&number.to_string());
    let request = format!(
        "POST /v1/evidence HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\nraceguard-stream: {number}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        token.reveal(),
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer.to_ascii_lowercase()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledgements_wait_and_what_is_too_much_is_put_off() {
    const SENDERS: usize = 800;
    const FLUSH: Duration = Duration::from_secs(2);
    let folder = tempfile::tempdir().expect("there is room");
    let (flush_ms, token) = (Arc::new(AtomicU64::new(0)), Arc::new(token(folder.path(), Role::Write)));
    let place = Place::Given(Slow::new(folder.path(), &flush_ms));
    let server = Running::start(place, Limits::default()).await;
    assert!(send(server.address, &token, SENDERS).await.starts_with("http/1.1 200"));
    flush_ms.store(FLUSH.as_millis().try_into().expect("it is small"), Ordering::SeqCst);

    let sending: Vec<_> = (0..SENDERS)
        .map(|number| {
            let (address, token) = (server.address, Arc::clone(&token));
            tokio::spawn(async move {
                let start = Instant::now();
                (send(address, &token, number).await, start.elapsed())
            })
        })
        .collect();
    let (mut acknowledged, mut put_off) = (1, Vec::new());
    for (number, sent) in sending.into_iter().enumerate() {
        let (answer, took) = sent.await.expect("it ends");
        if answer.starts_with("http/1.1 200") {
            assert!(took >= FLUSH, "acknowledged after {took:?}");
            acknowledged += 1;
        } else {
            assert!(answer.starts_with("http/1.1 429"), "{answer}");
            assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
            put_off.push(number);
        }
    }
    // One transaction is being flushed, and 512 batches may wait for it.
    assert!(put_off.len() > 100 && acknowledged > 400, "{acknowledged} taken, {} put off", put_off.len());
    flush_ms.store(0, Ordering::SeqCst);
    let records = Store::read(folder.path(), |connection| connection.row("SELECT records FROM total", &[]));
    let records: usize = records
        .expect("it reads")
        .and_then(|row| row.get::<u64>(0).ok())
        .and_then(|records| records.try_into().ok())
        .expect("it is a number");
    assert_eq!(records, acknowledged, "what was put off is not there, all else is");
    for number in put_off {
        assert!(send(server.address, &token, number).await.starts_with("http/1.1 200"));
    }
    server.stop().await;
    let store = Store::open(folder.path(), Vec::new()).expect("it opens");
    assert_eq!(store.reader.totals().expect("it answers").records, SENDERS as u64 + 1);
}
