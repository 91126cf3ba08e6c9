//! RG203: a channel is closed twice, by the wrong side, or sent to after its close.

use super::Rule;
use super::path_checks::PathContext;
use super::path_facts::{Mark, Trace, What};
use crate::finding::{Finding, Severity};
use crate::ir::function::{ChannelOp, ChannelOpKind};
use crate::syntax::span::Span;

/// `RG203`
pub const RULE: Rule = Rule {
    code: "RG203",
    name: "channel-close",
    summary: "A channel is closed while it may still be sent to, or closed again",
    severity: Severity::Error,
    what: "Reports a second `close` of a channel and a send after its `close`, in the order of the code or in \
           goroutines that nothing orders: a receiver that closes what others send to, two goroutines that both \
           close.",
    why: "A send on a closed channel and a second close both panic. Between goroutines it happens only when the \
          timing is wrong, in production rather than in tests.",
    bad: r#"package stream

func Produce(values []int) <-chan int {
	out := make(chan int, len(values))
	defer close(out)
	for _, value := range values {
		if value < 0 {
			close(out) // want RG203 "out"
			return out
		}
		out <- value
	}
	return out
}
"#,
    good: r"package stream

func Produce(values []int) <-chan int {
	out := make(chan int, len(values))
	defer close(out)
	for _, value := range values {
		if value < 0 {
			return out
		}
		out <- value
	}
	return out
}
",
    remedy: "Let only the sender close, once, after its last send. With several senders wait for all of them \
             (`sync.WaitGroup`) and close then, or signal the end through a context instead of a close.",
    limits: "Channels in fields are followed within one function and as long as nothing is called in between that \
             could replace them.",
    fixable: false,
};

/// Looks at each close and send for an earlier close of the same channel, in the order of one function.
pub(super) fn check(context: &PathContext<'_>, findings: &mut Vec<Finding>) {
    for trace in context.traces.iter().filter(|trace| !trace.irregular) {
        for step in &trace.steps {
            let What::Channel(op) = step.what else { continue };
            let Some(place) = op.channel.identity() else { continue };
            let closed = step.facts.is_marked(Mark::Closed, place);
            let at_end = step.facts.is_marked(Mark::ClosedAtEnd, place);
            let (message, earlier) = match (op.kind, closed, at_end) {
                (ChannelOpKind::Send, Some(at), _) => ("is sent to after it was closed", at),
                (ChannelOpKind::Close, Some(at), _) => ("is closed twice", at),
                (ChannelOpKind::Close, None, Some(at)) => {
                    ("is closed here, and again when the function ends", at)
                }
                _ => continue,
            };
            findings.push(finding(context, trace, op, message, earlier));
        }
    }
}

fn finding(
    context: &PathContext<'_>,
    trace: &Trace<'_>,
    op: &ChannelOp,
    message: &str,
    earlier: Span,
) -> Finding {
    let wording = context.wording();
    let name = wording.channel(op.span);
    let action = if op.kind == ChannelOpKind::Send { "send" } else { "close" };
    Finding {
        rule: &RULE,
        severity: RULE.severity,
        subject: format!("channel {name}"),
        message: format!("{name} {message}"),
        sites: vec![wording.site(trace.body, op.span, action), wording.site(trace.body, earlier, "close")],
        reasons: vec![wording.reason("every way to here passes this close", earlier)],
        remedy: format!("close {name} once, after the last send"),
        fix: None,
    }
}
