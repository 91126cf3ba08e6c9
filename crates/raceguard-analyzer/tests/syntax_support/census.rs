//! Counts the nodes of a tree by the kinds of go/ast, with sums over their places, as `syntax_census.go` does.

use std::collections::BTreeMap;

use raceguard_analyzer::syntax::ast::{
    Arena, ArrayLen, Block, Body, CaseClause, CommentGroup, Decl, ExprId, ExprKind, File, FuncDecl, Ident,
    InterfaceElement, Param, Signature, StmtId, StmtKind,
};
use raceguard_analyzer::syntax::parse_body;
use raceguard_analyzer::syntax::span::Span;

/// Numbers by kind; `.at` sums 31 times the start and the end of each node of the kind.
pub(crate) type Census = BTreeMap<&'static str, u64>;

/// Counts the nodes of a file; a body that was skipped is parsed.
pub(crate) fn of_file(source: &[u8], file: &File) -> Census {
    let mut counter = Counter::new(&file.arena, &file.comments_at());
    counter.add("Ident", Some(file.package.span));
    for comment in &file.comments {
        counter.count("Comment", 1);
        counter.count("Comment.at", comment.span.start.into());
    }
    for import in &file.imports {
        counter.count("ImportSpec", 1);
        counter.add("BasicLit", Some(import.span));
        counter.ident(import.name.as_ref());
    }
    for decl in &file.decls {
        counter.decl(decl);
    }
    let Counter { mut census, skipped, .. } = counter;
    for span in skipped {
        let body = parse_body(source, span);
        let mut counter = Counter::new(&body.arena, &[]);
        counter.block(&body.block);
        for (kind, number) in counter.census {
            let sum = census.entry(kind).or_default();
            *sum = sum.wrapping_add(number);
        }
    }
    census.retain(|_, number| *number != 0);
    census
}

trait CommentPlaces {
    fn comments_at(&self) -> Vec<u64>;
}

impl CommentPlaces for File {
    fn comments_at(&self) -> Vec<u64> {
        self.comments.iter().map(|comment| comment.span.start.into()).collect()
    }
}

struct Counter<'t> {
    arena: &'t Arena,
    comments: Vec<u64>,
    census: Census,
    seen: Vec<bool>,
    /// Nodes still to be counted; a list, not recursion, as chains may be long.
    waiting: Vec<ExprId>,
    skipped: Vec<Span>,
}

impl<'t> Counter<'t> {
    fn new(arena: &'t Arena, comments: &[u64]) -> Self {
        let seen = vec![false; arena.exprs.len()];
        let census = Census::new();
        Self { arena, comments: comments.to_vec(), census, seen, waiting: Vec::new(), skipped: Vec::new() }
    }

    fn count(&mut self, kind: &'static str, number: u64) {
        let sum = self.census.entry(kind).or_default();
        *sum = sum.wrapping_add(number);
    }

    fn add(&mut self, kind: &'static str, span: Option<Span>) {
        self.count(kind, 1);
        if let Some(span) = span {
            self.count(place_kind(kind), 31 * u64::from(span.start) + u64::from(span.end));
        }
    }

    fn attached(&mut self, kind: &'static str, group: CommentGroup) {
        if group != CommentGroup::default() && !self.comments.is_empty() {
            let [first, last] = [group.start, group.end - 1].map(|index| self.comments[index as usize]);
            self.count(kind, 31 * first + last);
        }
    }

    fn ident(&mut self, ident: Option<&Ident>) {
        if let Some(ident) = ident {
            self.add("Ident", Some(ident.span));
        }
    }

    fn idents(&mut self, idents: &[Ident]) {
        for ident in idents {
            self.ident(Some(ident));
        }
    }

    fn exprs(&mut self, exprs: impl IntoIterator<Item = ExprId>) {
        for expr in exprs {
            self.waiting.push(expr);
            while let Some(next) = self.waiting.pop() {
                if !std::mem::replace(&mut self.seen[next.0 as usize], true) {
                    self.expr(next);
                }
            }
        }
    }

    fn later(&mut self, exprs: impl IntoIterator<Item = ExprId>) {
        self.waiting.extend(exprs);
    }

