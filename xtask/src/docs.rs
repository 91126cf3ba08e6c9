//! The generated parts of the docs: each is made from the data it describes, stands between two markers or is a file
//! of its own, and is kept up to date by `cargo xtask tidy`.

mod map_promises;
mod metrics;
mod policy_schema;
mod rule_pages;

use std::fmt::Write;
use std::path::PathBuf;

use serde::Deserialize;

use crate::failure::Failure;
use crate::{examples, workspace};

struct Part {
    /// The file, from the root of the repository.
    file: &'static str,
    /// The name in the markers `<!-- generated: NAME -->` and `<!-- end of NAME -->`.
    name: &'static str,
    make: fn() -> Result<String, Failure>,
}

const PARTS: [Part; 6] = [
    Part { file: "CONTRIBUTING.md", name: "crates", make: crates },
    Part { file: "examples/README.md", name: "examples", make: example_list },
    Part { file: "docs/policy.md", name: "facts", make: facts },
    Part { file: "docs/policy.md", name: "default policy", make: default_policy },
    Part { file: "docs/maps.md", name: "promises", make: || Ok(map_promises::table()) },
    Part { file: "docs/metrics.md", name: "metrics", make: || Ok(metrics::table()) },
];

/// The task `docs`.
pub(crate) fn write() -> Result<(), Failure> {
    for part in &PARTS {
        let (path, text) = part.current()?;
        let updated = part.updated(&text)?;
        if updated != text {
            workspace::write(&path, &updated)?;
            println!("wrote {}", part.file);
        }
    }
    policy_schema::write()?;
    rule_pages::write()
}

/// The files whose generated part is out of date.
pub(crate) fn stale() -> Result<Vec<String>, Failure> {
    let mut stale = rule_pages::stale()?;
    stale.extend(policy_schema::stale());
    for part in &PARTS {
        let (_, text) = part.current()?;
        if part.updated(&text)? != text {
            stale.push(part.file.to_owned());
        }
    }
    Ok(stale)
}

impl Part {
    fn current(&self) -> Result<(PathBuf, String), Failure> {
        let path = workspace::root().join(self.file);
        let text = workspace::read(&path)?;
        Ok((path, text))
    }

    fn updated(&self, text: &str) -> Result<String, Failure> {
        replace(text, self.name, &(self.make)()?).ok_or_else(|| {
            Failure::environment(
                format!("{} has no markers of the generated part `{}`", self.file, self.name),
                format!(
                    "add `<!-- generated: {0} -->` and `<!-- end of {0} -->` where it belongs",
                    self.name
                ),
            )
        })
    }
}

fn replace(text: &str, name: &str, content: &str) -> Option<String> {
    let begin = format!("<!-- generated: {name} -->\n");
    let end = format!("<!-- end of {name} -->");
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}{content}{end}{after}"))
}

#[derive(Deserialize)]
struct Manifest {
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    description: String,
}

/// One line for each crate, from its Cargo.toml.
fn crates() -> Result<String, Failure> {
    let folder = workspace::root().join("crates");
    let entries = std::fs::read_dir(&folder).map_err(|error| Failure::file("read", &folder, &error))?;
    let mut manifests: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("Cargo.toml"))
        .filter(|path| path.is_file())
        .collect();
    manifests.sort();
    manifests.push(workspace::root().join("xtask/Cargo.toml"));
    let mut table = String::from("| crate | holds |\n|---|---|\n");
    for path in manifests {
        let manifest: Manifest = toml::from_str(&workspace::read(&path)?).map_err(|error| {
            Failure::environment(
                format!("{}: {error}", workspace::shown(&path)),
                "give the crate a description",
            )
        })?;
        let folder = path.parent().map(workspace::shown).unwrap_or_default();
        let Package { name, description } = manifest.package;
        let _ = writeln!(table, "| [`{name}`]({folder}) | {description} |");
    }
    Ok(table)
}

/// One line for each example, from `examples/expected.toml`.
fn example_list() -> Result<String, Failure> {
    let mut table = String::from("| example | what is wrong with it |\n|---|---|\n");
    for example in examples::all()? {
        let _ = writeln!(table, "| [{0}]({0}) | {1} |", example.name, example.what);
    }
    Ok(table)
}

/// The facts that policies look at, as tables.
#[expect(clippy::unnecessary_wraps, reason = "the other parts can fail")]
fn facts() -> Result<String, Failure> {
    Ok(raceguard_policy::schema::facts_as_markdown())
}

/// The text of the default policy.
#[expect(clippy::unnecessary_wraps, reason = "the other parts can fail")]
fn default_policy() -> Result<String, Failure> {
    Ok(format!("```yaml\n{}```\n", raceguard_policy::DEFAULT_TEXT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_part_is_replaced() {
        let text = "a\n<!-- generated: x -->\nold\n<!-- end of x -->\nb\n";
        assert_eq!(
            replace(text, "x", "new\n").unwrap(),
            "a\n<!-- generated: x -->\nnew\n<!-- end of x -->\nb\n"
        );
        assert!(replace(text, "y", "new\n").is_none());
    }
}
