//! The published schema and reference are those of this version.

use raceguard_policy::DEFAULT_TEXT;
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
