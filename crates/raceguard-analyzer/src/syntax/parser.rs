//! The parser: recursive descent with one token of look-ahead.
//!
//! It follows go/parser in what it accepts, also where that is more than the specification allows (a method with two
//! receivers, `.(type)` outside of a switch): whether such code compiles is for later stages to ask.
//!
//! Recursion is bounded by [`MAX_DEPTH`]. Chains (`a + b + c`, `a.b().c()`) are read in a loop, so that they may be
//! as long as the file; their trees lean to the left, and who walks them should not recurse into the left operand.

mod comments;
mod control;
mod declarations;
mod expressions;
mod operands;
mod parameters;
mod recovery;
mod simple_statements;
mod statements;
mod structures;
mod tokens;
mod type_declarations;
mod types;

use super::ast::{
    Arena, Block, CommentGroup, Element, Expr, ExprId, ExprKind, File, Ident, ImportSpec, Stmt, StmtId,
    StmtKind,
};
use super::encoding;
use super::error::SyntaxError;
use super::lexer::Lexer;
use super::name::Name;
use super::name_cache::NameCache;
use super::span::Span;
use super::token::{Token, TokenKind};
pub use recovery::MAX_DEPTH;

/// What to make of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// Whether to parse the bodies of function declarations, or to pass over them at several times the speed. Errors
    /// in a body that is passed over are reported when it is parsed, but for an unclosed one.
    pub bodies: bool,
    /// Whether to keep comments, those inside skipped bodies too.
    pub comments: bool,
}

/// A parsed file.
#[derive(Debug)]
pub struct Parsed {
    /// The tree of what could be read.
    pub file: File,
    /// What is wrong, in order of place, at most [`MAX_ERRORS`](super::error::MAX_ERRORS); empty exactly when the file
    /// is valid.
    pub errors: Vec<SyntaxError>,
}

/// A function body parsed by itself.
#[derive(Debug)]
pub struct ParsedBody {
    /// The body. Spans are offsets in the file.
    pub block: Block,
    /// The expressions and statements in it. Comments aren't kept: all comment groups are empty.
    pub arena: Arena,
    /// What is wrong, in order of place. Faults of encoding were reported with the file.
    pub errors: Vec<SyntaxError>,
}

/// Parses a source file.
///
/// Time and memory are linear in the length of the source. A source of 4 GiB or more is refused with an error.
pub fn parse_file(source: &[u8], mode: Mode) -> Parsed {
    if u32::try_from(source.len()).is_err() {
        let message = "file is too large: 4 GiB or more".to_owned();
        let errors = vec![SyntaxError { span: Span::default(), message }];
        return Parsed { file: Parser::new(Lexer::new(b""), mode).file(), errors };
    }
    let encoding = encoding::check(source);
    let readable = if encoding.utf16 { b"" } else { source };
    let mut parser = Parser::new(Lexer::new(readable).keeping_comments(mode.comments), mode);
    if encoding.utf16 {
        parser.lexer.errors.silence();
    }
    let file = parser.file();
    Parsed { file, errors: parser.lexer.into_errors_and(encoding.errors) }
}

/// Parses the body of a function that [`parse_file`] skipped: `span` is that of [`Body::Skipped`](super::ast::Body).
///
/// Any other span gives errors, or the statements that happen to be there.
pub fn parse_body(source: &[u8], span: Span) -> ParsedBody {
    let end = source.len().min(span.end as usize);
    let start = span.start.min(u32::try_from(end).unwrap_or(u32::MAX));
    let mut parser = Parser::new(Lexer::at(&source[..end], start), Mode { bodies: true, comments: false });
    let block = parser.block();
    if parser.at(TokenKind::Semicolon) {
        parser.bump();
    }
    if !parser.at(TokenKind::Eof) {
        parser.error_expected(parser.lexer.token.span, "end of function body");
    }
    let Parser { arena, lexer, .. } = parser;
    ParsedBody { block, arena, errors: lexer.into_errors() }
}

