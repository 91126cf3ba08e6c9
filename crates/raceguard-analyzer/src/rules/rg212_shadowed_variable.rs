//! RG212: a goroutine sets a variable of its own where the one outside is read.

use super::{BodyContext, Rule};
use crate::finding::{Finding, Severity};
use crate::ir::place::VarId;
use crate::syntax::ast::{ExprKind, UnaryOp};
use crate::syntax::span::Span;
use crate::types::{Entity, Local, LocalId, LocalKind};

/// `RG212`
pub const RULE: Rule = Rule {
    code: "RG212",
    name: "shadowed-variable",
    summary: "A goroutine's variable hides the one outside that is read for its result",
    severity: Severity::Advice,
    what: "Reports a variable that is declared without a value, is read, and is assigned to nowhere, while a function \
           literal inside declares another one of the same name and type with `:=`.",
    why: "The goroutine's result goes into a variable that nobody else sees; the outer one stays zero for ever. An \
          error that should have been returned is lost.",
    bad: r#"package fetch

import (
	"os"
	"sync"
)

func Check(name string) error {
	var err error
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		_, err := os.Stat(name) // want RG212 "err"
		if err != nil {
			println(err.Error())
		}
	}()
	wg.Wait()
	return err
}
"#,
    good: r#"package fetch

import "os"

func Check(name string) error {
	result := make(chan error, 1)
	go func() {
		_, err := os.Stat(name)
		result <- err
	}()
	return <-result
}
"#,
    remedy: "Hand the result back through a channel or errgroup, or assign with `=` where something orders the two. If \
             the two are meant to be apart, give them different names.",
    limits: "Outer variables that are assigned elsewhere too are not reported, although the inner one may be a mistake \
             there as well.",
    fixable: false,
};

/// Looks for variables of function literals that hide one which is read and never set.
pub(super) fn check(context: &BodyContext<'_>, findings: &mut Vec<Finding>) {
    let locals = &context.input.info.locals;
    for local in locals {
        let (Some(literal), Some(outer)) = (local.owner, local.shadowed) else { continue };
        let hidden = &locals[outer.0 as usize];
        let alike = local.kind == LocalKind::Var
            && hidden.owner != local.owner
            && context.input.program.identical(&hidden.ty, &local.ty)
            && !local.ty.is_unknown();
        if alike
            && is_never_set(context, outer)
            && let Some(read) = read_after(context, outer, context.span(literal).end)
        {
            findings.push(finding(context, local, hidden, read));
        }
    }
}

/// Whether a variable keeps its zero value.
fn is_never_set(context: &BodyContext<'_>, local: LocalId) -> bool {
    let var = context.unit.var(VarId(local.0));
    let addressed = context.exprs().any(|(_, kind)| {
        matches!(kind, ExprKind::Unary(UnaryOp::Address, operand) if context.local(*operand) == Some(local))
    });
    var.kind == LocalKind::Var && var.zeroed && var.assignments == 0 && !addressed
}

/// A use of the variable after a place.
fn read_after(context: &BodyContext<'_>, local: LocalId, after: u32) -> Option<Span> {
    context.exprs().find_map(|(id, kind)| {
        let named =
            matches!(kind, ExprKind::Name(_)) && context.input.info.entity(id) == Entity::Local(local);
        let span = context.span(id);
        (named && span.start >= after).then_some(span)
    })
}

fn finding(context: &BodyContext<'_>, local: &Local, hidden: &Local, read: Span) -> Finding {
    let name = local.name;
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("variable {name}"),
        message: format!("this {name} hides the one outside, which is read but never set"),
        sites: vec![context.site(local.span, "declaration"), context.site(hidden.span, "declaration")],
        reasons: vec![
            context.wording().reason(format!("the outer {name} is read here, and is still zero"), read),
        ],
        remedy: "hand the result back through a channel, or give the two different names".to_owned(),
        fix: None,
    }
}
