//! vendor/modules.txt: which modules and packages a vendor directory holds.
//!
//! Reference: golang.org/ref/mod#vendoring. Lines: `# path version [=> replacement]`, `## explicit; go 1.17`, and
//! import paths.

use std::collections::HashMap;

use super::versions::LanguageVersion;

/// What a vendor directory holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VendorList {
    /// Its modules, in the file's order.
    pub modules: Vec<VendoredModule>,
    /// Import path to index in `modules`.
    pub packages: HashMap<String, usize>,
}

/// A module in a vendor directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendoredModule {
    /// Module path.
    pub path: String,
    /// Version; none for a workspace's or directory's replacement.
    pub version: Option<String>,
    /// The language its packages are written in.
    pub language: LanguageVersion,
}

impl VendorList {
    /// Reads a modules.txt. Lines of unknown form are passed over, as Go does.
    pub fn parse(text: &str) -> Self {
        let mut list = Self::default();
        for line in text.lines().map(str::trim) {
            if let Some(facts) = line.strip_prefix("## ") {
                let go = facts.split(';').find_map(|fact| fact.trim().strip_prefix("go "));
                let language = go.and_then(LanguageVersion::parse);
                if let (Some(module), Some(language)) = (list.modules.last_mut(), language) {
                    module.language = language;
                }
            } else if let Some(module) = line.strip_prefix("# ") {
                list.add_module(module);
            } else if !line.is_empty() && !line.starts_with('#') && !list.modules.is_empty() {
                list.packages.insert(line.to_owned(), list.modules.len() - 1);
            }
        }
        list
    }

    fn add_module(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace();
        let Some(path) = words.next() else { return };
        let version = words.next().filter(|word| *word != "=>").map(str::to_owned);
        self.modules.push(VendoredModule {
            path: path.to_owned(),
            version,
            language: LanguageVersion::UNSTATED,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_know_their_module_and_its_language() {
        let text = "## workspace\n# a.com/x v1.2.0\n## explicit; go 1.21\na.com/x\na.com/x/sub\n# b.com/y => ../y\n\
            ## explicit\nb.com/y\n# c.com/z v0.1.0\n";
        let list = VendorList::parse(text);
        let module = |package: &str| &list.modules[list.packages[package]];
        assert_eq!(module("a.com/x/sub").version.as_deref(), Some("v1.2.0"));
        assert_eq!(module("a.com/x").language, LanguageVersion::go1(21));
        assert_eq!((module("b.com/y").version.as_deref(), module("b.com/y").language.minor), (None, 16));
        assert_eq!(list.modules.len(), 3);
    }
}
