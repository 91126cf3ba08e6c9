//! A flame graph as SVG: the root at the top, each function as wide as the waiting in it.

use std::fmt::Write as _;

use raceguard_diagnosis::flame::FlameNode;
use raceguard_diagnosis::locks::duration;

use super::escape;

const WIDTH: f64 = 1200.0;
const ROW: f64 = 19.0;
/// Columns that a character of the label takes.
const CHARACTER: f64 = 6.6;
/// Narrower boxes are left out.
const NARROWEST: f64 = 1.0;

/// Draws the tree.
pub(super) fn draw(root: &FlameNode) -> String {
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
    // Rows alternate in colour, so that a narrow box stands out from those above and below.
    let tone = row % 4;
    let name = escape(&node.name);
    let text = format!("{name}: {}, {:.1} %", duration(node.wait_ns), share * 100.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of characters")]
    let room = (width / CHARACTER) as usize;
    let label = if room < 4 {
        String::new()
    } else {
        let cut: String = node.name.chars().take(room.saturating_sub(1)).collect();
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
