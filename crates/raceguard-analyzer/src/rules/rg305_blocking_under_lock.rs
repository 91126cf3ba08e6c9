//! RG305: something that may block for long is called while a lock is held.

use super::Rule;
use super::fields::function_path;
use super::path_checks::PathContext;
use super::path_facts::{Held, Mark, Step, Trace, What, lock_place};
use crate::analysis::models::Effect;
use crate::finding::{Finding, Severity};
use crate::ir::function::{Call, CallMode, ChannelOp, ChannelOpKind, Target, for_each_call};
use crate::ir::place::{Root, Value};
use crate::syntax::span::Span;
use crate::types::{FuncId, Program, Type};

/// `RG305`
pub const RULE: Rule = Rule {
    code: "RG305",
    name: "blocking-under-lock",
    summary: "A call that may block for long is made while a lock is held",
    severity: Severity::Warning,
    what: "Reports `time.Sleep`, HTTP and RPC requests, `exec` commands and dialling between `Lock` and `Unlock`; also \
           waiting (`WaitGroup.Wait`, an unbuffered channel) for a goroutine of the same function that takes the lock.",
    why: "Everybody who needs the lock waits as long as the slowest peer. When whoever should answer needs the same \
          lock, all of them wait for ever.",
    bad: r#"package health

import (
	"net/http"
	"sync"
)

type Monitor struct {
	mu     sync.Mutex
	status map[string]int
}

func (m *Monitor) Check(url string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	response, err := http.Get(url) // want RG305 "http.Get"
	if err != nil {
		return err
	}
	defer response.Body.Close()
	m.status[url] = response.StatusCode
	return nil
}
"#,
    good: r#"package health

import (
	"net/http"
	"sync"
)

type Monitor struct {
	mu     sync.Mutex
	status map[string]int
}

func (m *Monitor) Check(url string) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status[url] = response.StatusCode
	return nil
}
"#,
    remedy: "Do the slow part first and take the lock for the result only; or copy what it needs under the lock, \
             release it, and go on.",
    limits: "Test files are left out. Reads and writes of files and connections are often guarded on purpose and not \
             reported, nor are slow calls behind helpers, nor channels whose capacity is not known.",
    fixable: false,
};

/// Functions that may block for long: package, receiver's type or nothing, names.
const BLOCKING: &[(&str, &str, &[&str])] = &[
    ("time", "", &["Sleep"]),
    ("net/http", "", &["Get", "Head", "Post", "PostForm"]),
    ("net/http", "Client", &["Do", "Get", "Head", "Post", "PostForm"]),
    ("net", "", &["Dial", "DialTimeout", "LookupAddr", "LookupHost", "LookupIP"]),
    ("net", "Dialer", &["Dial", "DialContext"]),
    ("net", "Resolver", &["LookupHost", "LookupIPAddr", "LookupAddr"]),
    ("crypto/tls", "", &["Dial"]),
    ("net/rpc", "", &["Dial"]),
    ("net/rpc", "Client", &["Call"]),
    ("os/exec", "Cmd", &["Run", "Wait", "Output", "CombinedOutput"]),
];

/// Looks at what happens while a lock is held that this function took.
pub(super) fn check(context: &PathContext<'_>, findings: &mut Vec<Finding>) {
    if context.wording().is_test() {
        return;
    }
    for trace in context.traces.iter().filter(|trace| !trace.irregular) {
        for step in &trace.steps {
            let Some(held) = step.facts.held.last() else { continue };
            let blocking = match step.what {
                What::Call(call) if call.mode == CallMode::Now => blocking_call(context, call, held),
                What::Channel(op) => blocking_operation(context, step, op, held),
                _ => None,
            };
            if let Some((what, span)) = blocking {
                findings.push(finding(context, trace, &what, span, held));
            }
        }
    }
}

fn blocking_call(context: &PathContext<'_>, call: &Call, held: &Held) -> Option<(String, Span)> {
    let Target::Function(func) = call.target else { return None };
    let is_wait =
        context.models.effect(&call.target) == Some(Effect::GroupWait) && may_wait_for_holder(context, held);
    let (package, receiver, name) = function_path(context.program, func);
    let package = package.rsplit('/').next().unwrap_or(package);
    let dot = if receiver.is_empty() { "" } else { "." };
    (is_wait || is_listed(context.program, func))
        .then(|| (format!("{package}.{receiver}{dot}{name} is called"), call.span))
}

/// Whether the goroutines waited for are seen to take the lock that is held: those of this function are its literals.
/// Waiting under a lock for others to end is often meant.
fn may_wait_for_holder(context: &PathContext<'_>, held: &Held) -> bool {
    let mut found = false;
    for body in context.unit.bodies.iter().skip(1) {
        for_each_call(&body.block, &mut |call| {
            let taken = matches!(context.models.effect(&call.target), Some(Effect::Lock | Effect::ReadLock));
            found |= taken && lock_place(call).as_ref() == Some(&held.place);
        });
    }
    found
}

fn is_listed(program: &Program, func: FuncId) -> bool {
    let (package, receiver, name) = function_path(program, func);
    BLOCKING.iter().any(|(path, ty, names)| *path == package && *ty == receiver && names.contains(&name))
}

fn blocking_operation(
    context: &PathContext<'_>,
    step: &Step<'_>,
    op: &ChannelOp,
    held: &Held,
) -> Option<(String, Span)> {
    let what = match op.kind {
        ChannelOpKind::Send => "a value is sent",
        ChannelOpKind::Receive => "a value is received",
        ChannelOpKind::Range | ChannelOpKind::Close => return None,
    };
    let closed =
        op.channel.identity().is_some_and(|place| step.facts.is_marked(Mark::Closed, place).is_some());
    let blocks =
        !op.deferred && !closed && is_unbuffered(context, &op.channel) && may_wait_for_holder(context, held);
    blocks.then(|| (format!("{what} on an unbuffered channel"), op.span))
}

/// Whether a channel is known to have no buffer: it is made in this function.
fn is_unbuffered(context: &PathContext<'_>, channel: &Value) -> bool {
    let Some(place) = channel.identity() else { return false };
    let Root::Site(site) = place.root else { return false };
    let site = context.unit.site(site);
    place.steps.is_empty() && site.capacity == Some(0) && matches!(site.ty, Type::Chan(..))
}

fn finding(context: &PathContext<'_>, trace: &Trace<'_>, what: &str, span: Span, held: &Held) -> Finding {
    let wording = context.wording();
    let name = wording.lock_name(held);
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("lock {name}"),
        message: format!("{what} while {name} is held"),
        sites: vec![
            wording.site_with(trace.body, span, "blocking call", std::slice::from_ref(held)),
            wording.site(trace.body, held.at, "lock"),
        ],
        reasons: vec![wording.reason(format!("{name} is locked here"), held.at)],
        remedy: format!("do this before {name} is locked, or after it is released"),
        fix: None,
    }
}
