//! Rules on suppressions themselves. They have pages like all others.

use raceguard_analyzer::finding::Severity;
use raceguard_analyzer::rules::Rule;

/// The rules, in the order of their codes.
pub const META_RULES: [&Rule; 3] = [&WITHOUT_REASON, &UNUSED, &UNKNOWN_RULE];

/// `RG001`
pub const WITHOUT_REASON: Rule = Rule {
    code: "RG001",
    name: "suppression-without-reason",
    summary: "A suppression does not say why",
    severity: Severity::Warning,
    what: "A comment `//raceguard:ignore RG101` with nothing behind the codes. The finding is suppressed; this \
           one stands in its place.",
    why: "A suppression is a claim that a race can't happen. Whoever changes the code later has to know on what \
          the claim rests to see whether it still holds.",
    bad: "package p

var routes = map[string]int{}

//raceguard:ignore RG101
func Set(host string) { routes[host] = 1 }
",
    good: "package p

var routes = map[string]int{}

//raceguard:ignore RG101 called by main alone, before the server starts
func Set(host string) { routes[host] = 1 }
",
    remedy: "Write behind the codes what keeps the finding from happening.",
    limits: "Whether the reason is a good one is for people to judge. `//nolint:raceguard` needs none, as its own \
             linters check that.",
    fixable: false,
};

/// `RG002`
pub const UNUSED: Rule = Rule {
    code: "RG002",
    name: "unused-suppression",
    summary: "A suppression suppresses nothing",
    severity: Severity::Warning,
    what: "A comment `//raceguard:ignore` or `//nolint:raceguard` where none of the findings that it names is left.",
    why: "It would hide the next finding at that place, which nobody has looked at.",
    bad: "package p

//raceguard:ignore RG101 the map is gone
func Set(host string) {}
",
    good: "package p

func Set(host string) {}
",
    remedy: "Remove the comment.",
    limits: "Not looked for where a part of the program is missing from the analysis: with `--no-tests`, with single \
             files, or beside syntax errors. A plain `//nolint` is never reported, since it may be for another linter.",
    fixable: false,
};

/// `RG003`
pub const UNKNOWN_RULE: Rule = Rule {
    code: "RG003",
    name: "suppression-of-unknown-rule",
    summary: "A suppression names no rule that exists",
    severity: Severity::Warning,
    what: "A comment `//raceguard:ignore` without a code, or with one that no rule has. It suppresses nothing.",
    why: "The author believes that a finding is suppressed, and it is not; or a code was mistyped.",
    bad: "package p

//raceguard:ignore RG9999 started once
func Set(host string) {}
",
    good: "package p

func Set(host string) {}
",
    remedy: "Name the code that the finding shows, or remove the comment.",
    limits: "None known.",
    fixable: false,
};
