//! Type arguments of generic functions from the types of their arguments.
//!
//! Source: "Type unification" and "Type inference" in the specification; constraints only by their core types.

use super::object::{ObjectId, PackageId};
use super::program::Program;
use super::substitute::Substitution;
use super::ty::{Param, Signature, Type};

/// Type arguments found so far for the type parameters of one function.
#[derive(Debug)]
pub(super) struct Inference<'a> {
    program: &'a Program,
    owner: ObjectId,
    /// One for each type parameter; unknown until found.
    args: Vec<Type>,
    /// Whether methods are being compared; their own parameters' methods aren't then.
    in_methods: bool,
}

/// How deep types are compared.
const MAX_DEPTH: u32 = 32;

impl<'a> Inference<'a> {
    /// Starts with the type arguments that are written.
    pub(super) fn new(program: &'a Program, owner: ObjectId, count: u32, given: &[Type]) -> Self {
        let mut args = given.to_vec();
        args.resize(count as usize, Type::Unknown);
        Self { program, owner, args, in_methods: false }
    }

    /// Uses that a value of this type is given for a parameter.
    pub(super) fn argument(&mut self, param: &Type, arg: &Type) {
        if !arg.is_untyped() {
            self.unify(param, arg, MAX_DEPTH);
        }
    }

    /// Uses untyped constants: their default types, where nothing typed has decided.
    pub(super) fn untyped_argument(&mut self, param: &Type, arg: &Type) {
        if let Type::TypeParam(owner, index) = param
            && *owner == self.owner
            && let Type::Basic(kind) = arg
            && let Some(slot) = self.args.get_mut(*index as usize)
        {
            match slot {
                Type::Unknown => *slot = arg.clone(),
                // Several untyped constants: the kind that comes last of int, rune, float, complex.
                Type::Basic(known) if known.is_untyped() && *known < *kind => *slot = arg.clone(),
                _ => {}
            }
        }
    }

    /// Uses the constraints, and gives the type arguments. Those that can't be found are unknown.
    pub(super) fn finish(mut self) -> Vec<Type> {
        for arg in &mut self.args {
            *arg = std::mem::take(arg).default_type();
        }
        self.use_constraints();
        self.args
    }

    /// Lets core types of constraints decide type arguments, until they decide no more.
    pub(super) fn use_constraints(&mut self) {
        for _ in 0..=self.args.len() {
            let before = self.missing();
            for index in 0..self.args.len() {
                self.use_constraint(index);
            }
            if self.missing() == before {
                break;
            }
        }
    }

    fn use_constraint(&mut self, index: usize) {
        let Ok(param) = u32::try_from(index) else { return };
        let core = self.program.underlying_of(&Type::TypeParam(self.owner, param)).into_owned();
        let known = self.args[index].clone();
        if core.is_unknown() {
            let constraint = self.program.constraint(self.owner, param);
            if !known.is_unknown() && !known.is_untyped() {
                self.unify_methods(constraint, &known, MAX_DEPTH);
            }
        } else if known.is_unknown() {
            if self.is_complete(&core) {
                self.args[index] = Substitution { owner: self.owner, args: &self.args }.apply(&core);
            }
        } else {
            let actual = self.program.underlying_of(&known).into_owned();
            self.unify(&core, &actual, MAX_DEPTH);
        }
    }

    fn missing(&self) -> usize {
        self.args.iter().filter(|arg| arg.is_unknown() || arg.is_untyped()).count()
    }

    /// Whether all type parameters in a type have arguments.
    fn is_complete(&self, ty: &Type) -> bool {
        match ty {
            Type::TypeParam(owner, index) if *owner == self.owner => {
                self.args.get(*index as usize).is_some_and(|arg| !arg.is_unknown() && !arg.is_untyped())
            }
            Type::Named(_, Some(args)) => args.iter().all(|arg| self.is_complete(arg)),
            Type::Pointer(element)
            | Type::Slice(element)
            | Type::Array(element, _)
            | Type::Chan(_, element) => self.is_complete(element),
            Type::Map(entry) => self.is_complete(&entry.0) && self.is_complete(&entry.1),
            Type::Func(signature) => {
                signature.params.iter().chain(&signature.results).all(|param| self.is_complete(&param.ty))
            }
            Type::Struct(structure) => structure.fields.iter().all(|field| self.is_complete(&field.ty)),
            _ => true,
        }
    }

