//! The published schema and reference are those of this version.

use std::path::Path;

use jiff::Timestamp;
use raceguard_policy::DEFAULT_TEXT;
use raceguard_policy::examples::test;
use raceguard_policy::read;
use raceguard_policy::schema::{facts_as_markdown, json_schema};

const STALE: &str = "`cargo xtask docs` writes it anew";

#[test]
fn the_published_schema_is_current() {
    let published = include_str!("../../../docs/policy.schema.json");
    assert!(published == format!("{:#}\n", json_schema()), "docs/policy.schema.json: {STALE}");
}

#[test]
fn the_reference_is_current() {
    let page = include_str!("../../../docs/policy.md");
    assert!(page.contains(&facts_as_markdown()), "docs/policy.md: {STALE}");
    assert!(page.contains(DEFAULT_TEXT), "docs/policy.md: {STALE}");
}

#[test]
fn policies_in_the_reference_are_sound() {
    let page = include_str!("../../../docs/policy.md");
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let policies: Vec<&str> = blocks.filter(|block| block.contains("schema: 1")).collect();
    assert_eq!(policies.len(), 3, "an example, a trigger, and the default policy");
    for text in policies {
        let set = read([(Path::new("policy.md"), text)]).unwrap_or_else(|problems| panic!("{problems}"));
        let failed: Vec<_> =
            test(&set, Timestamp::now()).into_iter().filter(|it| it.failure.is_some()).collect();
        assert!(failed.is_empty(), "{failed:#?}");
        assert!(set.triggers.iter().all(|trigger| trigger.failing_example().is_none()));
    }
}
