//! The linker's `-importcfg` file: which archive holds which package.
//!
//! Lines are `packagefile import/path=/path/to/archive`; others (`modinfo`, `packageshlib`, comments) are
//! kept as they are, and so is the order.

use std::collections::BTreeMap;

const PACKAGE_FILE: &str = "packagefile ";

/// The archive that `importcfg` names for `package`.
pub fn archive_of<'a>(importcfg: &'a str, package: &str) -> Option<&'a str> {
    importcfg.lines().filter_map(package_file).find_map(|(name, path)| (name == package).then_some(path))
}

/// `importcfg` with the archives of some packages (import path → archive) replaced.
pub fn with_archives(importcfg: &str, archives: &BTreeMap<String, String>) -> String {
    let mut rewritten = String::with_capacity(importcfg.len());
    for line in importcfg.split_inclusive('\n') {
        let replaced = package_file(line).and_then(|(name, _)| Some((name, archives.get(name)?)));
        match replaced {
            Some((name, archive)) => rewritten.extend([PACKAGE_FILE, name, "=", archive, "\n"]),
            None => rewritten.push_str(line),
        }
    }
    rewritten
}

fn package_file(line: &str) -> Option<(&str, &str)> {
    line.trim_end_matches(['\n', '\r']).strip_prefix(PACKAGE_FILE)?.split_once('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "packagefile example.com/m=/tmp/b001/_pkg_.a\n\
        packagefile runtime/race=/cache/aa-d\n\
        packagefile runtime/race/internal/amd64v1=/cache/bb=cc-d\n\
        modinfo \"0w\\xafpath\\texample.com/m\"\n";

    #[test]
    fn finds_a_package_by_its_whole_path() {
        assert_eq!(archive_of(LINK, "runtime/race/internal/amd64v1"), Some("/cache/bb=cc-d"));
        assert_eq!(archive_of(LINK, "runtime/race"), Some("/cache/aa-d"));
        assert_eq!(archive_of(LINK, "runtime"), None);
    }

    #[test]
    fn replaces_only_the_named_package() {
        let archives = BTreeMap::from([("runtime/race/internal/amd64v1".to_owned(), "/new.a".to_owned())]);
        assert_eq!(with_archives(LINK, &archives), LINK.replace("/cache/bb=cc-d", "/new.a"));
        assert_eq!(with_archives(LINK, &BTreeMap::new()), LINK);
    }
}
