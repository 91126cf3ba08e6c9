//! The race reports that the runtime prints into a program's output, in ThreadSanitizer's text format.

const RULE: &str = "==================";
const TITLE: &str = "WARNING: DATA RACE";

/// Takes the lines of one stream and gives the address of each race report in it.
#[derive(Debug, Default)]
pub struct AddressScanner {
    after_title: bool,
}

impl AddressScanner {
    /// Takes the next line; the racy address when it is in this line.
    pub fn line(&mut self, line: &str) -> Option<u64> {
        let after_title = std::mem::replace(&mut self.after_title, line.trim_end() == TITLE);
        after_title.then(|| address_in(line)).flatten()
    }
}

/// `output` without the race reports whose address `is_covered` (by evidence, hence by our own report).
///
/// Only whole reports are taken out, from rule to rule as the runtime prints them; anything that merely looks
/// similar stays.
pub fn without_covered_reports(output: &str, is_covered: impl Fn(u64) -> bool) -> String {
    let lines: Vec<&str> = output.split_inclusive('\n').collect();
    let mut kept = String::with_capacity(output.len());
    let mut index = 0;
    while index < lines.len() {
        if let Some(length) = report_length(&lines[index..])
            && address(&lines[index..index + length]).is_some_and(&is_covered)
        {
            index += length;
        } else {
            kept.push_str(lines[index]);
            index += 1;
        }
    }
    kept
}

/// How many lines the report has that starts at the first of `lines`, or `None` when none starts there.
fn report_length(lines: &[&str]) -> Option<usize> {
    let is = |line: &str, text: &str| line.trim_end_matches(['\n', '\r']) == text;
    if lines.len() < 3 || !is(lines[0], RULE) || !is(lines[1], TITLE) {
        return None;
    }
    lines[2..].iter().position(|line| is(line, RULE)).map(|end| end + 3)
}

fn address(report: &[&str]) -> Option<u64> {
    address_in(report.get(2)?)
}

/// The racy address: `Write at 0x00c000012345 by goroutine 7:`.
fn address_in(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once(" at 0x")?;
    let (digits, _) = rest.split_once(" by ")?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "==================\nWARNING: DATA RACE\nWrite at 0x00c000012345 by goroutine 7:\n  \
        main.f()\n      /a.go:1 +0x1\n\nPrevious read at 0x00c000012345 by main goroutine:\n  main.g()\n      \
        /a.go:2 +0x2\n==================\n";

    #[test]
    fn covered_reports_are_taken_out_whole() {
        let output = format!("before\n{REPORT}between\n{REPORT}after");
        assert_eq!(
            without_covered_reports(&output, |address| address == 0xc0_0001_2345),
            "before\nbetween\nafter"
        );
    }

    #[test]
    fn reports_without_evidence_stay() {
        assert_eq!(without_covered_reports(REPORT, |_| false), REPORT);
    }

    #[test]
    fn what_only_looks_like_a_report_stays() {
        for text in [
            "==================\nhello\n==================\n",
            "==================\nWARNING: DATA RACE\nWrite at 0x00c000012345 by goroutine 7:\n",
            "==================\nWARNING: DATA RACE\nno address\n==================\n",
            "WARNING: DATA RACE\nWrite at 0x00c000012345 by goroutine 7:\n==================\n",
            "x==================\nWARNING: DATA RACE\nWrite at 0x1 by goroutine 7:\n==================\n",
        ] {
            assert_eq!(without_covered_reports(text, |_| true), text);
        }
    }

    #[test]
    fn addresses_are_scanned_line_by_line() {
        let mut scanner = AddressScanner::default();
        let found: Vec<u64> = REPORT.lines().filter_map(|line| scanner.line(line)).collect();
        assert_eq!(found, [0xc0_0001_2345]);
    }

    #[test]
    fn two_reports_in_a_row_share_no_rule() {
        assert_eq!(without_covered_reports(&format!("{REPORT}{REPORT}"), |_| true), "");
    }
}
