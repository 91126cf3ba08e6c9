//! Calls and conversions.

use std::sync::Arc;

use super::{Operand, Resolver};
use crate::syntax::ast::{CallExpr, ExprId, ExprKind};
use crate::types::body::Mode;
use crate::types::infer::Inference;
use crate::types::substitute::Substitution;
use crate::types::ty::{Param, Signature, Type};

impl Resolver<'_> {
    pub(super) fn call(&mut self, call: &CallExpr) -> Operand {
        // `f[A](x)`, where further type arguments follow from x.
        let (fun, given) = self.called(call.fun);
        match (fun.mode, &fun.ty) {
            (Mode::Type, ty) => self.conversion(ty, &call.args),
            (Mode::Builtin, _) => self.builtin_call(call),
            (_, ty) => {
                if let Type::Func(signature) = self.program.underlying_of(ty).as_ref() {
                    let signature = signature.clone();
                    return self.function_call(call, &signature, given.as_deref());
                }
                self.unknown_arguments(&call.args);
                Operand::UNKNOWN
            }
        }
    }

    /// What is called, and the type arguments written behind it if it is a generic function.
    fn called(&mut self, fun: ExprId) -> (Operand, Option<Vec<Type>>) {
        let ExprKind::Index(base, ref args) = self.arena[fun].kind else { return (self.expr(fun), None) };
        let operand = self.expr(base);
        match &operand.ty {
            Type::Func(signature) if operand.mode != Mode::Type && signature.generic.is_some() => {
                let args = args.iter().map(|arg| self.type_of_syntax(*arg)).collect();
                self.set(fun, &operand);
                (operand, Some(args))
            }
            // Not generic: an index of a value, or a type. The base is resolved a second time.
            _ => (self.expr(fun), None),
        }
    }

    fn unknown_arguments(&mut self, args: &[ExprId]) {
        if self.record {
            for arg in args {
                let operand = self.expr(*arg);
                self.assign_default(*arg, &operand);
            }
        }
    }

    fn conversion(&mut self, ty: &Type, args: &[ExprId]) -> Operand {
        let mut mode = Mode::Value;
        for arg in args {
            let operand = self.expr(*arg);
            if operand.mode == Mode::Constant
                && matches!(self.program.underlying_of(ty).as_ref(), Type::Basic(_))
            {
                mode = Mode::Constant;
            }
            let to_string =
                matches!(self.program.underlying_of(ty).as_ref(), Type::Basic(kind) if kind.is_string());
            let number = matches!(operand.ty, Type::Basic(kind) if kind.is_integer());
            if !(to_string && number) {
                self.assign_to(*arg, &operand, ty);
            } else if operand.mode != Mode::Constant {
                self.assign_default(*arg, &operand);
            }
        }
        Operand { mode, ty: ty.clone() }
    }

    fn function_call(
        &mut self,
        call: &CallExpr,
        signature: &Arc<Signature>,
        given: Option<&[Type]>,
    ) -> Operand {
        let generic = signature.generic;
        if !self.record && generic.is_none() {
            return results(signature);
        }
        let operands: Vec<(ExprId, Operand)> = call.args.iter().map(|arg| (*arg, self.expr(*arg))).collect();
        // `f(g())` with several results of g.
        let spread = match operands.as_slice() {
            [(_, Operand { ty: Type::Tuple(items), .. })] => Some(items.clone()),
            _ => None,
        };
        let signature = match generic {
            Some(generic) => {
                let types: Vec<Type> = match &spread {
                    Some(items) => items.to_vec(),
                    None => operands.iter().map(|(_, operand)| operand.ty.clone()).collect(),
                };
                self.inferred(call, signature, generic, given.unwrap_or_default(), &types)
            }
            None => signature.clone(),
        };
        if spread.is_none() {
            for (position, (expr, operand)) in operands.iter().enumerate() {
                let ty = parameter(&signature, position, call.spread);
                self.assign_to(*expr, operand, &ty);
            }
        }
        results(&signature)
    }

    /// The signature of a generic function with the type arguments that a call's arguments ask for.
    fn inferred(
        &mut self,
        call: &CallExpr,
        signature: &Arc<Signature>,
        (owner, count): (crate::types::object::ObjectId, u32),
        given: &[Type],
        args: &[Type],
    ) -> Arc<Signature> {
        let mut inference = Inference::new(self.program, owner, count, given);
        let params: Vec<Type> =
            (0..args.len()).map(|position| parameter(signature, position, call.spread)).collect();
        for (param, arg) in params.iter().zip(args) {
            inference.argument(param, arg);
        }
        inference.use_constraints();
        for (param, arg) in params.iter().zip(args) {
            inference.untyped_argument(param, arg);
        }
        let args = inference.finish();
        let instance = Substitution { owner, args: &args }.apply_signature(signature);
        let fun = Type::Func(signature.clone());
        self.set_instance(call.fun, &fun, owner, args);
        instance.unwrap_or_else(|| signature.clone())
    }
}

/// The type of the parameter at a position; beyond the last, of the elements of a variadic one.
fn parameter(signature: &Signature, position: usize, spread: bool) -> Type {
    let last = signature.params.len().saturating_sub(1);
    match signature.params.get(position.min(last)) {
        Some(Param { ty: Type::Slice(element), .. }) if signature.variadic && position >= last && !spread => {
            (**element).clone()
        }
        Some(param) if position <= last => param.ty.clone(),
        _ => Type::Unknown,
    }
}

/// What a call of a function with this signature gives.
fn results(signature: &Signature) -> Operand {
    match signature.results.as_slice() {
        [] => Operand { mode: Mode::NoValue, ty: Type::empty_tuple() },
        [only] => Operand::value(only.ty.clone()),
        several => {
            let types = several.iter().map(|result| result.ty.clone()).collect();
            Operand::value(Type::Tuple(Arc::new(types)))
        }
    }
}
