//! Which observations have one root cause: they share a statement, a variable, or the same missing lock.

use std::collections::HashMap;

use crate::alignment::{Alignment, Lines};
use crate::evidence::Evidence;
use crate::observation::{Observation, ObservationKind};
use crate::statement::{Operation, Statement};

/// Why two observations are joined.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum JoinReason {
    /// Both are about this variable.
    Variable(String),
    /// Both have this statement: function, and line in the newest build.
    Statement(String, u32),
    /// Both accesses lack this lock in this function.
    MissingLock(String, String),
    /// The one died in this function, at a map, and only the other is about a map there.
    OnlyMapOf(String),
}

/// Observations of one cause, by their numbers, and the joins between them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    /// In the order of the evidence.
    pub(crate) members: Vec<usize>,
    /// Pairs and why they were joined: enough of them to connect all members.
    pub(crate) joins: Vec<(usize, usize, JoinReason)>,
}

/// Groups all observations. Every observation is in exactly one group; groups are in the order of their first.
pub(crate) fn join(observations: &[Observation], evidence: &Evidence) -> (Vec<Group>, Alignment) {
    let builds = builds(evidence);
    let alignment = align(observations, &builds);
    let mut sets = UnionFind::new(observations.len());
    let mut owner: HashMap<JoinReason, usize> = HashMap::new();
    let mut joins = Vec::new();
    for (index, observation) in observations.iter().enumerate() {
        for anchor in anchors(observation, &alignment, &builds) {
            match owner.get(&anchor) {
                Some(&first) => {
                    if sets.union(first, index) {
                        joins.push((first, index, anchor));
                    }
                }
                None => {
                    owner.insert(anchor, index);
                }
            }
        }
    }
    join_crashes(observations, &mut sets, &mut joins);
    (groups(observations.len(), &mut sets, joins), alignment)
}

/// The build of each run: runs of one clean commit saw the same lines.
pub(crate) fn builds(evidence: &Evidence) -> Vec<usize> {
    let mut by_version: HashMap<String, usize> = HashMap::new();
    let runs = evidence.runs.iter().enumerate();
    runs.map(|(index, run)| {
        let version = run.version();
        let clean = run.evidence.run.as_ref().is_some_and(|run| run.dirty == Some(false));
        if version.is_empty() || !clean { index } else { *by_version.entry(version).or_insert(index) }
    })
    .collect()
}

fn align(observations: &[Observation], builds: &[usize]) -> Alignment {
    let mut lines = Lines::default();
    for observation in observations {
        for sighting in &observation.sightings {
            for (statement, &line) in observation.statements.iter().zip(&sighting.lines) {
                let function = statement.declared_function();
                lines.add(&statement.file, &function, builds[sighting.run], statement.operation, line);
            }
        }
    }
    lines.align()
}

/// What an observation is joined to others by.
fn anchors(observation: &Observation, alignment: &Alignment, builds: &[usize]) -> Vec<JoinReason> {
    let mut anchors: Vec<JoinReason> =
        observation.variables.iter().cloned().map(JoinReason::Variable).collect();
    for sighting in &observation.sightings {
        for (statement, &line) in observation.statements.iter().zip(&sighting.lines) {
            if line == 0 || !is_telling(statement, observation.kind) {
                continue;
            }
            let function = statement.declared_function();
            let build = builds[sighting.run];
            let slot = alignment.slot(&statement.file, &function, build, statement.operation, line);
            anchors.push(JoinReason::Statement(function, slot));
        }
    }
    anchors.extend(missing_lock(observation));
    anchors.extend(unguarded_writes(observation));
    anchors.sort();
    anchors.dedup();
    anchors
}

/// Whether sharing the statement means sharing the cause: not where a program merely dies or waits.
fn is_telling(statement: &Statement, kind: ObservationKind) -> bool {
    kind != ObservationKind::Crash || statement.operation != Operation::Other
}

