//! Lines of one function in different builds of the program, brought to one numbering.
//!
//! Edits above a function shift all its lines alike, so for each build the one shift is taken that brings most of
//! the statements seen in it onto statements of the same operation in the reference build: the newest of those in
//! which most statements of the function were seen.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::statement::Operation;

/// A function of a file, the file by its last name: folders differ between machines.
type Function = (String, String);

/// Statements by function and build.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    seen: HashMap<Function, BTreeMap<usize, Statements>>,
}

/// Lines of the statements of a function, by operation.
type Statements = BTreeMap<Operation, BTreeSet<u32>>;

/// The numbering that [`Lines::align`] found.
#[derive(Debug, Default)]
pub(crate) struct Alignment {
    slots: HashMap<Function, HashMap<(usize, Operation, u32), u32>>,
}

impl Lines {
    /// A statement was seen in build number `build`.
    pub(crate) fn add(&mut self, file: &str, function: &str, build: usize, operation: Operation, line: u32) {
        let builds = self.seen.entry(key(file, function)).or_default();
        builds.entry(build).or_default().entry(class(operation)).or_default().insert(line);
    }

    /// Finds the common numbering.
    pub(crate) fn align(self) -> Alignment {
        let slots =
            self.seen.into_iter().map(|(function, builds)| (function, align_function(&builds))).collect();
        Alignment { slots }
    }
}

impl Alignment {
    /// The number that stands for a statement in every build.
    pub(crate) fn slot(
        &self,
        file: &str,
        function: &str,
        build: usize,
        operation: Operation,
        line: u32,
    ) -> u32 {
        let slots = self.slots.get(&key(file, function));
        slots.and_then(|slots| slots.get(&(build, class(operation), line))).copied().unwrap_or(line)
    }
}

fn key(file: &str, function: &str) -> Function {
    (file.rsplit('/').next().unwrap_or(file).to_owned(), function.to_owned())
}

/// Kinds of evidence do not tell the same about a change of a map.
fn class(operation: Operation) -> Operation {
    if operation == Operation::MapWrite { Operation::MapInsert } else { operation }
}

fn align_function(builds: &BTreeMap<usize, Statements>) -> HashMap<(usize, Operation, u32), u32> {
    let count = |statements: &Statements| statements.values().map(BTreeSet::len).sum::<usize>();
    let Some((_, reference)) = builds.iter().max_by_key(|(build, seen)| (count(seen), **build)) else {
        return HashMap::new();
    };
    let mut slots = HashMap::new();
    for (&build, seen) in builds {
        let shift = best_shift(seen, reference);
        for (&operation, lines) in seen {
            let targets = reference.get(&operation);
            let same_count = targets.is_some_and(|targets| targets.len() == lines.len());
            for (rank, &line) in lines.iter().enumerate() {
                let shifted = line.saturating_add_signed(shift);
                let hit = targets.is_some_and(|targets| targets.contains(&shifted));
                let by_rank = targets.filter(|_| same_count).and_then(|targets| targets.iter().nth(rank));
                let slot = if hit { shifted } else { by_rank.copied().unwrap_or(shifted) };
                slots.insert((build, operation, line), slot);
            }
        }
    }
    slots
}

/// The shift that brings most statements onto ones of the same operation; the smallest of equally good ones.
fn best_shift(seen: &Statements, reference: &Statements) -> i32 {
    let mut shifts: BTreeMap<i32, usize> = BTreeMap::new();
    for (operation, lines) in seen {
        let Some(targets) = reference.get(operation) else { continue };
        for &line in lines {
            for &target in targets {
                if let Ok(shift) = i32::try_from(i64::from(target) - i64::from(line)) {
                    *shifts.entry(shift).or_default() += 1;
                }
            }
        }
    }
    let best =
        shifts.into_iter().max_by_key(|(shift, hits)| (*hits, std::cmp::Reverse(shift.unsigned_abs())));
    best.map_or(0, |(shift, _)| shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(runs: &[&[u32]]) -> Vec<Vec<u32>> {
        let mut lines = Lines::default();
        for (run, seen) in runs.iter().enumerate() {
            for &line in *seen {
                lines.add("pkg/a.go", "m.F", run, Operation::Read, line);
            }
        }
        let alignment = lines.align();
        let of = |(run, seen): (usize, &&[u32])| {
            seen.iter()
                .map(|&line| alignment.slot("/other/a.go", "m.F", run, Operation::Read, line))
                .collect()
        };
        runs.iter().enumerate().map(of).collect()
    }

    #[test]
    fn a_function_that_moved_keeps_its_slots() {
        assert_eq!(slots(&[&[10, 12, 20], &[15, 17, 25]]), [[15, 17, 25], [15, 17, 25]]);
    }

    #[test]
    fn a_run_that_saw_less_is_fitted_in() {
        assert_eq!(slots(&[&[10, 12, 20], &[110, 118]]), [vec![10, 12, 20], vec![12, 20]]);
        assert_eq!(slots(&[&[10], &[42]]), [[42], [42]]);
    }

    #[test]
    fn an_edit_inside_is_fitted_by_rank() {
        assert_eq!(slots(&[&[10, 12, 20], &[10, 12, 23]]), [[10, 12, 23], [10, 12, 23]]);
    }

    #[test]
    fn statements_of_another_operation_are_no_target() {
        let mut lines = Lines::default();
        lines.add("a.go", "m.F", 0, Operation::MapIterate, 10);
        lines.add("a.go", "m.F", 0, Operation::MapInsert, 12);
        lines.add("a.go", "m.F", 1, Operation::MapWrite, 13);
        let alignment = lines.align();
        assert_eq!(alignment.slot("a.go", "m.F", 1, Operation::MapInsert, 13), 12);
        assert_eq!(alignment.slot("a.go", "m.F", 0, Operation::MapIterate, 10), 10);
    }

    #[test]
    fn other_lines_of_one_run_stay_apart() {
        assert_eq!(slots(&[&[10, 12]]), [[10, 12]]);
        assert_eq!(slots(&[]), Vec::<Vec<u32>>::new());
    }
}
