//! Which lines a comment speaks of.

use std::ops::RangeInclusive;

use raceguard_analyzer::syntax::ast::{Arena, Decl, File, VarSpec};
use raceguard_analyzer::syntax::span::Span;
use raceguard_analyzer::syntax::{LineIndex, Mode, parse_file};
use raceguard_evidence::SourcePlace;
use serde_json::Map;

/// The comments and declarations of a file, by line.
pub(super) struct Scopes<'a> {
    source: &'a [u8],
    index: LineIndex,
    /// All comments, with their marks.
    pub(super) comments: Vec<(Span, String)>,
    package_line: u32,
    /// First and last line of each declaration.
    declarations: Vec<RangeInclusive<u32>>,
}

impl<'a> Scopes<'a> {
    pub(super) fn of(source: &'a [u8]) -> Self {
        let parsed = parse_file(source, Mode { bodies: false, comments: true });
        let index = LineIndex::new(source);
        let text = |span: Span| {
            let bytes = source.get(span.start as usize..span.end as usize).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let comments = parsed.file.comments.iter().map(|it| (it.span, text(it.span))).collect();
        let package_line = index.line(parsed.file.package.span.start);
        let declarations = declarations(&parsed.file, &index);
        Self { source, index, comments, package_line, declarations }
    }

    /// Where a comment is.
    pub(super) fn place(&self, path: &str, span: Span) -> SourcePlace {
        let (start, end) = (self.index.position(span.start), self.index.position(span.end));
        SourcePlace {
            file: path.to_owned(),
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
            extra: Map::new(),
        }
    }

    /// The lines that a comment speaks of.
    pub(super) fn lines_of(&self, comment: Span) -> RangeInclusive<u32> {
        let own = self.index.line(comment.start);
        let line = if self.is_alone(comment) { self.next_code(own) } else { own };
        if line == self.package_line {
            return 1..=u32::MAX;
        }
        // The line of a comment that stands alone counts too, for findings on the comment's own line.
        let declared = self.declarations.iter().find(|lines| *lines.start() == line);
        own..=declared.map_or(line, |lines| *lines.end())
    }

    /// Whether nothing but blanks stands before it on its line.
    fn is_alone(&self, comment: Span) -> bool {
        let line = self.index.line_span(self.index.line(comment.start)).unwrap_or_default();
        self.source[line.start as usize..comment.start as usize].iter().all(u8::is_ascii_whitespace)
    }

    /// The first line after `line` that is more than a comment.
    fn next_code(&self, line: u32) -> u32 {
        let is_comment = |line: u32| {
            let span = self.index.line_span(line).unwrap_or_default();
            self.source[span.start as usize..span.end as usize].trim_ascii_start().starts_with(b"//")
        };
        (line + 1..=self.index.line_count()).find(|line| !is_comment(*line)).unwrap_or(line)
    }
}

fn declarations(file: &File, index: &LineIndex) -> Vec<RangeInclusive<u32>> {
    let lines = |span: Span| index.line(span.start)..=index.line(span.end.saturating_sub(1).max(span.start));
    let mut all = Vec::new();
    for decl in &file.decls {
        match decl {
            Decl::Func(function) => all.push(lines(function.span)),
            Decl::Type(specs) => all.extend(specs.iter().map(|spec| lines(spec.span))),
            Decl::Var(specs) => {
                all.extend(specs.iter().filter_map(|spec| Some(lines(extent(spec, &file.arena)?))));
            }
            Decl::Const(_) | Decl::Bad(_) => {}
        }
    }
    all
}

/// From the first name to the end of the last value.
fn extent(spec: &VarSpec, arena: &Arena) -> Option<Span> {
    let first = spec.names.first()?.span;
    let parts = spec.ty.iter().chain(&spec.values).map(|id| arena[*id].span);
    Some(parts.fold(first, Span::to))
}
