//! Checks that the places of all nodes lie in the source, and inner ones in outer ones.

use raceguard_analyzer::syntax::ParsedBody;
use raceguard_analyzer::syntax::ast::{
    Arena, ArrayLen, Block, Body, Decl, ExprId, ExprKind, File, InterfaceElement, Param, Signature, StmtId,
    StmtKind,
};
use raceguard_analyzer::syntax::span::Span;

/// Checks a file.
///
/// # Panics
///
/// If some place is wrong.
pub(crate) fn check_file(source: &[u8], file: &File) {
    let end = u32::try_from(source.len()).expect("a small source");
    let checker = Checker { arena: &file.arena, comments: u32::try_from(file.comments.len()).expect("few") };
    let whole = Span::new(0, end);
    checker.arena_in(whole);
    inside(file.package.span, whole);
    for comment in &file.comments {
        inside(comment.span, whole);
    }
    assert!(file.comments.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start), "comments in order");
    for decl in &file.decls {
        checker.decl(decl, whole);
    }
}

/// Checks a body parsed by itself.
///
/// # Panics
///
/// If some place is wrong.
pub(crate) fn check_body(span: Span, body: &ParsedBody) {
    let checker = Checker { arena: &body.arena, comments: 0 };
    checker.arena_in(span);
    checker.block(&body.block, span);
}

fn inside(inner: Span, outer: Span) {
    assert!(inner.start <= inner.end, "{inner:?}");
    assert!(outer.start <= inner.start && inner.end <= outer.end, "{inner:?} isn't inside of {outer:?}");
}

struct Checker<'t> {
    arena: &'t Arena,
    comments: u32,
}

