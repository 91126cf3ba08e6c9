//! Tests of suppressions.

use super::*;

const SOURCE: &str = "\
package p

var routes = map[string]int{}

//raceguard:ignore RG101 called once
func Set(host string) {
	routes[host] = 1
}

func Get(host string) int {
	return routes[host] //nolint:raceguard // by design
}

func Drop(host string) {
	//raceguard:ignore RG101,RG102
	//nolint
	delete(routes, host)
	delete(routes, host)
}
";

fn finding(rule: &str, lines: &[u32]) -> StaticFinding {
    let place = |line| SourcePlace { file: "/m/a.go".into(), line, ..SourcePlace::default() };
    let sites: Vec<Site> = lines.iter().map(|line| Site { place: place(*line), ..Site::default() }).collect();
    StaticFinding {
        rule: rule.into(),
        tool: None,
        severity: Severity::Error,
        fingerprint: Fingerprint::of_static_finding(rule, "x", &sites),
        subject: String::new(),
        message: String::new(),
        sites,
        reasons: Vec::new(),
        remedy: String::new(),
        fix: None,
        extra: Map::new(),
    }
}

fn of(source: &str) -> Suppressions {
    let mut all = Suppressions::default();
    all.add("/m/a.go", source.as_bytes());
    all
}

fn rules_of(findings: &[StaticFinding]) -> Vec<(&str, u32)> {
    findings.iter().map(|finding| (finding.rule.as_str(), finding.sites[0].place.line)).collect()
}

#[test]
fn a_comment_counts_for_its_line_the_next_one_or_a_declaration() {
    let all = of(SOURCE);
    let suppresses = |rule: &str, line: u32| all.suppresses(&finding(rule, &[line]));
    assert!(suppresses("RG001", 11) && !suppresses("RG001", 10), "its own line");
    assert!(suppresses("RG001", 17) && !suppresses("RG001", 18), "the next line of code");
    assert!(!suppresses("RG001", 7), "another rule");
    assert!(!suppresses("RG001", 3));
}

#[test]
fn any_statement_of_a_finding_may_carry_it() {
    let all = of(SOURCE);
    assert!(all.suppresses(&finding("RG002", &[3, 11])));
    assert!(!all.suppresses(&finding("RG002", &[3, 10])));
    let mut count = 0;
    let kept = all.apply(&[finding("RG002", &[11]), finding("RG002", &[3])], &mut count);
    assert_eq!((rules_of(&kept), count), (vec![("RG002", 3)], 1));
}

#[test]
fn the_package_clause_stands_for_the_file() {
    let all = of("//nolint:raceguard\npackage p\n\nvar x int\n");
    assert!(all.suppresses(&finding("RG001", &[4])));
    let inside = of("package p\n\nvar s = `\n//nolint:raceguard\n`\n");
    assert!(!inside.suppresses(&finding("RG001", &[5])), "not in a string");
}

#[test]
fn missing_reasons_and_unknown_rules_are_told() {
    let all = of(
        "package p\n\n//raceguard:ignore RG002\nvar x int\n\n//raceguard:ignore RG022 why\nvar y int //raceguard:ignore\n",
    );
    let told: Vec<_> = all.findings().iter().map(|it| (it.rule.as_str(), it.sites[0].place.line)).collect();
    assert_eq!(told, [("RG001", 3), ("RG003", 6), ("RG003", 7)]);
    assert!(all.findings()[1].remedy.contains("did you mean RG002?"));
    assert!(all.suppresses(&finding("RG002", &[4])), "one without a reason counts nevertheless");
}

#[test]
fn unused_ones_are_told_unless_another_linter_may_need_them() {
    let all = of(
        "package p\n\nvar x int //raceguard:ignore RG002 why\nvar y int //nolint\nvar z int //nolint:raceguard\n",
    );
    let mut unused = all.unused(&[]);
    unused.sort_by(by_place);
    assert_eq!(rules_of(&unused), [("RG002", 3), ("RG002", 5)]);
    assert_eq!(rules_of(&all.unused(&[finding("RG002", &[3])])), [("RG002", 5)]);
}