    fn unify(&mut self, param: &Type, arg: &Type, depth: u32) {
        if depth == 0 || arg.is_unknown() {
            return;
        }
        let depth = depth - 1;
        match (param, arg) {
            (Type::TypeParam(owner, index), _) if *owner == self.owner => self.bind(*index as usize, arg),
            (Type::Named(a, Some(a_args)), Type::Named(b, Some(b_args))) if a == b => {
                for (param, arg) in a_args.iter().zip(b_args.iter()) {
                    self.unify(param, arg, depth);
                }
            }
            (Type::Named(_, Some(_)), Type::Named(..) | Type::Pointer(_) | Type::Local(_))
                if matches!(self.program.underlying_of(param).as_ref(), Type::Interface(_)) =>
            {
                self.unify_methods(param, arg, depth);
            }
            (Type::Named(_, Some(_)), Type::Named(..)) | (Type::Named(_, None) | Type::Basic(_), _) => {}
            (Type::Named(_, Some(_)), _) => {
                let param = self.program.underlying_of(param).into_owned();
                self.unify(&param, arg, depth);
            }
            (_, Type::Named(..) | Type::Local(_) | Type::TypeParam(..)) => {
                let arg = self.program.underlying_of(arg).into_owned();
                self.unify(param, &arg, depth);
            }
            (Type::Pointer(a), Type::Pointer(b))
            | (Type::Slice(a), Type::Slice(b))
            | (Type::Array(a, _), Type::Array(b, _))
            | (Type::Chan(_, a), Type::Chan(_, b)) => self.unify(a, b, depth),
            (Type::Map(a), Type::Map(b)) => {
                self.unify(&a.0, &b.0, depth);
                self.unify(&a.1, &b.1, depth);
            }
            (Type::Func(a), Type::Func(b)) => self.unify_signatures(a, b, depth),
            (Type::Struct(a), Type::Struct(b)) => {
                for (a, b) in a.fields.iter().zip(&b.fields) {
                    self.unify(&a.ty, &b.ty, depth);
                }
            }
            _ => {}
        }
    }

    fn bind(&mut self, index: usize, arg: &Type) {
        let Some(slot) = self.args.get_mut(index) else { return };
        let is_defined = |ty: &Type| matches!(ty, Type::Named(..) | Type::Local(_));
        match slot {
            Type::Unknown => *slot = arg.clone(),
            // A defined type wins over the literal that it stands for.
            known
                if is_defined(arg)
                    && !is_defined(known)
                    && !matches!(known, Type::Basic(_) | Type::TypeParam(..)) =>
            {
                let same = self.program.identical(&self.program.underlying_of(arg), &self.args[index]);
                if same {
                    self.args[index] = arg.clone();
                }
            }
            _ => {}
        }
    }

    fn unify_signatures(&mut self, a: &Signature, b: &Signature, depth: u32) {
        let mut unify = |a: &[Param], b: &[Param]| {
            for (a, b) in a.iter().zip(b) {
                self.unify(&a.ty, &b.ty, depth);
            }
        };
        unify(&a.params, &b.params);
        unify(&a.results, &b.results);
    }

    /// An argument for an interface has its methods.
    fn unify_methods(&mut self, interface: &Type, arg: &Type, depth: u32) {
        if std::mem::replace(&mut self.in_methods, true) {
            return;
        }
        let package = match arg.strip_pointer() {
            Type::Named(id, _) => id.package,
            _ => PackageId(u32::MAX),
        };
        for method in self.program.interface_methods(interface) {
            if let Some(member) = self.program.member(arg, method.name, package)
                && let Type::Func(signature) = self.program.member_type(&member)
            {
                self.unify_signatures(&method.signature, &signature, depth);
            }
        }
        self.in_methods = false;
    }
}
