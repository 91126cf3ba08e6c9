//! Who started whom, and what they met on: a drawing of boxes in columns, left to right.

use askama::Template;
use askama::filters::HtmlSafe;
use raceguard_diagnosis::drawing::{self, Boxes};
use raceguard_evidence::{Access, Frame, Race};

use super::stack::{anchor, position};

const BOX_WIDTH: f64 = 250.0;
const BOX_HEIGHT: f64 = 46.0;
const GAP: f64 = 56.0;
const ROW: f64 = 84.0;
/// Characters that fit into a box: of what it is, which are smaller, and of its text.
const ROOM: [usize; 2] = [40, 31];
/// `go` statements that are drawn for each side, the nearest.
const STARTS: usize = 3;

/// A drawing.
#[derive(Debug, Template)]
#[template(path = "part/graph.html")]
pub(super) struct Graph {
    /// What it shows.
    label: &'static str,
    svg: String,
}

impl HtmlSafe for Graph {}

/// Boxes and lines in their places.
#[derive(Debug, Default)]
struct Layout {
    width: f64,
    height: f64,
    boxes: Vec<Node>,
    edges: Vec<Edge>,
}

/// A box: the upper left corner of it, and what it shows.
#[derive(Debug, Clone)]
struct Node {
    x: f64,
    y: f64,
    label: Label,
}

/// A line from one box to the next.
#[derive(Debug)]
struct Edge {
    class: &'static str,
    from: (f64, f64),
    to: (f64, f64),
}

/// What a box shows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Label {
    /// `start`, `later`, `earlier`, `shared`.
    class: &'static str,
    /// What it is.
    kind: String,
    text: String,
}

/// Words for what has no name of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    pub(super) go_statement: &'static str,
    pub(super) shared: &'static str,
    pub(super) label: &'static str,
}

impl Graph {
    /// Both goroutines of a race from their `go` statements to the memory that they met on.
    pub(super) fn of_race(race: &Race, words: Words) -> Self {
        let classes = ["later", "earlier"];
        let sides = [0, 1].map(|side| side_labels(race, &race.accesses[side], classes[side], words));
        let object = race.object.as_ref();
        let name = object.and_then(|object| object.name.clone()).filter(|name| !name.is_empty());
        let allocated =
            object.and_then(|object| Some(position(&object.allocation[anchor(&object.allocation)?])));
        let text = name.or(allocated).unwrap_or_else(|| race.address.clone());
        let layout = Layout::joined(&sides, &Label { class: "shared", kind: words.shared.to_owned(), text });
        Self { label: words.label, svg: layout.draw(words.label) }
    }
}

impl Layout {
    fn draw(&self, label: &str) -> String {
        let mut drawing = Boxes::new("graph", label, self.width, self.height);
        for edge in &self.edges {
            drawing.connect(edge.from, edge.to, edge.class, "");
        }
        for Node { x, y, label } in &self.boxes {
            drawing.push(&drawing::Node {
                x: *x,
                y: *y,
                width: BOX_WIDTH,
                height: BOX_HEIGHT,
                class: label.class,
                small: &label.kind,
                text: &label.text,
                room: ROOM,
                title: &format!("{}\n{}", label.kind, label.text),
            });
        }
        drawing.svg()
    }

    /// Two rows that end in one box. What both begin with is drawn once.
    fn joined(rows: &[Vec<Label>], end: &Label) -> Self {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let height = ROW * count(rows.len().max(1)) - (ROW - BOX_HEIGHT) + 4.0;
        let mut graph = Self { width: left(columns) + BOX_WIDTH + 4.0, height, ..Self::default() };
        let end = graph.push(left(columns), height / 2.0, end);
        for (row, labels) in rows.iter().enumerate() {
            let class = labels.last().map_or("", |label| label.class);
            // The row ends where all rows end.
            let first = columns - labels.len();
            let mut previous: Option<Node> = None;
            for (index, label) in labels.iter().enumerate() {
                let is_common = rows.len() > 1
                    && rows
                        .iter()
                        .all(|other| other.len() == labels.len() && other[..=index] == labels[..=index]);
                let middle = if is_common { height / 2.0 } else { ROW * count(row) + BOX_HEIGHT / 2.0 + 2.0 };
                let drawn = is_common.then(|| graph.find(left(first + index), middle)).flatten();
                let node = match drawn {
                    Some(node) => node,
                    None => graph.push(left(first + index), middle, label),
                };
                if let Some(previous) = previous {
                    graph.connect(&previous, &node, if is_common { "" } else { class });
                }
                previous = Some(node);
            }
            if let Some(last) = previous {
                graph.connect(&last, &end, class);
            }
        }
        graph
    }