/// The lock that one site holds and the other does not, with the function that lacks it; only for locks that the
/// analyzer names by type and field, for a local name may be another lock elsewhere.
fn missing_lock(observation: &Observation) -> Option<JoinReason> {
    let [first, second] = observation.statements.as_slice() else { return None };
    let (first_locks, second_locks) = (first.locks.as_ref()?, second.locks.as_ref()?);
    let lacks = |locks: &[String], other: &[String], statement: &Statement| {
        let lock = other.iter().find(|lock| lock.starts_with('(') && !locks.contains(lock))?;
        Some(JoinReason::MissingLock(lock.clone(), statement.declared_function()))
    };
    lacks(first_locks, second_locks, first).or_else(|| lacks(second_locks, first_locks, second))
}

/// A function that writes several fields of one struct without a lock lacks one lock, not several.
fn unguarded_writes(observation: &Observation) -> Vec<JoinReason> {
    // Of a package-level variable the owner is the package, which has no lock of its own.
    let is_type = |owner: &&str| owner.rsplit('/').next().is_some_and(|name| name.contains('.'));
    let owners: Vec<&str> = observation
        .variables
        .iter()
        .filter_map(|variable| Some(variable.rsplit_once('.')?.0))
        .filter(is_type)
        .collect();
    let mut anchors = Vec::new();
    for statement in &observation.statements {
        if statement.operation.is_write() && statement.locks.as_ref().is_none_or(Vec::is_empty) {
            let lacks =
                |owner: &&str| JoinReason::MissingLock((*owner).to_owned(), statement.declared_function());
            anchors.extend(owners.iter().map(lacks));
        }
    }
    anchors
}

/// A crash names one statement only, and optimised code may name another line of it: where just one group is about
/// a map in the function, it is that one.
fn join_crashes(
    observations: &[Observation],
    sets: &mut UnionFind,
    joins: &mut Vec<(usize, usize, JoinReason)>,
) {
    let mut by_function: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, observation) in observations.iter().enumerate() {
        if observation.kind == ObservationKind::Crash {
            continue;
        }
        for statement in observation.statements.iter().filter(|statement| statement.operation.is_map()) {
            by_function.entry(statement.declared_function()).or_default().push(index);
        }
    }
    for (index, observation) in observations.iter().enumerate() {
        let Some(statement) = observation.statements.first() else { continue };
        if observation.kind != ObservationKind::Crash || !statement.operation.is_map() || sets.size(index) > 1
        {
            continue;
        }
        let function = statement.declared_function();
        let Some(candidates) = by_function.get(&function) else { continue };
        let first = sets.find(candidates[0]);
        if candidates.iter().all(|&candidate| sets.find(candidate) == first)
            && sets.union(candidates[0], index)
        {
            joins.push((candidates[0], index, JoinReason::OnlyMapOf(function)));
        }
    }
}

fn groups(count: usize, sets: &mut UnionFind, joins: Vec<(usize, usize, JoinReason)>) -> Vec<Group> {
    let mut place: HashMap<usize, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for index in 0..count {
        let root = sets.find(index);
        let group = *place.entry(root).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Group::default());
        }
        groups[group].members.push(index);
    }
    for (first, second, reason) in joins {
        let group = place[&sets.find(first)];
        groups[group].joins.push((first, second, reason));
    }
    groups
}

/// Disjoint sets with path halving and union by size.
#[derive(Debug)]
struct UnionFind {
    parent: Vec<usize>,
    size: Vec<usize>,
}

impl UnionFind {
    fn new(count: usize) -> Self {
        Self { parent: (0..count).collect(), size: vec![1; count] }
    }

    fn find(&mut self, mut index: usize) -> usize {
        while self.parent[index] != index {
            self.parent[index] = self.parent[self.parent[index]];
            index = self.parent[index];
        }
        index
    }

    fn size(&mut self, index: usize) -> usize {
        let root = self.find(index);
        self.size[root]
    }

    /// Joins two sets; `false` when they were one.
    fn union(&mut self, first: usize, second: usize) -> bool {
        let (mut large, mut small) = (self.find(first), self.find(second));
        if large == small {
            return false;
        }
        if self.size[large] < self.size[small] {
            std::mem::swap(&mut large, &mut small);
        }
        self.parent[small] = large;
        self.size[large] += self.size[small];
        true
    }
}
