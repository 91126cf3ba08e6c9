//! `raceguard advise`: which lock or map suits one that the evidence knows, or one that the user describes.

mod map_profile;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use raceguard_diagnosis::Diagnosis;
use raceguard_diagnosis::cluster::Cluster;
use raceguard_diagnosis::locks::{Decision, Known, LockUse, advise, duration};
use raceguard_diagnosis::statement::short_function;
use raceguard_diagnosis::top_causes::TopOptions;

use crate::commands::advise::map_profile::Said;
use crate::error::CommandError;
use crate::explain::runs;
use crate::report::text::layout::Painter;
use crate::report::{Options, read_source_file};

/// Calls on a lock that are shown.
const SITES: usize = 8;

/// Flags of `raceguard advise`.
#[derive(Debug, Args)]
pub struct AdviseArgs {
    /// The lock or map, as `raceguard explain` names it or the end of that: `Store.mu`; left out, every lock known
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// Share of uses that only read, in percent
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    reads: Option<f64>,

    /// How long the lock is held on average: 800ns, 5us, 2ms
    #[arg(long, value_name = "DURATION", value_parser = nanoseconds)]
    hold: Option<u64>,

    /// How many keys the map has
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    keys: Option<u64>,

    /// Keys are written once and then only read or overwritten
    #[arg(long)]
    stable_keys: bool,

    /// It guards one number alone
    #[arg(long)]
    number: bool,

    /// Processors of the machine that it runs on; those of this one when left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    processors: Option<u32>,

    /// Write what is known of the load of one lock's map to this file, to replay it on the maps of Rust
    #[arg(long, value_name = "FILE", conflicts_with = "number")]
    map_profile: Option<PathBuf>,

    /// The runs that the numbers come from; left out, those that describe the module now
    #[arg(long = "run", value_name = "RUN")]
    runs: Vec<PathBuf>,
}

/// Prints the advice.
pub fn run(arguments: &AdviseArgs) -> Result<u8, CommandError> {
    let root = super::report::module_root()?;
    let evidence = runs::load(&root, &arguments.runs, false)?;
    let diagnosis = Diagnosis::of(&evidence, &TopOptions::default(), &read_source_file);
    let painter = Painter::new(&Options::for_stdout(&read_source_file));
    let locks: Vec<&LockUse> = diagnosis.locks.iter().filter(|lock| arguments.is_about(&lock.lock)).collect();
    let clusters: Vec<&Cluster> = match &arguments.name {
        Some(_) => {
            diagnosis.clusters.iter().filter(|cluster| arguments.is_about(&cluster.variable)).collect()
        }
        None => Vec::new(),
    };
    let mut text = String::new();
    for lock in &locks {
        text.push_str(&of_lock(lock, arguments, &painter));
    }
    for cluster in &clusters {
        text.push_str(&of_cluster(cluster, arguments, &painter));
    }
    if locks.is_empty() && clusters.is_empty() {
        let Some(name) = arguments.name.as_deref().filter(|_| arguments.describes()) else {
            return Err(unknown(arguments, &diagnosis));
        };
        text.push_str(&painter.bold(name));
        text.push('\n');
        text.push_str(&decision(&arguments.known(Known::default()), &painter));
    }
    if let Some(path) = &arguments.map_profile {
        write_map_profile(path, arguments, &locks, &clusters)?;
        text.push_str(&painter.note("profile", &path.display().to_string()));
    }
    let printed = io::stdout().lock().write_all(text.as_bytes());
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::System { action: "write to stdout".to_owned(), source: error })
        }
        _ => Ok(0),
    }
}

/// The file is about one lock or map: what several are used for says nothing about one of them.
fn write_map_profile(
    path: &Path,
    arguments: &AdviseArgs,
    locks: &[&LockUse],
    clusters: &[&Cluster],
) -> Result<(), CommandError> {
    let name = match (locks, clusters) {
        ([lock], _) => lock.lock.as_str(),
        ([], [cluster]) => cluster.variable.as_str(),
        ([], []) => arguments.name.as_deref().unwrap_or_default(),
        _ => {
            let locks = locks.iter().map(|lock| lock.lock.clone());
            let names = locks.chain(clusters.iter().map(|cluster| cluster.variable.clone())).collect();
            return Err(CommandError::SeveralToProfile { names });
        }
    };
    let lock = locks.first().copied();
    let known = arguments.known(lock.map_or_else(Known::default, Known::of_lock));
    let said = Said { reads: arguments.reads.is_some(), processors: arguments.processors.is_some() };
    let written = map_profile::of(name, lock, &known, said)
        .to_json()
        .map_err(io::Error::other)
        .and_then(|json| std::fs::write(path, json));
    written.map_err(|source| CommandError::System { action: format!("write {}", path.display()), source })
}

impl AdviseArgs {
    fn is_about(&self, known: &str) -> bool {
        let Some(name) = &self.name else { return true };
        known == name
            || known.strip_suffix(name.as_str()).is_some_and(|before| before.ends_with(['.', '/', ':']))
    }

