//! JUnit XML, for whatever shows the results of tests: a suite for each package's folder, a failed case for each finding,
//! an error for what could not be analysed, and one case that passes where there is nothing.

use std::collections::BTreeMap;
use std::io::{self, Write};

use raceguard_evidence::{SourceProblem, StaticFinding};

use super::{Look, label, located, way};
use crate::check::filter::Report;

pub(super) fn render(report: &Report, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut suites: BTreeMap<String, Vec<&StaticFinding>> = BTreeMap::new();
    for finding in &report.findings {
        suites.entry(folder(finding, look)).or_default().push(finding);
    }
    let losses: Vec<&SourceProblem> = report.problems.iter().filter(|problem| problem.loss).collect();
    let (failures, errors) = (report.findings.len(), losses.len());
    let tests = (failures + errors).max(1);
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(
        out,
        "<testsuites name=\"raceguard check\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{:.3}\">",
        report.seconds
    )?;
    for (name, findings) in &suites {
        let count = findings.len();
        writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{count}\" failures=\"{count}\" errors=\"0\">",
            attribute(name)
        )?;
        findings.iter().try_for_each(|finding| case(finding, look, out))?;
        writeln!(out, "  </testsuite>")?;
    }
    if !losses.is_empty() {
        writeln!(
            out,
            "  <testsuite name=\"sources\" tests=\"{errors}\" failures=\"0\" errors=\"{errors}\">"
        )?;
        losses.iter().try_for_each(|problem| error(problem, look, out))?;
        writeln!(out, "  </testsuite>")?;
    }
    if failures + errors == 0 {
        writeln!(out, "  <testsuite name=\"raceguard check\" tests=\"1\" failures=\"0\" errors=\"0\">")?;
        writeln!(out, "    <testcase classname=\"raceguard\" name=\"no findings\"/>")?;
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

/// The folder of the statement to blame.
fn folder(finding: &StaticFinding, look: &Look<'_>) -> String {
    let file = finding.sites.first().map_or("", |site| site.place.file.as_str());
    let path = look.paths.in_repository(file);
    path.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned()
}

fn case(finding: &StaticFinding, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let place = finding.sites.first().map(|site| &site.place);
    let file = place.map_or(String::new(), |place| look.paths.in_repository(&place.file));
    let line = place.map_or(0, |place| place.line);
    writeln!(
        out,
        "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{line}\">",
        attribute(&finding.rule),
        attribute(&format!("{} {file}:{line}", finding.subject)),
        attribute(&file),
    )?;
    writeln!(
        out,
        "      <failure type=\"{}\" message=\"{}\">{}</failure>",
        attribute(finding.severity.as_str()),
        attribute(&finding.message),
        escaped(&details(finding, look)),
    )?;
    writeln!(out, "    </testcase>")
}

fn details(finding: &StaticFinding, look: &Look<'_>) -> String {
    let mut lines = Vec::new();
    for (index, site) in finding.sites.iter().enumerate() {
        let path = look.paths.in_repository(&site.place.file);
        lines.push(format!("{path}:{}:{}: {}", site.place.line, site.place.column, label(finding, index)));
        lines.extend(way(site, look.paths).map(|way| format!("  {way}")));
    }
    let reasons = finding.reasons.iter();
    lines.extend(reasons.map(|it| format!("why: {}", located(&it.text, it.place.as_ref(), look.paths))));
    lines.push(format!("help: {}", finding.remedy));
    lines.join("\n")
}

fn error(problem: &SourceProblem, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let path = look.paths.in_repository(&problem.path);
    writeln!(out, "    <testcase classname=\"source\" name=\"{}:{}\">", attribute(&path), problem.line)?;
    writeln!(out, "      <error message=\"{}\"/>", attribute(&problem.message))?;
    writeln!(out, "    </testcase>")
}

pub(crate) fn attribute(text: &str) -> String {
    escaped(text).replace('\n', "&#10;").replace('\t', "&#9;")
}

/// The text with XML's own characters escaped, and those that XML 1.0 can't hold replaced.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_not_leave_its_place() {
        assert_eq!(attribute("a\"<b>&\n\u{1}"), "a&quot;&lt;b&gt;&amp;&#10;\u{fffd}");
    }
}