    fn expr(&mut self, id: ExprId) {
        let expr = &self.arena[id];
        if let Some(kind) = expr_kind(&expr.kind) {
            self.add(kind, Some(expr.span));
        }
        match &expr.kind {
            ExprKind::Bad | ExprKind::Name(_) | ExprKind::Literal(_) => {}
            ExprKind::Composite(literal) => {
                self.later(literal.ty);
                for element in &literal.elements {
                    self.later(element.key);
                    self.later([element.value]);
                }
            }
            ExprKind::FuncLit(literal) => {
                self.signature(&literal.signature);
                let waiting = std::mem::take(&mut self.waiting);
                self.block(&literal.body);
                self.waiting = waiting;
            }
            ExprKind::Selector(x, selected) => {
                self.ident(Some(selected));
                self.later([*x]);
            }
            ExprKind::Index(x, arguments) => {
                self.later([*x]);
                self.later(arguments.iter().copied());
            }
            ExprKind::Slice(slice) => {
                self.later([Some(slice.x), slice.lo, slice.hi, slice.max].into_iter().flatten());
            }
            ExprKind::TypeAssert(x, ty) => {
                self.later([*x]);
                self.later(*ty);
            }
            ExprKind::Call(call) => {
                self.later([call.fun]);
                self.later(call.args.iter().copied());
            }
            ExprKind::Paren(x) | ExprKind::Star(x) | ExprKind::Unary(_, x) | ExprKind::ChanType(_, x) => {
                self.later([*x]);
            }
            ExprKind::Binary(_, x, y) | ExprKind::MapType(x, y) => self.later([*x, *y]),
            ExprKind::ArrayType(length, element) => {
                if let ArrayLen::Fixed(length) = length {
                    self.later([*length]);
                }
                self.later([*element]);
            }
            ExprKind::StructType(fields) => self.fields(fields),
            ExprKind::FuncType(signature) => self.signature(signature),
            ExprKind::InterfaceType(elements) => self.elements(elements),
        }
    }

    fn fields(&mut self, fields: &[raceguard_analyzer::syntax::ast::Field]) {
        for field in fields {
            self.idents(&field.names);
            self.later([field.ty]);
            if let Some(tag) = field.tag {
                self.add("BasicLit", Some(tag));
            }
            self.attached("Field.doc", field.doc);
            self.attached("Field.comment", field.comment);
        }
    }

    fn elements(&mut self, elements: &[InterfaceElement]) {
        for element in elements {
            match element {
                InterfaceElement::Method(name, signature) => {
                    self.ident(Some(name));
                    self.signature(signature);
                }
                InterfaceElement::Embedded(ty) => self.later([*ty]),
            }
        }
    }

    fn signature(&mut self, signature: &Signature) {
        self.count("FuncType", 1);
        self.params(&signature.params);
        self.params(&signature.results);
    }

    fn params(&mut self, params: &[Param]) {
        for param in params {
            self.ident(param.name.as_ref());
            self.later([param.ty]);
        }
    }

    fn decl(&mut self, decl: &Decl) {
        match decl {
            Decl::Const(specs) => {
                for spec in specs {
                    self.count("ValueSpec", 1);
                    self.idents(&spec.names);
                    self.exprs(spec.ty.into_iter().chain(spec.values.iter().copied()));
                    self.attached("Spec.doc", spec.doc);
                }
            }
            Decl::Var(specs) => {
                for spec in specs {
                    self.count("ValueSpec", 1);
                    self.idents(&spec.names);
                    self.exprs(spec.ty.into_iter().chain(spec.values.iter().copied()));
                    self.attached("Spec.doc", spec.doc);
                    self.attached("VarSpec.comment", spec.comment);
                }
            }
            Decl::Type(specs) => {
                for spec in specs {
                    self.add("TypeSpec", Some(spec.span));
                    self.ident(Some(&spec.name));
                    self.params(&spec.type_params);
                    self.exprs([spec.ty]);
                    self.attached("Spec.doc", spec.doc);
                }
            }
            Decl::Func(function) => self.function(function),
            Decl::Bad(_) => self.count("BadDecl", 1),
        }
    }

