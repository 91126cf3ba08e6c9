//! Several evaluators of triggers on one database: whoever takes a trigger goes on where the one before stopped, so each
//! fires once, whatever moves.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use raceguard_server::batch::Batch;
use raceguard_server::clock::now_ms;
use raceguard_server::origin::{Origin, StreamName};
use raceguard_server::policies::in_force::Release;
use raceguard_server::policies::registry::{Change, Edit};
use raceguard_server::policies::stream::{self, StreamHandle};
use raceguard_server::policies::{Owns, Registry, Stream};
use raceguard_server::store::{Observer, Store};
use support::{Backend, Scratch, race, repeat};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const TRIGGERS: u64 = 6;
const SERVICES: u64 = 8;

/// Each fires for each service at its twelfth race, and then not for an hour.
fn triggers(number: u64) -> String {
    let one = |number: u64| {
        format!(
            "  - id: many-{number}\n    version: 1\n    description: many races\n    when: sighting.kind == 'race'\n    \
             window: 1h\n    threshold: 12\n    group_by: [service]\n    responses: [alert]\n"
        )
    };
    format!("schema: 1\ntriggers:\n{}", (0..number).map(one).collect::<String>())
}

/// An evaluator and the store it uses; several may share one.
struct Side {
    store: Arc<Store>,
    registry: Arc<Registry>,
    handle: StreamHandle,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

/// Which side each trigger is told to be of, by the hash's first digit: what leases decide in a cluster.
#[derive(Debug, Default)]
struct Shares(AtomicU64);

impl Shares {
    fn owns(&self, side: u64, hash: &str) -> bool {
        let turn = self.0.load(Ordering::SeqCst);
        let digit = u64::from_str_radix(&hash[..1], 16).unwrap_or(0);
        // In every third turn both believe that all is theirs.
        turn % 3 == 2 || (digit + turn) % 2 == side
    }
}

async fn store(scratch: &Scratch, observers: Vec<Arc<dyn Observer>>) -> Store {
    let place = scratch.place().clone();
    tokio::task::spawn_blocking(move || Store::open(place, observers))
        .await
        .expect("it runs")
        .expect("it opens")
}

/// An evaluator on a store.
async fn side(name: String, store: Arc<Store>, queue: stream::Queue, owns: Owns) -> Side {
    let registry = Registry::open(store.writer.clone(), store.reader.clone()).await.expect("it opens");
    let registry = Arc::new(registry);
    let (writer, reader) = (store.writer.clone(), store.reader.clone());
    let (task, handle) =
        Stream::new(name, Arc::clone(&registry), writer, reader, queue, owns, Arc::new(Notify::new()));
    let stop = CancellationToken::new();
    let running = stop.clone();
    let ended = tokio::spawn(async move { task.run(running).await.expect("it ends in order") });
    Side { store, registry, handle, stop, ended }
}

impl Side {
    async fn release(&self, triggers: String) {
        let change = Change {
            edit: Edit::Put("many".to_owned(), triggers),
            expected: None,
            author: "test".to_owned(),
            message: String::new(),
            commit: String::new(),
            release: Release::ALL,
        };
        self.registry.change(change, now_ms()).await.expect("it is a set");
    }

