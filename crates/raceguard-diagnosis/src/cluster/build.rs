//! From a group of observations to a cluster.

use std::collections::{BTreeSet, HashMap};

use raceguard_evidence::SuggestedFix;
use raceguard_evidence::hex::hex;
use sha2::{Digest, Sha256};

use super::{Blame, Cluster, Member, StatementSummary, blame, timeline, verdict};
use crate::alignment::Alignment;
use crate::class::MapTrap;
use crate::evidence::{Evidence, EvidenceRun};
use crate::join::{Group, JoinReason, builds, join};
use crate::link::{Link, Node};
use crate::observation::{Observation, ObservationKind, Sighting};
use crate::rank::Score;
use crate::statement::{Operation, Statement, short_function};

/// All clusters, in the order in which their first observation stands in the evidence, not yet ranked; each with
/// the numbers of its observations.
pub(crate) fn clusters(observations: &[Observation], evidence: &Evidence) -> Vec<(Cluster, Vec<usize>)> {
    let (groups, alignment) = join(observations, evidence);
    let context = Context { observations, evidence, alignment: &alignment, builds: builds(evidence) };
    groups.into_iter().map(|group| (context.cluster(&group), group.members)).collect()
}

struct Context<'a> {
    observations: &'a [Observation],
    evidence: &'a Evidence,
    alignment: &'a Alignment,
    builds: Vec<usize>,
}

impl Context<'_> {
    fn cluster(&self, group: &Group) -> Cluster {
        let members: Vec<&Observation> =
            group.members.iter().map(|&index| &self.observations[index]).collect();
        let (statements, places) = self.statements(&members);
        let combined = verdict::combine(&members);
        let of_locks = members.iter().all(|member| is_about_locks(&member.rule));
        let guard = if of_locks { None } else { blame::guard(&statements) };
        let variable = variable(&members);
        let sightings =
            || members.iter().filter(|member| happened(member)).flat_map(|member| &member.sightings);
        let timeline = timeline::timeline(&members, self.evidence);
        Cluster {
            id: id(&variable, &statements),
            title: title(&members, &statements, combined.trap),
            trap: combined.trap,
            cause: combined.cause,
            reasons: combined.reasons,
            confidence: combined.confidence,
            severity: verdict::severity(&members),
            blame: if of_locks {
                let statement = places.first().and_then(|places| places.first()).copied();
                statement.map(|statement| Blame { statement, reason: members[0].headline.clone() })
            } else {
                blame::blame(&statements, guard.as_ref())
            },
            guard,
            variable,
            links: links(group),
            members: members
                .iter()
                .zip(&places)
                .map(|(member, places)| self.member(member, places))
                .collect(),
            tests: members
                .iter()
                .flat_map(|member| member.tests.iter().cloned())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            occurrences: sightings().map(|sighting| sighting.occurrences).sum(),
            instances: self.names(sightings(), |run| run.host().to_owned()),
            versions: self.names(members.iter().flat_map(|member| &member.sightings), EvidenceRun::version),
            first_seen_unix_ns: timeline.first().map_or(0, |event| event.time_unix_ns),
            last_seen_unix_ns: timeline.last().map_or(0, |event| event.time_unix_ns),
            timeline,
            advice: advice(&members),
            fix: fix(&members),
            statements,
            score: Score::default(),
        }
    }

    fn names<'b>(
        &self,
        sightings: impl Iterator<Item = &'b Sighting>,
        name: impl Fn(&EvidenceRun) -> String,
    ) -> Vec<String> {
        let names: BTreeSet<String> = sightings
            .map(|sighting| name(&self.evidence.runs[sighting.run]))
            .filter(|name| !name.is_empty())
            .collect();
        names.into_iter().collect()
    }

    fn member(&self, observation: &Observation, statements: &[usize]) -> Member {
        let mut runs: Vec<String> = observation
            .sightings
            .iter()
            .map(|sighting| self.evidence.runs[sighting.run].name.clone())
            .collect();
        runs.dedup();
        Member {
            kind: observation.kind,
            fingerprint: observation.fingerprint.to_string(),
            rule: observation.rule.clone(),
            tool: observation.tool.clone(),
            severity: observation.severity.clone(),
            headline: observation.headline.clone(),
            occurrences: observation.occurrences(),
            runs,
            statements: statements.to_vec(),
        }
    }

    /// The statements of all members, those that write first; and for each member where its own stand among them.
    fn statements(&self, members: &[&Observation]) -> (Vec<StatementSummary>, Vec<Vec<usize>>) {
        let mut merged = Merged::default();
        let mut places: Vec<Vec<usize>> = Vec::new();
        for member in members {
            let mut of_member = Vec::new();
            for sighting in &member.sightings {
                let count = if happened(member) { sighting.occurrences } else { 0 };
                for (statement, &line) in member.statements.iter().zip(&sighting.lines) {
                    let function = statement.declared_function();
                    let build = self.builds[sighting.run];
                    let slot =
                        self.alignment.slot(&statement.file, &function, build, statement.operation, line);
                    let place = merged.add((function, slot), statement, line, sighting.run, count);
                    if !of_member.contains(&place) {
                        of_member.push(place);
                    }
                }
            }
            places.push(of_member);
        }
        merged.sorted(places)
    }
}

