//! The evidence chain of a cluster: coverage of its statements, profiles of its guard, goroutines that stood there,
//! regions of traces and spans that ran through its code. Each link says why it was drawn.

use std::collections::{HashMap, HashSet};

use raceguard_evidence::{Coverage, CoveredFile, Record, TraceKey};

use crate::blocking::Blocking;
use crate::cluster::{Cluster, Event};
use crate::evidence::Evidence;
use crate::link::{Link, Node};
use crate::locks::{LockUse, duration};
use crate::statement::{declared_function, short_function};
use crate::top_causes::TopCause;

/// What clusters are linked to.
pub(crate) struct Chain<'a> {
    coverage: HashMap<&'a str, &'a CoveredFile>,
    traces: Vec<(&'a TraceKey, HashSet<String>)>,
    locks: &'a [LockUse],
    blocking: &'a [Blocking],
    module: String,
}

impl<'a> Chain<'a> {
    pub(crate) fn new(evidence: &'a Evidence, locks: &'a [LockUse], blocking: &'a [Blocking]) -> Self {
        let records = || evidence.runs.iter().flat_map(|run| &run.evidence.foreign);
        let profiles = records().filter_map(|record| {
            if let Record::Coverage(Coverage { files, .. }) = record { Some(files) } else { None }
        });
        // The newest profile of a file counts.
        let coverage = profiles.flatten().map(|file| (file.file.as_str(), file)).collect();
        let traces = records()
            .filter_map(|record| if let Record::TraceKey(key) = record { Some(&**key) } else { None })
            .map(|key| {
                (key, key.sites.iter().flatten().map(|frame| declared_function(&frame.function)).collect())
            })
            .collect();
        let modules = evidence.runs.iter().rev().filter_map(|run| run.evidence.run.as_ref());
        let module =
            modules.map(|run| run.module.clone()).find(|module| !module.is_empty()).unwrap_or_default();
        Self { coverage, traces, locks, blocking, module }
    }

    /// Adds what is known of a cluster beside its members.
    pub(crate) fn link(&self, cluster: &mut Cluster) {
        self.link_coverage(cluster);
        self.link_guard(cluster);
        self.link_goroutines(cluster);
        self.link_traces(cluster);
        cluster.timeline.sort();
    }

    fn covered_file(&self, file: &str) -> Option<&CoveredFile> {
        let name = if self.module.is_empty() { file.to_owned() } else { format!("{}/{file}", self.module) };
        self.coverage.get(name.as_str()).or_else(|| self.coverage.get(file)).copied()
    }

    fn link_coverage(&self, cluster: &mut Cluster) {
        for (place, statement) in cluster.statements.iter_mut().enumerate() {
            let Some(count) =
                self.covered_file(&statement.file).and_then(|file| file.count_at(statement.line))
            else {
                continue;
            };
            statement.covered = Some(count);
            let text = match count {
                0 => format!("no test executes {}:{}", statement.file, statement.line),
                1 => format!("tests execute {}:{}", statement.file, statement.line),
                times => format!("tests execute {}:{} {times} times", statement.file, statement.line),
            };
            cluster.links.push(Link {
                from: Node::Statement { statement: place },
                to: Node::Coverage { text },
                reason: "the coverage profile has a block around the line".to_owned(),
            });
        }
    }

    fn link_guard(&self, cluster: &mut Cluster) {
        let functions: HashSet<String> =
            cluster.statements.iter().map(|statement| declared_function(&statement.function)).collect();
        for lock in self.locks {
            let by_name = cluster.guard.as_ref().is_some_and(|guard| same_lock(&guard.lock, &lock.lock));
            let by_site =
                lock.sites.iter().find(|site| functions.contains(&declared_function(&site.function)));
            let reason = match (by_name, by_site) {
                (true, _) => "it is the lock that guards the variable".to_owned(),
                (false, Some(site)) => format!("{} takes it", short_function(&site.function)),
                (false, None) => continue,
            };
            let text = format!(
                "{} waits, {} on average, {} together",
                lock.contentions,
                duration(lock.mean_wait_ns),
                duration(lock.total_wait_ns)
            );
            cluster.links.push(Link {
                from: Node::Statement {
                    statement: cluster.blame.as_ref().map_or(0, |blame| blame.statement),
                },
                to: Node::LockProfile { lock: lock.lock.clone(), text },
                reason,
            });
        }
    }