    async fn end(self) {
        self.stop.cancel();
        self.ended.await.expect("it runs");
    }
}

/// Two evaluators: with PostgreSQL each with a writer of its own, of which it hears alone, with SQLite on one writer, of
/// which only the first one hears.
async fn sides(backend: Backend, scratch: &Scratch, shares: &Arc<Shares>) -> Vec<Side> {
    let mut sides: Vec<Side> = Vec::new();
    for number in 0..2 {
        let (feed, queue) = stream::queue(4);
        let store = match (backend, sides.first()) {
            (Backend::Sqlite, Some(first)) => Arc::clone(&first.store),
            _ => Arc::new(store(scratch, vec![Arc::new(feed)]).await),
        };
        let shares = Arc::clone(shares);
        let owns: Owns = Arc::new(move |hash| shares.owns(number, hash));
        sides.push(side(format!("side {number}"), store, queue, owns).await);
    }
    sides
}

fn batch(service: u64, number: u64) -> Batch {
    let origin = Origin { service: format!("service-{service}"), ..Origin::default() };
    let stream = StreamName::new(&format!("{service}-{number}")).expect("it is a name");
    let lines = [race("1-1", "m.Put"), repeat("1-1")].join("\n");
    Batch::read(origin, stream, 0, lines.into_bytes(), 100).expect("it is a batch")
}

/// What fired: trigger and service, and the count.
fn fired(store: &Store) -> Vec<((String, String), u64)> {
    let firings = tokio::task::block_in_place(|| store.reader.policy_firings(10_000)).expect("it answers");
    firings.into_iter().map(|it| ((it.trigger, it.service), it.count)).collect()
}

async fn each_fires_once_however_triggers_move(backend: Backend) {
    let (scratch, shares) = (Scratch::new(backend), Arc::new(Shares::default()));
    let sides = sides(backend, &scratch, &shares).await;
    sides[0].release(triggers(TRIGGERS)).await;
    sides[1].registry.refresh().await.expect("it is read");
    // Twelve races of each service come in six batches, through both writers at once, while triggers move.
    let sent = Mutex::new(0_u64);
    let sending = async |side: &Side, first: u64| {
        for number in (first..10).step_by(2) {
            for service in 0..SERVICES {
                side.store.writer.write(batch(service, number), now_ms()).await.expect("it is written");
                *sent.lock().expect("nobody panics with it") += 1;
            }
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    };
    let moving = async {
        for turn in 1..6 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            shares.0.store(turn, Ordering::SeqCst);
        }
    };
    tokio::join!(sending(&sides[0], 0), sending(&sides[1], 1), moving);
    assert_eq!(*sent.lock().expect("nobody panics with it"), 10 * SERVICES);
    let expected = usize::try_from(TRIGGERS * SERVICES).expect("it is small");
    let start = Instant::now();
    while fired(&sides[0].store).len() < expected {
        assert!(start.elapsed() < Duration::from_secs(30), "missed: {:?}", fired(&sides[0].store));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What would fire twice would do so soon.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let all = fired(&sides[0].store);
    let pairs: BTreeSet<_> = all.iter().map(|(pair, _)| pair.clone()).collect();
    assert_eq!((all.len(), pairs.len()), (expected, expected), "{all:?}");
    let counts: BTreeMap<u64, usize> = all.iter().fold(BTreeMap::new(), |mut counts, (_, count)| {
        *counts.entry(*count).or_default() += 1;
        counts
    });
    assert_eq!(counts, [(12, expected)].into(), "each at its twelfth race");
    let here: Vec<u64> = sides.iter().map(|it| it.handle.figures.fired.load(Ordering::Relaxed)).collect();
    assert_eq!(here.iter().sum::<u64>(), TRIGGERS * SERVICES, "{here:?}");
    for side in sides {
        side.end().await;
    }
}

/// Between two owners, as between two leases, a trigger is nobody's. What comes then is its next owner's to look at.
async fn what_comes_while_a_trigger_is_nobodys_counts(backend: Backend) {
    let scratch = Scratch::new(backend);
    let (feed, queue) = stream::queue(4);
    let store = Arc::new(store(&scratch, vec![Arc::new(feed)]).await);
    let let_go = Arc::new(Mutex::new(BTreeSet::<String>::new()));
    let (seen, free) = (Arc::new(Mutex::new(BTreeSet::<String>::new())), Arc::clone(&let_go));
    let hashes = Arc::clone(&seen);
    let owns: Owns = Arc::new(move |hash| {
        hashes.lock().expect("nobody panics with it").insert(hash.to_owned());
        !free.lock().expect("nobody panics with it").contains(hash)
    });
    let side = side("one".to_owned(), store, queue, owns).await;
    let evaluates = async |wanted: u64| {
        let start = Instant::now();
        while side.handle.figures.triggers.load(Ordering::Relaxed) != wanted {
            assert!(start.elapsed() < Duration::from_secs(30), "{wanted} triggers are to be evaluated");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let fires = async |wanted: usize| {
        let start = Instant::now();
        while fired(&side.store).len() < wanted {
            assert!(start.elapsed() < Duration::from_secs(30), "missed: {:?}", fired(&side.store));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    side.release(triggers(2)).await;
    evaluates(2).await;
    for number in 0..5 {
        side.store.writer.write(batch(0, number), now_ms()).await.expect("it is written");
    }
    let first = seen.lock().expect("nobody panics with it").first().cloned().expect("it was asked");
    let_go.lock().expect("nobody panics with it").insert(first);
    evaluates(1).await;
    side.store.writer.write(batch(0, 5), now_ms()).await.expect("it is written");
    fires(1).await;
    let_go.lock().expect("nobody panics with it").clear();
    fires(2).await;
    let counts: Vec<u64> = fired(&side.store).into_iter().map(|(_, count)| count).collect();
    assert_eq!(counts, [12, 12]);
    side.end().await;
}

on_both!(each_fires_once_however_triggers_move, what_comes_while_a_trigger_is_nobodys_counts);
