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
    by_place: BTreeMap<Start, usize>,
    edges: BTreeMap<(usize, usize, &'static str, String), u64>,
}

impl Drawing {
    fn add(&mut self, race: &Race) {
        let mut ends = Vec::new();
        for access in &race.accesses {
            let chain = race.ancestry(access.goroutine);
            let outermost = chain.last().map(|goroutine| goroutine.ancestor_go_statements());
            let mut below = None;
            let starts = chain.iter().map(|goroutine| Start::of(goroutine));
            // Of the ancestors beyond those that the record holds as goroutines it has the go statements alone.
            let beyond = outermost.into_iter().flatten().map(Start::at);
            for start in starts.chain(beyond) {
                let Some(node) = self.node(&start) else { break };
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

    fn node(&mut self, start: &Start) -> Option<usize> {
        if let Some(&node) = self.by_place.get(start) {
            return Some(node);
        }
        let id = self.nodes.len();
        if id == NODES {
            return None;
        }
        let Start(label, file, line) = start.clone();
        self.nodes.push(GoroutineNode { id, label, file, line });
        self.by_place.insert(start.clone(), id);
        Some(id)
    }
}

/// What is the same for all goroutines of one node: a name, and the file and line of the `go` statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Start(String, String, u32);

impl Start {
    fn of(goroutine: &Goroutine) -> Self {
        let is_main = goroutine.name.as_deref() == Some("main") || goroutine.id == Some(1);
        match goroutine.go_statement() {
            Some(stack) => Self::at(stack),
            None if is_main => Self("main".to_owned(), String::new(), 0),
            None => Self("unknown".to_owned(), String::new(), 0),
        }
    }

    fn at(stack: &[Frame]) -> Self {
        match stack.iter().find(|frame| !frame.is_runtime_internal()) {
            Some(frame) => Self(frame.name().short(), frame.file.clone(), frame.line),
            None => Self("unknown".to_owned(), String::new(), 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::causes::questions::record;

    #[test]
    fn goroutines_are_joined_by_where_they_start() {
        let frame =
            |function: &str, line: u32| json!([{"function": function, "file": "/m/a.go", "line": line}]);
        let access =
            |op: &str, goroutine: u64| json!({"op": op, "goroutine": goroutine, "stack": frame("m.Put", 9)});
        let race = |first: u64| {
            json!({"schema": 1, "kind": "race", "id": "1-1", "pid": 1,
            "accesses": [access("write", first), access("read", first + 1)],
            "goroutines": [
                {"id": first, "parent": 1, "created_at": frame("m.Serve", 5)},
                {"id": first + 1, "created_at": frame("m.Tick", 7), "ancestors": [frame("m.Start", 3)]},
                {"id": 1, "name": "main"},
            ]})
            .to_string()
        };
        let records = [record(&race(10)), record(&race(20))];
        let graph = graph(records.iter().flatten());
        let labels: Vec<&str> = graph.nodes.iter().map(|node| node.label.as_str()).collect();
        assert_eq!(labels, ["m.Serve", "main", "m.Tick", "m.Start"]);
        let edge = |edge: &GoroutineEdge| (edge.from, edge.to, edge.kind, edge.findings);
        let edges: Vec<_> = graph.edges.iter().map(edge).collect();
        assert_eq!(edges, [(0, 2, "races", 2), (1, 0, "starts", 2), (3, 2, "starts", 2)]);
        assert_eq!(graph.edges[0].label, "write in m.Put against read in m.Put");
    }
}
