//! What class a single observation is of.
//!
//! Each kind of evidence has a table: a static rule names its class, a crash by its message, a race by the rule it
//! falls under and by signs that the rule does not look at. Verdicts are combined in [`crate::cluster`].

use raceguard_evidence::{Crash, CrashCause, Frame, ObjectKind, Race, StaticFinding};

use crate::class::{MapTrap, RootCause, Verdict};
use crate::operand::code_only;
use crate::rule::Rule;
use crate::statement::Operation;

/// The class of what static analysis found.
pub(crate) fn of_static(finding: &StaticFinding) -> Verdict {
    let (trap, cause) = if finding.tool.is_none() {
        of_rule(&finding.rule, &finding.message)
    } else {
        (None, RootCause::Unknown)
    };
    let confidence = match finding.severity {
        raceguard_evidence::Severity::Error => 0.85,
        raceguard_evidence::Severity::Warning => 0.6,
        _ => 0.4,
    };
    let reason = match &finding.tool {
        Some(tool) => format!("{tool} reports {}: {}", finding.rule, finding.message),
        None => format!("static analysis reports {}: {}", finding.rule, finding.message),
    };
    let confidence = if cause == RootCause::Unknown { 0.2 } else { confidence };
    Verdict { trap, cause, confidence, reason }
}

/// The class that a rule of static analysis stands for.
fn of_rule(code: &str, message: &str) -> (Option<MapTrap>, RootCause) {
    use MapTrap as Trap;
    use RootCause as Cause;
    match code {
        "RG101" => (Some(Trap::ConcurrentWrite), Cause::SharedMap),
        "RG102" | "RG111" => (Some(Trap::ReadAgainstWrite), Cause::SharedMap),
        "RG103" => (Some(Trap::IterationAgainstWrite), Cause::SharedMap),
        "RG104" | "RG105" | "RG109" => (Some(Trap::ReadAgainstWrite), Cause::MapEscapesLock),
        "RG106" | "RG107" => (Some(Trap::ConcurrentWrite), Cause::LockMisuse),
        "RG108" => (None, Cause::LostUpdate),
        "RG110" => (None, Cause::NilMap),
        "RG201" if message.contains("Once") => (None, Cause::OnceMisuse),
        "RG201" => (None, Cause::UnsynchronisedGlobal),
        "RG202" if message.to_ascii_lowercase().contains("context") => (None, Cause::ContextValue),
        "RG202" | "RG212" => (None, Cause::CapturedVariable),
        "RG203" => (None, Cause::ChannelClose),
        "RG204" => (None, Cause::Pool),
        "RG205" => (None, Cause::LoopVariable),
        "RG206" if message.contains("result") => (None, Cause::NamedResult),
        "RG206" => (None, Cause::CapturedError),
        "RG207" => (None, Cause::SharedSlice),
        "RG208" => (None, Cause::WaitGroup),
        "RG209" => (None, Cause::ParallelSubtest),
        "RG210" => (None, Cause::MixedAtomic),
        "RG211" => (None, Cause::DoubleCheckedLock),
        "RG213" => (None, Cause::SharedField),
        "RG403" => (Some(Trap::FalseSharing), Cause::Unknown),
        _ if code.starts_with("RG3") => (None, Cause::LockMisuse),
        _ => (None, Cause::Unknown),
    }
}

/// The class of a crash. `operation` is what the goroutine did that died.
pub(crate) fn of_crash(crash: &Crash, operation: Operation) -> Verdict {
    let (trap, cause) = match crash.cause() {
        CrashCause::ConcurrentMapWrites => (Some(MapTrap::ConcurrentWrite), RootCause::SharedMap),
        CrashCause::ConcurrentMapReadWrite => (Some(MapTrap::ReadAgainstWrite), RootCause::SharedMap),
        CrashCause::ConcurrentMapIterationWrite => {
            (Some(MapTrap::IterationAgainstWrite), RootCause::SharedMap)
        }
        CrashCause::Deadlock => (None, RootCause::Deadlock),
        CrashCause::UnlockOfUnlockedMutex => (None, RootCause::LockMisuse),
        CrashCause::CloseOfClosedChannel | CrashCause::SendOnClosedChannel => (None, RootCause::ChannelClose),
        CrashCause::WaitGroupMisuse => (None, RootCause::WaitGroup),
        CrashCause::NilMapWrite => (None, RootCause::NilMap),
        _ if operation.is_map() => (Some(MapTrap::GrowthOrSwap), RootCause::SharedMap),
        _ => (None, RootCause::Unknown),
    };
    let confidence = match cause {
        RootCause::Unknown => 0.1,
        // A map that dies in its own code without saying why may have been corrupted by another race.
        _ if trap == Some(MapTrap::GrowthOrSwap) => 0.4,
        _ => 0.95,
    };
    Verdict { trap, cause, confidence, reason: format!("the program died of `{}`", crash.message) }
}