/// A parse under way.
struct Parser<'s> {
    lexer: Lexer<'s>,
    /// Where the last token before it ends that is no semicolon.
    previous_end: u32,
    /// The comments right before the token, on lines of their own.
    lead_comment: CommentGroup,
    /// The comments after the token before, on its line, if the line ends with them.
    line_comment: CommentGroup,
    arena: Arena,
    names: NameCache,
    imports: Vec<ImportSpec>,
    /// Lists under construction, inner ones on top.
    expr_stack: Vec<ExprId>,
    stmt_stack: Vec<StmtId>,
    element_stack: Vec<Element>,
    /// Below zero in the header of a control statement, where `{` after a name opens the block.
    expression_level: i32,
    depth: u32,
    mode: Mode,
    sync: recovery::Sync,
}

impl<'s> Parser<'s> {
    fn new(lexer: Lexer<'s>, mode: Mode) -> Self {
        let mut parser = Self {
            lexer,
            previous_end: 0,
            lead_comment: CommentGroup::default(),
            line_comment: CommentGroup::default(),
            arena: Arena::default(),
            names: NameCache::borrow(),
            imports: Vec::new(),
            expr_stack: Vec::new(),
            stmt_stack: Vec::new(),
            element_stack: Vec::new(),
            expression_level: 0,
            depth: 0,
            mode,
            sync: recovery::Sync::default(),
        };
        parser.first_token();
        parser
    }

    /// Adds an expression that ends with the last token.
    fn expr(&mut self, start: u32, kind: ExprKind) -> ExprId {
        self.expr_at(Span::new(start, self.previous_end.max(start)), kind)
    }

    fn expr_at(&mut self, span: Span, kind: ExprKind) -> ExprId {
        let id = index(self.arena.exprs.len());
        self.arena.exprs.push(Expr { kind, span });
        ExprId(id)
    }

    fn bad_expr(&mut self, span: Span) -> ExprId {
        self.expr_at(span, ExprKind::Bad)
    }

    /// What could not be read from `start` to the last token.
    fn bad_expr_from(&mut self, start: u32) -> ExprId {
        self.previous_end = self.previous_end.max(start);
        self.expr(start, ExprKind::Bad)
    }

    /// A name of zero length where one is missing before the token.
    fn missing_ident(&mut self) -> Ident {
        let here = self.lexer.token.span.start;
        self.previous_end = self.previous_end.max(here);
        blank(Span::new(here, here))
    }

    /// Where the first token after `offset` begins, a place that was read already.
    fn token_start_after(&self, offset: u32) -> u32 {
        Lexer::at(self.lexer.source(), offset).next_token().span.start
    }

    fn name_expr(&mut self, ident: Ident) -> ExprId {
        self.expr_at(ident.span, ExprKind::Name(ident.name))
    }

    /// The identifier that an expression is, if it is one.
    fn as_ident(&self, id: ExprId) -> Option<Ident> {
        match self.arena[id].kind {
            ExprKind::Name(name) => Some(Ident { name, span: self.arena[id].span }),
            _ => None,
        }
    }

    fn span_of(&self, id: ExprId) -> Span {
        self.arena[id].span
    }

    /// A statement that ends with the last token.
    fn stmt(&self, start: u32, kind: StmtKind) -> Stmt {
        Stmt { kind, span: Span::new(start, self.previous_end.max(start)) }
    }

    fn add_stmt(&mut self, stmt: Stmt) -> StmtId {
        let id = index(self.arena.stmts.len());
        self.arena.stmts.push(stmt);
        StmtId(id)
    }
}

/// `_`, which stands for a name that isn't there.
fn blank(span: Span) -> Ident {
    Ident { name: Name::new("_"), span }
}

/// Each token makes a bounded number of nodes and sources have less than 4 GiB, so indexes fit in practice; where they
/// didn't, memory would have run out before.
fn index(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
