//! Replicas in one process, over NATS and PostgreSQL servers of the tests' own: who owns what, what all of them hear, what
//! is refused when something is away.

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use raceguard_server::batch::Batch;
use raceguard_server::clock::now_ms;
use raceguard_server::cluster::{Cluster, ClusterOptions, PARTITIONS, Partition};
use raceguard_server::limits::Limits;
use raceguard_server::origin::{Origin, StreamName};
use raceguard_server::server::{Options, Server, ServerError};
use raceguard_server::store::{Committed, Observer, Place, Store};
use raceguard_server::tasks::Tasks;
use raceguard_server::token::Role;
use raceguard_testbed::nats::Nats;
use serde_json::json;
use support::{Backend, Running, Scratch, token};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

async fn replica(nats: &Nats, place: &Place) -> Running {
    Running::start_with(options(nats, place)).await
}

fn options(nats: &Nats, place: &Place) -> Options {
    let listen = "127.0.0.1:0".parse().expect("it is an address");
    let cluster = ClusterOptions { queue_bytes: 64 << 20, ..ClusterOptions::new(nats.addresses()) };
    Options { cluster: Some(cluster), ..Options::new(place, listen) }
}

async fn eventually(within: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn owned(replica: &Running) -> BTreeSet<Partition> {
    replica.cluster().ownership().subscribe().borrow().clone()
}

fn evidence(first: u64, count: u64) -> String {
    let line =
        |n| json!({"schema": 1, "kind": "repeat", "race": format!("1-{n}"), "pid": 1, "time_unix_ns": 0});
    (first..first + count).map(|n| line(n).to_string()).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_the_partitions_and_take_over_those_of_one_that_went() {
    let (nats, scratch) = (Nats::start(1), Scratch::new(Backend::Postgres));
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(replica(&nats, scratch.place()).await);
    }
    let is_shared = |replicas: &[Running]| {
        let sets: Vec<_> = replicas.iter().map(owned).collect();
        let all: BTreeSet<_> = sets.iter().flatten().copied().collect();
        let most = PARTITIONS.div_ceil(replicas.len());
        all.len() == PARTITIONS
            && sets.iter().map(BTreeSet::len).sum::<usize>() == PARTITIONS
            && sets.iter().all(|set| set.len() <= most)
    };
    eventually(Duration::from_secs(20), "three share", async || is_shared(&replicas)).await;
    let owners = replicas.iter().filter(|replica| replica.cluster().ownership().owns("rg:fingerprint"));
    assert_eq!(owners.count(), 1);
    replicas.pop().expect("there are three").stop().await;
    eventually(Duration::from_secs(20), "two share", async || is_shared(&replicas)).await;
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_is_in_force_everywhere_within_a_second() {
    const REVISIONS: u64 = 200;
    let (mut nats, scratch) = (Nats::start(3), Scratch::new(Backend::Postgres));
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(replica(&nats, scratch.place()).await);
    }
    let mut followers: Vec<_> =
        replicas.iter().map(|replica| replica.cluster().revisions().subscribe()).collect();
    let mut took = Vec::new();
    for revision in 1..=REVISIONS {
        if revision == REVISIONS / 2 {
            nats.kill(0);
            // Whoever was connected to it moves, and the rest elect who leads.
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        let start = Instant::now();
        let from = replicas[usize::try_from(revision % 3).expect("it is small")].cluster();
        from.revisions().announce(revision).await.expect("it is announced");
        for follower in &mut followers {
            let heard = follower.wait_for(|newest| *newest >= revision);
            tokio::time::timeout(Duration::from_mins(1), heard)
                .await
                .expect("it is heard of")
                .expect("it runs");
        }
        took.push(start.elapsed());
    }
    took.sort_unstable();
    let (median, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    println!("a revision was in force on three replicas after {median:?} (median), {p99:?} (p99)");
    assert!(p99 < Duration::from_secs(1), "p99 {p99:?}");
    // An older number changes nothing.
    replicas[0].cluster().revisions().announce(3).await.expect("it is announced");
    assert_eq!(*replicas[1].cluster().revisions().subscribe().borrow(), REVISIONS);
    for replica in replicas {
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_publishes_the_others_refresh() {
    let (nats, scratch) = (Nats::start(1), Scratch::new(Backend::Postgres));
    let (here, there) = (replica(&nats, scratch.place()).await, replica(&nats, scratch.place()).await);
    let stop = CancellationToken::new();
    let mut sides = Vec::new();
    for replica in [&here, &there] {
        // What refreshing does, with one failure first: what another one saved is then published here too.
        let (published, refreshed) = (watch::Sender::new(1_i64), Arc::new(AtomicU64::new(0)));
        let (publish, count) = (published.clone(), Arc::clone(&refreshed));
        let refresh = move || {
            let tried = count.fetch_add(1, Ordering::Relaxed);
            publish.send_if_modified(|number| {
                *number = if tried == 0 { *number } else { 7 };
                tried > 0
            });
            async move { if tried == 0 { Err("not now") } else { Ok(()) } }
        };
        let revisions = replica.cluster().revisions().clone();
        let task = tokio::spawn(revisions.keep_in_step(published.subscribe(), refresh, stop.clone()));
        sides.push((published, refreshed, task));
    }
    sides[0].0.send_replace(7);
    let mut other = sides[1].0.subscribe();
    let followed = tokio::time::timeout(Duration::from_mins(1), other.wait_for(|number| *number == 7)).await;
    assert_eq!(*followed.expect("in time").expect("it runs"), 7);
    assert_eq!(sides[0].1.load(Ordering::Relaxed), 0, "who published has nothing to refresh");
    stop.cancel();
    for (_, _, task) in sides {
        task.await.expect("it runs").expect("it ends well");
    }
    here.stop().await;
    there.stop().await;
}

/// What a replica's live state hears.
#[derive(Default)]
struct Heard(Mutex<u64>);

impl Observer for Heard {
    fn committed(&self, batches: &[Committed]) {
        *self.0.lock().expect("nobody panics with it") +=
            batches.iter().map(|batch| batch.accepted).sum::<u64>();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_writes_the_live_state_of_all_hears_once() {
    const RECORDS: u64 = 400;
    let (nats, scratch) = (Nats::start(1), Scratch::new(Backend::Postgres));
    let write = token(scratch.place(), Role::Write);
    // Not servers, but what is in one: its store with its observer, and its part in the cluster.
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let settings = options(&nats, scratch.place()).cluster.expect("it is one of a cluster");
        let cluster = Arc::new(Cluster::connect(&settings).await.expect("it is there"));
        let heard = Arc::new(Heard::default());
        let (place, outlet) = (scratch.place().clone(), cluster.outlet());
        let observers: Vec<Arc<dyn Observer>> = vec![heard.clone()];
        let store =
            tokio::task::spawn_blocking(move || Store::open_with_outlet(&place, observers, Some(outlet)));
        let store = store.await.expect("it runs").expect("it opens");
        let mut tasks = Tasks::default();
        cluster.spawn(&store.writer, Limits::default(), &mut tasks);
        replicas.push((cluster, heard, store, tasks));
    }
    let server = replica(&nats, scratch.place()).await;
    for number in 0..RECORDS / 10 {
        let stream = format!("stream {number}");
        let (status, answer) = server.post(&write, &[("raceguard-stream", &stream)], evidence(0, 10)).await;
        assert_eq!((status, &answer["accepted"]), (200, &json!(10)), "{answer}");
    }
    for (cluster, heard, ..) in &replicas {
        let heard_all = async || *heard.0.lock().expect("nobody panics with it") == RECORDS;
        eventually(Duration::from_secs(20), "all is heard", heard_all).await;
        assert_eq!(cluster.gaps(), 0);
    }
    server.stop().await;
    for (_, _, store, tasks) in replicas {
        tasks.end(Duration::from_secs(20)).await.expect("they end");
        tokio::task::spawn_blocking(|| drop(store)).await.expect("it runs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_batch_is_split_and_arrives_whole() {
    let (nats, scratch) = (Nats::start(1), Scratch::new(Backend::Postgres));
    let (write, read) = (token(scratch.place(), Role::Write), token(scratch.place(), Role::Read));
    let server = replica(&nats, scratch.place()).await;
    // Texts that don't compress: 3 MiB, in messages of at most 1 MiB.
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:016x}", state ^ (state >> 29))
    };
    let line = |noise: String| json!({"schema": 1, "kind": "crash", "time_unix_ns": 0, "message": noise, "goroutines": []});
    let lines: Vec<_> = (0..300).map(|_| line((0..1200).map(|_| noise()).collect()).to_string()).collect();
    for _ in 0..2 {
        let (status, answer) = server.post(&write, &[("raceguard-stream", "large")], lines.join("\n")).await;
        assert_eq!((status, &answer["accepted"]), (200, &json!(300)), "{answer}");
    }
    eventually(Duration::from_secs(30), "all is written, the second time as duplicates", async || {
        let totals = server.get(&read, "/v1/findings?limit=1").await.1["totals"].clone();
        (&totals["records"], &totals["duplicates"]) == (&json!(300), &json!(300))
    })
    .await;
    assert!(server.cluster().counters().published >= 6);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_nats_nothing_is_taken_and_nobody_is_sent_here() {
    let (mut nats, scratch) = (Nats::start(1), Scratch::new(Backend::Postgres));
    let write = token(scratch.place(), Role::Write);
    let server = replica(&nats, scratch.place()).await;
    let ready = async |expected: u16| {
        let (status, _) = server.send(&write, "GET", "/readyz", None).await;
        status == expected
    };
    eventually(Duration::from_secs(20), "it is ready", async || ready(200).await).await;
    nats.kill(0);
    eventually(Duration::from_secs(20), "it is not ready", async || ready(503).await).await;
    let (status, answer) = server.post(&write, &[], evidence(0, 1)).await;
    assert_eq!(status, 503, "{answer}");
    nats.restart(0);
    eventually(Duration::from_secs(30), "it is ready again", async || ready(200).await).await;
    let (status, answer) = server.post(&write, &[], evidence(0, 1)).await;
    assert_eq!(status, 200, "{answer}");
    server.stop().await;

    nats.kill(0);
    let refused = Server::start(options(&nats, scratch.place())).await;
    assert!(matches!(refused, Err(ServerError::Cluster(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_tells_senders_to_wait_and_keeps_what_it_took() {
    let (nats, scratch) = (Nats::start(1), Scratch::new(Backend::Postgres));
    let (write, read) = (token(scratch.place(), Role::Write), token(scratch.place(), Role::Read));
    // A replica that takes, while its database does not: a lock on the totals holds up every commit.
    let mut settings = options(&nats, scratch.place());
    settings.cluster =
        Some(ClusterOptions { queue_bytes: 64 << 10, ..ClusterOptions::new(nats.addresses()) });
    let server = Running::start_with(settings).await;
    let place = scratch.place().clone();
    let (held, release) = std::sync::mpsc::channel::<()>();
    let (locked, is_locked) = std::sync::mpsc::channel();
    let holder = std::thread::spawn(move || {
        let mut connection = place.database().and_then(|database| database.writing()).expect("it is there");
        connection.begin().expect("it begins");
        connection.run_script("LOCK TABLE total").expect("it is locked");
        locked.send(()).expect("somebody waits");
        let _ = release.recv();
        connection.rollback();
    });
    is_locked.recv().expect("it is locked");
    let mut taken = 0_u64;
    loop {
        let (status, answer) = server
            .post(
                &write,
                &[("raceguard-stream", "s"), ("raceguard-sequence", &taken.to_string())],
                evidence(taken, 200),
            )
            .await;
        match status {
            200 => taken += 200,
            429 => break,
            _ => panic!("{status}: {answer}"),
        }
        assert!(taken < 200_000, "the queue takes more than it may");
    }
    assert!(taken > 0);
    held.send(()).expect("it waits");
    holder.join().expect("it ends");
    eventually(Duration::from_mins(1), "what was taken is written", async || {
        let (status, answer) = server.get(&read, "/v1/findings").await;
        assert_eq!(status, 200, "{answer}");
        answer["totals"]["records"] == json!(taken)
    })
    .await;
    server.stop().await;
}

/// What another replica tells of itself and its commits.
async fn tell(nats: &Nats, number: u64) {
    let address = nats.addresses();
    let client =
        async_nats::connect(address.split(',').next().expect("there is one")).await.expect("it answers");
    let told = json!({"from": "forged", "number": number, "batches": []});
    let packed = zstd::bulk::compress(told.to_string().as_bytes(), 1).expect("it compresses");
    client.publish("raceguard.committed.forged", packed.into()).await.expect("it is taken");
    client.flush().await.expect("it is sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_told_is_read_from_the_tables() {
    let (nats, scratch) = (Nats::start(1), Scratch::new(Backend::Postgres));
    let read = token(scratch.place(), Role::Read);
    let server = replica(&nats, scratch.place()).await;
    // Another replica commits and tells nobody.
    let place = scratch.place().clone();
    let silent = tokio::task::spawn_blocking(move || Store::open(&place, Vec::new())).await;
    let silent = silent.expect("it runs").expect("it opens");
    let origin = Origin { service: "pay".to_owned(), ..Origin::default() };
    let stream = StreamName::new("silent").expect("it is a name");
    // It happens now: what lies further back is in no window.
    let line = support::race("1-1", "m.Put").replace("5000000000", &(now_ms() * 1_000_000).to_string());
    let batch = Batch::read(origin, stream, 0, line.into_bytes(), 10);
    silent.writer.write(batch.expect("it is a batch"), now_ms()).await.expect("it is written");
    let entries = async |name: &str| {
        let (_, answer) = server.send(&read, "GET", "/v1/live/maps", None).await;
        let maps = answer["maps"].as_array().cloned().unwrap_or_default();
        maps.iter().find(|map| map["name"] == name).and_then(|map| map["entries"].as_u64())
    };
    let second = Duration::from_secs(20);
    eventually(second, "it is diagnosed", async || entries("findings").await == Some(1)).await;
    assert_eq!(entries("service_activity").await, Some(0), "nobody told of it");
    tell(&nats, 5).await;
    tell(&nats, 7).await;
    eventually(second, "it is made up for", async || entries("service_activity").await == Some(1)).await;
    assert_eq!((server.cluster().gaps(), entries("activity").await), (1, Some(1)));
    let (_, page) = server.send(&read, "GET", "/metrics", None).await;
    let page = page.as_str().expect("it is text");
    for line in [
        "raceguard_cluster_gaps_total 1.0",
        "raceguard_cluster_ready 1.0",
        "raceguard_cluster_queue_messages 0.0",
        "raceguard_cluster_messages_total{result=\"redelivered\"} 0.0",
    ] {
        assert!(page.lines().any(|known| known == line), "{line} is not in\n{page}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_aside_is_tried_again_when_an_admin_says_so() {
    let (nats, scratch) = (Nats::start(1), Scratch::new(Backend::Postgres));
    let (read, admin) = (token(scratch.place(), Role::Read), token(scratch.place(), Role::Admin));
    let server = replica(&nats, scratch.place()).await;
    let client = async_nats::connect(nats.addresses()).await.expect("it answers");
    let jetstream = async_nats::jetstream::new(client);
    for text in ["no message of ours", "nor this one"] {
        let sent = jetstream.publish("raceguard.evidence.3", text.into()).await.expect("it is sent");
        sent.await.expect("it is kept");
    }
    let path = "/v1/queue/set-aside";
    let list = async || server.get(&admin, "/v1/queue/set-aside").await.1;
    let total = async || list().await["total"].clone();
    eventually(Duration::from_secs(40), "both are set aside", async || total().await == 2).await;
    let first = list().await["messages"][0].clone();
    assert!(first["partition"] == "3" && [json!(18), json!(12)].contains(&first["bytes"]), "{first}");
    assert!(!first["reason"].as_str().unwrap_or_default().is_empty(), "{first}");
    let (status, answer) = server.send(&read, "POST", &format!("{path}/replay"), None).await;
    assert_eq!(status, 403, "{answer}");

    // They still are no messages of ours, so they come back, with numbers of their own.
    let (_, done) = server.send(&admin, "POST", &format!("{path}/replay?limit=1"), None).await;
    assert_eq!(done["replayed"], 1, "{done}");
    let is_back = async || {
        let list = list().await;
        let messages = list["messages"].as_array().into_iter().flatten();
        messages.map(|message| message["number"].as_u64()).collect::<Vec<_>>() == [Some(2), Some(3)]
    };
    eventually(Duration::from_secs(40), "the first one is back", is_back).await;

    // One that can be written now is written.
    let head = json!({"form": 1, "origin": {"service": "pay", "version": "", "instance": "", "environment": ""}, "stream": "s", "first": 0, "received_ms": 1});
    let message =
        zstd::bulk::compress(format!("{head}\n{}", evidence(0, 3)).as_bytes(), 1).expect("it is small");
    let sent = jetstream.publish("raceguard.set-aside.5", message.into()).await.expect("it is sent");
    sent.await.expect("it is kept");
    let (_, done) = server.send(&admin, "POST", &format!("{path}/replay"), None).await;
    assert_eq!(done["replayed"], 3, "{done}");
    let is_written = async || server.get(&read, "/v1/findings").await.1["totals"]["records"] == json!(3);
    eventually(Duration::from_secs(40), "it is written", is_written).await;
    eventually(Duration::from_secs(40), "only the others are back", async || total().await == 2).await;
    let audit = server.get(&admin, "/v1/audit").await.1.to_string();
    assert!(audit.contains("queue.replay"), "{audit}");
    server.stop().await;
}