    fn find(&self, x: f64, middle: f64) -> Option<Node> {
        let is_there =
            |node: &&Node| (node.x - x).abs() < 1.0 && (node.y + BOX_HEIGHT / 2.0 - middle).abs() < 1.0;
        self.boxes.iter().find(is_there).cloned()
    }

    fn push(&mut self, x: f64, middle: f64, label: &Label) -> Node {
        let node = Node { x, y: middle - BOX_HEIGHT / 2.0, label: label.clone() };
        self.boxes.push(node.clone());
        node
    }

    fn connect(&mut self, from: &Node, to: &Node, class: &'static str) {
        let middle = BOX_HEIGHT / 2.0;
        self.edges.push(Edge {
            class,
            from: (from.x + BOX_WIDTH, from.y + middle),
            to: (to.x, to.y + middle),
        });
    }
}

/// The `go` statements that lead to a goroutine, farthest first, then what it did.
fn side_labels(race: &Race, access: &Access, class: &'static str, words: Words) -> Vec<Label> {
    let mut labels = Vec::new();
    for goroutine in race.ancestry(access.goroutine) {
        let starts = goroutine.go_statement().into_iter().chain(goroutine.ancestor_go_statements());
        labels.extend(starts.filter_map(|stack| start_label(stack, words)));
    }
    labels.truncate(STARTS);
    labels.reverse();
    let what = access
        .map_op
        .as_ref()
        .map_or_else(|| access.op.as_str().to_owned(), |operation| format!("map {}", operation.as_str()));
    let frame = anchor(&access.stack).map(|index| &access.stack[index]);
    let kind = frame.map_or_else(|| what.clone(), |frame| format!("{what} · {}", position(frame)));
    let text = frame.map_or_else(|| "?".to_owned(), |frame| frame.name().short());
    labels.push(Label { class, kind, text });
    labels
}

fn start_label(stack: &[Frame], words: Words) -> Option<Label> {
    let frame = &stack[anchor(stack)?];
    let kind = format!("{} · {}", words.go_statement, position(frame));
    Some(Label { class: "start", kind, text: frame.name().short() })
}

fn left(column: usize) -> f64 {
    count(column) * (BOX_WIDTH + GAP) + 2.0
}

#[expect(clippy::cast_precision_loss, reason = "places on a drawing")]
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> Label {
        Label { class: "start", kind: String::new(), text: text.to_owned() }
    }

    #[test]
    fn what_both_sides_begin_with_is_drawn_once() {
        let rows = [
            vec![label("main"), label("serve"), label("put")],
            vec![label("main"), label("serve"), label("get")],
        ];
        let graph = Layout::joined(&rows, &label("map"));
        let texts: Vec<_> = graph.boxes.iter().map(|node| node.label.text.as_str()).collect();
        assert_eq!(texts, ["map", "main", "serve", "put", "get"]);
        assert!(graph.boxes.iter().all(|node| node.x + BOX_WIDTH <= graph.width && node.y >= 0.0));
        assert!(graph.boxes.iter().all(|node| node.y + BOX_HEIGHT <= graph.height));
    }

    #[test]
    fn rows_of_other_lengths_end_together() {
        let graph = Layout::joined(&[vec![label("a"), label("b")], vec![label("c")]], &label("x"));
        let x = |text: &str| graph.boxes.iter().find(|node| node.label.text == text).map(|node| node.x);
        assert_eq!(x("b"), x("c"));
    }
}