    fn link_goroutines(&self, cluster: &mut Cluster) {
        let mut links = Vec::new();
        let mut events = Vec::new();
        for blocking in self.blocking {
            for (place, statement) in cluster.statements.iter().enumerate() {
                let function = declared_function(&statement.function);
                let there: u64 = blocking
                    .waiters
                    .iter()
                    .filter(|waiter| declared_function(&waiter.function) == function)
                    .map(|waiter| waiter.goroutines)
                    .sum();
                if there == 0 {
                    continue;
                }
                let text = format!(
                    "{there} goroutines stand in {} in the dump of {}",
                    short_function(&function),
                    blocking.run
                );
                if blocking.time_unix_ns > 0 {
                    events.push(Event {
                        time_unix_ns: blocking.time_unix_ns,
                        kind: "goroutines".to_owned(),
                        text: text.clone(),
                        run: blocking.run.clone(),
                    });
                }
                links.push(Link {
                    from: Node::Statement { statement: place },
                    to: Node::Goroutines { text },
                    reason: "the same function".to_owned(),
                });
            }
        }
        cluster.links.extend(links);
        cluster.timeline.extend(events);
    }

    fn link_traces(&self, cluster: &mut Cluster) {
        let mut links = Vec::new();
        for (place, statement) in cluster.statements.iter().enumerate() {
            let function = declared_function(&statement.function);
            for (key, functions) in &self.traces {
                if !functions.contains(&function) {
                    continue;
                }
                let text = format!(
                    "region {} of {} {}: {} times in {} goroutines, {} of them while another was inside",
                    key.region, key.category, key.key, key.accesses, key.goroutines, key.overlaps
                );
                links.push(Link {
                    from: Node::Statement { statement: place },
                    to: Node::TraceRegion { text },
                    reason: format!("the region begins in {}", short_function(&function)),
                });
            }
        }
        cluster.links.extend(links);
    }
}

/// Links clusters to the operations whose spans ran through their code.
pub(crate) fn link_spans(clusters: &mut [Cluster], causes: &[TopCause]) {
    for cause in causes {
        for (id, reason) in &cause.clusters {
            let Some(cluster) = clusters.iter_mut().find(|cluster| cluster.id == *id) else { continue };
            let text = format!(
                "{} of {} spans failed, {} on average against {}",
                cause.failed,
                cause.spans,
                duration(cause.mean_ns),
                duration(cause.baseline_median_ns)
            );
            cluster.links.push(Link {
                from: Node::Statement { statement: 0 },
                to: Node::Spans { operation: format!("{} {}", cause.service, cause.operation), text },
                reason: reason.clone(),
            });
        }
    }
}

/// Whether the analyzer's name of a lock, `(*Store).mu`, and a profile's, `example.com/m.Store.mu`, are of one lock.
fn same_lock(by_analysis: &str, by_profile: &str) -> bool {
    let plain = by_analysis.replace(['(', ')', '*'], "");
    let profile = by_profile.rsplit('/').next().unwrap_or(by_profile);
    !plain.is_empty() && (profile == plain || profile.split_once('.').is_some_and(|(_, rest)| rest == plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_compared_by_type_and_field() {
        assert!(same_lock("(*Store).mu", "example.com/m.Store.mu"));
        assert!(same_lock("m.Store.mu", "example.com/m.Store.mu"));
        assert!(!same_lock("(*Other).mu", "example.com/m.Store.mu"));
        assert!(!same_lock("", "example.com/m.Store.mu"));
    }
}
