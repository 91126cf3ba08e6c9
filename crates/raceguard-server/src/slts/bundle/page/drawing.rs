//! Goroutines that start each other and meet, as SVG.

use raceguard_diagnosis::drawing::{Boxes, Node};

use crate::causes::goroutines::GoroutineGraph;

const BOX_WIDTH: f64 = 280.0;
const BOX_HEIGHT: f64 = 40.0;
const COLUMN: f64 = 340.0;
const LINE: f64 = 62.0;
/// Characters that fit into the two lines of a box.
const ROOM: [usize; 2] = [44, 38];

/// A graph of goroutines: who starts whom from left to right, and who races. Empty without goroutines.
#[expect(clippy::cast_precision_loss, reason = "places on a drawing")]
pub(super) fn goroutines(graph: &GoroutineGraph) -> String {
    if graph.nodes.is_empty() {
        return String::new();
    }
    let columns = columns(graph);
    let mut rows = vec![0_usize; columns.iter().max().map_or(0, |last| last + 1)];
    let places: Vec<(f64, f64)> = columns
        .iter()
        .map(|column| {
            let row = rows[*column];
            rows[*column] += 1;
            (*column as f64 * COLUMN + 2.0, row as f64 * LINE + 2.0)
        })
        .collect();
    let (width, height) =
        (rows.len() as f64 * COLUMN, rows.iter().max().map_or(0, |most| *most) as f64 * LINE);
    let mut drawing = Boxes::new("goroutines", "graph of goroutines", width, height);
    for edge in &graph.edges {
        let (Some(from), Some(to)) = (places.get(edge.from), places.get(edge.to)) else { continue };
        let middle = BOX_HEIGHT / 2.0;
        let start = from.0 + if to.0 > from.0 { BOX_WIDTH } else { middle };
        let end = to.0 + if to.0 < from.0 { BOX_WIDTH } else { 0.0 };
        let title = format!("{} {}", edge.kind, edge.label);
        drawing.connect((start, from.1 + middle), (end, to.1 + middle), edge.kind, &title);
    }
    for (node, (x, y)) in graph.nodes.iter().zip(&places) {
        let place = if node.file.is_empty() { String::new() } else { format!("{}:{}", node.file, node.line) };
        drawing.push(&Node {
            x: *x,
            y: *y,
            width: BOX_WIDTH,
            height: BOX_HEIGHT,
            class: "goroutine",
            small: &place,
            text: &node.label,
            room: ROOM,
            title: &format!("{} {place}", node.label),
        });
    }
    drawing.svg()
}

/// The column of each goroutine: one more than that of the one that starts it.
fn columns(graph: &GoroutineGraph) -> Vec<usize> {
    let mut columns = vec![0; graph.nodes.len()];
    // As many rounds as there can be columns; a circle of starts then ends too.
    for _ in 0..graph.nodes.len().min(8) {
        for edge in graph.edges.iter().filter(|edge| edge.kind == "starts") {
            let (Some(from), Some(to)) = (columns.get(edge.from).copied(), columns.get_mut(edge.to)) else {
                continue;
            };
            *to = (*to).max((from + 1).min(7));
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes::goroutines::{GoroutineEdge, GoroutineNode};

    #[test]
    fn who_is_started_stands_right_of_who_starts_it() {
        let node = |id: usize| GoroutineNode { id, label: format!("g{id}"), file: String::new(), line: 0 };
        let edge = |from, to, kind| GoroutineEdge { from, to, kind, label: String::new(), findings: 1 };
        let graph = GoroutineGraph {
            nodes: (0..3).map(node).collect(),
            edges: vec![
                edge(0, 1, "starts"),
                edge(0, 2, "starts"),
                edge(1, 2, "races"),
                edge(2, 0, "starts"),
            ],
        };
        let columns = columns(&graph);
        assert!(columns[1] > 0 && columns.iter().all(|column| *column < 8), "{columns:?}");
        let svg = goroutines(&graph);
        assert_eq!((svg.matches("<rect").count(), svg.matches("class=\"races\"").count()), (3, 1));
        assert_eq!(goroutines(&GoroutineGraph::default()), "");
    }
}
