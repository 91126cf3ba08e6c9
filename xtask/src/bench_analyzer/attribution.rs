//! Which labelled functions a finding is about.
//!
//! A finding names places: accesses, the calls that lead to them, the statements that start their goroutines. It is
//! about each labelled function that one of them lies in. Where none does, it is about the labelled function that
//! alone leads to the functions of its accesses, by the calls in the source.

use std::collections::{BTreeSet, HashMap};

use raceguard_analyzer::finding::{Finding, Location};
use raceguard_analyzer::ir::function::{Target, for_each_call};
use raceguard_analyzer::pipeline::Lowered;
use raceguard_analyzer::syntax::span::Span;
use raceguard_analyzer::types::{FuncId, PackageId, Role};

/// The functions of a program, by place and by who leads to them.
pub(super) struct Attribution {
    places: HashMap<(PackageId, u32), Vec<(Span, FuncId)>>,
    /// For each function the labelled functions that lead to it by calls; for a labelled one, itself.
    leading: HashMap<FuncId, BTreeSet<FuncId>>,
    /// The labelled functions.
    pub(super) labelled: Vec<LabelledFunction>,
}

/// A function that says whether it races.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LabelledFunction {
    pub(super) func: FuncId,
    pub(super) name: String,
    /// The package and the index of the file in it.
    pub(super) file: (PackageId, u32),
    /// Whether it races, by its name.
    pub(super) races: bool,
}

impl Attribution {
    pub(super) fn new(lowered: &Lowered) -> Self {
        let program = &lowered.program;
        let mut places: HashMap<_, Vec<(Span, FuncId)>> = HashMap::new();
        let mut labelled = Vec::new();
        for func in (0..program.function_count()).filter_map(|index| u32::try_from(index).ok()).map(FuncId) {
            let id = program.function(func);
            if program.package(id.package).role != Role::Root {
                continue;
            }
            let object = program.object(id);
            let file = (id.package, object.file);
            let declaration = program.function_declaration(func);
            places.entry(file).or_default().push((declaration.span, func));
            let label = if declaration.receiver.is_some() { None } else { label(object.name.as_str()) };
            if let Some(races) = label {
                labelled.push(LabelledFunction { func, name: object.name.to_string(), file, races });
            }
        }
        let leading = leading(lowered, &labelled);
        Self { places, leading, labelled }
    }

    /// The labelled functions that a finding is about.
    pub(super) fn of(&self, finding: &Finding) -> BTreeSet<FuncId> {
        let is_labelled =
            |func: &FuncId| self.leading.get(func).is_some_and(|leading| leading.contains(func));
        let named = locations(finding).filter_map(|location| self.function_at(location));
        let direct: BTreeSet<FuncId> = named.filter(is_labelled).collect();
        if !direct.is_empty() {
            return direct;
        }
        let accessed = finding.sites.iter().filter_map(|site| self.function_at(&site.location));
        let leading: BTreeSet<FuncId> =
            accessed.filter_map(|func| self.leading.get(&func)).flatten().copied().collect();
        if leading.len() == 1 { leading } else { BTreeSet::new() }
    }

    fn function_at(&self, location: &Location) -> Option<FuncId> {
        let functions = self.places.get(&(location.package, location.file))?;
        let holds = |span: &Span| span.start <= location.span.start && location.span.start < span.end;
        functions.iter().find(|(span, _)| holds(span)).map(|&(_, func)| func)
    }
}

/// Whether a function's name says that it races; none for other functions.
fn label(name: &str) -> Option<bool> {
    let labels = [("TestRace", true), ("TestNoRace", false)];
    labels
        .into_iter()
        .find(|(prefix, _)| name.len() > prefix.len() && name.starts_with(prefix))
        .map(|(_, races)| races)
}

fn locations(finding: &Finding) -> impl Iterator<Item = &Location> {
    finding.sites.iter().flat_map(|site| {
        let calls = site.calls.iter().map(|(_, location)| location);
        let origin = site.origin.iter().filter_map(|reason| reason.location.as_ref());
        std::iter::once(&site.location).chain(calls).chain(origin)
    })
}