    fn function(&mut self, function: &FuncDecl) {
        self.add("FuncDecl", Some(function.span));
        self.attached("FuncDecl.doc", function.doc);
        self.ident(Some(&function.name));
        self.params(function.receiver.as_slice());
        self.params(&function.type_params);
        self.signature(&function.signature);
        self.exprs([]);
        match &function.body {
            Body::None => {}
            Body::Skipped(span) => self.skipped.push(*span),
            Body::Parsed(block) => self.block(block),
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.exprs(waiting);
    }

    fn block(&mut self, block: &Block) {
        for stmt in &block.stmts {
            self.stmt(*stmt);
        }
    }

    fn stmt(&mut self, id: StmtId) {
        let stmt = &self.arena[id];
        if let Some(kind) = stmt_kind(&stmt.kind) {
            self.add(kind, Some(stmt.span));
        }
        match &stmt.kind {
            StmtKind::Bad | StmtKind::Empty => {}
            StmtKind::Decl(decl) => self.decl(decl),
            StmtKind::Labeled(label, labeled) => {
                self.ident(Some(label));
                self.stmt(*labeled);
            }
            StmtKind::Expr(x) | StmtKind::IncDec(x, _) | StmtKind::Go(x) | StmtKind::Defer(x) => {
                self.exprs([*x]);
            }
            StmtKind::Send(chan, value) => self.exprs([*chan, *value]),
            StmtKind::Assign(assign) => {
                self.exprs(assign.lhs.iter().chain(&assign.rhs).copied());
            }
            StmtKind::Return(results) => self.exprs(results.iter().copied()),
            StmtKind::Branch(_, label) => self.ident(label.as_ref()),
            StmtKind::Block(block) => self.block(block),
            _ => self.control(&stmt.kind),
        }
    }

    fn control(&mut self, kind: &StmtKind) {
        match kind {
            StmtKind::If(stmt) => {
                self.optional(stmt.init);
                self.exprs([stmt.cond]);
                self.block(&stmt.then);
                self.optional(stmt.otherwise);
            }
            StmtKind::Switch(stmt) => {
                self.optional(stmt.init);
                self.exprs(stmt.tag);
                self.cases(&stmt.cases);
            }
            StmtKind::TypeSwitch(stmt) => {
                self.optional(stmt.init);
                self.ident(stmt.bind.as_ref());
                self.exprs([stmt.x]);
                self.cases(&stmt.cases);
            }
            StmtKind::Select(clauses) => {
                for clause in clauses {
                    self.optional(clause.comm);
                    self.block(&clause.body);
                }
            }
            StmtKind::For(stmt) => {
                self.optional(stmt.init);
                self.exprs(stmt.cond);
                self.optional(stmt.post);
                self.block(&stmt.body);
            }
            StmtKind::Range(stmt) => {
                self.exprs(stmt.key.into_iter().chain(stmt.value).chain([stmt.x]));
                self.block(&stmt.body);
            }
            _ => {}
        }
    }

    fn optional(&mut self, stmt: Option<StmtId>) {
        if let Some(stmt) = stmt {
            self.stmt(stmt);
        }
    }

    fn cases(&mut self, cases: &[CaseClause]) {
        for case in cases {
            self.exprs(case.values.iter().flatten().copied());
            self.block(&case.body);
        }
    }
}

/// The kind of go/ast that an expression is counted as; a function type is counted by its signature.
fn expr_kind(kind: &ExprKind) -> Option<&'static str> {
    Some(match kind {
        ExprKind::Bad => "BadExpr",
        ExprKind::Name(..) => "Ident",
        ExprKind::Literal(..) => "BasicLit",
        ExprKind::Composite(..) => "CompositeLit",
        ExprKind::FuncLit(..) => "FuncLit",
        ExprKind::Paren(..) => "ParenExpr",
        ExprKind::Selector(..) => "SelectorExpr",
        ExprKind::Index(..) => "IndexExpr",
        ExprKind::Slice(..) => "SliceExpr",
        ExprKind::Call(..) => "CallExpr",
        ExprKind::Star(..) => "StarExpr",
        ExprKind::Unary(..) => "UnaryExpr",
        ExprKind::Binary(..) => "BinaryExpr",
        ExprKind::ArrayType(..) => "ArrayType",
        ExprKind::StructType(..) => "StructType",
        ExprKind::InterfaceType(..) => "InterfaceType",
        ExprKind::MapType(..) => "MapType",
        ExprKind::ChanType(..) => "ChanType",
        ExprKind::TypeAssert(_, Some(_)) => "TypeAssertExpr",
        ExprKind::TypeAssert(_, None) | ExprKind::FuncType(_) => return None,
    })
}

