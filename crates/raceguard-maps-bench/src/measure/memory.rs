//! `maps-bench memory`: bytes of each entry when the map is full, and after all were removed.
//!
//! Each map is filled in a process of its own, whose resident memory is read: so what the allocator keeps and what a map
//! takes from the system itself is counted, too.
#![allow(unsafe_code)]

use std::fs;
use std::process::Command;
use std::sync::Arc;

use crate::data::{Data, Numbers, Shape};
use crate::registry::{Candidate, Candidates, Family};
use crate::report::{Footprint, MemoryTable};

/// How many entries.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) keys: u32,

    /// Measure in this process; for one map
    #[arg(long, hide = true)]
    pub(crate) here: bool,
}

pub(crate) fn run(arguments: &Arguments, candidates: &Candidates) -> Result<MemoryTable, String> {
    let mut maps = Vec::new();
    for one in candidates.iter().filter(|one| one.family != Family::Go && !one.copies_all) {
        maps.push(if arguments.here { here(one, arguments.keys) } else { elsewhere(one, arguments.keys)? });
    }
    let table = MemoryTable { keys: arguments.keys, maps };
    if !arguments.here {
        println!("\nbytes of each of {} entries: full, after removing all", table.keys);
        for map in &table.maps {
            println!("{:<22} {:>8.1} {:>8.1}", map.name, map.full, map.emptied);
        }
    }
    Ok(table)
}

fn elsewhere(one: &Candidate, keys: u32) -> Result<Footprint, String> {
    let failed = |what: &str| format!("cannot measure the memory of {}: {what}", one.name);
    let program = std::env::current_exe().map_err(|error| failed(&error.to_string()))?;
    let output = Command::new(program)
        .args(["memory", "--here", "--maps", one.name, "--keys", &keys.to_string()])
        .output()
        .map_err(|error| failed(&error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut figures = text.split_whitespace().map(str::parse::<f64>);
    match (figures.next(), figures.next()) {
        (Some(Ok(full)), Some(Ok(emptied))) => {
            Ok(Footprint { name: one.name.to_owned(), family: one.family, full, emptied })
        }
        _ => Err(failed(&String::from_utf8_lossy(&output.stderr))),
    }
}

#[allow(clippy::cast_precision_loss)]
fn here(one: &Candidate, keys: u32) -> Footprint {
    let map = (one.numbers)(&Arc::new(Numbers::new(Shape::of(0))));
    let before = resident();
    let since = || (resident() as f64 - before as f64).max(0.0) / f64::from(keys);
    map.fill(keys);
    let full = since();
    map.remove_all(keys);
    let emptied = since();
    println!("{full} {emptied}");
    Footprint { name: one.name.to_owned(), family: one.family, full, emptied }
}

/// Bytes of this process in memory, with huge pages of either kind, after the allocator gave back what it does not need.
fn resident() -> u64 {
    // SAFETY: the function only releases memory that the allocator holds and nobody uses; it takes the allocator's own
    // locks.
    unsafe { libc::malloc_trim(0) };
    let text = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let kilobytes = |field: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(field))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    ["Rss:", "Private_Hugetlb:", "Shared_Hugetlb:"].iter().filter_map(|field| kilobytes(field)).sum::<u64>()
        * 1024
}
