//! Checks an expression against the declared facts: names, fields, types, and what may be null.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, SelectExpr, SourceInfo, operators};

use super::functions::{FUNCTIONS, Function, MACROS};
use super::nulls::{not_null, path};
use super::{ConditionError, Scope};
use crate::facts::typed::Type;
use crate::facts::{Over, words};
use crate::problem::suggestion;

/// Walks an expression, and keeps what is wrong with it.
pub(super) struct Checker<'a> {
    variables: Vec<(String, Type)>,
    not_null: Vec<String>,
    places: &'a SourceInfo,
    errors: Vec<ConditionError>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(scope: &Scope, places: &'a SourceInfo) -> Self {
        Self {
            variables: scope.variables.clone(),
            not_null: scope.not_null.clone(),
            places,
            errors: Vec::new(),
        }
    }

    /// What was found, by place.
    pub(super) fn into_errors(mut self) -> Vec<ConditionError> {
        self.errors.sort_by_key(|error| error.index);
        self.errors.dedup();
        self.errors
    }

    /// Notes that an expression is wrong.
    pub(super) fn report(&mut self, at: &IdedExpr, message: String, hint: String) {
        let index = self.places.offset_for(at.id).map_or(0, |(start, _)| start as usize);
        self.errors.push(ConditionError { index, message, hint });
    }

    /// The type of an expression. What is wrong has the type `Any`, so that it is told once.
    pub(super) fn type_of(&mut self, expression: &IdedExpr) -> Type {
        let ty = match &expression.expr {
            Expr::Literal(literal) => self.literal(expression, literal),
            Expr::Ident(name) => self.variable(expression, name),
            Expr::Select(select) => self.field(expression, select),
            Expr::Call(call) => self.call(expression, call),
            Expr::List(list) => {
                let items = list.elements.iter().map(|item| self.type_of(item)).collect::<Vec<_>>();
                Type::List(Box::new(items.into_iter().reduce(joined).unwrap_or(Type::Any)))
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                let hint = "conditions compare facts with plain values and lists".to_owned();
                self.report(expression, "a value with fields is made here".to_owned(), hint);
                Type::Any
            }
        };
        match ty {
            Type::Nullable(inner) if path(expression).is_some_and(|path| self.not_null.contains(&path)) => {
                *inner
            }
            ty => ty,
        }
    }

    /// The type of an expression that must not be null.
    fn known_type_of(&mut self, expression: &IdedExpr, at: &IdedExpr) -> Type {
        let ty = self.type_of(expression);
        if let Type::Nullable(_) = ty {
            let name = path(expression).unwrap_or_else(|| "this".to_owned());
            let message = format!("`{name}` may be null: it is not always known");
            self.report(at, message, format!("write `{name} != null && …`, or `{name} == null || …`"));
            return Type::Any;
        }
        ty
    }

    /// Notes it if an expression is neither true nor false.
    pub(super) fn boolean(&mut self, expression: &IdedExpr, at: &IdedExpr) {
        let ty = self.known_type_of(expression, at);
        if !matches!(ty, Type::Bool | Type::Any) {
            let hint = "compare the value with something".to_owned();
            self.report(expression, format!("true or false is needed here, and this is {ty}"), hint);
        }
    }

    /// Looks at an expression where some paths are known not to be null.
    fn with_not_null<T>(&mut self, paths: Vec<String>, look: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.not_null.len();
        self.not_null.extend(paths);
        let result = look(self);
        self.not_null.truncate(before);
        result
    }

    fn literal(&mut self, at: &IdedExpr, literal: &LiteralValue) -> Type {
        match literal {
            LiteralValue::Boolean(_) => Type::Bool,
            LiteralValue::Int(_) => Type::Int,
            LiteralValue::Double(_) => Type::Double,
            LiteralValue::String(_) => Type::Text,
            LiteralValue::Null => Type::Null,
            LiteralValue::UInt(number) => {
                let number = *number.inner();
                self.report(at, format!("`{number}u` has a suffix"), format!("write `{number}`"));
                Type::Any
            }
            LiteralValue::Bytes(_) => {
                self.report(at, "bytes stand here".to_owned(), "write text without `b`".to_owned());
                Type::Any
            }
        }
    }

    fn variable(&mut self, at: &IdedExpr, name: &str) -> Type {
        if let Some((_, ty)) = self.variables.iter().rev().find(|(known, _)| known == name) {
            return ty.clone();
        }
        let hint = match Over::ALL.into_iter().find(|over| over.record().name == name) {
            Some(over) => format!("`{name}` is known to policies over {}", over.word()),
            None => suggestion(name, self.variables.iter().map(|(name, _)| name.as_str())),
        };
        self.report(at, format!("unknown name `{name}`"), hint);
        Type::Any
    }

    fn field(&mut self, at: &IdedExpr, select: &SelectExpr) -> Type {
        let ty = self.known_type_of(&select.operand, at);
        let of = path(&select.operand).unwrap_or_else(|| ty.to_string());
        let found = match &ty {
            Type::Record(record) => {
                if let Some(field) = record.field(&select.field) {
                    (field.ty)()
                } else {
                    let hint = suggestion(&select.field, record.names());
                    // The place of a field is that of its dot.
                    self.report(at, format!("`{of}` has no field `{}`", select.field), hint);
                    Type::Any
                }
            }
            Type::Any => Type::Any,
            other => {
                self.report(at, format!("`{of}` is {other} and has no fields"), String::new());
                Type::Any
            }
        };
        if select.test { Type::Bool } else { found }
    }

    fn call(&mut self, at: &IdedExpr, call: &CallExpr) -> Type {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_AND, [left, right]) => self.connective(left, right, true),
            (operators::LOGICAL_OR, [left, right]) => self.connective(left, right, false),
            (operators::LOGICAL_NOT, [operand]) => {
                self.boolean(operand, at);
                Type::Bool
            }
            // Part of expanded macros.
            (operators::NOT_STRICTLY_FALSE, [operand]) => self.type_of(operand),
            (operators::CONDITIONAL, [condition, yes, no]) => {
                self.boolean(condition, at);
                let yes = self.with_not_null(not_null(condition, true), |it| it.type_of(yes));
                let no = self.with_not_null(not_null(condition, false), |it| it.type_of(no));
                joined(yes, no)
            }
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => self.equality(at, left, right),
            (operators::NEGATE, [operand]) => self.known_type_of(operand, at),
            (operators::INDEX, [list, index]) => self.index(at, list, index),
            (operators::IN, [item, list]) => self.membership(at, item, list),
            (name, [left, right]) if is_order(name) => self.order(at, left, right),
            (name, [left, right]) if is_arithmetic(name) => self.arithmetic(at, name, left, right),
            _ => self.function(at, call),
        }
    }

    /// `&&` and `||`: the right side is looked at only where the left one is `outcome`.
    fn connective(&mut self, left: &IdedExpr, right: &IdedExpr, outcome: bool) -> Type {
        self.boolean(left, left);
        self.with_not_null(not_null(left, outcome), |it| it.boolean(right, right));
        Type::Bool
    }

    fn equality(&mut self, at: &IdedExpr, left: &IdedExpr, right: &IdedExpr) -> Type {
        let (one, other) = (self.type_of(left), self.type_of(right));
        let null_with = |ty: &Type| !matches!(ty, Type::Nullable(_) | Type::Null | Type::Any);
        for (null, ty, expression) in [(&one, &other, right), (&other, &one, left)] {
            if *null == Type::Null && null_with(ty) {
                let name = path(expression).unwrap_or_else(|| ty.to_string());
                self.report(
                    at,
                    format!("`{name}` is never null here"),
                    "leave the comparison out".to_owned(),
                );
                return Type::Bool;
            }
        }
        if !comparable(&one, &other) {
            self.mismatch(at, &one, &other);
        }
        self.refuse_unknown_word(left, right);
        self.refuse_unknown_word(right, left);
        Type::Bool
    }

    /// Refuses a word that the field never holds.
    fn refuse_unknown_word(&mut self, field: &IdedExpr, word: &IdedExpr) {
        let (Expr::Select(select), Expr::Literal(LiteralValue::String(text))) = (&field.expr, &word.expr)
        else {
            return;
        };
        // Only of something that has a name: looking at anything else again would double the work with each level.
        if path(&select.operand).is_none() {
            return;
        }
        let Type::Record(record) = self.type_of(&select.operand) else { return };
        let Some(known) = words(record.name, &select.field).filter(|known| !known.contains(&text.inner()))
        else {
            return;
        };
        let message = format!("`{}.{}` is never `{}`", record.name, select.field, text.inner());
        self.report(word, message, suggestion(text.inner(), known.iter().copied()));
    }

    fn mismatch(&mut self, at: &IdedExpr, one: &Type, other: &Type) {
        let hint = match (one, other) {
            (Type::Text, Type::Int | Type::Double) | (Type::Int | Type::Double, Type::Text) => {
                "numbers stand without quotes, text with them"
            }
            (Type::List(_), _) | (_, Type::List(_)) => "write `x in list`, or `list.exists(x, …)`",
            _ => "compare values of the same type",
        };
        self.report(at, format!("{one} and {other} are compared, which never fits"), hint.to_owned());
    }

    fn order(&mut self, at: &IdedExpr, left: &IdedExpr, right: &IdedExpr) -> Type {
        let (one, other) = (self.known_type_of(left, at), self.known_type_of(right, at));
        let ordered = |ty: &Type| matches!(ty, Type::Int | Type::Double | Type::Text | Type::Any);
        if !ordered(&one) || !ordered(&other) || !comparable(&one, &other) {
            self.mismatch(at, &one, &other);
        }
        Type::Bool
    }

    fn arithmetic(&mut self, at: &IdedExpr, name: &str, left: &IdedExpr, right: &IdedExpr) -> Type {
        match (self.known_type_of(left, at), self.known_type_of(right, at)) {
            (Type::Any, other) | (other, Type::Any) => other,
            (Type::Int, Type::Int) => Type::Int,
            (Type::Double, Type::Double) if name != operators::MODULO => Type::Double,
            (Type::Text, Type::Text) if name == operators::ADD => Type::Text,
            (Type::List(one), Type::List(other)) if name == operators::ADD => {
                Type::List(Box::new(joined(*one, *other)))
            }
            (one, other) => {
                let sign = name.trim_matches('_');
                let hint = match (&one, &other) {
                    (Type::Int, Type::Double) | (Type::Double, Type::Int) => {
                        "both sides have to be of one type: `double(…)` makes a double of an int"
                    }
                    _ => "only numbers of one type can be calculated with",
                };
                self.report(at, format!("`{sign}` does not take {one} and {other}"), hint.to_owned());
                Type::Any
            }
        }
    }

    fn index(&mut self, at: &IdedExpr, list: &IdedExpr, index: &IdedExpr) -> Type {
        let (list, index) = (self.known_type_of(list, at), self.known_type_of(index, at));
        match (list, index) {
            (Type::List(item), Type::Int | Type::Any) => *item,
            (Type::Any, _) => Type::Any,
            (other, _) => {
                let hint = "lists take a number from 0, fields are named behind a dot".to_owned();
                self.report(at, format!("{other} can't be indexed like this"), hint);
                Type::Any
            }
        }
    }

    fn membership(&mut self, at: &IdedExpr, item: &IdedExpr, list: &IdedExpr) -> Type {
        if let Expr::List(words) = &list.expr {
            words.elements.iter().for_each(|word| self.refuse_unknown_word(item, word));
        }
        let (item, list) = (self.type_of(item), self.known_type_of(list, at));
        let fits = match &list {
            Type::List(inner) => comparable(&item, inner),
            other => *other == Type::Any,
        };
        if !fits {
            let hint =
                "write `'text' in list`; for a part of a text there is `text.contains('part')`".to_owned();
            self.report(at, format!("{item} can't be in {list}"), hint);
        }
        Type::Bool
    }

    fn function(&mut self, at: &IdedExpr, call: &CallExpr) -> Type {
        let arguments = call.target.as_deref().into_iter().chain(&call.args);
        let types: Vec<Type> = arguments.map(|argument| self.known_type_of(argument, at)).collect();
        let name = call.func_name.as_str();
        let Some(function) = FUNCTIONS.iter().find(|function| function.name == name) else {
            let known = FUNCTIONS.iter().map(|function| function.name).chain(MACROS.iter().copied());
            self.report(at, format!("there is no function `{name}`"), suggestion(name, known));
            return Type::Any;
        };
        if name == "matches" {
            self.regular_expression(call);
        }
        (function.result)(&types).unwrap_or_else(|| self.wrong_arguments(at, function, &types))
    }

    fn wrong_arguments(&mut self, at: &IdedExpr, function: &Function, types: &[Type]) -> Type {
        let types: Vec<String> = types.iter().map(ToString::to_string).collect();
        let message = format!("`{}` does not take {}", function.name, types.join(" and "));
        self.report(at, message, format!("write `{}`", function.usage));
        Type::Any
    }

    /// Tries a pattern that is known already, so that a broken one is found now.
    fn regular_expression(&mut self, call: &CallExpr) {
        let Some(argument) = call.args.last() else { return };
        let Expr::Literal(LiteralValue::String(pattern)) = &argument.expr else { return };
        let context = cel::Context::default();
        let text = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::String(String::new().into())) };
        let trial = CallExpr { target: Some(Box::new(text)), ..call.clone() };
        if context.resolve(&IdedExpr { id: 0, expr: Expr::Call(trial) }).is_err() {
            let message = format!("`{}` is no regular expression", pattern.inner());
            self.report(
                argument,
                message,
                "brackets have to be closed, and special characters escaped".to_owned(),
            );
        }
    }

    /// `all`, `exists`, `map` and the like, as CEL expands them.
    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Type {
        let range = self.known_type_of(&comprehension.iter_range, &comprehension.iter_range);
        let item = match range {
            Type::List(item) => *item,
            Type::Any => Type::Any,
            other => {
                let hint = "it goes over lists: findings, finding.tests".to_owned();
                self.report(&comprehension.iter_range, format!("{other} is no list"), hint);
                Type::Any
            }
        };
        let outer = self.variables.len();
        let shadowed = format!("{}.", comprehension.iter_var);
        let not_null = self.not_null.clone();
        self.not_null.retain(|path| *path != comprehension.iter_var && !path.starts_with(&shadowed));
        self.variables.push((comprehension.iter_var.clone(), item));
        let start = self.type_of(&comprehension.accu_init);
        self.variables.push((comprehension.accu_var.clone(), start.clone()));
        self.type_of(&comprehension.loop_cond);
        let step = self.type_of(&comprehension.loop_step);
        self.variables.pop();
        self.variables.push((comprehension.accu_var.clone(), joined(start, step)));
        let result = self.type_of(&comprehension.result);
        self.variables.truncate(outer);
        self.not_null = not_null;
        result
    }
}

