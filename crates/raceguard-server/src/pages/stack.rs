//! Stacks as pages show them: short names, the frames of Go's own library folded, source where the record has it.

use askama::Template;
use askama::filters::HtmlSafe;
use raceguard_diagnosis::go_source::{Piece, pieces};
use raceguard_evidence::{Frame, SourcePlace};
use serde::Deserialize;
use serde_json::Value;

use super::text::Text;

/// Frames of a stack that are shown; what is below them is counted.
const SHOWN: usize = 64;

/// Lines of source of a frame that are shown.
const LINES: usize = 40;

/// A stack.
#[derive(Debug, Template)]
#[template(path = "part/stack.html")]
pub(super) struct StackView {
    text: &'static Text,
    pub(super) parts: Vec<Part>,
    /// Frames that are not shown.
    pub(super) left_out: usize,
}

/// Frames in a row that are shown, or folded together.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) folded: bool,
    pub(super) frames: Vec<FrameView>,
}

/// A frame.
#[derive(Debug, Template)]
#[template(path = "part/frame.html")]
pub(super) struct FrameView {
    text: &'static Text,
    /// With the last element of the import path only.
    pub(super) function: String,
    pub(super) full_function: String,
    /// The last two elements of the path, and the line.
    pub(super) position: String,
    pub(super) full_position: String,
    /// Whether it is the frame to look at.
    pub(super) is_anchor: bool,
    pub(super) is_standard: bool,
    /// Its source, where that is not shown already.
    pub(super) excerpt: Option<Excerpt>,
}

/// Lines of source around a frame.
#[derive(Debug, Template)]
#[template(path = "part/excerpt.html")]
pub(super) struct Excerpt {
    pub(super) position: String,
    pub(super) lines: Vec<Line>,
}

/// A line of source.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) pieces: Vec<Piece>,
    pub(super) is_marked: bool,
}

/// What a sender that has the sources puts into a frame or a place, as `source`.
#[derive(Debug, Deserialize)]
struct Source {
    /// Number of the first line, from 1.
    first: u64,
    lines: Vec<String>,
}

impl HtmlSafe for StackView {}
impl HtmlSafe for FrameView {}
impl HtmlSafe for Excerpt {}

impl StackView {
    pub(super) fn new(stack: &[Frame], text: &'static Text) -> Self {
        let anchor = anchor(stack);
        let shown = &stack[..stack.len().min(SHOWN)];
        let foldable = |index: usize| is_standard(&shown[index]) && Some(index) != anchor;
        let indexes: Vec<usize> = (0..shown.len()).collect();
        let parts = indexes.chunk_by(|a, b| foldable(*a) == foldable(*b)).map(|run| Part {
            folded: run.len() > 1 && foldable(run[0]),
            frames: run
                .iter()
                .map(|&index| FrameView::in_stack(&shown[index], Some(index) == anchor, text))
                .collect(),
        });
        Self { text, parts: parts.collect(), left_out: stack.len() - shown.len() }
    }
}

impl FrameView {
    /// A frame that stands alone, with its source.
    pub(super) fn alone(frame: &Frame, text: &'static Text) -> Self {
        Self::in_stack(frame, false, text)
    }

    /// A frame of a stack; the source of the anchor stands above the stack.
    fn in_stack(frame: &Frame, is_anchor: bool, text: &'static Text) -> Self {
        Self {
            text,
            function: frame.name().short(),
            full_function: frame.function.clone(),
            position: position(frame),
            full_position: format!("{}:{}", frame.file, frame.line),
            is_anchor,
            is_standard: is_standard(frame),
            excerpt: Excerpt::of(frame).filter(|_| !is_anchor),
        }
    }
}

/// The frame of a stack that a reader wants to see: the first of the user's own code, or else the first that is not
/// inside Go's runtime.
pub(super) fn anchor(stack: &[Frame]) -> Option<usize> {
    let outside = stack.iter().position(|frame| !frame.is_runtime_internal());
    stack.iter().position(|frame| !is_standard(frame)).or(outside).or((!stack.is_empty()).then_some(0))
}

fn is_standard(frame: &Frame) -> bool {
    let package = frame.name().package();
    let has_host = package.split('/').next().is_some_and(|first| first.contains('.'));
    frame.is_runtime_internal()
        || frame.is_harness()
        || (!has_host && frame.file.contains(&format!("/src/{package}/")))
}

/// `gateway/routes.go:41`, or as much of it as is known.
pub(super) fn position(frame: &Frame) -> String {
    place(&frame.file, frame.line)
}

/// The last two elements of a path, and a line.
pub(super) fn place(file: &str, line: u32) -> String {
    let start = file.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at + 1);
    match (&file[start..], line) {
        ("", _) => "?".to_owned(),
        (file, 0) => file.to_owned(),
        (file, line) => format!("{file}:{line}"),
    }
}

impl Excerpt {
    /// The source that a frame brings along.
    pub(super) fn of(frame: &Frame) -> Option<Self> {
        Self::read(frame.extra.get("source")?, &frame.file, frame.line)
    }

    /// The source around the anchor of a stack.
    pub(super) fn of_anchor(stack: &[Frame]) -> Option<Self> {
        Self::of(&stack[anchor(stack)?])
    }

    /// The source that a place of a static finding brings along.
    pub(super) fn of_place(at: &SourcePlace) -> Option<Self> {
        Self::read(at.extra.get("source")?, &at.file, at.line)
    }

    fn read(source: &Value, file: &str, marked: u32) -> Option<Self> {
        let source: Source = serde_json::from_value(source.clone()).ok()?;
        let lines: Vec<Line> = (source.first..)
            .zip(source.lines.iter().take(LINES))
            .map(|(number, text)| Line {
                number,
                pieces: pieces(text),
                is_marked: number == u64::from(marked),
            })
            .collect();
        (!lines.is_empty()).then(|| Self { position: place(file, marked), lines })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pages::text::EN;

    #[test]
    fn the_users_frame_is_the_anchor_and_the_library_is_folded() {
        let stack = [
            Frame::new("runtime.mapassign", "/go/src/runtime/map.go", 1),
            Frame::new("shop/cart.(*Cart).Add", "/home/u/shop/cart/cart.go", 12),
            Frame::new("net/http.HandlerFunc.ServeHTTP", "/go/src/net/http/server.go", 2),
            Frame::new("net/http.(*conn).serve", "/go/src/net/http/server.go", 3),
        ];
        let view = StackView::new(&stack, &EN);
        let shape: Vec<_> = view.parts.iter().map(|part| (part.folded, part.frames.len())).collect();
        assert_eq!(shape, [(false, 1), (false, 1), (true, 2)]);
        let anchor = &view.parts[1].frames[0];
        assert!(anchor.is_anchor);
        assert_eq!(
            (anchor.function.as_str(), anchor.position.as_str()),
            ("cart.(*Cart).Add", "cart/cart.go:12")
        );
        assert!(StackView::new(&[], &EN).parts.is_empty());
    }

    #[test]
    fn a_frame_may_bring_its_source() {
        let mut frame = Frame::new("m.F", "/m/a.go", 8);
        assert!(Excerpt::of(&frame).is_none());
        frame.extra.insert("source".into(), json!({"first": 7, "lines": ["func F() {", "\tx++"]}));
        let excerpt = Excerpt::of(&frame).expect("it has lines");
        let marked: Vec<_> = excerpt.lines.iter().map(|line| (line.number, line.is_marked)).collect();
        assert_eq!(marked, [(7, false), (8, true)]);
        frame.extra.insert("source".into(), json!("func"));
        assert!(Excerpt::of(&frame).is_none());
    }
}
