//! Programs that never were: structs with fields, methods that access several of them on different lines, some in
//! closures; built several times with lines inserted; and the races of each build. The source of the newest build is
//! there, as it is for a user.
//!
//! Two races have one cause when they are about one field, or when one method writes both their fields: it lacks
//! the one lock of the struct. A fingerprint holds function names alone, so fields that race in the same functions
//! by the same operations are one finding, and have one cause too.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use raceguard_diagnosis::top_causes::TopOptions;
use raceguard_diagnosis::{Diagnosis, Evidence, EvidenceRun};
use raceguard_evidence::{EvidenceReader, Fingerprint, Record, RunEvidence};
use serde_json::json;

use super::{Quality, Random};

const STRUCTS: usize = 4;
const FIELDS: usize = 3;
const BUILDS: usize = 4;

/// One access of a method.
#[derive(Debug, Clone, Copy)]
struct Access {
    field: usize,
    kind: Kind,
    in_closure: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Insert,
    Lookup,
    Iterate,
    Write,
    Read,
}

/// A method of a struct.
#[derive(Debug, Clone)]
struct Method {
    of: usize,
    name: String,
    accesses: Vec<Access>,
}

/// A program, and the races of its builds.
pub(crate) struct Program {
    runs: Vec<Vec<Record>>,
    source: String,
    cause: HashMap<String, usize>,
}

/// The quality on the program of a seed.
pub(crate) fn measure(seed: u64) -> Quality {
    let program = Program::new(seed);
    Quality::of(&program.diagnosis(false), &program.cause)
}

impl Program {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed + 1);
        let methods = methods(&mut random);
        let mut causes = causes(&methods);
        let mut program = Self { runs: Vec::new(), source: String::new(), cause: HashMap::new() };
        for build in 0..BUILDS {
            let (source, lines) = write_source(&methods, &mut random);
            let mut records = vec![record(&json!({
                "kind": "run", "id": format!("r{build}"), "mode": "test", "started_unix_ns": 1_000 + build,
                "module": "example.com/m", "module_dir": "/module", "commit": format!("c{build}"), "dirty": false,
            }))];
            for (first, second) in pairs(&methods, &mut random) {
                let (a, b) = (methods[first.0].accesses[first.1], methods[second.0].accesses[second.1]);
                let side = |at: (usize, usize), access: Access, goroutine: u64| {
                    let numbered =
                        if access.in_closure { format!(".func{}", 1 + build % 2) } else { String::new() };
                    let method = &methods[at.0];
                    let function = format!("example.com/m.(*S{}).{}{numbered}", method.of, method.name);
                    let mut side = json!({
                        "op": if matches!(access.kind, Kind::Insert | Kind::Write) { "write" } else { "read" },
                        "size": 8, "goroutine": goroutine,
                        "stack": [{ "function": function, "file": "/module/m.go", "line": lines[&at] }],
                    });
                    if let Some(op) = map_op(access.kind) {
                        side["map_op"] = op.into();
                    }
                    side
                };
                let race = record(&json!({
                    "kind": "race", "id": format!("{build}-{}", records.len()), "pid": build,
                    "accesses": [side(first, a, 7), side(second, b, 8)],
                }));
                if let Record::Race(race) = &race {
                    let fingerprint = Fingerprint::of_race(race).to_string();
                    let field = *program.cause.entry(fingerprint).or_insert(a.field);
                    unite(&mut causes, field, a.field);
                }
                records.push(race);
            }
            program.source = source;
            program.runs.push(records);
        }
        // Until now each fingerprint has a field.
        program.cause.values_mut().for_each(|field| *field = causes[*field]);
        program
    }

    fn diagnosis(&self, backwards: bool) -> Diagnosis {
        let mut runs: Vec<EvidenceRun> = self
            .runs
            .iter()
            .enumerate()
            .map(|(build, records)| {
                let mut records = records.clone();
                if backwards {
                    records[1..].reverse();
                }
                EvidenceRun { name: format!("r{build}"), evidence: RunEvidence::from_records(records) }
            })
            .collect();
        runs.sort_by_key(EvidenceRun::started);
        let read = |path: &Path| (path == Path::new("/module/m.go")).then(|| self.source.clone());
        Diagnosis::of(&Evidence { runs }, &TopOptions::default(), &read)
    }

    /// How many races each cluster has.
    pub(crate) fn cluster_sizes(&self, backwards: bool) -> Vec<usize> {
        self.diagnosis(backwards).clusters.iter().map(|cluster| cluster.members.len()).collect()
    }
}

