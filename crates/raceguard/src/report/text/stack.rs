//! Stacks and ancestries, compact: frames of the standard library are folded or dimmed.

use unicode_width::UnicodeWidthStr;

use super::layout::{Painter, clean};
use crate::report::view::{Creation, FrameView, counted};

/// Frames shown of a stack, unless all are asked for.
const SHOWN_FRAMES: usize = 12;

/// Ancestors shown of a goroutine, unless all frames are asked for.
const SHOWN_ANCESTORS: usize = 5;

/// Depth of ancestors up to which they are indented.
const MAX_INDENT: usize = 8;

/// A line of a stack.
enum Line<'a> {
    Frame { view: &'a FrameView<'a>, anchor: bool },
    Folded(String),
}

/// The frames of a stack, the one at `anchor` highlighted.
pub(super) fn frames(stack: &[FrameView<'_>], anchor: Option<usize>, painter: &Painter) -> String {
    if stack.is_empty() {
        return format!("    {}\n", painter.dim("no stack was recorded"));
    }
    let lines = folded(stack, anchor, painter.all_frames);
    let functions = lines.iter().filter_map(|line| match line {
        Line::Frame { view, .. } => Some(view.function.width()),
        Line::Folded(_) => None,
    });
    let column = functions.max().unwrap_or(0).min(painter.width / 2);
    lines
        .iter()
        .map(|line| match line {
            Line::Frame { view, anchor } => frame(view, *anchor, column, painter),
            Line::Folded(text) => format!("    {}\n", painter.dim(text)),
        })
        .collect()
}

/// Where a goroutine was created, and its ancestors.
pub(super) fn creations(chain: &[Creation<'_>], painter: &Painter) -> String {
    let shown = if painter.all_frames { chain.len() } else { chain.len().min(SHOWN_ANCESTORS) };
    let mut text = String::new();
    for (depth, creation) in chain[..shown].iter().enumerate() {
        match (&creation.site, &creation.by) {
            (Some(site), by) => text.push_str(&created(site, by.as_deref(), depth, painter)),
            (None, Some(by)) => text.push_str(&ancestor_line(&format!("created by {by}"), depth, painter)),
            (None, None) => {}
        }
    }
    if shown < chain.len() {
        let more = counted((chain.len() - shown) as u64, "further ancestor", "further ancestors");
        text.push_str(&ancestor_line(&format!("… {more}"), shown, painter));
    }
    text
}

/// `└ created by main goroutine in m.Start at start.go:20`.
pub(super) fn created(site: &FrameView<'_>, by: Option<&str>, depth: usize, painter: &Painter) -> String {
    let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
    ancestor_line(&format!("created{by} in {} at {}", site.function, site.position()), depth, painter)
}

fn ancestor_line(text: &str, depth: usize, painter: &Painter) -> String {
    let indent = "  ".repeat(depth.min(MAX_INDENT) + 3);
    let hanging = painter.hanging(&indent, text);
    // The sign stands in the indentation of the first line.
    format!("{}{} {}\n", &indent[2..], painter.dim("└"), hanging.trim_start())
}

fn frame(view: &FrameView<'_>, anchor: bool, column: usize, painter: &Painter) -> String {
    let position = view.position();
    let function = if anchor {
        painter.bold(&view.function)
    } else if view.is_standard() {
        painter.dim(&view.function)
    } else {
        clean(&view.function)
    };
    let position_shown = if anchor { clean(&position) } else { painter.dim(&position) };
    let width = view.function.width();
    if 4 + column.max(width) + 2 + position.width() > painter.width {
        return format!("    {function}\n        {position_shown}\n");
    }
    format!("    {function}{}{position_shown}\n", " ".repeat(column.saturating_sub(width) + 2))
}

/// Two or more frames of the standard library in a row become one line, and so does the rest of a deep stack.
fn folded<'a>(stack: &'a [FrameView<'a>], anchor: Option<usize>, all: bool) -> Vec<Line<'a>> {
    let shown = |index: usize| Line::Frame { view: &stack[index], anchor: anchor == Some(index) };
    if all {
        return (0..stack.len()).map(shown).collect();
    }
    let foldable = |index: usize| stack[index].is_standard() && anchor != Some(index);
    let mut lines = Vec::new();
    let mut index = 0;
    while index < stack.len() {
        if lines.len() >= SHOWN_FRAMES && anchor.is_none_or(|anchor| index > anchor) {
            let rest = (stack.len() - index) as u64;
            lines.push(Line::Folded(format!("… {}", counted(rest, "further frame", "further frames"))));
            break;
        }
        let run = (index..stack.len()).take_while(|index| foldable(*index)).count();
        if run < 2 {
            lines.push(shown(index));
            index += 1;
        } else {
            lines.push(Line::Folded(format!("… {run} frames of the standard library")));
            index += run;
        }
    }
    lines
}
