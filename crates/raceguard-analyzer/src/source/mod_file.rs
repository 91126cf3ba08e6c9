//! go.mod. Reference: golang.org/ref/mod#go-mod-file.

use super::directive_lines::{Directive, ManifestError, read_directives};
use super::problem::Position;
use super::versions::LanguageVersion;

/// What a go.mod says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModFile {
    /// The module's path.
    pub module: Option<String>,
    /// The version of its `go` line, as written.
    pub go: Option<String>,
    /// The `toolchain` line.
    pub toolchain: Option<String>,
    /// Versions that it needs.
    pub requires: Vec<Require>,
    /// Replacements; they count in a main module only.
    pub replaces: Vec<Replace>,
    /// Versions that are not to be used.
    pub excludes: Vec<(String, String)>,
    /// Ranges of its own versions that are withdrawn: lowest and highest.
    pub retracts: Vec<(String, String)>,
    /// Directories that patterns pass over.
    pub ignores: Vec<String>,
    /// Packages that are tools.
    pub tools: Vec<String>,
    /// Settings for GODEBUG.
    pub godebug: Vec<(String, String)>,
}

/// `require path version`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Require {
    /// Module path.
    pub path: String,
    /// Least version.
    pub version: String,
    /// Whether no package of the module imports it directly.
    pub indirect: bool,
    /// Where it stands.
    pub position: Position,
}

/// `replace path [version] => target`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replace {
    /// Module path that is replaced.
    pub path: String,
    /// The one version that is replaced, or all.
    pub version: Option<String>,
    /// What is used instead.
    pub target: ReplaceTarget,
    /// Where it stands.
    pub position: Position,
}

/// What a module is replaced by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplaceTarget {
    /// A directory, as written: absolute or relative to that of the file.
    Directory(String),
    /// A module version.
    Module {
        /// Module path.
        path: String,
        /// Version.
        version: String,
    },
}

impl ModFile {
    /// Reads a go.mod. What is wrong is left out and told.
    pub fn parse(text: &str) -> (Self, Vec<ManifestError>) {
        let (directives, mut errors) = read_directives(text);
        let mut file = Self::default();
        for directive in &directives {
            if let Err(error) = file.add(directive) {
                errors.push(error);
            }
        }
        if file.module.is_none() {
            let start = Position { line: 1, column: 1 };
            let hint = "add a line such as `module example.com/service`";
            errors.push(ManifestError::new(start, "there is no module line", hint));
        }
        errors.sort_by_key(|error| error.position);
        (file, errors)
    }

    /// The version of the language that its packages are written in.
    pub fn language(&self) -> LanguageVersion {
        self.go.as_deref().and_then(LanguageVersion::parse).unwrap_or(LanguageVersion::UNSTATED)
    }

    fn add(&mut self, line: &Directive) -> Result<(), ManifestError> {
        let arguments: Vec<&str> = line.arguments.iter().map(String::as_str).collect();
        match (line.verb.as_str(), arguments.as_slice()) {
            ("module", [path]) => set_once(&mut self.module, path, line)?,
            ("go", [version]) => {
                check_go_version(version, line)?;
                set_once(&mut self.go, version, line)?;
            }
            ("toolchain", [name]) => set_once(&mut self.toolchain, name, line)?,
            ("require", [path, version]) => {
                check_module_version(version, line)?;
                let indirect = line.comment == "indirect" || line.comment.starts_with("indirect;");
                let (path, version) = ((*path).to_owned(), (*version).to_owned());
                self.requires.push(Require { path, version, indirect, position: line.position });
            }
            ("exclude", [path, version]) => {
                check_module_version(version, line)?;
                self.excludes.push(((*path).to_owned(), (*version).to_owned()));
            }
            ("replace", arguments) => self.replaces.push(replacement(arguments, line)?),
            ("retract", [version] | ["[", version, "]"]) => {
                self.retracts.push(((*version).to_owned(), (*version).to_owned()));
            }
            ("retract", ["[", low, ",", high, "]"]) => {
                self.retracts.push(((*low).to_owned(), (*high).to_owned()));
            }
            ("ignore", [path]) => self.ignores.push((*path).to_owned()),
            ("tool", [path]) => self.tools.push((*path).to_owned()),
            ("godebug", [setting]) => {
                let (key, value) = setting.split_once('=').ok_or_else(|| usage(line))?;
                self.godebug.push((key.to_owned(), value.to_owned()));
            }
            _ => return Err(usage(line)),
        }
        Ok(())
    }
}

/// Reads the arguments of `replace`, of go.mod or go.work.
pub(crate) fn replacement(arguments: &[&str], line: &Directive) -> Result<Replace, ManifestError> {
    let (path, version, target) = match arguments {
        [path, "=>", target @ ..] => (path, None, target),
        [path, version, "=>", target @ ..] => {
            check_module_version(version, line)?;
            (path, Some((*version).to_owned()), target)
        }
        _ => return Err(usage(line)),
    };
    let target = match target {
        [directory] if is_directory_path(directory) => ReplaceTarget::Directory((*directory).to_owned()),
        [module] => {
            let message = format!("the replacement `{module}` has no version");
            let hint = "add a version, or begin the path of a directory with `./` or `../`";
            return Err(ManifestError::new(line.position, message, hint));
        }
        [path, version] => {
            check_module_version(version, line)?;
            ReplaceTarget::Module { path: (*path).to_owned(), version: (*version).to_owned() }
        }
        _ => return Err(usage(line)),
    };
    Ok(Replace { path: (*path).to_owned(), version, target, position: line.position })
}