    /// Whether the user says enough for advice without evidence.
    fn describes(&self) -> bool {
        self.reads.is_some() || self.hold.is_some() || self.keys.is_some() || self.number
    }

    /// What the user says goes before what profiles say.
    fn known(&self, profiled: Known) -> Known {
        let here = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Known {
            reader_share: self.reads.map(|percent| percent / 100.0).or(profiled.reader_share),
            hold_ns: self.hold.or(profiled.hold_ns),
            keys: self.keys.or(profiled.keys),
            stable_keys: self.stable_keys.then_some(true).or(profiled.stable_keys),
            guards_number: self.number || profiled.guards_number,
            processors: self.processors.unwrap_or_else(|| u32::try_from(here).unwrap_or(1)),
            // Described without a profile, it is asked about because it is used a lot.
            mean_wait_ns: if profiled.contentions == 0 { 100_000 } else { profiled.mean_wait_ns },
            ..profiled
        }
    }
}

fn of_lock(lock: &LockUse, arguments: &AdviseArgs, painter: &Painter) -> String {
    let mut text = format!("{} {}\n", painter.bold(&lock.lock), painter.dim(&lock.kind));
    text.push_str(&decision(&arguments.known(Known::of_lock(lock)), painter));
    for site in lock.sites.iter().take(SITES) {
        let end = if site.call.acquires() { "waited here" } else { "made others wait" };
        let at = format!(
            "{} in {} ({}:{}) {end} {} times, {} together",
            site.call.name(),
            short_function(&site.function),
            site.file,
            site.line,
            site.contentions,
            duration(site.total_wait_ns)
        );
        text.push_str(&painter.note("at", &at));
    }
    text.push('\n');
    text
}

fn of_cluster(cluster: &Cluster, arguments: &AdviseArgs, painter: &Painter) -> String {
    let mut text = format!("{} {}\n", painter.bold(&cluster.variable), painter.dim(&cluster.id));
    text.push_str(&painter.note("first", "make it safe: it has an open root cause"));
    for advice in &cluster.advice {
        text.push_str(&painter.note("fix", advice));
    }
    if arguments.describes() {
        text.push_str(&decision(&arguments.known(Known::default()), painter));
    }
    text.push('\n');
    text
}

fn decision(known: &Known, painter: &Painter) -> String {
    let advice = advise(known);
    let mut text = painter.help(&format!("{}: {}", name(advice.decision), advice.text));
    text.push_str(&painter.note("rests on", &advice.numbers.join(", ")));
    if !advice.unknown.is_empty() {
        text.push_str(&painter.note("not known", &advice.unknown.join("; ")));
    }
    text
}

fn name(decision: Decision) -> String {
    match decision {
        Decision::Keep => "keep it".to_owned(),
        Decision::Mutex => "sync.Mutex".to_owned(),
        Decision::RwMutex => "sync.RWMutex".to_owned(),
        Decision::SyncMap => "sync.Map".to_owned(),
        Decision::Shards { count } => format!("{count} shards"),
        Decision::Snapshot => "copy-on-write snapshot".to_owned(),
        Decision::AtomicCounter => "atomic counter".to_owned(),
        Decision::SingleOwner => "single owner goroutine".to_owned(),
    }
}

fn unknown(arguments: &AdviseArgs, diagnosis: &Diagnosis) -> CommandError {
    let mut known: Vec<String> = diagnosis.locks.iter().map(|lock| lock.lock.clone()).collect();
    known.extend(
        diagnosis.clusters.iter().map(|cluster| cluster.variable.clone()).filter(|name| !name.is_empty()),
    );
    CommandError::NothingToAdvise { name: arguments.name.clone().unwrap_or_default(), known }
}

fn percent(text: &str) -> Result<f64, String> {
    let percent: f64 = text.parse().map_err(|_| "give it in percent, from 0 to 100".to_owned())?;
    if (0.0..=100.0).contains(&percent) { Ok(percent) } else { Err("it is from 0 to 100".to_owned()) }
}

/// A duration as Go writes it, in nanoseconds.
fn nanoseconds(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return Err("give it a unit: 800ns, 5us, 2ms, 1s".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "it starts with a number: 5us".to_owned())?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range")]
    Ok((number * factor).clamp(0.0, 1e18) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages() {
        assert_eq!((percent("0"), percent("99.9"), percent("100")), (Ok(0.0), Ok(99.9), Ok(100.0)));
        assert!(["-1", "100.1", "1e99", "NaN", "inf", "many"].iter().all(|text| percent(text).is_err()));
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(nanoseconds("800ns"), Ok(800));
        assert_eq!(nanoseconds("1.5us"), Ok(1_500));
        assert_eq!(nanoseconds("2ms"), Ok(2_000_000));
        assert!(nanoseconds("5").is_err());
        assert!(nanoseconds("us").is_err());
    }
}
