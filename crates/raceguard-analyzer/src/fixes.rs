//! Changes that mend findings.
//!
//! Rules say what is wrong; here is what to write instead, where that can be said without knowing what the program is
//! for. A change is made of the syntax tree of the function that the finding lies in ([`function_tree`]), so that it
//! reads as the code around it does. It is suggested only if nothing else is likely to go wrong by it: a lock is not
//! held over what may block or take it again ([`under_lock`]). Whether it mends the finding is found out by whoever
//! applies it, by analysing the result.

mod deferred_unlock;
mod function_tree;
pub(crate) mod guard;
mod hold_lock;
mod local_guard;
mod loop_variable;
mod map_copy;
mod read_lock;
mod under_lock;
mod wait_group;

use crate::finding::{Finding, Fix};
use crate::rules::ProgramContext;
use crate::types::Program;

/// Suggests a change for each finding that its rule has none for.
pub(crate) fn attach(context: &ProgramContext<'_>, findings: &mut [Finding]) {
    for finding in findings {
        if finding.fix.is_none() {
            finding.fix = suggest(context, finding);
        }
        if let Some(fix) = &mut finding.fix {
            keep_line_ends(context.program, fix);
        }
    }
}

fn suggest(context: &ProgramContext<'_>, finding: &Finding) -> Option<Fix> {
    match finding.rule.code {
        "RG101" | "RG102" | "RG103" | "RG111" | "RG206" | "RG207" | "RG213" => {
            local_guard::fix(context, finding)
        }
        "RG104" => map_copy::fix(context, finding),
        "RG106" => read_lock::fix(context, finding),
        "RG205" => loop_variable::fix(context, finding),
        "RG208" => wait_group::fix(context, finding),
        "RG302" => deferred_unlock::fix(context, finding),
        _ => None,
    }
}

/// Ends new lines as the file ends its own.
fn keep_line_ends(program: &Program, fix: &mut Fix) {
    for edit in &mut fix.edits {
        let source = &program.package(edit.location.package).files[edit.location.file as usize].source;
        let first = source.iter().position(|&byte| byte == b'\n');
        let returns = first.and_then(|end| end.checked_sub(1)).is_some_and(|last| source[last] == b'\r');
        if returns && !edit.text.contains('\r') {
            edit.text = edit.text.replace('\n', "\r\n");
        }
    }
}