/// Statements of a cluster while they are gathered.
#[derive(Default)]
struct Merged {
    places: HashMap<(String, u32, Operation), usize>,
    list: Vec<StatementSummary>,
    newest: Vec<usize>,
}

impl Merged {
    fn add(&mut self, key: (String, u32), statement: &Statement, line: u32, run: usize, count: u64) -> usize {
        let place = *self.places.entry((key.0, key.1, statement.operation)).or_insert(self.list.len());
        if place == self.list.len() {
            self.newest.push(run);
            self.list.push(StatementSummary {
                function: statement.function.clone(),
                file: statement.file.clone(),
                line,
                operation: statement.operation,
                occurrences: 0,
                locks: None,
                started_at: Vec::new(),
                covered: None,
            });
        }
        let summary = &mut self.list[place];
        if run >= self.newest[place] {
            self.newest[place] = run;
            summary.line = line;
            statement.function.clone_into(&mut summary.function);
            statement.file.clone_into(&mut summary.file);
        }
        summary.occurrences += count;
        if let Some(locks) = &statement.locks {
            summary.locks = Some(locks.clone());
        }
        if let Some(started) = &statement.started_at {
            let text = format!("{}:{}", started.file, started.line);
            if started.line > 0 && summary.started_at.len() < 8 && !summary.started_at.contains(&text) {
                summary.started_at.push(text);
            }
        }
        place
    }

    fn sorted(self, mut places: Vec<Vec<usize>>) -> (Vec<StatementSummary>, Vec<Vec<usize>>) {
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        order.sort_by_key(|&place| {
            let statement = &self.list[place];
            (!statement.operation.is_write(), std::cmp::Reverse(statement.occurrences))
        });
        let mut position = vec![0; order.len()];
        for (new, &old) in order.iter().enumerate() {
            position[old] = new;
        }
        for place in places.iter_mut().flatten() {
            *place = position[*place];
        }
        let mut list: Vec<Option<StatementSummary>> = self.list.into_iter().map(Some).collect();
        (order.into_iter().filter_map(|old| list[old].take()).collect(), places)
    }
}

/// Whether a rule is about the use of locks, or the cost of maps, rather than about memory that is shared.
fn is_about_locks(rule: &str) -> bool {
    rule.starts_with("RG3") || rule.starts_with("RG4")
}

/// Whether the observation happened in a run, rather than being possible by the source.
fn happened(observation: &Observation) -> bool {
    observation.kind != ObservationKind::Static
}

/// The variable that most members name.
fn variable(members: &[&Observation]) -> String {
    let mut names: Vec<(&str, usize)> = Vec::new();
    for name in members.iter().flat_map(|member| &member.variables) {
        match names.iter_mut().find(|(known, _)| known == name) {
            Some((_, count)) => *count += 1,
            None => names.push((name, 1)),
        }
    }
    let best = names.iter().rev().max_by_key(|(_, count)| *count);
    best.map_or_else(String::new, |(name, _)| (*name).to_owned())
}

