//! The goroutines of a cluster as SVG: where they start, the statement that each reaches, and what they meet on.

use std::fmt::Write as _;

use raceguard_diagnosis::cluster::Cluster;
use raceguard_diagnosis::statement::short_function;

use super::{escape, shortened};
use crate::explain::words;

const ROW: f64 = 46.0;
const BOX_HEIGHT: f64 = 34.0;
/// Left edge and width of the three columns.
const COLUMNS: [(f64, f64); 3] = [(0.0, 260.0), (330.0, 440.0), (850.0, 300.0)];
/// Characters that fit into a box of each column.
const ROOM: [usize; 3] = [36, 60, 40];
/// Statements that are drawn.
const STATEMENTS: usize = 8;

/// Draws the cluster.
pub(super) fn draw(cluster: &Cluster) -> String {
    let statements = &cluster.statements[..cluster.statements.len().min(STATEMENTS)];
    let mut starts: Vec<&str> = Vec::new();
    for start in statements.iter().flat_map(|statement| statement.started_at.iter().take(3)) {
        if !starts.contains(&start.as_str()) {
            starts.push(start);
        }
    }
    let rows = statements.len().max(starts.len()).max(1);
    let height = row(rows) + 2.0;
    let middle = |count: usize| (row(rows) - row(count)) / 2.0;
    let start_y = |place: usize| middle(starts.len()) + row(place) + BOX_HEIGHT / 2.0;
    let statement_y = |place: usize| middle(statements.len()) + row(place) + BOX_HEIGHT / 2.0;
    let variable_y = row(rows) / 2.0 - (ROW - BOX_HEIGHT) / 2.0;
    let mut svg = format!(
        "<svg class=\"graph\" viewBox=\"0 0 1152 {height}\" role=\"img\" aria-label=\"goroutines and what they meet on\">"
    );
    for (place, statement) in statements.iter().enumerate() {
        let class = if statement.operation.is_write() { "write" } else { "read" };
        for start in statement.started_at.iter().take(3) {
            let from = starts.iter().position(|known| *known == start).map_or(0.0, start_y);
            push_edge(&mut svg, 0, from, statement_y(place), class, "");
        }
        push_edge(&mut svg, 1, statement_y(place), variable_y, class, statement.operation.noun());
    }
    for (place, start) in starts.iter().enumerate() {
        push_box(&mut svg, 0, start_y(place), "start", "go statement", start);
    }
    for (place, statement) in statements.iter().enumerate() {
        let blamed = cluster.blame.as_ref().is_some_and(|blame| blame.statement == place);
        let class = if blamed { "statement wrong" } else { "statement" };
        push_box(
            &mut svg,
            1,
            statement_y(place),
            class,
            &words::place(statement),
            &short_function(&statement.function),
        );
    }
    let variable = if cluster.variable.is_empty() {
        "shared memory".to_owned()
    } else {
        short_function(&cluster.variable)
    };
    push_box(&mut svg, 2, variable_y, "variable", "shared", &variable);
    svg.push_str("</svg>");
    svg
}

#[expect(clippy::cast_precision_loss, reason = "places on a drawing")]
fn row(place: usize) -> f64 {
    place as f64 * ROW
}

fn push_box(svg: &mut String, column: usize, middle: f64, class: &str, small: &str, text: &str) {
    let (left, width) = COLUMNS[column];
    let top = middle - BOX_HEIGHT / 2.0;
    let _ = write!(
        svg,
        "<g class=\"{class}\"><title>{}</title><rect x=\"{left}\" y=\"{top:.1}\" width=\"{width}\" height=\"{BOX_HEIGHT}\" rx=\"5\"/>\
         <text class=\"small\" x=\"{:.1}\" y=\"{:.1}\">{}</text><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
        escape(text),
        left + 8.0,
        top + 13.0,
        escape(&shortened(small, ROOM[column])),
        left + 8.0,
        top + 27.0,
        escape(&shortened(text, ROOM[column]))
    );
}

fn push_edge(svg: &mut String, column: usize, from: f64, to: f64, class: &str, label: &str) {
    let (left, width) = COLUMNS[column];
    let (start, end) = (left + width, COLUMNS[column + 1].0);
    let middle = f64::midpoint(start, end);
    let _ = write!(
        svg,
        "<path class=\"{class}\" d=\"M{start} {from:.1} C{middle} {from:.1} {middle} {to:.1} {end} {to:.1}\"><title>{}</title></path>",
        escape(label)
    );
}
