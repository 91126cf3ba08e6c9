//! `cargo xtask picture`: the pictures of reports in the README, made of what raceguard really prints, and those of the
//! dashboard, taken by its test in a browser.

use std::process::Command;

use anstyle_svg::{Term, WIN10_CONSOLE};

use crate::examples::{self, SHOWN};
use crate::failure::Failure;
use crate::report_line::step;
use crate::toolchain;
use crate::{chromium, process, raceguard, workspace};

/// A picture: what people would type, what is run for it, and the file.
struct Picture {
    typed: &'static str,
    arguments: &'static [&'static str],
    file: &'static str,
}

/// Where the pictures of the dashboard go.
const PHOTOGRAPHS: &str = "docs/images";

const PICTURES: [Picture; 2] = [
    Picture { typed: "raceguard test ./...", arguments: &["report"], file: "docs/images/report.svg" },
    Picture { typed: "raceguard check", arguments: &["check", "--no-cache"], file: "docs/images/check.svg" },
];

/// The task `picture`.
pub(crate) fn run(raceguard: &raceguard::Source) -> Result<(), Failure> {
    let go = toolchain::any()?;
    let example = examples::shown()?;
    step(&format!("raceguard test in examples/{SHOWN}"));
    examples::find_races(&example, &go, raceguard)?;
    for picture in &PICTURES {
        let mut command = raceguard.command(&go)?;
        command.args(picture.arguments).env("CLICOLOR_FORCE", "1").current_dir(example.folder());
        draw(picture, &process::collect(&mut command)?.stdout)?;
    }
    photograph()
}

/// Has the dashboard's test write what it sees.
fn photograph() -> Result<(), Failure> {
    chromium::ensure()?;
    step("the dashboard in Chromium");
    let folder = workspace::root().join(PHOTOGRAPHS);
    let mut test = Command::new("cargo");
    test.args(["test", "--quiet", "-p", "raceguard-server", "--test", "pictures"]);
    test.env("RACEGUARD_PICTURES", &folder).current_dir(workspace::root());
    process::demand(&mut test, "see what the test of the dashboard's pictures says")?;
    println!("wrote {PHOTOGRAPHS}/server-*.png");
    Ok(())
}

fn draw(picture: &Picture, report: &str) -> Result<(), Failure> {
    let Picture { typed, file, .. } = picture;
    let excerpt = first_finding(report).ok_or_else(|| {
        Failure::Findings(format!("examples/{SHOWN}: {typed} has no finding to show\n{report}"))
    })?;
    let drawn = Term::new().palette(WIN10_CONSOLE).render_svg(&format!("$ {typed}\n{excerpt}"));
    workspace::write(&workspace::root().join(file), &format!("{}\n", drawn.trim_end()))?;
    println!("wrote {file}");
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