/// Of the variable when it is known, else of the functions that meet.
fn id(variable: &str, statements: &[StatementSummary]) -> String {
    let text = if variable.is_empty() {
        let mut functions: Vec<String> =
            statements.iter().map(|s| crate::statement::declared_function(&s.function)).collect();
        functions.sort();
        functions.dedup();
        functions.join("\n")
    } else {
        variable.to_owned()
    };
    let digest = Sha256::digest(text.as_bytes());
    format!("RC-{}", hex(&digest[..4]))
}

/// What is shared and the two statements that matter most.
fn title(members: &[&Observation], statements: &[StatementSummary], trap: Option<MapTrap>) -> String {
    let by_analysis = members.iter().filter(|member| member.kind == ObservationKind::Static);
    let subject = by_analysis.chain(members.iter()).find_map(|member| member.subject.as_deref());
    let of = |statement: &StatementSummary| {
        format!("{} in {}", statement.operation.noun(), short_function(&statement.function))
    };
    let meeting = match statements {
        [] => String::new(),
        [one] => of(one),
        [first, others @ ..] => {
            // The write, and of the others the one that makes the trap, or else one that is not the same over again.
            let by_trap = others.iter().find(|other| trap.is_some_and(|trap| makes(trap, other.operation)));
            let differs = |other: &&StatementSummary| other.function != first.function;
            let second = by_trap.or_else(|| others.iter().find(differs)).unwrap_or(&others[0]);
            format!("{} against {}", of(first), of(second))
        }
    };
    match (subject, members.first()) {
        (Some(subject), _) if !meeting.is_empty() => format!("{subject}: {meeting}"),
        (None, Some(first)) if meeting.is_empty() || first.kind == ObservationKind::Crash => {
            first.headline.clone()
        }
        (Some(subject), Some(first)) => format!("{subject}: {}", first.headline),
        _ => meeting,
    }
}

/// Whether the operation is the other half of the trap, beside a write.
fn makes(trap: MapTrap, operation: Operation) -> bool {
    match trap {
        MapTrap::ConcurrentWrite => operation.is_map() && operation.is_write(),
        MapTrap::ReadAgainstWrite | MapTrap::GrowthOrSwap => operation == Operation::MapLookup,
        MapTrap::IterationAgainstWrite => operation == Operation::MapIterate,
        MapTrap::FalseSharing => false,
    }
}

/// Why members belong together.
fn links(group: &Group) -> Vec<Link> {
    let places: HashMap<usize, usize> =
        group.members.iter().enumerate().map(|(place, &index)| (index, place)).collect();
    let place = |index: usize| places.get(&index).copied().unwrap_or(0);
    let link = |(first, second, reason): &(usize, usize, JoinReason)| Link {
        from: Node::Member { member: place(*first) },
        to: Node::Member { member: place(*second) },
        reason: match reason {
            JoinReason::Variable(variable) => format!("both are about {}", short_function(variable)),
            JoinReason::Statement(function, line) => {
                format!("both have the statement at line {line} of {}", short_function(function))
            }
            JoinReason::MissingLock(lock, function) => {
                format!("both lack a lock of {} in {}", short_function(lock), short_function(function))
            }
            JoinReason::OnlyMapOf(function) => {
                format!(
                    "the program died at a map in {}, and this is the only one there",
                    short_function(function)
                )
            }
        },
    };
    group.joins.iter().map(link).collect()
}

/// What to do: static analysis knows the names of locks, so it speaks first.
fn advice(members: &[&Observation]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut sorted: Vec<&&Observation> = members.iter().collect();
    sorted.sort_by_key(|member| {
        (member.kind != ObservationKind::Static, std::cmp::Reverse(member.severity.clone()))
    });
    for member in sorted {
        if !member.advice.is_empty() && !lines.contains(&member.advice) {
            lines.push(member.advice.clone());
        }
    }
    lines.truncate(3);
    lines
}

fn fix(members: &[&Observation]) -> Option<SuggestedFix> {
    members.iter().find_map(|member| member.fix.clone())
}