impl Checker<'_> {
    /// Checks all nodes, each against its children, so that no recursion follows the depth of the tree.
    fn arena_in(&self, whole: Span) {
        for expr in &self.arena.exprs {
            inside(expr.span, whole);
            self.expr_children(&expr.kind, expr.span);
        }
        for stmt in &self.arena.stmts {
            inside(stmt.span, whole);
            self.stmt_children(&stmt.kind, stmt.span);
        }
    }

    fn expr(&self, id: ExprId, outer: Span) {
        inside(self.arena[id].span, outer);
    }

    fn exprs<'e>(&self, ids: impl IntoIterator<Item = &'e ExprId>, outer: Span) {
        for id in ids {
            self.expr(*id, outer);
        }
    }

    fn stmt(&self, id: StmtId, outer: Span) {
        inside(self.arena[id].span, outer);
    }

    fn block(&self, block: &Block, outer: Span) {
        inside(block.span, outer);
        for stmt in &block.stmts {
            self.stmt(*stmt, block.span);
        }
    }

    fn group(&self, group: raceguard_analyzer::syntax::ast::CommentGroup) {
        assert!(group.start <= group.end && group.end <= self.comments, "{group:?}");
    }

    fn params(&self, params: &[Param], outer: Span) {
        for param in params {
            if let Some(name) = param.name {
                inside(name.span, outer);
            }
            self.expr(param.ty, outer);
        }
    }

    fn signature(&self, signature: &Signature, outer: Span) {
        self.params(&signature.params, outer);
        self.params(&signature.results, outer);
    }

    fn expr_children(&self, kind: &ExprKind, outer: Span) {
        match kind {
            ExprKind::Bad | ExprKind::Name(_) | ExprKind::Literal(_) => {}
            ExprKind::Composite(literal) => {
                self.exprs(&literal.ty, outer);
                for element in &literal.elements {
                    self.exprs(&element.key, outer);
                    self.expr(element.value, outer);
                }
            }
            ExprKind::FuncLit(literal) => {
                self.signature(&literal.signature, outer);
                self.block(&literal.body, outer);
            }
            ExprKind::Selector(x, selected) => {
                inside(selected.span, outer);
                self.expr(*x, outer);
            }
            ExprKind::Index(x, arguments) => self.exprs(arguments.iter().chain([x]), outer),
            ExprKind::Slice(slice) => {
                self.exprs([Some(slice.x), slice.lo, slice.hi, slice.max].iter().flatten(), outer);
            }
            ExprKind::TypeAssert(x, ty) => self.exprs(ty.iter().chain([x]), outer),
            ExprKind::Call(call) => self.exprs(call.args.iter().chain([&call.fun]), outer),
            ExprKind::Paren(x) | ExprKind::Star(x) | ExprKind::Unary(_, x) | ExprKind::ChanType(_, x) => {
                self.expr(*x, outer);
            }
            ExprKind::Binary(_, x, y) | ExprKind::MapType(x, y) => self.exprs([x, y], outer),
            ExprKind::ArrayType(length, element) => {
                if let ArrayLen::Fixed(length) = length {
                    self.expr(*length, outer);
                }
                self.expr(*element, outer);
            }
            ExprKind::FuncType(signature) => self.signature(signature, outer),
            ExprKind::StructType(fields) => {
                for field in fields {
                    field.names.iter().for_each(|name| inside(name.span, outer));
                    field.tag.iter().for_each(|tag| inside(*tag, outer));
                    self.expr(field.ty, outer);
                    self.group(field.doc);
                    self.group(field.comment);
                }
            }
            ExprKind::InterfaceType(elements) => {
                for element in elements {
                    match element {
                        InterfaceElement::Method(name, signature) => {
                            inside(name.span, outer);
                            self.signature(signature, outer);
                        }
                        InterfaceElement::Embedded(ty) => self.expr(*ty, outer),
                    }
                }
            }
        }
    }

    fn decl(&self, decl: &Decl, outer: Span) {
        match decl {
            Decl::Const(specs) => {
                for spec in specs {
                    spec.names.iter().for_each(|name| inside(name.span, outer));
                    self.exprs(spec.ty.iter().chain(&spec.values), outer);
                    self.group(spec.doc);
                }
            }
            Decl::Var(specs) => {
                for spec in specs {
                    spec.names.iter().for_each(|name| inside(name.span, outer));
                    self.exprs(spec.ty.iter().chain(&spec.values), outer);
                    self.group(spec.doc);
                    self.group(spec.comment);
                }
            }
            Decl::Type(specs) => {
                for spec in specs {
                    inside(spec.span, outer);
                    inside(spec.name.span, spec.span);
                    self.params(&spec.type_params, spec.span);
                    self.expr(spec.ty, spec.span);
                    self.group(spec.doc);
                }
            }
            Decl::Func(function) => {
                inside(function.span, outer);
                inside(function.name.span, function.span);
                self.params(function.receiver.as_slice(), function.span);
                self.params(&function.type_params, function.span);
                self.signature(&function.signature, function.span);
                self.group(function.doc);
                match &function.body {
                    Body::None => {}
                    Body::Skipped(span) => inside(*span, function.span),
                    Body::Parsed(block) => self.block(block, function.span),
                }
            }
            Decl::Bad(span) => inside(*span, outer),
        }
    }

    fn stmt_children(&self, kind: &StmtKind, outer: Span) {
        match kind {
            StmtKind::Bad | StmtKind::Empty => {}
            StmtKind::Decl(decl) => self.decl(decl, outer),
            StmtKind::Labeled(label, stmt) => {
                inside(label.span, outer);
                self.stmt(*stmt, outer);
            }
            StmtKind::Expr(x) | StmtKind::IncDec(x, _) | StmtKind::Go(x) | StmtKind::Defer(x) => {
                self.expr(*x, outer);
            }
            StmtKind::Send(chan, value) => self.exprs([chan, value], outer),
            StmtKind::Assign(assign) => self.exprs(assign.lhs.iter().chain(&assign.rhs), outer),
            StmtKind::Return(results) => self.exprs(results, outer),
            StmtKind::Branch(_, label) => label.iter().for_each(|label| inside(label.span, outer)),
            StmtKind::Block(block) => self.block(block, outer),
            StmtKind::If(stmt) => {
                stmt.init.iter().chain(&stmt.otherwise).for_each(|id| self.stmt(*id, outer));
                self.expr(stmt.cond, outer);
                self.block(&stmt.then, outer);
            }
            StmtKind::Switch(stmt) => {
                stmt.init.iter().for_each(|id| self.stmt(*id, outer));
                self.exprs(&stmt.tag, outer);
                for case in &stmt.cases {
                    self.exprs(case.values.iter().flatten(), outer);
                    self.block(&case.body, outer);
                }
            }
            StmtKind::TypeSwitch(stmt) => {
                stmt.init.iter().for_each(|id| self.stmt(*id, outer));
                self.expr(stmt.x, outer);
                for case in &stmt.cases {
                    self.exprs(case.values.iter().flatten(), outer);
                    self.block(&case.body, outer);
                }
            }
            StmtKind::Select(clauses) => {
                for clause in clauses {
                    clause.comm.iter().for_each(|id| self.stmt(*id, outer));
                    self.block(&clause.body, outer);
                }
            }
            StmtKind::For(stmt) => {
                stmt.init.iter().chain(&stmt.post).for_each(|id| self.stmt(*id, outer));
                self.exprs(&stmt.cond, outer);
                self.block(&stmt.body, outer);
            }
            StmtKind::Range(stmt) => {
                self.exprs(stmt.key.iter().chain(&stmt.value).chain([&stmt.x]), outer);
                self.block(&stmt.body, outer);
            }
        }
    }
}
