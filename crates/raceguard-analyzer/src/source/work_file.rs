//! go.work. Reference: golang.org/ref/mod#go-work-file.

use super::directive_lines::{ManifestError, read_directives};
use super::mod_file::{Replace, check_go_version, replacement, set_once, usage};
use super::problem::Position;
use super::versions::LanguageVersion;

/// What a go.work says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkFile {
    /// The version of its `go` line, as written.
    pub go: Option<String>,
    /// The `toolchain` line.
    pub toolchain: Option<String>,
    /// Directories of the workspace's modules, as written, and where.
    pub uses: Vec<(String, Position)>,
    /// Replacements; they go before those of the modules.
    pub replaces: Vec<Replace>,
    /// Settings for GODEBUG.
    pub godebug: Vec<(String, String)>,
}

impl WorkFile {
    /// Reads a go.work. What is wrong is left out and told.
    pub fn parse(text: &str) -> (Self, Vec<ManifestError>) {
        let (directives, mut errors) = read_directives(text);
        let mut file = Self::default();
        for line in &directives {
            let arguments: Vec<&str> = line.arguments.iter().map(String::as_str).collect();
            let outcome = match (line.verb.as_str(), arguments.as_slice()) {
                ("go", [version]) => {
                    check_go_version(version, line).and_then(|()| set_once(&mut file.go, version, line))
                }
                ("toolchain", [name]) => set_once(&mut file.toolchain, name, line),
                ("use", [directory]) => {
                    file.uses.push(((*directory).to_owned(), line.position));
                    Ok(())
                }
                ("replace", arguments) => {
                    replacement(arguments, line).map(|replace| file.replaces.push(replace))
                }
                ("godebug", [setting]) => setting
                    .split_once('=')
                    .ok_or_else(|| usage(line))
                    .map(|(key, value)| file.godebug.push((key.to_owned(), value.to_owned()))),
                _ => Err(usage(line)),
            };
            errors.extend(outcome.err());
        }
        errors.sort_by_key(|error| error.position);
        (file, errors)
    }

    /// The version of its `go` line.
    pub fn language(&self) -> LanguageVersion {
        self.go.as_deref().and_then(LanguageVersion::parse).unwrap_or(LanguageVersion::go1(18))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::mod_file::ReplaceTarget;

    #[test]
    fn modules_and_replacements_are_read() {
        let (file, errors) =
            WorkFile::parse("go 1.22\n\nuse (\n\t./api\n\t./web // front\n)\nreplace a => ../a\n");
        assert_eq!(errors, []);
        let uses: Vec<&str> = file.uses.iter().map(|(directory, _)| directory.as_str()).collect();
        assert_eq!(uses, ["./api", "./web"]);
        assert_eq!(file.replaces[0].target, ReplaceTarget::Directory("../a".to_owned()));
        assert_eq!(file.language(), LanguageVersion::go1(22));
    }

    #[test]
    fn what_belongs_to_go_mod_is_an_error_here() {
        let (_, errors) = WorkFile::parse("go 1.22\nmodule m\nuse a b\n");
        let lines: Vec<u32> = errors.iter().map(|error| error.position.line).collect();
        assert_eq!(lines, [2, 3]);
    }
}
