//! The fixes that rules suggest: what they make of the failing examples, and that the result is not reported any more.

#[path = "rules_support/fixture.rs"]
mod fixture;

use fixture::{differences, fixed};
use raceguard_analyzer::rules::{ALL, find};

/// The failing example of a rule after its fixes, its expectations left out.
fn fixed_example(code: &str) -> String {
    fixed_example_of(code, code)
}

/// The failing example of a rule after the fixes of another.
fn fixed_example_of(code: &str, fixes: &str) -> String {
    let rule = find(code).expect("a rule");
    let lines: Vec<&str> =
        rule.bad.lines().map(|line| line.split(" // want").next().unwrap_or(line)).collect();
    fixed(&(lines.join("\n") + "\n"), fixes)
}

/// What is changed, as the lines that are new.
fn new_lines(code: &str) -> Vec<String> {
    let rule = find(code).expect("a rule");
    let old: Vec<&str> = rule.bad.lines().map(|line| line.split(" // want").next().unwrap_or(line)).collect();
    fixed_example(code).lines().filter(|line| !old.contains(line)).map(str::to_owned).collect()
}

#[test]
fn a_copy_is_given_away_and_maps_imported() {
    assert_eq!(new_lines("RG104"), ["import \"maps\"", "\treturn maps.Clone(r.nodes)"]);
}

#[test]
fn a_nil_map_is_made() {
    assert_eq!(new_lines("RG110"), ["\tcounts := make(map[string]int)"]);
}

#[test]
fn a_lock_is_released_before_a_return_that_looks_at_nothing() {
    let text = "package a\n\nimport \"sync\"\n\nvar mu sync.Mutex\nvar n int\n\nfunc f(fail bool) (int, bool) {\n\
                \tmu.Lock()\n\tif fail {\n\t\treturn 0, false\n\t}\n\tmu.Unlock()\n\treturn n, true\n}\n";
    assert!(fixed(text, "RG302").contains("\t\tmu.Unlock()\n\t\treturn 0, false\n"));
    let guarded = text.replace("return 0, false", "return len(names()), false");
    let deferred = "\tmu.Lock()\n\tdefer mu.Unlock()\n\tif fail {\n\t\treturn len(names()), false\n\t}\n\treturn n, true\n}";
    assert!(fixed(&guarded, "RG302").contains(deferred), "one that looks at something needs the lock");
}

#[test]
fn fixed_examples_are_not_reported_any_more() {
    let mut with_fix = Vec::new();
    let changes = |code: &str| fixed_example(code) != fixed_example_of(code, "none");
    for rule in ALL.iter().filter(|rule| changes(rule.code) && rule.code != "RG302") {
        assert!(rule.fixable, "the page of {} says that it has no fix", rule.code);
        assert_eq!(differences(&fixed_example(rule.code)), "", "{}", rule.code);
        with_fix.push(rule.code);
    }
    assert_eq!(with_fix, ["RG104", "RG106", "RG110", "RG205", "RG208"]);
}

#[test]
fn imports_are_added_in_order() {
    let text = "package a\n\nimport (\n\t\"fmt\"\n\t\"sync\"\n)\n\ntype t struct {\n\tmu sync.Mutex\n\tm  map[int]int\n}\n\n\
                func (x *t) Set() { x.mu.Lock(); x.m[1] = 1; x.mu.Unlock(); fmt.Println() }\n\n\
                func (x *t) Get() map[int]int {\n\tx.mu.Lock()\n\tdefer x.mu.Unlock()\n\treturn x.m\n}\n";
    let fixed = fixed(text, "RG104");
    assert!(fixed.contains("import (\n\t\"fmt\"\n\t\"maps\"\n\t\"sync\"\n)"), "{fixed}");
    assert!(fixed.contains("return maps.Clone(x.m)"), "{fixed}");
}

#[test]
fn a_name_that_is_taken_is_not_used_for_an_import() {
    let text = "package a\n\nimport \"sync\"\n\ntype t struct {\n\tmu sync.Mutex\n\tm  map[int]int\n}\n\n\
                func (x *t) Set() {\n\tx.mu.Lock()\n\tdefer x.mu.Unlock()\n\tx.m[1] = 1\n}\n\n\
                func (x *t) Get(names int) map[int]int {\n\tx.mu.Lock()\n\tdefer x.mu.Unlock()\n\treturn x.m\n}\n";
    assert_ne!(fixed(text, "RG104"), text);
    for taken in [text.replace("names int", "maps int"), format!("{text}\nvar maps int\n")] {
        assert_eq!(fixed(&taken, "RG104"), taken);
    }
}
