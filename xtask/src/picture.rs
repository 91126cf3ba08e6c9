//! `cargo xtask picture`: the picture of a report in the README, made of what raceguard really prints.

use anstyle_svg::{Term, WIN10_CONSOLE};

use crate::examples::{self, SHOWN};
use crate::failure::Failure;
use crate::report_line::step;
use crate::toolchain;
use crate::{process, raceguard, workspace};

const PICTURE: &str = "docs/images/report.svg";

/// The task `picture`.
pub(crate) fn run(raceguard: &raceguard::Source) -> Result<(), Failure> {
    let go = toolchain::any()?;
    let example = examples::shown()?;
    step(&format!("raceguard test in examples/{SHOWN}"));
    examples::find_races(&example, &go, raceguard)?;
    let mut command = raceguard.command(&go)?;
    command.arg("report").env("CLICOLOR_FORCE", "1").current_dir(example.folder());
    let report = process::collect(&mut command)?.stdout;
    let excerpt = first_finding(&report).ok_or_else(|| {
        Failure::Findings(format!("examples/{SHOWN}: the report has no finding to show\n{report}"))
    })?;
    let picture =
        Term::new().palette(WIN10_CONSOLE).render_svg(&format!("$ raceguard test ./...\n{excerpt}"));
    let path = workspace::root().join(PICTURE);
    workspace::write(&path, &format!("{}\n", picture.trim_end()))?;
    println!("wrote {PICTURE}");
    Ok(())
}

/// The report's first finding and its closing line, with a mark between them where others were left out.
fn first_finding(report: &str) -> Option<String> {
    let parts: Vec<&str> = report.trim_end().split("\n\n").collect();
    let is_heading = |part: &&str| part.contains("error[");
    parts.first().filter(|first| is_heading(first))?;
    let (last, others) = parts.split_last()?;
    let second = others.iter().skip(1).position(is_heading).map(|index| index + 1);
    let mut excerpt = others[..second.unwrap_or(others.len())].to_vec();
    if second.is_some() {
        excerpt.push("...");
    }
    excerpt.push(last);
    Some(excerpt.join("\n\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_finding_and_the_closing_line_are_shown() {
        let report = "error[A]: one\n\n  stack\n\nerror[B]: two\n\n  stack\n\n2 data races\n";
        assert_eq!(first_finding(report).unwrap(), "error[A]: one\n\n  stack\n\n...\n\n2 data races");
        let single = "error[A]: one\n\n  stack\n\n1 data race\n";
        assert_eq!(first_finding(single).unwrap(), single.trim_end());
        assert_eq!(first_finding("no data races\n"), None);
    }
}
