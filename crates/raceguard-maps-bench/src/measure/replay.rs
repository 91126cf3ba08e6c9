//! `maps-bench replay`: a workload profile, run on every map that can hold its entries.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use raceguard_maps::WorkloadProfile;
use raceguard_maps::advice::{Workload, advise};

use super::grid::{Rounds, in_turn};
use crate::bench::{Bench, Plan};
use crate::data::{Data, Numbers, Shape, Texts};
use crate::machine;
use crate::registry::{Candidate, Candidates, Family};
use crate::report::{Ranking, Throughput, median};
use crate::sequence::{self, MOST_KEYS, Mix, Shares};

/// What to replay.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// A workload profile, as the `Observed` layer and `raceguard explain` write it
    pub(crate) profile: PathBuf,

    #[command(flatten)]
    pub(crate) rounds: Rounds,
}

pub(crate) fn run(arguments: &Arguments, candidates: &Candidates) -> Result<Ranking, String> {
    let profile = read(&arguments.profile)?;
    let wrong = |error| format!("{}: {error}", arguments.profile.display());
    let workload = profile.workload().map_err(wrong)?;
    let advised = advise(&profile).map_err(wrong)?.strategy;
    let keys = u32::try_from(workload.keys).unwrap_or(u32::MAX);
    if keys > MOST_KEYS {
        return Err(format!("the profile has {} keys; at most {MOST_KEYS} can be replayed", workload.keys));
    }
    let threads = workload.threads as usize;
    let plan = Plan {
        sequences: sequence::sequences(
            Mix { keys, skew: skew(&workload), shares: shares(&workload) },
            threads,
        ),
        cores: machine::cores_for(threads),
        time: arguments.rounds.time(),
        hold: Duration::from_nanos(workload.hold_nanos),
    };
    let maps = filled(&workload, keys, candidates);
    let turns: Vec<_> = maps.iter().map(|(_, map)| || map.mixed(&plan)).collect();
    let (figures, round_trips) = in_turn(&turns, &plan.cores, arguments.rounds.count);
    let mut ranking: Vec<Throughput> = maps
        .iter()
        .zip(figures)
        .map(|((one, _), rounds)| Throughput::of(one, rounds, &round_trips))
        .collect();
    ranking.sort_by(|one, other| other.mops.total_cmp(&one.mops));
    let ranking = Ranking { profile: arguments.profile.display().to_string(), round_trips, maps: ranking };
    print(&workload, &ranking);
    println!("without a bench, raceguard_maps::advice picks {advised}");
    Ok(ranking)
}

fn read(path: &Path) -> Result<WorkloadProfile, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    WorkloadProfile::from_json(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Whether entries fit into what maps copy.
fn copies(workload: &Workload) -> bool {
    let small = workload.key_bytes <= 8 && workload.value_bytes <= 8;
    workload.key_copy && workload.value_copy && small
}

fn filled<'a>(
    workload: &Workload,
    keys: u32,
    candidates: &'a Candidates,
) -> Vec<(&'a Candidate, Box<dyn Bench>)> {
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let shape = Shape {
        keys,
        spare: keys,
        key_bytes: bytes(workload.key_bytes),
        value_bytes: bytes(workload.value_bytes),
    };
    let writes = workload.shares.writes() > 0.0;
    let suits = |one: &&Candidate| {
        let holds = workload.hold_nanos == 0 || one.family != Family::Go;
        holds && !(one.copies_all && writes && keys > super::grid::MOST_COPIED)
    };
    if copies(workload) {
        let data = Arc::new(Numbers::new(shape));
        candidates.iter().filter(suits).map(|one| (one, (one.numbers)(&data) as Box<dyn Bench>)).collect()
    } else {
        let data = Arc::new(Texts::new(shape));
        candidates.iter().filter(suits).filter_map(|one| Some((one, (one.texts.as_ref()?)(&data)))).collect()
    }
}

/// The law's sum has no closed form at 1.
fn skew(workload: &Workload) -> f64 {
    if (workload.skew - 1.0).abs() < 1e-6 { 1.0 + 1e-6 } else { workload.skew }
}

fn shares(workload: &Workload) -> Shares {
    let shares = &workload.shares;
    // Iterations are counted beside the operations, here they are among them.
    let all = 1.0 + workload.iterations_per_million / 1e6;
    Shares {
        overwrites: shares.overwrites / all,
        increments: shares.read_modify_writes / all,
        inserts: shares.inserts / all,
        removes: shares.removes / all,
        iterations: workload.iterations_per_million / 1e6 / all,
    }
}

fn print(workload: &Workload, ranking: &Ranking) {
    let held = if copies(workload) { "u64 to u64" } else { "String to Arc<str>" };
    println!("{} keys, {held}, {} thread(s)", workload.keys, workload.threads);
    if !ranking.round_trips.is_empty() {
        println!("round trip {:.0} ns", median(&ranking.round_trips));
    }
    if !workload.assumed.is_empty() {
        println!("the profile does not say, so assumed: {}", workload.assumed.join(", "));
    }
    if !workload.ignored.is_empty() {
        println!("without influence: {}", workload.ignored.join(", "));
    }
    if workload.threads as usize > machine::cores().len() {
        println!("more threads than the {} cores here: several share a core", machine::cores().len());
    }
    let best = ranking.maps.first().map_or(f64::NAN, |first| first.mops);
    for (place, map) in ranking.maps.iter().enumerate() {
        let mark = if map.family == Family::Ours { "*" } else { " " };
        println!(
            "{:>3} {mark} {:<20} {:>8.2} Mops/s  {:>5.2} of best",
            place + 1,
            map.name,
            map.mops,
            map.mops / best
        );
    }
}
