//! Calls of predeclared functions, and of those of package unsafe.

use super::scopes::Meaning;
use super::{Operand, Resolver};
use crate::syntax::ast::{CallExpr, ExprId, ExprKind};
use crate::types::body::Mode;
use crate::types::ty::{Basic, Type};
use crate::types::universe::{Builtin, Predeclared, any, unsafe_builtin};

const NO_VALUE: Operand = Operand { mode: Mode::NoValue, ty: Type::Unknown };

impl Resolver<'_> {
    pub(super) fn builtin_call(&mut self, call: &CallExpr) -> Operand {
        let Some(builtin) = self.builtin_named(call.fun) else { return Operand::UNKNOWN };
        match builtin {
            Builtin::Make => return self.make(&call.args),
            Builtin::New => return self.new_call(&call.args),
            _ => {}
        }
        let operands: Vec<(ExprId, Operand)> = call.args.iter().map(|arg| (*arg, self.expr(*arg))).collect();
        match builtin {
            Builtin::Append => self.append(&operands, call.spread),
            Builtin::Min | Builtin::Max => self.extreme(operands),
            Builtin::Complex | Builtin::Real | Builtin::Imag => self.complex(builtin, &operands),
            Builtin::UnsafeSlice => self.unsafe_slice(&operands),
            Builtin::UnsafeSliceData => {
                let ty =
                    operands.first().map(|(_, operand)| self.program.underlying_of(&operand.ty).into_owned());
                match ty {
                    Some(Type::Slice(element)) => Operand::value(Type::Pointer(element)),
                    _ => Operand::UNKNOWN,
                }
            }
            _ => self.simple(builtin, &operands),
        }
    }

    fn simple(&mut self, builtin: Builtin, operands: &[(ExprId, Operand)]) -> Operand {
        for (position, (expr, operand)) in operands.iter().enumerate() {
            match builtin {
                Builtin::Delete if position == 1 => {
                    let map = self.program.underlying_of(&operands[0].1.ty).into_owned();
                    let key = if let Type::Map(entry) = &map { entry.0.clone() } else { Type::Unknown };
                    self.assign_to(*expr, operand, &key);
                }
                Builtin::Panic => self.assign_to(*expr, operand, &any()),
                Builtin::Len | Builtin::UnsafeSizeof if operand.mode == Mode::Constant => {}
                Builtin::UnsafeAdd | Builtin::UnsafeString if position == 1 => {
                    self.assign_to(*expr, operand, &Type::Basic(Basic::Int));
                }
                _ => {
                    self.assign_default(*expr, operand);
                }
            }
        }
        let basic = |kind| Operand::value(Type::Basic(kind));
        match builtin {
            Builtin::Len | Builtin::Cap => self.length(operands.first().map(|(_, operand)| operand)),
            Builtin::Copy => basic(Basic::Int),
            Builtin::Recover => Operand::value(any()),
            Builtin::UnsafeAdd => basic(Basic::UnsafePointer),
            Builtin::UnsafeSizeof | Builtin::UnsafeAlignof | Builtin::UnsafeOffsetof => {
                Operand { mode: Mode::Constant, ty: Type::Basic(Basic::Uintptr) }
            }
            Builtin::UnsafeString => basic(Basic::String),
            Builtin::UnsafeStringData => Operand::value(Type::Basic(Basic::Uint8).pointer_to()),
            _ => Operand { ty: Type::empty_tuple(), ..NO_VALUE },
        }
    }

    /// `len` and `cap`: constant for constant strings, and for arrays without calls and receives.
    fn length(&self, operand: Option<&Operand>) -> Operand {
        let mut mode = Mode::Value;
        if let Some(operand) = operand {
            let is_array = match self.program.underlying_of(&operand.ty).as_ref() {
                Type::Array(..) => true,
                Type::Pointer(element) => {
                    matches!(self.program.underlying_of(element).as_ref(), Type::Array(..))
                }
                _ => false,
            };
            if operand.mode == Mode::Constant || (is_array && operand.mode == Mode::Variable) {
                mode = Mode::Constant;
            }
        }
        Operand { mode, ty: Type::Basic(Basic::Int) }
    }

    fn make(&mut self, args: &[ExprId]) -> Operand {
        let Some((ty, sizes)) = args.split_first() else { return Operand::UNKNOWN };
        let ty = self.type_of_syntax(*ty);
        for size in sizes {
            self.index_operand(*size);
        }
        Operand::value(ty)
    }

    /// `new(T)`, or `new(x)` with a value.
    fn new_call(&mut self, args: &[ExprId]) -> Operand {
        let [arg] = args else { return Operand::UNKNOWN };
        let operand = self.expr(*arg);
        let ty = if operand.mode == Mode::Type { operand.ty } else { self.assign_default(*arg, &operand) };
        Operand::value(if ty.is_unknown() { ty } else { ty.pointer_to() })
    }

    fn append(&mut self, operands: &[(ExprId, Operand)], spread: bool) -> Operand {
        let Some(((_, slice), values)) = operands.split_first() else { return Operand::UNKNOWN };
        let element = match self.program.underlying_of(&slice.ty).as_ref() {
            Type::Slice(element) => (**element).clone(),
            _ => Type::Unknown,
        };
        for (expr, operand) in values {
            if spread {
                self.assign_default(*expr, operand);
            } else {
                self.assign_to(*expr, operand, &element);
            }
        }
        Operand::value(if slice.ty.is_untyped() { Type::Unknown } else { slice.ty.clone() })
    }

    /// `min` and `max`: the operands are brought to one type, as by an operator.
    fn extreme(&mut self, operands: Vec<(ExprId, Operand)>) -> Operand {
        let typed = operands.iter().map(|(_, operand)| &operand.ty).find(|ty| !ty.is_untyped()).cloned();
        let constant = operands.iter().all(|(_, operand)| operand.mode == Mode::Constant);
        let mode = if constant { Mode::Constant } else { Mode::Value };
        if let Some(ty) = typed {
            for (expr, operand) in &operands {
                self.assign_to(*expr, operand, &ty);
            }
            return Operand { mode, ty };
        }
        let kinds = operands.into_iter().filter_map(|(_, operand)| match operand.ty {
            Type::Basic(kind) => Some(kind),
            _ => None,
        });
        Operand { mode, ty: kinds.max().map_or(Type::Unknown, Type::Basic) }
    }

    fn complex(&mut self, builtin: Builtin, operands: &[(ExprId, Operand)]) -> Operand {
        let typed = operands.iter().map(|(_, operand)| &operand.ty).find(|ty| !ty.is_untyped()).cloned();
        let constant = operands.iter().all(|(_, operand)| operand.mode == Mode::Constant);
        let mode = if constant { Mode::Constant } else { Mode::Value };
        let from = typed.unwrap_or(Type::Basic(match builtin {
            Builtin::Complex if constant => Basic::UntypedFloat,
            Builtin::Complex => Basic::Float64,
            _ if constant => Basic::UntypedComplex,
            _ => Basic::Complex128,
        }));
        if !from.is_untyped() {
            for (expr, operand) in operands {
                self.assign_to(*expr, operand, &from);
            }
        }
        let result = match (self.program.underlying_of(&from).as_ref(), builtin) {
            (Type::Basic(Basic::Float32), Builtin::Complex) => Basic::Complex64,
            (Type::Basic(Basic::Float64), Builtin::Complex) => Basic::Complex128,
            (Type::Basic(Basic::UntypedFloat), Builtin::Complex) => Basic::UntypedComplex,
            (Type::Basic(Basic::Complex64), _) => Basic::Float32,
            (Type::Basic(Basic::Complex128), _) => Basic::Float64,
            (Type::Basic(Basic::UntypedComplex), _) => Basic::UntypedFloat,
            _ => return Operand::UNKNOWN,
        };
        Operand { mode, ty: Type::Basic(result) }
    }

    fn unsafe_slice(&mut self, operands: &[(ExprId, Operand)]) -> Operand {
        for (expr, operand) in operands.iter().skip(1) {
            self.assign_to(*expr, operand, &Type::Basic(Basic::Int));
        }
        match operands.first().map(|(_, operand)| self.program.underlying_of(&operand.ty).into_owned()) {
            Some(Type::Pointer(element)) => Operand::value(Type::Slice(element)),
            _ => Operand::UNKNOWN,
        }
    }

    /// The predeclared function that an expression names.
    fn builtin_named(&self, mut expr: ExprId) -> Option<Builtin> {
        while let ExprKind::Paren(inner) = self.arena[expr].kind {
            expr = inner;
        }
        match self.arena[expr].kind {
            ExprKind::Name(name) => match self.meaning(name) {
                Meaning::Predeclared(Predeclared::Builtin(builtin)) => Some(*builtin),
                // A dot import of package unsafe.
                _ => unsafe_builtin(name),
            },
            ExprKind::Selector(_, name) => unsafe_builtin(name.name),
            _ => None,
        }
    }
}