/// Whether a replacement is a directory: it begins with `./`, `../`, `/` or a drive letter.
fn is_directory_path(path: &str) -> bool {
    let bytes = path.as_bytes();
    let drive = bytes.len() > 1 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
    let dots = path == "." || path == ".." || [".\\", "..\\"].iter().any(|start| path.starts_with(start));
    drive || dots || ["./", "../", "/"].iter().any(|start| path.starts_with(start))
}

/// Sets what may be stated once.
pub(crate) fn set_once(
    slot: &mut Option<String>,
    value: &str,
    line: &Directive,
) -> Result<(), ManifestError> {
    if slot.is_some() {
        let message = format!("a second `{}` line", line.verb);
        return Err(ManifestError::new(line.position, message, "keep one of them; the first one is used"));
    }
    *slot = Some(value.to_owned());
    Ok(())
}

pub(crate) fn check_go_version(version: &str, line: &Directive) -> Result<(), ManifestError> {
    if version.starts_with("go") || LanguageVersion::parse(version).is_none() {
        let message = format!("`{version}` is no Go version");
        return Err(ManifestError::new(line.position, message, "write it as in `go 1.22` or `go 1.22.3`"));
    }
    Ok(())
}

fn check_module_version(version: &str, line: &Directive) -> Result<(), ManifestError> {
    // A branch or tag name is allowed until `go mod tidy` replaces it; what has no name in it is not.
    if version.is_empty() || version.contains(['(', ')', '[', ']', ',']) || version == "=>" {
        return Err(usage(line));
    }
    Ok(())
}

/// A directive that is unknown, or has other arguments than it takes.
pub(crate) fn usage(line: &Directive) -> ManifestError {
    let form = match line.verb.as_str() {
        "module" => "module path",
        "go" => "go 1.22",
        "toolchain" => "toolchain go1.22.3",
        "require" => "require path v1.2.3",
        "exclude" => "exclude path v1.2.3",
        "replace" => "replace path => ./directory` or `replace path => path v1.2.3",
        "retract" => "retract v1.2.3` or `retract [v1.0.0, v1.2.3]",
        "ignore" => "ignore ./directory",
        "tool" => "tool path",
        "godebug" => "godebug key=value",
        "use" => "use ./directory",
        unknown => {
            let message = format!("`{unknown}` is no directive");
            return ManifestError::new(line.position, message, "remove the line, or check its spelling");
        }
    };
    let message = format!("`{}` with other arguments than it takes", line.verb);
    ManifestError::new(line.position, message, format!("write `{form}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
// Deprecated: no.
module "example.com/app"

go 1.24.1
toolchain go1.26.0
godebug default=go1.21

require (
	golang.org/x/sync v0.10.0
	golang.org/x/sys v0.1.0 // indirect
)
replace example.com/a => ../a
replace example.com/b v1.0.0 => example.com/fork v1.1.0
exclude example.com/c v1.2.3
retract [v1.0.0, v1.1.0] // broken
retract v1.3.0
ignore ./web
tool golang.org/x/tools/cmd/stringer
"#;

    #[test]
    fn every_directive_is_read() {
        let (file, errors) = ModFile::parse(WHOLE);
        assert_eq!(errors, []);
        assert_eq!(file.module.as_deref(), Some("example.com/app"));
        assert_eq!(file.language(), LanguageVersion::go1(24));
        assert_eq!(file.toolchain.as_deref(), Some("go1.26.0"));
        let requires: Vec<(&str, bool)> =
            file.requires.iter().map(|require| (require.path.as_str(), require.indirect)).collect();
        assert_eq!(requires, [("golang.org/x/sync", false), ("golang.org/x/sys", true)]);
        assert_eq!(file.requires[1].position, Position { line: 11, column: 2 });
        assert_eq!(file.replaces[0].target, ReplaceTarget::Directory("../a".to_owned()));
        assert_eq!(file.replaces[1].version.as_deref(), Some("v1.0.0"));
        assert_eq!(file.excludes, [("example.com/c".to_owned(), "v1.2.3".to_owned())]);
        assert_eq!(file.retracts.len(), 2);
        assert_eq!(file.ignores, ["./web"]);
        assert_eq!(file.tools, ["golang.org/x/tools/cmd/stringer"]);
        assert_eq!(file.godebug, [("default".to_owned(), "go1.21".to_owned())]);
    }

    #[test]
    fn every_error_has_a_place_and_a_hint_and_the_rest_is_read() {
        let text = "go go1.22\nrequir a v1\nmodule m\nmodule n\nrequire a\nreplace a => b\ngodebug x\n";
        let (file, errors) = ModFile::parse(text);
        assert_eq!(file.module.as_deref(), Some("m"));
        let lines: Vec<u32> = errors.iter().map(|error| error.position.line).collect();
        assert_eq!(lines, [1, 2, 4, 5, 6, 7]);
        assert_eq!(errors[1].message, "`requir` is no directive");
        assert_eq!(errors[4].hint, "add a version, or begin the path of a directory with `./` or `../`");
        assert!(errors.iter().all(|error| !error.hint.is_empty()));
    }

    #[test]
    fn no_go_line_means_go_1_16() {
        assert_eq!(ModFile::parse("module m\n").0.language(), LanguageVersion::go1(16));
    }
}
