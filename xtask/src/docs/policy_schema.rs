//! The JSON Schema of policies, docs/policy.schema.json.

use std::fs;

use raceguard_policy::schema::json_schema;

use crate::failure::Failure;
use crate::workspace;

const FILE: &str = "docs/policy.schema.json";

fn is_current() -> bool {
    fs::read_to_string(workspace::root().join(FILE)).is_ok_and(|text| text == schema())
}

/// As `raceguard policy schema` prints it.
fn schema() -> String {
    format!("{:#}\n", json_schema())
}

/// Writes the schema.
pub(super) fn write() -> Result<(), Failure> {
    if !is_current() {
        workspace::write(&workspace::root().join(FILE), &schema())?;
        println!("wrote {FILE}");
    }
    Ok(())
}

/// The file, if it is out of date.
pub(super) fn stale() -> Option<String> {
    (!is_current()).then(|| FILE.to_owned())
}
