//! The abstract syntax tree.
//!
//! Expressions and statements lie in an [`Arena`] and are named by index, so that later stages keep what they learn
//! about them in plain vectors beside it. Types are expressions, as in Go's own parser: `a[b]` may be either.
//!
//! Chains lean to the left and may be as deep as the file is long: the left operand of a binary expression, the operand
//! of a selector, index or call. Walk those in a loop. All other nesting is bounded by
//! [`MAX_DEPTH`](super::parser::MAX_DEPTH).
//!
//! A file's declarations and its function bodies are apart: a body that was skipped ([`Body::Skipped`]) can be parsed
//! later into an arena of its own.

use super::name::Name;
use super::span::Span;

/// Index of an expression in its [`Arena`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExprId(pub u32);

/// Index of a statement in its [`Arena`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StmtId(pub u32);

/// The expressions and statements of one parse: of a file, or of one function body.
#[derive(Debug, Default, Clone)]
pub struct Arena {
    /// All expressions, inner before outer.
    pub exprs: Vec<Expr>,
    /// All statements, inner before outer.
    pub stmts: Vec<Stmt>,
}

impl std::ops::Index<ExprId> for Arena {
    type Output = Expr;
    fn index(&self, id: ExprId) -> &Expr {
        &self.exprs[id.0 as usize]
    }
}

impl std::ops::Index<StmtId> for Arena {
    type Output = Stmt;
    fn index(&self, id: StmtId) -> &Stmt {
        &self.stmts[id.0 as usize]
    }
}

/// An identifier where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ident {
    /// Its text.
    pub name: Name,
    /// Its place.
    pub span: Span,
}

/// One source file.
#[derive(Debug, Clone)]
pub struct File {
    /// The name after `package`.
    pub package: Ident,
    /// All imports, in order.
    pub imports: Vec<ImportSpec>,
    /// Declarations in order, imports excluded.
    pub decls: Vec<Decl>,
    /// Expressions and statements of the declarations, and of the bodies unless skipped.
    pub arena: Arena,
    /// Comments in order of their place; empty unless asked for.
    pub comments: Vec<Comment>,
}

/// A comment: `//` to the end of the line, or `/* */`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comment {
    /// Its place, with the marks.
    pub span: Span,
}

/// A run of adjacent comments, as indexes into [`File::comments`]: `start` inclusive, `end` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CommentGroup {
    /// Index of the first.
    pub start: u32,
    /// Index after the last.
    pub end: u32,
}

/// `import name "path"`
#[derive(Debug, Clone, Copy)]
pub struct ImportSpec {
    /// The name given: an identifier, `.` or `_`.
    pub name: Option<Ident>,
    /// The path, unquoted.
    pub path: Name,
    /// Place of the quoted path.
    pub span: Span,
}

/// A declaration at package level or in a function.
#[derive(Debug, Clone)]
pub enum Decl {
    /// `const (...)`, one entry a line.
    Const(Vec<ConstSpec>),
    /// `var (...)`
    Var(Vec<VarSpec>),
    /// `type (...)`
    Type(Vec<TypeSpec>),
    /// A function or method.
    Func(Box<FuncDecl>),
    /// What could not be parsed.
    Bad(Span),
}

/// One line of a `const` group.
#[derive(Debug, Clone)]
pub struct ConstSpec {
    /// The names declared.
    pub names: Vec<Ident>,
    /// The type, if written; repeated along with the values.
    pub ty: Option<ExprId>,
    /// The values; where a line has none, those of the last line that has some, as the specification repeats them. No
    /// more are repeated than the line has names.
    pub values: Vec<ExprId>,
    /// The value of `iota`.
    pub iota: u32,
    /// Comments right before.
    pub doc: CommentGroup,
}

/// One line of a `var` group.
#[derive(Debug, Clone)]
pub struct VarSpec {
    /// The names declared.
    pub names: Vec<Ident>,
    /// The type, if written.
    pub ty: Option<ExprId>,
    /// The initial values: none, one for each name, or one call for all.
    pub values: Vec<ExprId>,
    /// Comments right before, or before the group when it has this line alone.
    pub doc: CommentGroup,
    /// The comment that ends the line.
    pub comment: CommentGroup,
}

/// One line of a `type` group.
#[derive(Debug, Clone)]
pub struct TypeSpec {
    /// The name declared.
    pub name: Ident,
    /// `[P any, Q ~int]`
    pub type_params: Vec<Param>,
    /// Whether `=` makes it an alias.
    pub alias: bool,
    /// What it stands for.
    pub ty: ExprId,
    /// Comments right before, or before the group when it has this line alone.
    pub doc: CommentGroup,
    /// The whole line.
    pub span: Span,
}

/// A function or method declaration.
#[derive(Debug, Clone)]
pub struct FuncDecl {
    /// The receiver.
    pub receiver: Option<Param>,
    /// Its name.
    pub name: Ident,
    /// `[P any]`; of methods, since Go 1.27, too.
    pub type_params: Vec<Param>,
    /// Parameters and results.
    pub signature: Signature,
    /// The body.
    pub body: Body,
    /// Comments right before.
    pub doc: CommentGroup,
    /// From `func` to the end of the body.
    pub span: Span,
}

