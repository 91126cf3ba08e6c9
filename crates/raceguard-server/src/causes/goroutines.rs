//! Who started whom and who met where: the goroutines of a cause's findings as a graph.
//!
//! Goroutines of different runs are the same node when the same `go` statement started them, so the graph stays as small
//! as the program's text.

use std::collections::BTreeMap;

use raceguard_evidence::{Frame, Goroutine, Race, Record};
use serde::Serialize;

/// Nodes of a graph; what would be more is left out.
const NODES: usize = 100;

/// Goroutines and what connects them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GoroutineGraph {
    /// The goroutines, by where they are started.
    pub nodes: Vec<GoroutineNode>,
    /// What connects them.
    pub edges: Vec<GoroutineEdge>,
}

/// All goroutines that one `go` statement starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GoroutineNode {
    /// Its place in the list.
    pub id: usize,
    /// `main`, or the function around the `go` statement.
    pub label: String,
    /// File of the `go` statement; empty for main and for what is unknown.
    pub file: String,
    /// Line of it.
    pub line: u32,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GoroutineEdge {
    /// One end.
    pub from: usize,
    /// The other.
    pub to: usize,
    /// `starts`, or `races` where both accessed the same memory.
    pub kind: &'static str,
    /// For `races`: the two statements.
    pub label: String,
    /// How many findings show it.
    pub findings: u64,
}

/// The graph of these records; only races have goroutines that meet.
pub fn graph<'a>(records: impl IntoIterator<Item = &'a Record>) -> GoroutineGraph {
    let mut drawing = Drawing::default();
    for record in records {
        if let Record::Race(race) = record {
            drawing.add(race);
        }
    }
    let edge = |((from, to, kind, label), findings)| GoroutineEdge { from, to, kind, label, findings };
    GoroutineGraph { nodes: drawing.nodes, edges: drawing.edges.into_iter().map(edge).collect() }
}

#[derive(Default)]
struct Drawing {
    nodes: Vec<GoroutineNode>,
    by_place: BTreeMap<(String, String, u32), usize>,
    edges: BTreeMap<(usize, usize, &'static str, String), u64>,
}

impl Drawing {
    fn add(&mut self, race: &Race) {
        let mut ends = Vec::new();
        for access in &race.accesses {
            let chain = race.ancestry(access.goroutine);
            let mut below = None;
            for goroutine in chain {
                let Some(node) = self.node(goroutine) else { break };
                if let Some(below) = below {
                    *self.edges.entry((node, below, "starts", String::new())).or_default() += 1;
                } else {
                    ends.push(node);
                }
                below = Some(node);
            }
        }
        if let [later, earlier] = ends.as_slice() {
            let place = |at: usize| {
                let access = &race.accesses[at];
                let statement = access.statement();
                let function = statement.map_or_else(|| "unknown".to_owned(), |frame| frame.name().short());
                let action = access.map_op.as_ref().map_or(access.op.as_str(), |op| op.as_str());
                format!("{action} in {function}")
            };
            let label = format!("{} against {}", place(0), place(1));
            *self.edges.entry((*later, *earlier, "races", label)).or_default() += 1;
        }
    }

    fn node(&mut self, goroutine: &Goroutine) -> Option<usize> {
        let unknown = Frame::default();
        let created = goroutine
            .go_statement()
            .and_then(|stack| stack.iter().find(|frame| !frame.is_runtime_internal()));
        let is_main = goroutine.name.as_deref() == Some("main") || goroutine.id == Some(1);
        let label = match created {
            Some(frame) => frame.name().short(),
            None if is_main => "main".to_owned(),
            None => "unknown".to_owned(),
        };
        let frame = created.unwrap_or(&unknown);
        let key = (label.clone(), frame.file.clone(), frame.line);
        if let Some(&node) = self.by_place.get(&key) {
            return Some(node);
        }
        let id = self.nodes.len();
        if id == NODES {
            return None;
        }
        self.nodes.push(GoroutineNode { id, label, file: frame.file.clone(), line: frame.line });
        self.by_place.insert(key, id);
        Some(id)
    }
}
