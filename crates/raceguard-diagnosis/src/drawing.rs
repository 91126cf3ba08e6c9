//! Drawings as SVG, as the command's page and the server's show them: boxes with lines between them, and [`flame`] graphs.
//!
//! Colours are the page's: a drawing says classes only. Texts come from strangers, so each is escaped where it is written.

pub mod flame;

use std::fmt::Write as _;

/// Boxes in their places, and lines between them, which lie behind the boxes.
#[derive(Debug)]
pub struct Boxes {
    head: String,
    lines: String,
    nodes: String,
}

/// A box with two lines of text. Lengths are in the drawing's own units, about a pixel each.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// From the left edge to the right one.
    pub width: f64,
    /// From the upper edge to the lower one.
    pub height: f64,
    /// Class of the box.
    pub class: &'a str,
    /// The first line, of class `small`.
    pub small: &'a str,
    /// The second line.
    pub text: &'a str,
    /// Characters that fit into the first and the second line.
    pub room: [usize; 2],
    /// What a pointer is told.
    pub title: &'a str,
}

impl Boxes {
    /// An empty drawing of this class, said to show `label`.
    pub fn new(class: &str, label: &str, width: f64, height: f64) -> Self {
        let head = format!(
            "<svg class=\"{}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">",
            escape(class),
            escape(label)
        );
        Self { head, lines: String::new(), nodes: String::new() }
    }

    /// Draws a box.
    pub fn push(&mut self, node: &Node<'_>) {
        let Node { x, y, width, height, .. } = *node;
        let _ = write!(
            self.nodes,
            "<g class=\"{}\"><title>{}</title>\
             <rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"5\"/>\
             <text class=\"small\" x=\"{:.1}\" y=\"{:.1}\">{}</text><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
            escape(node.class),
            escape(node.title),
            x + 9.0,
            y + height * 0.39,
            escape(&shortened(node.small, node.room[0])),
            x + 9.0,
            y + height * 0.78,
            escape(&shortened(node.text, node.room[1]))
        );
    }

    /// Draws a line, which leaves its first end and reaches its second one level.
    pub fn connect(&mut self, from: (f64, f64), to: (f64, f64), class: &str, title: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let middle = f64::midpoint(x1, x2);
        let title =
            if title.is_empty() { String::new() } else { format!("<title>{}</title>", escape(title)) };
        let _ = write!(
            self.lines,
            "<path class=\"{}\" d=\"M{x1:.1} {y1:.1}C{middle:.1} {y1:.1} {middle:.1} {y2:.1} {x2:.1} {y2:.1}\">{title}</path>",
            escape(class)
        );
    }

    /// The drawing.
    pub fn svg(&self) -> String {
        [&self.head, &self.lines, &self.nodes, "</svg>"].concat()
    }
}

/// Text in which no tag can begin and no attribute can end.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// At most `room` characters: the end of a text that is too long, for names differ there.
pub fn shortened(text: &str, room: usize) -> String {
    let length = text.chars().count();
    if length <= room {
        return text.to_owned();
    }
    let kept = text.chars().skip((length + 1).saturating_sub(room));
    std::iter::once('…').chain(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_is_text() {
        let bad = "\"><script>alert(1)</script>";
        let mut boxes = Boxes::new("graph", bad, 10.0, 10.0);
        boxes.push(&Node {
            x: 0.0,
            y: 0.0,
            width: 5.0,
            height: 5.0,
            class: bad,
            small: bad,
            text: bad,
            room: [99; 2],
            title: bad,
        });
        boxes.connect((0.0, 0.0), (1.0, 1.0), bad, bad);
        let svg = boxes.svg();
        assert_eq!(svg.matches("&lt;script&gt;").count(), 7, "{svg}");
        assert!(!svg.contains("<script") && !svg.contains("=\"\">"), "{svg}");
        assert!(svg.find("<path").expect("there is a line") < svg.find("<rect").expect("there is a box"));
    }

    #[test]
    fn what_is_too_long_loses_its_beginning() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdefg", 6), "…cdefg");
        assert_eq!(shortened(&"ab".repeat(40), 31).chars().count(), 31);
    }
}
