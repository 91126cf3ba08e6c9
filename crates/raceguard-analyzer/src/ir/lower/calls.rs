//! Calls, `go` and `defer`.

use super::Lower;
use crate::ir::function::{Call, CallMode, FieldKey, How, Node, Target};
use crate::ir::place::{Index, Place, Root, Step, Value};
use crate::syntax::ast::{CallExpr, ExprId, ExprKind};
use crate::syntax::name::Name;
use crate::syntax::span::Span;
use crate::types::{Callee, Selection, SelectionMethod, Type};

impl Lower<'_> {
    /// Lowers a call; gives its first result.
    pub(super) fn call(&mut self, expr: ExprId, mode: CallMode) -> Value {
        let ExprKind::Call(call) = &self.input.arena[expr].kind else {
            // `go` and `defer` of something that is not a call.
            return self.expr(expr);
        };
        let (target, receiver) = match self.callee(expr) {
            Callee::Builtin(builtin) => return self.builtin(expr, builtin, call, mode),
            Callee::Conversion(to) => {
                let to = to.clone();
                return self.conversion(call, &to, self.span(expr));
            }
            Callee::Function(func) => (Target::Function(func), None),
            Callee::Method(func, operand) => {
                (Target::Function(func), Some(self.method_receiver(call.fun, operand)))
            }
            Callee::Interface { selector, interface, name } => {
                let interface = interface.clone();
                let receiver = self.interface_receiver(selector);
                let candidates = self.input.program.implementations(&interface, name);
                (Target::Interface(interface, name, candidates), Some(receiver))
            }
            Callee::Literal(literal) => (Target::Value(self.expr(literal)), None),
            Callee::Dynamic => (Target::Value(self.expr(call.fun)), None),
            Callee::UnknownMember(import, name) => (self.missing(import, name), None),
            Callee::Unknown => self.unknown_callee(call.fun),
        };
        self.emit_call(expr, call, target, receiver, mode)
    }

    fn emit_call(
        &mut self,
        expr: ExprId,
        call: &CallExpr,
        target: Target,
        receiver: Option<Value>,
        mode: CallMode,
    ) -> Value {
        let arg_types = call.args.iter().map(|&arg| self.type_of(arg).clone()).collect();
        let args: Vec<Value> = call.args.iter().map(|&arg| self.expr(arg)).collect();
        let id = self.call_id();
        let stops = matches!(&target, Target::Function(func) if self.never_returns(*func));
        let span = self.span(expr);
        let field = self.named_field(receiver.as_ref().or(args.first()));
        let arg_fields = args.iter().map(|arg| self.named_field(Some(arg))).collect();
        let call = Call { id, target, receiver, field, args, arg_types, arg_fields, mode, span };
        self.emit(Node::Call(Box::new(call)));
        if stops && mode == CallMode::Now {
            self.emit(Node::Stop);
        }
        Value::Load(Place::new(Root::Result(id, 0)))
    }

    /// The field whose address, or whose contents, a value is.
    fn named_field(&self, value: Option<&Value>) -> Option<FieldKey> {
        self.fields.get(value?.identity()?).cloned()
    }

    fn missing(&self, import: u32, name: Name) -> Target {
        let package = self.input.program.package(self.input.package);
        Target::Missing(package.import(self.input.file as usize, import).path, name)
    }

    /// A call of something unknown: `x.Name(...)`, whose name may still tell something.
    fn unknown_callee(&mut self, fun: ExprId) -> (Target, Option<Value>) {
        if let ExprKind::Selector(operand, name) = &self.input.arena[fun].kind {
            let receiver = self.expr(*operand);
            return (Target::Missing(Name::new(""), name.name), Some(receiver));
        }
        self.expr(fun);
        (Target::Unknown, None)
    }

    /// The receiver of `operand.method`, called or not.
    fn method_receiver(&mut self, fun: ExprId, operand: ExprId) -> Value {
        let mut selector = fun;
        while let ExprKind::Paren(inner) | ExprKind::Index(inner, _) = self.input.arena[selector].kind {
            selector = inner;
        }
        match self.input.info.selection(selector) {
            Selection::Method(method) => self.receiver(operand, method, self.span(selector)),
            _ => self.expr(operand),
        }
    }

    /// The value that a method gets as its receiver: an address, or a copy.
    pub(super) fn receiver(&mut self, operand: ExprId, method: &SelectionMethod, span: Span) -> Value {
        let ty = self.type_of(operand);
        if method.path.is_empty() {
            return self.direct_receiver(operand, method, span);
        }
        let start = self.select_start(operand, method.path[0].deref);
        let place = self.field_place(start, ty, &method.path, span);
        match (method.pointer_receiver, method.from_pointer) {
            (true, false) => Value::Address(place),
            (true, true) => {
                self.access(&place, false, How::Plain, span);
                self.load(place)
            }
            (false, from_pointer) => self.copied_receiver(place, from_pointer, span),
        }
    }

    fn direct_receiver(&mut self, operand: ExprId, method: &SelectionMethod, span: Span) -> Value {
        match (method.pointer_receiver, method.from_pointer) {
            (true, false) => Value::Address(self.place(operand)),
            (true, true) | (false, false) => self.expr(operand),
            (false, true) => {
                let pointer = self.expr(operand);
                let place = self.referent(&pointer, Step::Deref);
                self.access(&place, false, How::Plain, span);
                Value::Load(place)
            }
        }
    }

    fn copied_receiver(&mut self, place: Place, from_pointer: bool, span: Span) -> Value {
        self.access(&place, false, How::Plain, span);
        if !from_pointer {
            return self.load(place);
        }
        let pointer = self.load(place);
        let target = self.referent(&pointer, Step::Deref);
        self.access(&target, false, How::Plain, span);
        Value::Load(target)
    }

    fn interface_receiver(&mut self, selector: ExprId) -> Value {
        let mut inner = selector;
        while let ExprKind::Paren(next) | ExprKind::Index(next, _) = self.input.arena[inner].kind {
            inner = next;
        }
        let ExprKind::Selector(operand, _) = self.input.arena[inner].kind else { return self.expr(selector) };
        match self.input.info.selection(inner) {
            Selection::InterfaceMethod { path, .. } if !path.is_empty() => {
                let start = self.select_start(operand, path[0].deref);
                let place = self.field_place(start, self.type_of(operand), path, self.span(inner));
                self.access(&place, false, How::Plain, self.span(inner));
                self.load(place)
            }
            _ => self.expr(operand),
        }
    }

    /// `T(x)`: references stay what they are.
    fn conversion(&mut self, call: &CallExpr, to: &Type, span: Span) -> Value {
        let mut value = Value::Unknown;
        for &arg in &call.args {
            value = self.expr(arg);
        }
        let from = call.args.first().map(|&arg| self.underlying(self.type_of(arg)));
        if let (Some(Type::Slice(_)), Type::Basic(_)) = (&from, self.underlying(to)) {
            // `string(bytes)` copies them.
            let all = self.referent(&value, Step::Element(Index::All));
            self.access(&all, false, How::Plain, span);
            return Value::Unknown;
        }
        match from {
            Some(Type::Basic(_)) if !matches!(value, Value::Const(_)) => Value::Unknown,
            _ => value,
        }
    }

    /// Whether a function of the standard library never returns.
    fn never_returns(&self, func: crate::types::FuncId) -> bool {
        let program = self.input.program;
        let object = program.function(func);
        let name = program.object(object).name.as_str();
        match program.package(object.package).path.as_str() {
            "os" => name == "Exit",
            "runtime" => name == "Goexit",
            "log" => matches!(name, "Fatal" | "Fatalf" | "Fatalln" | "Panic" | "Panicf" | "Panicln"),
            "testing" => matches!(name, "Fatal" | "Fatalf" | "FailNow" | "Skip" | "Skipf" | "SkipNow"),
            _ => false,
        }
    }
}
