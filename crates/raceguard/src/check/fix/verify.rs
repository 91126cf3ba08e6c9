//! Which fixes hold what they promise: found out by analysing the result.

use std::collections::HashMap;

use raceguard_evidence::StaticFinding;

use crate::check::analysis::Outcome;

/// The most fixes that hold together.
///
/// `analyse` tells what would be found with the fixes of some findings applied; none if they can't be applied together.
/// All are tried at once. Where that fails, those whose own finding stays are left out; where it is not that, halves are
/// tried, so that a single bad fix among `n` costs about `2 log n` analyses.
pub(super) fn that_hold<'f>(
    fixable: &[&'f StaticFinding],
    before: &Outcome,
    analyse: &mut dyn FnMut(&[&StaticFinding]) -> Option<Outcome>,
) -> Vec<&'f StaticFinding> {
    let mut tried = fixable.to_vec();
    while let Some(after) = (!tried.is_empty()).then(|| analyse(&tried)).flatten() {
        if is_better(before, &after, &tried) {
            return tried;
        }
        let gone: Vec<&StaticFinding> =
            tried.iter().copied().filter(|finding| is_gone(finding, before, &after, &tried)).collect();
        if gone.len() == tried.len() {
            break;
        }
        tried = gone;
    }
    // That all of them together fail is known.
    if tried.len() < 2 {
        return Vec::new();
    }
    let (first, second) = tried.split_at(tried.len() / 2);
    let accepted = grow(Vec::new(), first, before, analyse);
    grow(accepted, second, before, analyse)
}

/// Whether as many findings like this one are gone as should be.
fn is_gone(finding: &StaticFinding, before: &Outcome, after: &Outcome, mended: &[&StaticFinding]) -> bool {
    let is_same = |other: &StaticFinding| other.fingerprint == finding.fingerprint;
    let expected = mended.iter().filter(|other| is_same(other)).count();
    let count = |outcome: &Outcome| outcome.findings.iter().filter(|other| is_same(other)).count();
    count(after) + expected <= count(before)
}

fn grow<'f>(
    accepted: Vec<&'f StaticFinding>,
    rest: &[&'f StaticFinding],
    before: &Outcome,
    analyse: &mut dyn FnMut(&[&StaticFinding]) -> Option<Outcome>,
) -> Vec<&'f StaticFinding> {
    if rest.is_empty() {
        return accepted;
    }
    let all: Vec<&StaticFinding> = accepted.iter().chain(rest).copied().collect();
    if analyse(&all).is_some_and(|after| is_better(before, &after, &all)) {
        return all;
    }
    if rest.len() == 1 {
        return accepted;
    }
    let (first, second) = rest.split_at(rest.len() / 2);
    let accepted = grow(accepted, first, before, analyse);
    grow(accepted, second, before, analyse)
}

/// Whether each mended finding is gone, nothing is found that was not there before, and all still parses.
fn is_better(before: &Outcome, after: &Outcome, mended: &[&StaticFinding]) -> bool {
    if after.syntax_errors.len() > before.syntax_errors.len() {
        return false;
    }
    let mut allowed: HashMap<&str, usize> = HashMap::new();
    for finding in &before.findings {
        *allowed.entry(finding.fingerprint.as_str()).or_insert(0) += 1;
    }
    for finding in mended {
        if let Some(count) = allowed.get_mut(finding.fingerprint.as_str()) {
            *count = count.saturating_sub(1);
        }
    }
    after.findings.iter().all(|finding| match allowed.get_mut(finding.fingerprint.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        Some(_) => false,
        None => was_hidden(finding, before, mended),
    })
}

/// Whether a race was there before, but not told: of many on the same memory only some are, and the two accesses of
/// one are those that show it best. Changes elsewhere than in its first function can't have made it.
fn was_hidden(finding: &StaticFinding, before: &Outcome, mended: &[&StaticFinding]) -> bool {
    let function = |finding: &StaticFinding| finding.sites.first().map(|site| site.function.clone());
    let is_race = |rule: &str| rule.starts_with("RG1") || rule.starts_with("RG2");
    is_race(&finding.rule)
        && before.findings.iter().any(|known| known.subject == finding.subject && is_race(&known.rule))
        && !finding.sites.is_empty()
        && mended.iter().all(|mended| function(mended) != function(finding))
}

#[cfg(test)]
mod tests {
    use super::super::edits::tests::fixed_by;
    use super::*;
    use raceguard_evidence::{Fingerprint, Site, SourceProblem};

    fn outcome(findings: &[&StaticFinding]) -> Outcome {
        let findings = findings.iter().map(|finding| (*finding).clone()).collect();
        Outcome { findings, syntax_errors: Vec::new() }
    }

    #[test]
    fn one_bad_fix_does_not_spoil_the_others() {
        let findings: Vec<StaticFinding> = (0..9).map(|number| fixed_by(&format!("{number}"), &[])).collect();
        let all: Vec<&StaticFinding> = findings.iter().collect();
        let other = fixed_by("new", &[]);
        let mut analyses = 0;
        let held = that_hold(&all, &outcome(&all), &mut |fixes| {
            analyses += 1;
            let mut left: Vec<&StaticFinding> =
                all.iter().copied().filter(|it| !fixes.iter().any(|fix| fix.subject == it.subject)).collect();
            // The fix of 6 makes a new finding.
            left.extend(fixes.iter().any(|fix| fix.subject == "6").then_some(&other));
            Some(outcome(&left))
        });
        let held: Vec<&str> = held.iter().map(|finding| finding.subject.as_str()).collect();
        assert_eq!(held, ["0", "1", "2", "3", "4", "5", "7", "8"]);
        assert!(analyses < 10, "{analyses}");
    }

    #[test]
    fn races_on_the_same_memory_that_were_hidden_are_no_news() {
        let at = |rule: &str, subject: &str, function: &str| StaticFinding {
            rule: rule.into(),
            sites: vec![Site { function: function.into(), ..Default::default() }],
            fingerprint: Fingerprint::of_static_finding(rule, subject, &[]),
            ..fixed_by(subject, &[])
        };
        let mended = at("RG102", "map m", "Get");
        let before = outcome(&[&mended]);
        let held =
            |after: StaticFinding| that_hold(&[&mended], &before, &mut |_| Some(outcome(&[&after]))).len();
        assert_eq!(held(at("RG101", "map m", "Len")), 1);
        assert_eq!(held(at("RG101", "map m", "Get")), 0, "the fix may have made it");
        assert_eq!(held(at("RG101", "map n", "Len")), 0, "nothing was told of that memory");
        assert_eq!(held(at("RG306", "map m", "Len")), 0, "not a race");
    }

    #[test]
    fn a_finding_that_stays_refuses_its_fix() {
        let finding = fixed_by("a", &[]);
        let before = outcome(&[&finding, &finding]);
        let held = |after: Outcome| that_hold(&[&finding], &before, &mut |_| Some(after.clone())).len();
        assert_eq!(held(outcome(&[&finding, &finding])), 0);
        assert_eq!(held(outcome(&[&finding])), 1, "one of two occurrences is gone");
        let broken = Outcome { syntax_errors: vec![SourceProblem::default()], ..Outcome::default() };
        assert_eq!(held(broken), 0);
        assert_eq!(that_hold(&[&finding], &before, &mut |_| None).len(), 0);
    }
}