/// Spreads the labelled functions along calls.
fn leading(lowered: &Lowered, labelled: &[LabelledFunction]) -> HashMap<FuncId, BTreeSet<FuncId>> {
    let mut callees: HashMap<FuncId, BTreeSet<FuncId>> = HashMap::new();
    for unit in &lowered.units.units {
        let Some(caller) = unit.func else { continue };
        for body in &unit.bodies {
            for_each_call(&body.block, &mut |call| {
                if let Target::Function(callee) = call.target {
                    callees.entry(caller).or_default().insert(callee);
                }
            });
        }
    }
    let mut leading: HashMap<FuncId, BTreeSet<FuncId>> = HashMap::new();
    for function in labelled {
        let mut open = vec![function.func];
        while let Some(func) = open.pop() {
            if leading.entry(func).or_default().insert(function.func) {
                open.extend(callees.get(&func).into_iter().flatten());
            }
        }
    }
    leading
}

#[cfg(test)]
mod tests {
    use super::*;
    use raceguard_analyzer::check::check;
    use raceguard_analyzer::finding::{Severity, Site};
    use raceguard_analyzer::rules::rg101_concurrent_map_writes::RULE;
    use raceguard_analyzer::source::{BuildContext, Environment, LoadOptions, MemoryTree, load};

    const SOURCE: &str = "package p

func TestRaceA() { go own(); go shared() }
func TestNoRaceB() { shared() }
func own() { deeper() }
func deeper() {}
func shared() {}
func unused() {}
func TestRace() {}
";

    fn lowered() -> Lowered {
        let tree =
            MemoryTree::new().with_file("/m/go.mod", "module m\n\ngo 1.24\n").with_file("/m/p.go", SOURCE);
        let environment = Environment::new("/m");
        let build = BuildContext::new("linux", "amd64");
        check(&load(&tree, &environment, &build, &[], &LoadOptions::default(), &mut |_| ())).lowered
    }

    fn finding(function: &str, call: Option<&str>) -> Finding {
        let location = |text: &str| {
            let start = u32::try_from(SOURCE.find(&format!("func {text}(")).unwrap()).unwrap();
            Location { package: PackageId(0), file: 0, span: Span::new(start, start + 4) }
        };
        let site = Site {
            location: location(function),
            function: function.into(),
            action: "write",
            write: true,
            locks: Vec::new(),
            origin: Vec::new(),
            calls: call.map(|name| (name.into(), location(name))).into_iter().collect(),
        };
        Finding {
            rule: &RULE,
            severity: Severity::Error,
            subject: String::new(),
            message: String::new(),
            sites: vec![site],
            reasons: Vec::new(),
            remedy: String::new(),
            fix: None,
        }
    }

    fn about(function: &str, call: Option<&str>) -> Vec<String> {
        let attribution = Attribution::new(&lowered());
        let found = attribution.of(&finding(function, call));
        let named = attribution.labelled.iter().filter(|labelled| found.contains(&labelled.func));
        named.map(|labelled| labelled.name.clone()).collect()
    }

    #[test]
    fn names_label_functions() {
        let attribution = Attribution::new(&lowered());
        let labels: Vec<(&str, bool)> =
            attribution.labelled.iter().map(|labelled| (labelled.name.as_str(), labelled.races)).collect();
        assert_eq!(labels, [("TestRaceA", true), ("TestNoRaceB", false)]);
    }

    #[test]
    fn a_finding_is_about_the_labelled_function_it_lies_in_or_was_called_from() {
        assert_eq!(about("TestRaceA", None), ["TestRaceA"]);
        assert_eq!(about("shared", Some("TestNoRaceB")), ["TestNoRaceB"]);
    }

    #[test]
    fn a_finding_in_a_function_that_one_labelled_function_leads_to_is_about_that_one() {
        assert_eq!(about("deeper", None), ["TestRaceA"]);
        assert!(about("shared", None).is_empty());
        assert!(about("unused", None).is_empty());
    }
}