fn is_order(name: &str) -> bool {
    [operators::LESS, operators::LESS_EQUALS, operators::GREATER, operators::GREATER_EQUALS].contains(&name)
}

fn is_arithmetic(name: &str) -> bool {
    [operators::ADD, operators::SUBSTRACT, operators::MULTIPLY, operators::DIVIDE, operators::MODULO]
        .contains(&name)
}

/// Whether values of two types can be equal.
fn comparable(one: &Type, other: &Type) -> bool {
    match (one, other) {
        (Type::Any, _)
        | (_, Type::Any)
        | (Type::Nullable(_), Type::Null)
        | (Type::Null, Type::Nullable(_))
        | (Type::Int | Type::Double, Type::Int | Type::Double) => true,
        (Type::Nullable(one), other) | (other, Type::Nullable(one)) => comparable(one, other),
        (Type::List(one), Type::List(other)) => comparable(one, other),
        (one, other) => one == other,
    }
}

/// What a value is that may be of either type.
fn joined(one: Type, other: Type) -> Type {
    match (one, other) {
        (one, other) if one == other => one,
        (Type::Any, other) | (other, Type::Any) => other,
        (Type::Null, Type::Nullable(inner)) | (Type::Nullable(inner), Type::Null) => Type::Nullable(inner),
        (Type::Null, other) | (other, Type::Null) => Type::Nullable(Box::new(other)),
        (Type::List(one), Type::List(other)) => Type::List(Box::new(joined(*one, *other))),
        _ => Type::Any,
    }
}
