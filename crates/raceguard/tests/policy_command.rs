//! `raceguard policy` as a user runs it.

mod support;

use serde_json::Value;
use support::GoModule;

fn policy(when: &str) -> String {
    format!(
        "schema: 1\npolicies:\n  - id: a\n    version: 1\n    description: d\n    match:\n      over: findings\n      when: {when}\n    \
         responses: [fail]\n    examples:\n      match: [{{findings: [{{is_new: true}}]}}]\n"
    )
}

#[test]
fn the_default_policy_is_written_once_and_is_sound() {
    let module = GoModule::without_go(&[]);
    module.raceguard(&["policy", "check"]).expect(0, &["the default policy: 11 policies, nothing is wrong"]);
    module.raceguard(&["policy", "init"]).expect(0, &["wrote raceguard-policy.yaml"]);
    module.raceguard(&["policy", "init"]).expect(2, &["is there already"]);
    assert_eq!(module.raceguard(&["policy", "default"]).stdout, module.read("raceguard-policy.yaml"));
    module.raceguard(&["policy", "test"]).expect(0, &["of 11 policies, 0 failed"]);
    module
        .raceguard(&["policy", "list"])
        .expect(0, &["raceguard-policy.yaml", "few-new-warnings", "fail from 3"]);
}

#[test]
fn thresholds_of_the_default_policy_are_one_line_each() {
    let module = GoModule::without_go(&[]);
    let text = module.raceguard(&["policy", "default"]).stdout;
    for (line, changed) in [
        ("      warn: 2\n", "      warn: 1\n"),
        ("      fail: 3\n", "      fail: 5\n"),
        ("coverage.changed_percent < 85\n", "coverage.changed_percent < 60\n"),
        ("lock.mean_wait_ms > 50\n", "lock.mean_wait_ms > 20\n"),
    ] {
        assert_eq!(text.matches(line).count(), 1, "{line}");
        module.write("p.yaml", text.replace(line, changed));
        module.raceguard(&["policy", "test", "p.yaml"]).expect(0, &[]);
    }
}

#[test]
fn the_schema_is_printed_as_published() {
    let printed = GoModule::without_go(&[]).raceguard(&["policy", "schema"]).stdout;
    assert!(serde_json::from_str::<Value>(&printed).is_ok());
    assert_eq!(printed, include_str!("../../../docs/policy.schema.json"));
}

#[test]
fn examples_fail_with_their_place() {
    let module = GoModule::without_go(&[("p.yaml", &policy("finding.fix"))]);
    module.raceguard(&["policy", "test", "p.yaml"]).expect(
        1,
        &[
            "p.yaml:11:15: example 1 (match) of a: it must match, and does not: none of 1 findings match",
            "1 failed",
        ],
    );
    module.raceguard(&["policy", "test", "nowhere.yaml"]).expect(2, &["cannot read nowhere.yaml"]);
    module.write("empty/readme.txt", "");
    module.raceguard(&["policy", "check", "empty"]).expect(2, &["there are no policies in empty"]);
}

#[test]
fn revisions_are_applied_compared_and_taken_back() {
    let module = GoModule::without_go(&[("p.yaml", &policy("finding.is_new"))]);
    module.raceguard(&["policy", "history"]).expect(0, &["nothing was ever applied"]);
    module
        .raceguard(&["policy", "apply", "p.yaml", "-m", "first"])
        .expect(0, &["revision 1 of .raceguard/policies is in force"]);
    module.raceguard(&["policy", "apply", "p.yaml"]).expect(0, &["nothing has changed"]);
    module.write("p.yaml", policy("finding.is_new || finding.fix"));
    module.raceguard(&["policy", "apply", "p.yaml"]).expect(0, &["revision 2"]);
    module
        .raceguard(&["policy", "diff"])
        .expect(1, &["-      when: finding.is_new\n", "+      when: finding.is_new || finding.fix\n"]);
    module.raceguard(&["policy", "diff", "2", "2"]).expect(0, &[]);
    // What is broken never replaces what works.
    module.write("p.yaml", policy("finding.nosuch"));
    module
        .raceguard(&["policy", "apply", "p.yaml"])
        .expect(2, &["p.yaml:8:20: `finding` has no field `nosuch`"]);
    module.write("p.yaml", policy("finding.fix"));
    module.raceguard(&["policy", "apply", "p.yaml"]).expect(2, &["example 1 (match) of a fails"]);
    module.raceguard(&["policy", "check"]).expect(0, &["revision 2 of .raceguard/policies"]);
    module.raceguard(&["policy", "rollback"]).expect(0, &["revision 1"]);
    module.raceguard(&["policy", "history"]).expect(0, &["*    1", "first", "     2"]);
    module.raceguard(&["policy", "rollback", "7"]).expect(2, &["there is no revision 7"]);
    module.raceguard(&["policy", "rollback", "2"]).expect(0, &["revision 2"]);
}

#[test]
fn a_file_in_git_has_its_commits_as_versions() {
    let module = GoModule::without_go(&[("raceguard-policy.yaml", &policy("finding.is_new"))]);
    module.raceguard(&["policy", "history"]).expect(2, &["git does not track it"]);
    module.git(&["init", "-q"]);
    module.git(&["add", "."]);
    module.git(&["commit", "-qm", "the first"]);
    let first = module.read("raceguard-policy.yaml");
    module.write("raceguard-policy.yaml", policy("finding.is_new && !finding.fix"));
    module.raceguard(&["policy", "diff"]).expect(1, &["+      when: finding.is_new && !finding.fix"]);
    module.git(&["commit", "-qam", "the second"]);
    let ended = module.raceguard(&["policy", "history"]);
    ended.expect(0, &["the first", "the second"]);
    assert!(ended.stdout.find("the second") < ended.stdout.find("the first"));
    module.raceguard(&["policy", "rollback"]).expect(0, &["raceguard-policy.yaml is as it was at"]);
    assert_eq!(module.read("raceguard-policy.yaml"), first);
    module.raceguard(&["policy", "rollback", "HEAD"]).expect(0, &[]);
    assert!(module.read("raceguard-policy.yaml").contains("!finding.fix"));
    module.raceguard(&["policy", "rollback", "--", "-x"]).expect(2, &["git cannot"]);
    module.write("new.yaml", policy("finding.nosuch"));
    module.raceguard(&["policy", "apply", "new.yaml"]).expect(2, &["no field `nosuch`"]);
    assert!(module.read("raceguard-policy.yaml").contains("!finding.fix"), "what works stays");
    module.write("new.yaml", &first);
    module.raceguard(&["policy", "apply", "new.yaml"]).expect(0, &["raceguard-policy.yaml is in force"]);
    assert_eq!(module.read("raceguard-policy.yaml"), first);
}
