//! Drawings as SVG: waiting as a flame graph, and goroutines that start each other and meet.

use std::fmt::Write as _;

use raceguard_diagnosis::flame::FlameNode;
use raceguard_diagnosis::locks::duration;

use crate::causes::goroutines::GoroutineGraph;

const WIDTH: f64 = 1_100.0;
const ROW: f64 = 19.0;
/// Columns that a character takes.
const CHARACTER: f64 = 6.6;
/// Narrower boxes are left out.
const NARROWEST: f64 = 1.0;

const BOX_WIDTH: f64 = 280.0;
const BOX_HEIGHT: f64 = 40.0;
const COLUMN: f64 = 340.0;
const LINE: f64 = 62.0;

/// A flame graph: the root at the top, each function as wide as the waiting in it.
pub(super) fn flame(root: &FlameNode) -> String {
    let mut boxes = String::new();
    flame_box(&mut boxes, root, root.wait_ns, 0.0, 0);
    let height = ROW * depth(root);
    let label = escape(&root.name);
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"flame graph: {label}\">{boxes}</svg>"
    )
}

fn depth(node: &FlameNode) -> f64 {
    1.0 + node.children.iter().map(depth).fold(0.0, f64::max)
}

#[expect(clippy::cast_precision_loss, reason = "places on a drawing")]
fn flame_box(boxes: &mut String, node: &FlameNode, whole: u64, left: f64, row: u32) {
    let share = node.wait_ns as f64 / whole.max(1) as f64;
    let width = share * WIDTH;
    if width < NARROWEST {
        return;
    }
    let top = f64::from(row) * ROW;
    // Rows alternate in colour, so that a narrow box stands out from those above and below.
    let colour = ["#e8915a", "#edb06f", "#f0c98b", "#edb06f"][row as usize % 4];
    let title = format!("{}: {}, {:.1} %", escape(&node.name), duration(node.wait_ns), share * 100.0);
    let label = cut(&node.name, width);
    let _ = write!(
        boxes,
        "<g><title>{title}</title><rect fill=\"{colour}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
        (width - 0.5).max(0.5),
        ROW - 1.0,
        left + 3.0,
        top + 13.0,
        escape(&label)
    );
    let mut at = left;
    for child in &node.children {
        flame_box(boxes, child, whole, at, row + 1);
        at += child.wait_ns as f64 / whole.max(1) as f64 * WIDTH;
    }
}

/// As much of the text as fits; nothing when that is too little to read.
fn cut(text: &str, width: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of characters")]
    let room = (width / CHARACTER) as usize;
    if room < 4 { String::new() } else { text.chars().take(room - 1).collect() }
}

/// A graph of goroutines: who starts whom from left to right, races as dashed lines. Empty without goroutines.
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
    let mut drawn = String::new();
    for edge in &graph.edges {
        let (Some(from), Some(to)) = (places.get(edge.from), places.get(edge.to)) else { continue };
        let style = if edge.kind == "races" {
            "stroke=\"#c0392b\" stroke-width=\"2\" stroke-dasharray=\"5 4\""
        } else {
            "stroke=\"#777\""
        };
        let middle = BOX_HEIGHT / 2.0;
        let _ = write!(
            drawn,
            "<g><title>{}</title><line {style} x1=\"{:.0}\" y1=\"{:.0}\" x2=\"{:.0}\" y2=\"{:.0}\"/></g>",
            escape(&format!("{} {}", edge.kind, edge.label)),
            from.0 + if to.0 > from.0 { BOX_WIDTH } else { middle },
            from.1 + middle,
            to.0 + if to.0 < from.0 { BOX_WIDTH } else { 0.0 },
            to.1 + middle
        );
    }
    for (node, (x, y)) in graph.nodes.iter().zip(&places) {
        let place = if node.file.is_empty() { String::new() } else { format!("{}:{}", node.file, node.line) };
        let _ = write!(
            drawn,
            "<g><title>{}</title><rect fill=\"#eef2f7\" stroke=\"#8899aa\" rx=\"4\" x=\"{x:.0}\" y=\"{y:.0}\" \
             width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\"/><text x=\"{:.0}\" y=\"{:.0}\">{}</text>\
             <text class=\"small\" x=\"{:.0}\" y=\"{:.0}\">{}</text></g>",
            escape(&format!("{} {place}", node.label)),
            x + 6.0,
            y + 17.0,
            escape(&cut(&node.label, BOX_WIDTH - 12.0)),
            x + 6.0,
            y + 33.0,
            escape(&cut(&place, BOX_WIDTH - 12.0))
        );
    }
    format!(
        "<svg viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"graph of goroutines\">{drawn}</svg>"
    )
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

/// Text in which no tag can begin and no attribute can end.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes::goroutines::{GoroutineEdge, GoroutineNode};

    #[test]
    fn what_strangers_write_is_text() {
        let node =
            FlameNode { name: "<script>alert(1)</script>".to_owned(), wait_ns: 10, children: Vec::new() };
        let svg = flame(&node);
        assert!(!svg.contains("<script") && svg.contains("&lt;script"), "{svg}");
    }

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
        assert_eq!((svg.matches("<rect").count(), svg.matches("stroke-dasharray").count()), (3, 1));
        assert_eq!(goroutines(&GoroutineGraph::default()), "");
    }
}