/// The kind of go/ast that a statement is counted as; blocks aren't.
fn stmt_kind(kind: &StmtKind) -> Option<&'static str> {
    Some(match kind {
        StmtKind::Bad => "BadStmt",
        StmtKind::Empty => "EmptyStmt",
        StmtKind::Decl(..) => "DeclStmt",
        StmtKind::Labeled(..) => "LabeledStmt",
        StmtKind::Expr(..) => "ExprStmt",
        StmtKind::Send(..) => "SendStmt",
        StmtKind::IncDec(..) => "IncDecStmt",
        StmtKind::Assign(..) => "AssignStmt",
        StmtKind::Go(..) => "GoStmt",
        StmtKind::Defer(..) => "DeferStmt",
        StmtKind::Return(..) => "ReturnStmt",
        StmtKind::Branch(..) => "BranchStmt",
        StmtKind::If(..) => "IfStmt",
        StmtKind::Switch(..) => "SwitchStmt",
        StmtKind::TypeSwitch(..) => "TypeSwitchStmt",
        StmtKind::Select(..) => "SelectStmt",
        StmtKind::For(..) => "ForStmt",
        StmtKind::Range(..) => "RangeStmt",
        StmtKind::Block(_) => return None,
    })
}

/// The name of the sum over a kind's places.
fn place_kind(kind: &'static str) -> &'static str {
    match kind {
        "ArrayType" => "ArrayType.at",
        "AssignStmt" => "AssignStmt.at",
        "BadExpr" => "BadExpr.at",
        "BadStmt" => "BadStmt.at",
        "BasicLit" => "BasicLit.at",
        "BinaryExpr" => "BinaryExpr.at",
        "BranchStmt" => "BranchStmt.at",
        "CallExpr" => "CallExpr.at",
        "ChanType" => "ChanType.at",
        "CompositeLit" => "CompositeLit.at",
        "DeclStmt" => "DeclStmt.at",
        "DeferStmt" => "DeferStmt.at",
        "EmptyStmt" => "EmptyStmt.at",
        "ExprStmt" => "ExprStmt.at",
        "ForStmt" => "ForStmt.at",
        "FuncDecl" => "FuncDecl.at",
        "FuncLit" => "FuncLit.at",
        "GoStmt" => "GoStmt.at",
        "Ident" => "Ident.at",
        "IfStmt" => "IfStmt.at",
        "IncDecStmt" => "IncDecStmt.at",
        "IndexExpr" => "IndexExpr.at",
        "InterfaceType" => "InterfaceType.at",
        "LabeledStmt" => "LabeledStmt.at",
        "MapType" => "MapType.at",
        "ParenExpr" => "ParenExpr.at",
        "RangeStmt" => "RangeStmt.at",
        "ReturnStmt" => "ReturnStmt.at",
        "SelectStmt" => "SelectStmt.at",
        "SelectorExpr" => "SelectorExpr.at",
        "SendStmt" => "SendStmt.at",
        "SliceExpr" => "SliceExpr.at",
        "StarExpr" => "StarExpr.at",
        "StructType" => "StructType.at",
        "SwitchStmt" => "SwitchStmt.at",
        "TypeAssertExpr" => "TypeAssertExpr.at",
        "TypeSpec" => "TypeSpec.at",
        "TypeSwitchStmt" => "TypeSwitchStmt.at",
        "UnaryExpr" => "UnaryExpr.at",
        other => unreachable!("{other} is counted without its place"),
    }
}
