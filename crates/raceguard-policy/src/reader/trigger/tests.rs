//! What triggers say, and what is told of those that say nothing that can be done.

use std::path::Path;
use std::time::Duration;

use crate::problem::Problems;
use crate::reader::read;
use crate::trigger::{Act, Label, Priority, Quarantined, Trigger};

fn text(rest: &str) -> String {
    format!(
        "schema: 1\ntriggers:\n  - id: t\n    version: 1\n    description: d\n    when: sighting.is_new\n    window: 5m\n{rest}"
    )
}

fn trigger(rest: &str) -> Trigger {
    let set =
        read([(Path::new("p.yaml"), text(rest).as_str())]).unwrap_or_else(|problems| panic!("{problems}"));
    set.triggers[0].clone()
}

fn problems(text: &str) -> Problems {
    read([(Path::new("p.yaml"), text)]).unwrap_err()
}

#[test]
fn what_is_left_out_has_a_default() {
    let trigger = trigger("    responses: [alert]\n");
    assert_eq!((trigger.threshold, trigger.window), (1, Duration::from_mins(5)));
    assert_eq!((trigger.cooldown, trigger.group_by.len()), (trigger.window, 0));
    assert_eq!(trigger.responses, [Act::Alert(Priority::P2)]);
}

#[test]
fn every_response_is_read() {
    let trigger = trigger(
        "    cooldown: 2d\n    group_by: [service, version, instance]\n    responses:\n      - alert: {priority: P1}\n      \
         - webhook: {url: 'https://hook.example/x'}\n      - ticket: {labels: [race]}\n      - block-build\n      \
         - quarantine: {what: instance, for: 24h, reason: r}\n      - raise-sampling: {rate: 1, for: 90s}\n",
    );
    assert_eq!(trigger.group_by, [Label::Service, Label::Version, Label::Instance]);
    assert_eq!(trigger.cooldown, Duration::from_hours(48));
    let names: Vec<&str> = trigger.responses.iter().map(Act::name).collect();
    assert_eq!(names, Act::NAMES);
    let quarantine = &trigger.responses[4];
    assert!(
        matches!(quarantine, Act::Quarantine { what: Quarantined::Instance, for_, reason } if for_.as_secs() == 86_400 && reason == "r")
    );
    assert_eq!(
        trigger.responses[5],
        Act::RaiseSampling { rate: 1.0, for_: Duration::from_secs(90), max_overhead: 0.05 }
    );
}

#[test]
fn mistakes_are_told_with_their_places() {
    for (rest, expected) in [
        ("    responses: [block-build]\n", "p.yaml:8:16: `block-build` needs groups by service and version"),
        ("    responses: [quarantine]\n", "p.yaml:8:17: `quarantine` does not say enough"),
        ("    responses: [fail]\n", "p.yaml:8:17: there is no response `fail` to a trigger"),
        ("    responses: [alert, alert]\n", "p.yaml:8:24: `alert` comes twice"),
        ("    responses: []\n", "p.yaml:8:16: there are no responses"),
        ("    responses: [{webhook: {url: ftp://x}}]\n", "p.yaml:8:27: `ftp://x` is no address"),
        ("    responses: [alert]\n    cooldown: 5\n", "p.yaml:9:15: `cooldown` is no time: `5`"),
        (
            "    responses: [alert]\n    cooldown: 99999999999999999999d\n",
            "p.yaml:9:15: `cooldown` is no time",
        ),
        ("    responses: [alert]\n    cooldown: 0s\n", "p.yaml:9:15: `cooldown` is 0s"),
        (
            "    responses: [alert]\n    group_by: [servce]\n",
            "p.yaml:9:16: `servce` is none of the values of `group_by`",
        ),
        (
            "    responses: [{raise-sampling: {rate: 2, for: 1h}}]\n    group_by: [service]\n",
            "p.yaml:8:41: `rate` is no share",
        ),
        ("    responses: [alert]\n    examples: {match: [{kind: 3}]}\n", "`kind` is a number, not string"),
    ] {
        let told = problems(&text(rest)).to_string();
        assert!(told.contains(expected), "{rest}: {told}");
    }
    let long = text("    responses: [alert]\n").replace("5m", "25h");
    assert!(problems(&long).to_string().contains("`window` is 25h, it may be from 1s to 24h"));
    let misspelt = text("    responses: [alert]\n").replace("sighting.is_new", "sighting.kind == 'rase'");
    assert!(problems(&misspelt).to_string().contains("did you mean `race`?"));
    let foreign = text("    responses: [alert]\n").replace("sighting.is_new", "finding.is_new");
    assert!(problems(&foreign).to_string().contains("unknown name `finding`"));
    let costly = text("    responses: [alert]\n").replace(
        "sighting.is_new",
        "sighting.tests.exists(a, sighting.tests.exists(b, sighting.tests.exists(c, a == b && b == c)))",
    );
    assert!(
        problems(&costly).to_string().contains("steps, at most 20000 are allowed"),
        "{}",
        problems(&costly)
    );
}

#[test]
fn a_policy_and_a_trigger_of_one_name_are_refused_and_a_file_needs_one_of_them() {
    let both = text("    responses: [alert]\n")
        + "policies:\n  - {id: t, version: 1, description: d, match: {over: runs, when: 'true'}, responses: [warn]}\n";
    assert!(problems(&both).to_string().contains("there is a second trigger `t`"));
    assert!(problems("schema: 1\n").to_string().contains("there are no policies"));
}
