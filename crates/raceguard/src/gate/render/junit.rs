//! JUnit XML: a case for each policy, failed where the policy fails, with what matches.

use std::io::{self, Write};

use raceguard_policy::policy::Level;
use raceguard_policy::{Outcome, Status};

use super::{Verdict, details, place};
use crate::check::render::junit::attribute;
use crate::check::render::junit::escaped;

pub(super) fn render(verdict: &Verdict<'_>, out: &mut dyn Write) -> io::Result<()> {
    let outcomes = &verdict.evaluation.outcomes;
    let count = |holds: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| holds(outcome)).count();
    let failures = count(&|outcome| outcome.level == Level::Fail);
    let errors = count(&|outcome| outcome.level == Level::Broken);
    let skipped = count(&is_skipped);
    let counts = format!(
        "tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"",
        outcomes.len()
    );
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"raceguard gate\" {counts}>")?;
    writeln!(out, "  <testsuite name=\"raceguard gate\" {counts}>")?;
    outcomes.iter().try_for_each(|outcome| case(outcome, out))?;
    writeln!(out, "  </testsuite>")?;
    writeln!(out, "</testsuites>")
}

/// What was not judged is skipped, unless that is what it warns or fails for.
fn is_skipped(outcome: &Outcome) -> bool {
    matches!(outcome.status, Status::Unmeasured | Status::NotInForce) && outcome.level < Level::Fail
}

fn case(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "    <testcase classname=\"policy\" name=\"{}\"", attribute(&outcome.policy))?;
    let message = attribute(&outcome.reason);
    let body = escaped(&body(outcome));
    match outcome.level {
        Level::Fail => {
            writeln!(
                out,
                ">\n      <failure type=\"policy\" message=\"{message}\">{body}</failure>\n    </testcase>"
            )
        }
        Level::Broken => writeln!(out, ">\n      <error message=\"{message}\"/>\n    </testcase>"),
        _ if is_skipped(outcome) => {
            writeln!(out, ">\n      <skipped message=\"{message}\"/>\n    </testcase>")
        }
        Level::Warn | Level::Note => {
            writeln!(out, ">\n      <system-out>{body}</system-out>\n    </testcase>")
        }
        Level::Pass => writeln!(out, "/>"),
    }
}

fn body(outcome: &Outcome) -> String {
    let mut lines = vec![outcome.description.clone(), outcome.reason.clone()];
    for item in &outcome.matched {
        lines.push(format!("{} {}", place(item), item.title).trim().to_owned());
        lines.extend(details(item).into_iter().map(|detail| format!("  {detail}")));
    }
    lines.join("\n")
}
