//! RG305: something that may block for long is called while a lock is held.

use super::Rule;
use super::fields::function_path;
use super::lock_finding::WhileHeld;
use super::path_checks::PathContext;
use super::path_facts::{Held, Mark, Step, Trace, What, lock_place};
use super::wording::function_name;
use crate::analysis::models::Effect;
use crate::finding::{Finding, Location, Reason, Severity};
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
             reported, nor are channels whose capacity is not \
             known. Helpers count if they block whenever they are called, up to four calls deep.",
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
    (
        "database/sql",
        "DB",
        &["Exec", "ExecContext", "Query", "QueryContext", "Ping", "PingContext", "Begin", "BeginTx"],
    ),
    ("database/sql", "Tx", &["Exec", "ExecContext", "Query", "QueryContext", "Commit"]),
    ("os/exec", "Cmd", &["Run", "Wait", "Output", "CombinedOutput"]),
];

/// Something that may block for long.
struct Blocks {
    /// What it is, in words.
    text: String,
    at: Span,
    /// Where it happens inside the function that is called.
    inside: Option<Reason>,
}

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
            if let Some(blocks) = blocking {
                findings.push(finding(context, trace, blocks, held));
            }
        }
    }
}

fn blocking_call(context: &PathContext<'_>, call: &Call, held: &Held) -> Option<Blocks> {
    let Target::Function(func) = call.target else { return None };
    let text = match blocking_function(context.program, func) {
        Some(name) => format!("{name} is called"),
        None if context.models.effect(&call.target) == Some(Effect::GroupWait) => {
            may_wait_for_holder(context, held).then(|| "WaitGroup.Wait is called".to_owned())?
        }
        None => return blocking_helper(context, call, func),
    };
    Some(Blocks { text, at: call.span, inside: None })
}

/// A function of the program that blocks whenever it is called.
fn blocking_helper(context: &PathContext<'_>, call: &Call, func: FuncId) -> Option<Blocks> {
    let summary = context.summaries.get(func).filter(|summary| summary.may_release.is_empty())?;
    let inner = summary.blocks.as_ref()?;
    let object = context.program.function(inner.by);
    let location =
        Location { package: object.package, file: context.program.object(object).file, span: inner.at };
    let text = format!("{}, which calls {}, is called", function_name(context.program, func), inner.what);
    let inside = Reason { text: format!("{} is called here", inner.what), location: Some(location) };
    Some(Blocks { text, at: call.span, inside: Some(inside) })
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

/// The name of a function of a library that may block for long.
pub(super) fn blocking_function(program: &Program, func: FuncId) -> Option<String> {
    let (package, receiver, name) = function_path(program, func);
    let listed =
        BLOCKING.iter().any(|(path, ty, names)| *path == package && *ty == receiver && names.contains(&name));
    let short = package.rsplit('/').next().unwrap_or(package);
    let dot = if receiver.is_empty() { "" } else { "." };
    listed.then(|| format!("{short}.{receiver}{dot}{name}"))
}

fn blocking_operation(
    context: &PathContext<'_>,
    step: &Step<'_>,
    op: &ChannelOp,
    held: &Held,
) -> Option<Blocks> {
    let what = match op.kind {
        ChannelOpKind::Send => "a value is sent",
        ChannelOpKind::Receive => "a value is received",
        ChannelOpKind::Range | ChannelOpKind::Close => return None,
    };
    let closed =
        op.channel.identity().is_some_and(|place| step.facts.is_marked(Mark::Closed, place).is_some());
    let blocks =
        !op.deferred && !closed && is_unbuffered(context, &op.channel) && may_wait_for_holder(context, held);
    blocks.then(|| Blocks { text: format!("{what} on an unbuffered channel"), at: op.span, inside: None })
}

/// Whether a channel is known to have no buffer: it is made in this function.
fn is_unbuffered(context: &PathContext<'_>, channel: &Value) -> bool {
    let Some(place) = channel.identity() else { return false };
    let Root::Site(site) = place.root else { return false };
    let site = context.unit.site(site);
    place.steps.is_empty() && site.capacity == Some(0) && matches!(site.ty, Type::Chan(..))
}

fn finding(context: &PathContext<'_>, trace: &Trace<'_>, blocks: Blocks, held: &Held) -> Finding {
    let wording = context.wording();
    let name = wording.lock_name(held);
    let found = WhileHeld { body: trace.body, at: blocks.at, action: "blocking call", held };
    let message = format!("{} while {name} is held", blocks.text);
    let remedy = format!("do this before {name} is locked, or after it is released");
    let mut finding = found.finding(&RULE, wording, message, remedy);
    finding.reasons.extend(blocks.inside);
    finding
}
