//! Headlines and source excerpts.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};

use unicode_width::UnicodeWidthStr;

use super::layout::{Painter, clean};
use crate::report::source::Excerpt;
use crate::report::view::{AccessView, CrashView, FindingView, FrameView};

/// Lines shown before and after the marked one.
const CONTEXT: usize = 2;

/// How excerpts show a tab.
const TAB: &str = "    ";

/// Lines between two statements up to which they are shown in one excerpt.
const MERGED_DISTANCE: usize = 4;

/// The headline alone.
pub(super) fn title(code: &str, headline: &str, painter: &Painter) -> String {
    let title = Level::ERROR.primary_title(clean(headline)).id(code);
    renderer(painter).render(&[Group::with_title(title)])
}

/// The headline and both statements, below each other, or in one excerpt when they are close.
pub(super) fn both(view: &FindingView<'_>, painter: &Painter) -> String {
    let later = Statement::of_access(view.later(), AnnotationKind::Primary);
    let earlier = Statement::of_access(view.earlier(), AnnotationKind::Context);
    let snippets = match later.with_neighbour(&earlier, painter) {
        Some(snippet) => vec![snippet],
        None => [&later, &earlier].into_iter().filter_map(|statement| statement.snippet(painter)).collect(),
    };
    let title = Level::ERROR.primary_title(clean(&view.headline)).id(view.rule.code);
    let text = renderer(painter).render(&[title.elements(snippets)]);
    let missing = [&later, &earlier].into_iter().filter_map(|statement| statement.without_source(painter));
    std::iter::once(text).chain(missing).collect::<Vec<_>>().join("\n")
}

/// One statement of a race, without a headline.
pub(super) fn one(access: &AccessView<'_>, primary: bool, painter: &Painter) -> String {
    let kind = if primary { AnnotationKind::Primary } else { AnnotationKind::Context };
    let statement = Statement::of_access(access, kind);
    match statement.snippet(painter) {
        Some(snippet) => renderer(painter).render(&[Group::with_level(Level::ERROR).element(snippet)]),
        None => statement.without_source(painter).unwrap_or_default(),
    }
}

/// The headline and the statement of a crash.
pub(super) fn crash(view: &CrashView<'_>, painter: &Painter) -> String {
    let title = Level::ERROR.primary_title(clean(&view.headline)).id(view.rule.code);
    let statement = Statement {
        place: view.place.as_ref(),
        excerpt: view.excerpt.as_ref(),
        label: &view.label,
        short_label: &view.label,
        kind: AnnotationKind::Primary,
    };
    let text = renderer(painter).render(&[title.elements(statement.snippet(painter))]);
    std::iter::once(text).chain(statement.without_source(painter)).collect::<Vec<_>>().join("\n")
}

fn renderer(painter: &Painter) -> Renderer {
    let renderer = if painter.color { Renderer::styled() } else { Renderer::plain() };
    renderer.term_width(painter.width)
}

/// A statement to show.
struct Statement<'a> {
    place: Option<&'a FrameView<'a>>,
    excerpt: Option<&'a Excerpt>,
    label: &'a str,
    /// For when the label does not fit beside the mark.
    short_label: &'a str,
    kind: AnnotationKind,
}

impl<'a> Statement<'a> {
    fn of_access(access: &'a AccessView<'a>, kind: AnnotationKind) -> Self {
        Self {
            place: access.place.as_ref(),
            excerpt: access.excerpt.as_ref(),
            label: &access.label,
            short_label: &access.short_label,
            kind,
        }
    }

    /// The excerpt with its label, when there is source.
    fn snippet(&self, painter: &Painter) -> Option<Snippet<'static, Annotation<'static>>> {
        let (place, excerpt) = (self.place?, self.excerpt?.narrowed(CONTEXT));
        let mark = excerpt.mark.clone();
        let annotation = self.annotation(&excerpt, excerpt.marked, mark, painter);
        Some(snippet_of(place, &excerpt).annotation(annotation))
    }

    /// Both statements in one excerpt, when they are in the same file and that close.
    fn with_neighbour(
        &self,
        other: &Self,
        painter: &Painter,
    ) -> Option<Snippet<'static, Annotation<'static>>> {
        let (place, excerpt) = (self.place?, self.excerpt?);
        let (other_place, other_excerpt) = (other.place?, other.excerpt?);
        let distance = excerpt.marked_number().abs_diff(other_excerpt.marked_number());
        if place.frame.file != other_place.frame.file || distance > MERGED_DISTANCE {
            return None;
        }
        let excerpt = excerpt.narrowed(CONTEXT.max(distance));
        let other_line = other_excerpt.marked_number() - excerpt.first_line;
        let annotations = [
            self.annotation(&excerpt, excerpt.marked, excerpt.mark.clone(), painter),
            other.annotation(&excerpt, other_line, other_excerpt.mark.clone(), painter),
        ];
        Some(snippet_of(place, &excerpt).annotations(annotations))
    }

    /// The label on the bytes `mark` of a line of the excerpt.
    fn annotation(
        &self,
        excerpt: &Excerpt,
        line: usize,
        mark: Range<usize>,
        painter: &Painter,
    ) -> Annotation<'static> {
        let before: usize = excerpt.lines[..line].iter().map(|line| line.len() + 1).sum();
        let indent = excerpt.lines[line][..mark.start].replace('\t', TAB).width();
        let gutter = (excerpt.first_line + excerpt.lines.len()).to_string().len() + " | ".len();
        let free = painter.width.saturating_sub(gutter + indent + mark.len() + 1);
        let label = if self.label.width() <= free { self.label } else { self.short_label };
        self.kind.span(before + mark.start..before + mark.end).label(clean(label))
    }

    /// The position and the label, when there is no source.
    fn without_source(&self, painter: &Painter) -> Option<String> {
        match (self.place, self.excerpt) {
            (Some(_), Some(_)) => None,
            (Some(place), None) => {
                let arrow = painter.dim("-->");
                let position = clean(&place.position());
                let label = painter.hanging("      ", &format!("{} (source not found)", self.label));
                Some(format!("  {arrow} {position}\n{label}"))
            }
            (None, _) => (!self.label.is_empty()).then(|| painter.hanging("      ", self.label)),
        }
    }
}

fn snippet_of(place: &FrameView<'_>, excerpt: &Excerpt) -> Snippet<'static, Annotation<'static>> {
    Snippet::source(excerpt.lines.join("\n"))
        .line_start(excerpt.first_line)
        .path(clean(&place.path))
        .fold(false)
}