/// The class of a race that falls under `rule`. `subject` is what raced as the source names it, `lines` are the
/// source lines of its statements.
pub(crate) fn of_race(race: &Race, rule: &Rule, subject: Option<&str>, lines: [Option<&str>; 2]) -> Verdict {
    if let Some(verdict) = by_signs(race, subject, lines) {
        return verdict;
    }
    let (trap, mut cause) = of_rule(rule.code, "");
    let mut reason = format!("the race runtime saw it: {}", lower_first(rule.summary));
    let mut confidence = 0.9;
    match rule.code {
        "RG202" if subject == Some("err") => cause = RootCause::CapturedError,
        "RG214" => cause = RootCause::LostUpdate,
        "RG213" => {
            confidence = 0.6;
            if is_global(race) {
                cause = RootCause::UnsynchronisedGlobal;
                reason.push_str("; the memory is a package-level variable");
            }
        }
        _ => {}
    }
    let grows = trap.is_some_and(|trap| trap != MapTrap::IterationAgainstWrite) && grows_a_map(race);
    if grows {
        reason.push_str("; the write was making the map grow");
        return Verdict { trap: Some(MapTrap::GrowthOrSwap), cause, confidence, reason };
    }
    Verdict { trap, cause, confidence, reason }
}

/// Causes that frames and source lines tell, whatever the rule.
fn by_signs(race: &Race, subject: Option<&str>, lines: [Option<&str>; 2]) -> Option<Verdict> {
    let verdict = |cause, confidence, reason: &str| {
        Some(Verdict { trap: None, cause, confidence, reason: reason.to_owned() })
    };
    let any =
        |wanted: &dyn Fn(&Frame) -> bool| race.accesses.iter().flat_map(|access| &access.stack).any(wanted);
    if race.accesses.iter().any(|access| access.map_op.is_some()) {
        return None;
    }
    let in_once = |frame: &Frame| frame.function.starts_with("sync.(*Once).");
    // Do reads the state of its Once through sync/atomic, in assembly that hides who called.
    let replaces_once = |line: &&str| {
        let code = code_only(line);
        code.contains("sync.Once{") || code.contains("new(sync.Once)")
    };
    if lines.iter().flatten().any(replaces_once) {
        return verdict(
            RootCause::OnceMisuse,
            0.9,
            "a sync.Once is replaced by a new one while another goroutine may call Do on it",
        );
    }
    if any(&in_once) {
        return verdict(
            RootCause::OnceMisuse,
            0.8,
            "one side runs inside sync.Once, the other uses what it made without it",
        );
    }
    let by_parallel_subtests = race.accesses.iter().all(|access| {
        let started = race.goroutine(access.goroutine).map(|goroutine| goroutine.created_at.as_slice());
        started.is_some_and(|stack| stack.iter().any(|frame| frame.function == "testing.(*T).Run"))
    });
    if by_parallel_subtests && subject.is_none_or(|subject| !subject.contains('.')) {
        return verdict(
            RootCause::ParallelSubtest,
            0.75,
            "both goroutines are subtests that run in parallel",
        );
    }
    if any(&|frame| frame.function.starts_with("context.(*valueCtx).")) {
        return verdict(
            RootCause::ContextValue,
            0.7,
            "one side reached the memory through a context's value",
        );
    }
    None
}

fn is_global(race: &Race) -> bool {
    race.object.as_ref().is_some_and(|object| object.kind == ObjectKind::Global)
}

/// Whether one side was inside the code that makes a map grow.
fn grows_a_map(race: &Race) -> bool {
    let grows = |frame: &Frame| {
        let name = frame.function.as_str();
        ["runtime.hashGrow", "runtime.growWork", "runtime.evacuate"]
            .iter()
            .any(|start| name.starts_with(start))
            || (name.starts_with("internal/runtime/maps.")
                && [".rehash", ".grow", ".split", ".growToTable", ".growToSmall"]
                    .iter()
                    .any(|part| name.contains(part)))
    };
    race.accesses.iter().any(|access| access.stack[..access.statement_index()].iter().any(grows))
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash(message: &str) -> Crash {
        Crash { message: message.to_owned(), ..Crash::default() }
    }

    #[test]
    fn crashes_are_of_the_class_that_their_message_names() {
        let of = |message: &str| of_crash(&crash(message), Operation::Other);
        assert_eq!(of("fatal error: concurrent map writes").trap, Some(MapTrap::ConcurrentWrite));
        assert_eq!(of("panic: assignment to entry in nil map").cause, RootCause::NilMap);
        assert_eq!(of("fatal error: all goroutines are asleep - deadlock!").cause, RootCause::Deadlock);
        assert_eq!(of("panic: something of the program's own").cause, RootCause::Unknown);
        assert_eq!(of("panic: send on closed channel").cause, RootCause::ChannelClose);
    }

    #[test]
    fn rules_of_locks_and_unknown_rules() {
        assert_eq!(of_rule("RG303", ""), (None, RootCause::LockMisuse));
        assert_eq!(of_rule("RG999", ""), (None, RootCause::Unknown));
        assert_eq!(
            of_rule("RG201", "config is made under sync.Once but written later").1,
            RootCause::OnceMisuse
        );
    }
}
