//! How soon pages and API answer while there is much in the database.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::measure::thousands;
use crate::report_line::step;

use super::figures::{TARGETS, ms, percentile, target};
use super::ingest::TARGET_RATE;
use super::load::Load;
use super::subject::{Cost, Kind, Subject};
use super::{Arguments, FILLING_BATCH};

/// What people and gates ask most, and where.
const QUESTIONS: [(&str, &str); 6] = [
    (OVERVIEW, "/"),
    ("findings, the last 100", "/v1/findings?limit=100"),
    ("root causes", "/v1/causes"),
    ("services", "/v1/services"),
    ("locks", "/v1/locks"),
    ("metrics", "/metrics"),
];

const OVERVIEW: &str = "overview page";

/// How often each is asked.
const TIMES: usize = 200;

/// Between two of them: people do not ask without a break, and while records come not all are to fall between two batches.
const PAUSE: Duration = Duration::from_millis(17);

/// How soon a question was answered at a size.
#[derive(Debug)]
struct Answered {
    name: &'static str,
    size: u64,
    /// Records a second that came meanwhile.
    load: u32,
    /// The quickest first.
    times: Vec<Duration>,
}

/// What the server holds, and what it uses for that.
#[derive(Debug)]
struct Size {
    records: u64,
    cost: Cost,
    disk: u64,
}

/// Fills a server, and asks it at each size.
pub(crate) fn table(arguments: &Arguments, binary: &Path) -> Result<String, Failure> {
    let server = Subject::start(Kind::Sqlite, binary)?;
    let (load, filling) = (arguments.load(), Load::new(FILLING_BATCH, 4));
    let (mut answered, mut sizes) = (Vec::new(), Vec::new());
    let (mut size, largest) = (arguments.scaled(1_000_000), arguments.scaled(arguments.largest));
    load.send(&server, size / 2, "service")?;
    while size <= largest {
        step(&format!("filling up to {} records", thousands(size)));
        filling.send(&server, size.saturating_sub(load.sent() + filling.sent()), "filling")?;
        server.wait_for_records(size)?;
        server.wait_until_idle()?;
        for (name, path) in QUESTIONS {
            let times = ask(&server, path)?;
            answered.push(Answered { name, size, load: 0, times });
        }
        let times = ask_under_load(&server, &load)?;
        answered.push(Answered { name: OVERVIEW, size, load: TARGET_RATE / 2, times });
        sizes.push(Size {
            records: load.sent() + filling.sent(),
            cost: server.cost()?,
            disk: server.disk()?,
        });
        size *= 10;
    }
    server.stop()?;
    Ok(markdown(&answered, &sizes))
}

/// How long each of the answers took, the quickest first.
fn ask(server: &Subject, path: &str) -> Result<Vec<Duration>, Failure> {
    let agent = server.agent();
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        thread::sleep(PAUSE);
        let start = Instant::now();
        let (status, _) = server.get(&agent, path)?;
        times.push(start.elapsed());
        if status != 200 {
            return Err(Failure::environment(
                format!("{path} answered {status}"),
                "see what it says by hand",
            ));
        }
    }
    times.sort_unstable();
    Ok(times)
}

/// Asks for the overview while records come.
fn ask_under_load(server: &Subject, load: &Load) -> Result<Vec<Duration>, Failure> {
    let is_asked = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            while !is_asked.load(Ordering::Relaxed) {
                load.send_at(server, TARGET_RATE / 2, Duration::from_secs(1), "service")?;
            }
            Ok::<_, Failure>(())
        });
        let times = ask(server, "/");
        is_asked.store(true, Ordering::Relaxed);
        sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        times
    })
}

fn markdown(answered: &[Answered], sizes: &[Size]) -> String {
    let mut text = format!(
        "Answers on SQLite over HTTP, one at a time, {TIMES} of each:\n\n\
         | question | records | meanwhile, records/s | median ms | p99 ms | p99.9 ms |\n|---|--:|--:|--:|--:|--:|\n"
    );
    for it in answered {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            it.name,
            thousands(it.size),
            thousands(it.load),
            ms(percentile(&it.times, 500)),
            ms(percentile(&it.times, 990)),
            ms(percentile(&it.times, 999))
        );
    }
    text.push_str(
        "\n| records | memory, MB | at most | disk, MB | bytes per record |\n|--:|--:|--:|--:|--:|\n",
    );
    for Size { records, cost, disk } in sizes {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            thousands(*records),
            cost.memory / 1_000_000,
            cost.peak / 1_000_000,
            disk / 1_000_000,
            disk / (*records).max(1)
        );
    }
    text.push_str(TARGETS);
    for it in answered.iter().filter(|it| it.name == OVERVIEW) {
        let p99 = percentile(&it.times, 990);
        let when =
            if it.load > 0 { format!(" while {} a second come", thousands(it.load)) } else { String::new() };
        let name = format!("overview page under 50 ms at {} records{when} (p99)", thousands(it.size));
        text += &target(&name, &format!("{} ms", ms(p99)), p99 < Duration::from_millis(50));
    }
    if let Some(Size { records, cost, .. }) = sizes.last() {
        let name = format!("memory under 500 MB at {} records", thousands(*records));
        text += &target(&name, &format!("{} MB", cost.peak / 1_000_000), cost.peak < 500_000_000);
    }
    text
}
