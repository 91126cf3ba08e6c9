//! Expressions that are types.

use std::sync::Arc;

use super::{Operand, Resolver};
use crate::syntax::ast::{
    ArrayLen, BinaryOp, Expr, ExprId, ExprKind, Field as FieldSyntax, InterfaceElement,
};
use crate::syntax::ast::{Param as ParamSyntax, Signature as SignatureSyntax, UnaryOp};
use crate::syntax::name::Name;
use crate::types::body::Mode;
use crate::types::object::ObjectId;
use crate::types::ty::{Field, InterfaceType, Method, Param, Signature, StructType, Type, Union};

impl Resolver<'_> {
    /// The type that an expression is; unknown if it isn't one.
    pub(in crate::types) fn type_of_syntax(&mut self, expr: ExprId) -> Type {
        let operand = self.expr(expr);
        if operand.mode == Mode::Type { operand.ty } else { Type::Unknown }
    }

    /// A constraint: an interface, or what stands for one: `~int | string`.
    pub(in crate::types) fn constraint_of_syntax(&mut self, expr: ExprId) -> Type {
        match self.arena[expr].kind {
            ExprKind::Unary(UnaryOp::Tilde, _) | ExprKind::Binary(BinaryOp::Or, ..) => {
                let union = self.union(expr);
                let interface =
                    InterfaceType { package: self.package, methods: Vec::new(), embedded: vec![union] };
                let ty = Type::Interface(Arc::new(interface));
                self.set(expr, &Operand::type_name(ty.clone()));
                ty
            }
            _ => self.type_of_syntax(expr),
        }
    }

    /// Types written as such. Names, selectors, stars and brackets may be values, and are looked at elsewhere.
    pub(super) fn type_literal(&mut self, syntax: &Expr) -> Operand {
        let ty = match &syntax.kind {
            ExprKind::ArrayType(length, element) => self.array_type(*length, *element),
            ExprKind::StructType(fields) => self.struct_type(fields),
            ExprKind::FuncType(signature) => Type::Func(self.signature_of(signature, None)),
            ExprKind::InterfaceType(elements) => self.interface_type(elements),
            ExprKind::MapType(key, value) => {
                let key = self.type_of_syntax(*key);
                Type::Map(Arc::new((key, self.type_of_syntax(*value))))
            }
            ExprKind::ChanType(direction, element) => {
                Type::Chan(*direction, Arc::new(self.type_of_syntax(*element)))
            }
            _ => return Operand::UNKNOWN,
        };
        Operand::type_name(ty)
    }

    fn array_type(&mut self, length: ArrayLen, element: ExprId) -> Type {
        let length = match length {
            ArrayLen::Slice => return self.type_of_syntax(element).slice_of(),
            ArrayLen::Inferred => None,
            ArrayLen::Fixed(length) => {
                self.index_operand(length);
                self.constant_value(length).and_then(|value| u64::try_from(value).ok())
            }
        };
        Type::Array(Arc::new(self.type_of_syntax(element)), length)
    }

    /// The signature that syntax describes.
    pub(in crate::types) fn signature_of(
        &mut self,
        syntax: &SignatureSyntax,
        generic: Option<(ObjectId, u32)>,
    ) -> Arc<Signature> {
        let params = self.params(&syntax.params);
        let results = self.params(&syntax.results);
        let variadic = syntax.params.last().is_some_and(|param| param.variadic);
        Arc::new(Signature { params, results, variadic, generic })
    }

    fn params(&mut self, syntax: &[ParamSyntax]) -> Vec<Param> {
        let mut params: Vec<Param> = Vec::with_capacity(syntax.len());
        let mut previous: Option<ExprId> = None;
        for param in syntax {
            // `a, b int` has one type expression for both.
            let ty = match params.last() {
                Some(last) if previous == Some(param.ty) && !param.variadic => last.ty.clone(),
                _ => self.type_of_syntax(param.ty),
            };
            previous = Some(param.ty);
            let ty = if param.variadic { ty.slice_of() } else { ty };
            params.push(Param { name: param.name.map(|name| name.name), ty });
        }
        params
    }

    fn struct_type(&mut self, syntax: &[FieldSyntax]) -> Type {
        let mut fields = Vec::with_capacity(syntax.len());
        for line in syntax {
            let ty = self.type_of_syntax(line.ty);
            let field = |name, span, ty, embedded| Field {
                name,
                ty,
                embedded,
                span,
                doc: line.doc,
                comment: line.comment,
            };
            if line.names.is_empty() {
                let (name, span) = self.embedded_name(line.ty);
                fields.push(field(name, span, ty, true));
            } else {
                fields.extend(line.names.iter().map(|name| field(name.name, name.span, ty.clone(), false)));
            }
        }
        Type::Struct(Arc::new(StructType { package: self.package, file: self.file, fields }))
    }

    fn embedded_name(&self, mut ty: ExprId) -> (Name, crate::syntax::span::Span) {
        loop {
            let syntax = &self.arena[ty];
            match &syntax.kind {
                ExprKind::Name(name) => return (*name, syntax.span),
                ExprKind::Selector(_, name) => return (name.name, name.span),
                ExprKind::Star(inner) | ExprKind::Paren(inner) | ExprKind::Index(inner, _) => ty = *inner,
                _ => return (Name::new("_"), syntax.span),
            }
        }
    }

    fn interface_type(&mut self, elements: &[InterfaceElement]) -> Type {
        let mut interface =
            InterfaceType { package: self.package, methods: Vec::new(), embedded: Vec::new() };
        for element in elements {
            match element {
                InterfaceElement::Method(name, signature) => {
                    let signature = self.signature_of(signature, None);
                    interface.methods.push(Method { name: name.name, signature, span: name.span });
                }
                InterfaceElement::Embedded(expr) => interface.embedded.push(self.union(*expr)),
            }
        }
        Type::Interface(Arc::new(interface))
    }

    fn union(&mut self, expr: ExprId) -> Union {
        let mut terms = Vec::new();
        self.push_terms(expr, &mut terms);
        Union { terms }
    }

    fn push_terms(&mut self, expr: ExprId, terms: &mut Vec<(bool, Type)>) {
        match self.arena[expr].kind {
            ExprKind::Binary(BinaryOp::Or, left, right) => {
                self.push_terms(left, terms);
                self.push_terms(right, terms);
            }
            ExprKind::Unary(UnaryOp::Tilde, inner) => terms.push((true, self.type_of_syntax(inner))),
            _ => terms.push((false, self.type_of_syntax(expr))),
        }
    }
}
