//! Real map races: the list of them, and whether a finding is about one.
//!
//! The list is `cases.tsv` in the folder of checkouts: tab-separated, the first line names the columns. Columns that
//! count: `dir`, `class`, `files`, `maps` and `functions`, the last three with commas. `dir/bug` is the tree before the fix,
//! `dir/fix` the one after it.

use raceguard_analyzer::finding::{Finding, Location};

/// A race that was fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    /// The folder below that of all checkouts.
    pub(super) folder: String,
    /// What kind of mistake it was.
    pub(super) class: String,
    /// The files with these functions, below the tree.
    files: Vec<String>,
    /// The fields or variables that hold the map.
    maps: Vec<String>,
    /// The functions that accessed it wrongly.
    functions: Vec<String>,
}

/// Reads the list of cases; an error says what is missing.
pub(super) fn read(list: &str) -> Result<Vec<Case>, String> {
    let mut lines = list.lines();
    let header: Vec<&str> =
        lines.next().unwrap_or_default().trim_start_matches(['#', ' ']).split('\t').map(str::trim).collect();
    let column = |name: &str| {
        header
            .iter()
            .position(|column| *column == name)
            .ok_or_else(|| format!("the first line names no column `{name}`"))
    };
    let columns = [column("dir")?, column("class")?, column("files")?, column("maps")?, column("functions")?];
    let mut cases = Vec::new();
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [folder, class, files, maps, functions] =
            columns.map(|column| fields.get(column).copied().unwrap_or_default());
        if [folder, files, maps, functions].iter().any(|field| field.is_empty()) {
            return Err(format!("line {} lacks its folder, files, maps or functions", number + 2));
        }
        let list = |text: &str| text.split(',').map(|name| name.trim().to_owned()).collect();
        let (files, maps, functions) = (list(files), list(maps), list(functions));
        cases.push(Case { folder: folder.to_owned(), class: class.to_owned(), files, maps, functions });
    }
    Ok(cases)
}

impl Case {
    /// Whether a finding is a map trap at one of the maps, in one of the functions or called from it. `file` gives the
    /// path of a location's file below the tree.
    pub(super) fn is_at<'f>(&self, finding: &Finding, file: impl Fn(&Location) -> &'f str) -> bool {
        let is_here = |name: &str, location: &Location| {
            mentions(name, &self.functions) && self.files.iter().any(|known| known == file(location))
        };
        let is_map = finding.rule.code.starts_with("RG1") && mentions(&finding.subject, &self.maps);
        is_map
            && finding.sites.iter().any(|site| {
                is_here(&site.function, &site.location)
                    || site.calls.iter().any(|(caller, location)| is_here(caller, location))
            })
    }
}

/// Whether one of the names stands in a text as a whole word.
fn mentions(text: &str, names: &[String]) -> bool {
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|word| names.iter().any(|name| name == word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use raceguard_analyzer::finding::{Severity, Site};
    use raceguard_analyzer::rules::{Rule, rg101_concurrent_map_writes, rg213_unsynchronised_memory};
    use raceguard_analyzer::syntax::span::Span;
    use raceguard_analyzer::types::PackageId;

    const LIST: &str =
        "# dir\tclass\tnote\tfiles\tmaps\tfunctions\na+1\tno lock\tx\tm/router.go\troutes,byName\tAdd\n\n";

    fn finding(rule: &'static Rule, subject: &str, function: &str, caller: Option<&str>) -> Finding {
        let location = Location { package: PackageId(0), file: 0, span: Span::new(0, 1) };
        let site = Site {
            location,
            function: function.into(),
            action: "map write",
            write: true,
            locks: Vec::new(),
            origin: Vec::new(),
            calls: caller.map(|name| (name.into(), location)).into_iter().collect(),
        };
        Finding {
            rule,
            severity: Severity::Error,
            subject: subject.to_owned(),
            message: String::new(),
            sites: vec![site],
            reasons: Vec::new(),
            remedy: String::new(),
            fix: None,
        }
    }

    #[test]
    fn the_list_names_folder_class_maps_and_functions() {
        let cases = read(LIST).unwrap();
        assert_eq!(cases.len(), 1);
        assert_eq!((cases[0].folder.as_str(), cases[0].class.as_str()), ("a+1", "no lock"));
        assert_eq!(cases[0].maps, ["routes", "byName"]);
    }

    #[test]
    fn a_list_without_a_column_or_a_value_is_refused() {
        assert!(read("dir\tclass\tfiles\tmaps\n").unwrap_err().contains("`functions`"));
        assert!(read("dir\tclass\tfiles\tmaps\tfunctions\na\tb\tc\t\td\n").unwrap_err().contains("line 2"));
    }

    #[test]
    fn a_finding_is_at_the_map_only_in_the_functions_named() {
        let case = &read(LIST).unwrap()[0];
        let rule = &rg101_concurrent_map_writes::RULE;
        let at = |rule, subject, function, caller| {
            case.is_at(&finding(rule, subject, function, caller), |_| "m/router.go")
        };
        assert!(at(rule, "map r.routes", "example.com/m.(*Router).Add.func1", None));
        assert!(at(rule, "map r.byName", "example.com/m.put", Some("example.com/m.(*Router).Add")));
        let add = finding(rule, "map r.routes", "example.com/m.(*Router).Add", None);
        assert!(!case.is_at(&add, |_| "other/router.go"));
        assert!(!at(rule, "map r.routesByName", "example.com/m.(*Router).Add", None));
        assert!(!at(rule, "map r.routes", "example.com/m.(*Router).AddAll", None));
        assert!(!at(&rg213_unsynchronised_memory::RULE, "r.routes", "example.com/m.(*Router).Add", None));
    }
}
