//! `cargo xtask new-rule RG405 map-grows-for-ever`: the files of a new rule of the analyzer, and its place in the registry.
//!
//! What is written compiles and finds nothing. `cargo xtask tidy` and the tests of the analyzer then say what is left to
//! do: the texts, the examples, the check, and the fixtures.

use std::fs;
use std::path::Path;

use clap::Args;
use raceguard_analyzer::rules::find;

use crate::failure::Failure;
use crate::workspace;

const REGISTRY: &str = "crates/raceguard-analyzer/src/rules.rs";
const RULES: &str = "crates/raceguard-analyzer/src/rules";
const FIXTURES: &str = "crates/raceguard-analyzer/tests/fixtures";

#[derive(Args)]
pub(crate) struct Arguments {
    /// Its code: RG1xx map traps, RG2xx other races, RG3xx locks, RG4xx performance of maps
    code: String,
    /// Its name in kebab case, a noun for what it finds
    name: String,
}

/// The task `new-rule`.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { code, name } = arguments;
    validate(code, name)?;
    let module = format!("{}_{}", code.to_lowercase(), name.replace('-', "_"));
    let registry = workspace::root().join(REGISTRY);
    let text = registered(&workspace::read(&registry)?, &module).ok_or_else(|| {
        Failure::environment(
            format!("{REGISTRY} has no list of modules, ALL and BODY_CHECKS to add to"),
            "add the rule by hand as the others are",
        )
    })?;
    let file = workspace::root().join(RULES).join(format!("{module}.rs"));
    create(&file, &rule_file(code, name))?;
    let fixtures = workspace::root().join(FIXTURES).join(code.to_lowercase());
    fs::create_dir_all(&fixtures).map_err(|error| Failure::file("create", &fixtures, &error))?;
    create(&fixtures.join("first.go"), &fixture(code))?;
    workspace::write(&registry, &text)?;
    println!("wrote {RULES}/{module}.rs and {FIXTURES}/{}/first.go", code.to_lowercase());
    println!("next: its texts, examples, check and fixtures; then `cargo xtask docs` and `cargo xtask tidy`");
    Ok(())
}

fn validate(code: &str, name: &str) -> Result<(), Failure> {
    let digits = code.strip_prefix("RG").unwrap_or_default();
    let good_code = digits.len() == 3 && digits.chars().all(|digit| digit.is_ascii_digit());
    let good_name =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !good_code || !good_name {
        return Err(Failure::environment(
            format!("{code} {name} is no code and name of a rule"),
            "write them like `RG405 map-grows-for-ever`",
        ));
    }
    if find(code).is_some() || find(name).is_some() {
        return Err(Failure::environment(
            format!("there is a rule {code} or {name} already"),
            "choose another code and name: they never change their meaning",
        ));
    }
    Ok(())
}

/// Creates a file that must not be there yet.
fn create(path: &Path, text: &str) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::environment(
            format!("{} exists already", workspace::shown(path)),
            "remove it first",
        ));
    }
    workspace::write(path, text)
}

/// The registry with the rule in its lists, in the order of codes.
fn registered(text: &str, module: &str) -> Option<String> {
    let text = insert(text, "pub mod rg", &format!("pub mod {module};"))?;
    let text = insert(&text, "    &rg", &format!("    &{module}::RULE,"))?;
    let list = text.find("pub const BODY_CHECKS")?;
    let end = list + text[list..].find("];")?;
    Some(format!("{}    {module}::check,\n{}", &text[..end], &text[end..]))
}

/// Puts a line before the first one of its kind that sorts after it, or behind the last.
fn insert(text: &str, kind: &str, line: &str) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let alike = |known: &&str| known.starts_with(kind);
    let last = lines.iter().rposition(&alike)?;
    let place = lines.iter().position(|known| alike(known) && *known > line).unwrap_or(last + 1);
    lines.insert(place, line);
    Some(lines.join("\n") + "\n")
}

fn rule_file(code: &str, name: &str) -> String {
    format!(
        r##"//! {code}: what it finds, in a few words.

use super::{{BodyContext, Rule}};
use crate::finding::{{Finding, Severity}};

/// `{code}`
pub const RULE: Rule = Rule {{
    code: "{code}",
    name: "{name}",
    summary: "",
    severity: Severity::Warning,
    what: "",
    why: "",
    bad: r#"package example
"#,
    good: r#"package example
"#,
    remedy: "",
    limits: "",
    fixable: false,
}};

/// Looks at one function.
pub(super) fn check(_context: &BodyContext<'_>, _findings: &mut Vec<Finding>) {{}}
"##
    )
}

fn fixture(code: &str) -> String {
    format!(
        "package example\n\n// Lines that {code} reports end in a comment with its code and a pattern: see other fixtures.\n"
    )
}

#[cfg(test)]
mod tests {
    use raceguard_analyzer::rules::ALL;

    use super::*;

    #[test]
    fn a_rule_is_registered_between_its_neighbours() {
        let text = "mod fields;\npub mod rg101_a;\npub mod rg103_c;\nmod wording;\n\n\
                    pub const ALL: &[&Rule] = &[\n    &rg101_a::RULE,\n    &rg103_c::RULE,\n];\n\n\
                    pub const BODY_CHECKS: &[BodyCheck] = &[\n    rg101_a::check,\n];\n";
        let expected = "mod fields;\npub mod rg101_a;\npub mod rg102_b;\npub mod rg103_c;\nmod wording;\n\n\
                        pub const ALL: &[&Rule] = &[\n    &rg101_a::RULE,\n    &rg102_b::RULE,\n    &rg103_c::RULE,\n];\n\n\
                        pub const BODY_CHECKS: &[BodyCheck] = &[\n    rg101_a::check,\n    rg102_b::check,\n];\n";
        assert_eq!(registered(text, "rg102_b").as_deref(), Some(expected));
    }

    #[test]
    fn codes_that_are_taken_or_malformed_are_refused() {
        assert!(validate(ALL[0].code, "new-name").is_err());
        assert!(validate("RG999", ALL[0].name).is_err());
        assert!(validate("XX101", "new-name").is_err());
        assert!(validate("RG999", "New Name").is_err());
        assert!(validate("RG999", "new-name").is_ok());
    }
}