fn record(fields: &serde_json::Value) -> Record {
    let mut fields = fields.clone();
    fields["schema"] = 1.into();
    EvidenceReader::new(fields.to_string().as_bytes()).next().expect("a line").expect("a record")
}

fn map_op(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Insert => Some("insert"),
        Kind::Lookup => Some("lookup"),
        Kind::Iterate => Some("iterate"),
        Kind::Write | Kind::Read => None,
    }
}

/// Fields are numbered over all structs; those of even numbers are maps.
fn methods(random: &mut Random) -> Vec<Method> {
    let mut methods = Vec::new();
    for of in 0..STRUCTS {
        for name in 0..4 {
            let count = 1 + random.below(3);
            let accesses = (0..count).map(|_| {
                let field = of * FIELDS + random.below(FIELDS);
                let kinds = if field.is_multiple_of(2) {
                    [Kind::Insert, Kind::Lookup, Kind::Iterate]
                } else {
                    [Kind::Write, Kind::Read, Kind::Read]
                };
                Access { field, kind: kinds[random.below(3)], in_closure: random.below(3) == 0 }
            });
            methods.push(Method { of, name: format!("M{name}"), accesses: accesses.collect() });
        }
    }
    methods
}

/// The cause of each field: a number that fields share when a method writes both.
fn causes(methods: &[Method]) -> Vec<usize> {
    let mut cause: Vec<usize> = (0..STRUCTS * FIELDS).collect();
    for method in methods {
        let written: Vec<usize> = method
            .accesses
            .iter()
            .filter(|access| {
                matches!(access.kind, Kind::Insert | Kind::Write) && races(methods, access.field)
            })
            .map(|access| access.field)
            .collect();
        for pair in written.windows(2) {
            unite(&mut cause, pair[0], pair[1]);
        }
    }
    cause
}

fn unite(cause: &mut [usize], first: usize, second: usize) {
    let (from, to) = (cause[first], cause[second]);
    cause.iter_mut().filter(|cause| **cause == from).for_each(|cause| *cause = to);
}

/// Whether two methods can race on a field.
fn races(methods: &[Method], field: usize) -> bool {
    methods.iter().flat_map(|method| &method.accesses).filter(|access| access.field == field).count() > 1
}

/// The file of a build, and the line of each access.
fn write_source(methods: &[Method], random: &mut Random) -> (String, HashMap<(usize, usize), usize>) {
    let mut source = String::from("package m\n");
    let mut lines = HashMap::new();
    for (at, method) in methods.iter().enumerate() {
        for _ in 0..random.below(6) {
            source.push_str("// A line that another build does not have.\n");
        }
        let _ = writeln!(source, "func (s *S{}) {}() {{", method.of, method.name);
        for (place, access) in method.accesses.iter().enumerate() {
            // An edit inside a function is rarer than one above it.
            if random.below(8) == 0 {
                source.push_str("\tlog()\n");
            }
            let field = format!("s.f{}", access.field);
            let statement = match access.kind {
                Kind::Insert => format!("{field}[k] = v"),
                Kind::Lookup => format!("v := {field}[k]"),
                Kind::Iterate => format!("for k := range {field} {{ use(k) }}"),
                Kind::Write => format!("{field} = v"),
                Kind::Read => format!("use({field})"),
            };
            if access.in_closure {
                source.push_str("\tgo func() {\n");
            }
            lines.insert((at, place), source.lines().count() + 1);
            let _ = writeln!(source, "\t{statement}");
            if access.in_closure {
                source.push_str("\t}()\n");
            }
        }
        source.push_str("}\n\n");
    }
    (source, lines)
}

/// Conflicting accesses of one field that the build's tests happen to run into.
fn pairs(methods: &[Method], random: &mut Random) -> Vec<((usize, usize), (usize, usize))> {
    let places: Vec<(usize, usize)> = methods
        .iter()
        .enumerate()
        .flat_map(|(at, method)| (0..method.accesses.len()).map(move |place| (at, place)))
        .collect();
    let mut pairs = Vec::new();
    for (at, &first) in places.iter().enumerate() {
        for &second in &places[at..] {
            let (a, b) = (methods[first.0].accesses[first.1], methods[second.0].accesses[second.1]);
            let writes = |kind| matches!(kind, Kind::Insert | Kind::Write);
            if a.field == b.field && (writes(a.kind) || writes(b.kind)) && random.below(5) < 3 {
                pairs.push(if random.below(2) == 0 { (first, second) } else { (second, first) });
            }
        }
    }
    pairs
}