/// A function declaration's body.
#[derive(Debug, Clone)]
pub enum Body {
    /// None: implemented elsewhere.
    None,
    /// Not parsed: the place from `{` to `}`.
    Skipped(Span),
    /// Parsed, into the file's arena.
    Parsed(Block),
}

/// Parameters and results of a function.
#[derive(Debug, Clone, Default)]
pub struct Signature {
    /// One entry for each parameter: `a, b int` gives two with one type.
    pub params: Vec<Param>,
    /// One entry for each result.
    pub results: Vec<Param>,
}

/// A parameter, result, receiver or type parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name, if it has one.
    pub name: Option<Ident>,
    /// Its type, or constraint; of a variadic parameter the element's.
    pub ty: ExprId,
    /// Whether `...` stands before the type.
    pub variadic: bool,
}

/// `{ ... }`
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// Its statements.
    pub stmts: Vec<StmtId>,
    /// From `{` to `}`; of a case, from after the colon to its end.
    pub span: Span,
}

/// An expression or type.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its place.
    pub span: Span,
}

/// The kinds of expressions and types.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// What could not be parsed.
    Bad,
    /// An identifier.
    Name(Name),
    /// A literal; its text is at its span.
    Literal(LiteralKind),
    /// `T{a, k: v}`; inner ones may leave out `T`.
    Composite(Box<CompositeLit>),
    /// `func(...) { ... }`
    FuncLit(Box<FuncLit>),
    /// `(x)`
    Paren(ExprId),
    /// `x.sel`
    Selector(ExprId, Ident),
    /// `x[i]`, or `x[T, U]`.
    Index(ExprId, Box<[ExprId]>),
    /// `x[lo:hi:max]`
    Slice(Box<SliceExpr>),
    /// `x.(T)`; none in `x.(type)`.
    TypeAssert(ExprId, Option<ExprId>),
    /// `f(a, b...)`
    Call(Box<CallExpr>),
    /// `*x`, a dereference or a pointer type.
    Star(ExprId),
    /// `op x`
    Unary(UnaryOp, ExprId),
    /// `x op y`
    Binary(BinaryOp, ExprId, ExprId),
    /// `[n]T`, `[...]T`, `[]T`
    ArrayType(ArrayLen, ExprId),
    /// `struct { ... }`
    StructType(Box<[Field]>),
    /// `func(...)` as a type.
    FuncType(Box<Signature>),
    /// `interface { ... }`
    InterfaceType(Box<[InterfaceElement]>),
    /// `map[K]V`
    MapType(ExprId, ExprId),
    /// `chan T`
    ChanType(ChanDir, ExprId),
}

/// A composite literal.
#[derive(Debug, Clone)]
pub struct CompositeLit {
    /// Its type, unless left out.
    pub ty: Option<ExprId>,
    /// Its elements in order.
    pub elements: Vec<Element>,
}

/// An element of a composite literal.
#[derive(Debug, Clone, Copy)]
pub struct Element {
    /// What stands before the colon: a field's name, a key or an index.
    pub key: Option<ExprId>,
    /// The value.
    pub value: ExprId,
}

/// A function literal.
#[derive(Debug, Clone)]
pub struct FuncLit {
    /// Parameters and results.
    pub signature: Signature,
    /// The body.
    pub body: Block,
}

/// A slice expression.
#[derive(Debug, Clone, Copy)]
pub struct SliceExpr {
    /// What is sliced.
    pub x: ExprId,
    /// From.
    pub lo: Option<ExprId>,
    /// To.
    pub hi: Option<ExprId>,
    /// Capacity.
    pub max: Option<ExprId>,
}

/// A call, a conversion, or a built-in function.
#[derive(Debug, Clone)]
pub struct CallExpr {
    /// What is called.
    pub fun: ExprId,
    /// The arguments; of `make` and `new` types may be among them.
    pub args: Vec<ExprId>,
    /// Whether `...` follows the last.
    pub spread: bool,
}

/// The kinds of literals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiteralKind {
    /// `42`
    Int,
    /// `4.2`
    Float,
    /// `4i`
    Imaginary,
    /// `'x'`
    Char,
    /// `"x"` or `` `x` ``
    String,
}

/// The length of an array type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrayLen {
    /// `[]T`: a slice.
    Slice,
    /// `[...]T`
    Inferred,
    /// `[n]T`
    Fixed(ExprId),
}

/// The direction of a channel type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChanDir {
    /// `chan T`
    Both,
    /// `chan<- T`
    Send,
    /// `<-chan T`
    Receive,
}

/// A line of a struct type.
#[derive(Debug, Clone)]
pub struct Field {
    /// The names; empty for an embedded field.
    pub names: Vec<Ident>,
    /// The type; of an embedded field `T` or `*T`.
    pub ty: ExprId,
    /// Place of the tag.
    pub tag: Option<Span>,
    /// Comments right before.
    pub doc: CommentGroup,
    /// The comment that ends the line.
    pub comment: CommentGroup,
}

