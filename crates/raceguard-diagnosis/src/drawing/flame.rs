//! A flame graph: the root at the top, each function as wide as the waiting in it.

use std::fmt::Write as _;

use super::escape;
use crate::flame::FlameNode;
use crate::locks::duration;

const WIDTH: f64 = 1200.0;
const ROW: f64 = 19.0;
/// Columns that a character of the label takes.
const CHARACTER: f64 = 6.6;
/// Narrower boxes are left out.
const NARROWEST: f64 = 1.0;

/// Draws the tree, as an `svg` of class `flame`. Rows alternate between the classes `f0` to `f3`, so that a narrow box
/// stands out from those above and below.
pub fn draw(root: &FlameNode) -> String {
    let mut boxes = String::new();
    push(&mut boxes, root, root.wait_ns, 0.0, 0);
    let height = ROW * depth(root);
    format!(
        "<svg class=\"flame\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"flame graph: {}\">{boxes}</svg>",
        escape(&root.name)
    )
}

fn depth(node: &FlameNode) -> f64 {
    1.0 + node.children.iter().map(depth).fold(0.0, f64::max)
}

#[expect(clippy::cast_precision_loss, reason = "places on a drawing")]
fn push(boxes: &mut String, node: &FlameNode, whole: u64, left: f64, row: u32) {
    let share = node.wait_ns as f64 / whole.max(1) as f64;
    let width = share * WIDTH;
    if width < NARROWEST {
        return;
    }
    let top = f64::from(row) * ROW;
    let tone = row % 4;
    let text = format!("{}: {}, {:.1} %", escape(&node.name), duration(node.wait_ns), share * 100.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of characters")]
    let room = (width / CHARACTER) as usize;
    let label = if room < 4 {
        String::new()
    } else {
        let cut: String = node.name.chars().take(room - 1).collect();
        format!("<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", left + 3.0, top + 13.0, escape(&cut))
    };
    let _ = write!(
        boxes,
        "<g><title>{text}</title><rect class=\"f{tone}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>{label}</g>",
        (width - 0.5).max(0.5),
        ROW - 1.0
    );
    let mut at = left;
    for child in &node.children {
        push(boxes, child, whole, at, row + 1);
        at += child.wait_ns as f64 / whole.max(1) as f64 * WIDTH;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_as_wide_as_the_waiting_in_it() {
        let leaf = |name: &str, wait_ns| FlameNode { name: name.to_owned(), wait_ns, children: Vec::new() };
        let root = FlameNode {
            name: "<script>".to_owned(),
            wait_ns: 100,
            children: vec![leaf("half", 50), leaf("quarter", 25), leaf("too narrow to be seen", 0)],
        };
        let svg = draw(&root);
        assert_eq!(svg.matches("<rect").count(), 3, "{svg}");
        assert!(svg.contains("x=\"0.0\" y=\"19.0\" width=\"599.5\""), "{svg}");
        assert!(svg.contains("x=\"600.0\" y=\"19.0\" width=\"299.5\""), "{svg}");
        assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;"), "{svg}");
    }
}
