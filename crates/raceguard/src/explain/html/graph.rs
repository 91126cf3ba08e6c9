//! The goroutines of a cluster as SVG: where they start, the statement that each reaches, and what they meet on.

use raceguard_diagnosis::cluster::Cluster;
use raceguard_diagnosis::drawing::{Boxes, Node};
use raceguard_diagnosis::statement::short_function;

use crate::explain::words;

const WIDTH: f64 = 1152.0;
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
    let mut drawing = Boxes::new("graph", "goroutines and what they meet on", WIDTH, height);
    for (place, statement) in statements.iter().enumerate() {
        let class = if statement.operation.is_write() { "write" } else { "read" };
        for start in statement.started_at.iter().take(3) {
            let from = starts.iter().position(|known| *known == start).map_or(0.0, start_y);
            push_edge(&mut drawing, 0, from, statement_y(place), class, "");
        }
        push_edge(&mut drawing, 1, statement_y(place), variable_y, class, statement.operation.noun());
    }
    for (place, start) in starts.iter().enumerate() {
        push_box(&mut drawing, 0, start_y(place), "start", "go statement", start);
    }
    for (place, statement) in statements.iter().enumerate() {
        let blamed = cluster.blame.as_ref().is_some_and(|blame| blame.statement == place);
        let class = if blamed { "statement wrong" } else { "statement" };
        push_box(
            &mut drawing,
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
    push_box(&mut drawing, 2, variable_y, "variable", "shared", &variable);
    drawing.svg()
}

#[expect(clippy::cast_precision_loss, reason = "places on a drawing")]
fn row(place: usize) -> f64 {
    place as f64 * ROW
}

fn push_box(drawing: &mut Boxes, column: usize, middle: f64, class: &str, small: &str, text: &str) {
    let (x, width) = COLUMNS[column];
    let room = [ROOM[column]; 2];
    let y = middle - BOX_HEIGHT / 2.0;
    drawing.push(&Node { x, y, width, height: BOX_HEIGHT, class, small, text, room, title: text });
}

fn push_edge(drawing: &mut Boxes, column: usize, from: f64, to: f64, class: &str, label: &str) {
    let (left, width) = COLUMNS[column];
    drawing.connect((left + width, from), (COLUMNS[column + 1].0, to), class, label);
}