/// A line of an interface type.
#[derive(Debug, Clone)]
pub enum InterfaceElement {
    /// `Name(params) results`
    Method(Ident, Signature),
    /// An embedded interface, or a union `~A | B` (binary expressions of `|`, tildes as unary expressions).
    Embedded(ExprId),
}

/// Operators before an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOp {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `!`
    Not,
    /// `^`
    Complement,
    /// `&`
    Address,
    /// `<-`
    Receive,
    /// `~` in constraints.
    Tilde,
}

/// Operators between two operands, and those of `op=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of go/token")]
pub enum BinaryOp {
    LogicalOr,
    LogicalAnd,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Or,
    Xor,
    Multiply,
    Quotient,
    Remainder,
    ShiftLeft,
    ShiftRight,
    And,
    AndNot,
}

/// A statement.
#[derive(Debug, Clone)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// Its place.
    pub span: Span,
}

/// The kinds of statements.
#[derive(Debug, Clone)]
pub enum StmtKind {
    /// What could not be parsed.
    Bad,
    /// `;`
    Empty,
    /// A declaration.
    Decl(Box<Decl>),
    /// `label: stmt`
    Labeled(Ident, StmtId),
    /// An expression alone.
    Expr(ExprId),
    /// `ch <- x`
    Send(ExprId, ExprId),
    /// `x++` (true), `x--` (false)
    IncDec(ExprId, bool),
    /// `a, b = c, d`; `a += b`; `a := b`
    Assign(Box<AssignStmt>),
    /// `go call`
    Go(ExprId),
    /// `defer call`
    Defer(ExprId),
    /// `return a, b`
    Return(Box<[ExprId]>),
    /// `break`, `continue`, `goto`, `fallthrough`
    Branch(BranchKind, Option<Ident>),
    /// `{ ... }`
    Block(Block),
    /// `if init; cond { } else ...`
    If(Box<IfStmt>),
    /// `switch init; tag { }`
    Switch(Box<SwitchStmt>),
    /// `switch init; x := y.(type) { }`
    TypeSwitch(Box<TypeSwitchStmt>),
    /// `select { }`
    Select(Box<[CommClause]>),
    /// `for init; cond; post { }`
    For(Box<ForStmt>),
    /// `for k, v := range x { }`
    Range(Box<RangeStmt>),
}

/// An assignment.
#[derive(Debug, Clone)]
pub struct AssignStmt {
    /// What is assigned to.
    pub lhs: Vec<ExprId>,
    /// Which assignment.
    pub op: AssignOp,
    /// The values: one for each, or one call, map index, assertion or receive for all.
    pub rhs: Vec<ExprId>,
}

/// The kinds of assignments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssignOp {
    /// `=`
    Assign,
    /// `:=`
    Define,
    /// `op=`
    Op(BinaryOp),
}

/// Statements that leave their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Go's keywords")]
pub enum BranchKind {
    Break,
    Continue,
    Goto,
    Fallthrough,
}

/// An `if` statement.
#[derive(Debug, Clone)]
pub struct IfStmt {
    /// Before the condition.
    pub init: Option<StmtId>,
    /// The condition.
    pub cond: ExprId,
    /// If it holds.
    pub then: Block,
    /// If not: a block or another `if`.
    pub otherwise: Option<StmtId>,
}

/// An expression switch.
#[derive(Debug, Clone)]
pub struct SwitchStmt {
    /// Before the tag.
    pub init: Option<StmtId>,
    /// The value compared.
    pub tag: Option<ExprId>,
    /// The cases in order.
    pub cases: Vec<CaseClause>,
}

/// A type switch.
#[derive(Debug, Clone)]
pub struct TypeSwitchStmt {
    /// Before the guard.
    pub init: Option<StmtId>,
    /// The name bound in each case.
    pub bind: Option<Ident>,
    /// The `y` of `y.(type)`.
    pub x: ExprId,
    /// The cases in order; their values are types, or `nil`.
    pub cases: Vec<CaseClause>,
}

/// `case a, b:` or `default:`
#[derive(Debug, Clone)]
pub struct CaseClause {
    /// The values; none in `default`.
    pub values: Option<Vec<ExprId>>,
    /// What follows the colon.
    pub body: Block,
}

/// A case of a `select`.
#[derive(Debug, Clone)]
pub struct CommClause {
    /// The send or receive statement; none in `default`.
    pub comm: Option<StmtId>,
    /// What follows the colon.
    pub body: Block,
}

/// A `for` without `range`.
#[derive(Debug, Clone)]
pub struct ForStmt {
    /// Before the first iteration.
    pub init: Option<StmtId>,
    /// Before each iteration.
    pub cond: Option<ExprId>,
    /// After each iteration.
    pub post: Option<StmtId>,
    /// The body.
    pub body: Block,
}

/// A `for` with `range`.
#[derive(Debug, Clone)]
pub struct RangeStmt {
    /// First variable.
    pub key: Option<ExprId>,
    /// Second variable.
    pub value: Option<ExprId>,
    /// Whether `:=` declares them.
    pub define: bool,
    /// What is ranged over.
    pub x: ExprId,
    /// The body.
    pub body: Block,
}
