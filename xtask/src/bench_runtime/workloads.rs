//! The workloads: programs of our own for one price each, and tests and benchmarks of Go's standard library for the
//! mixtures of real code. Each does the same work in every build.

use crate::failure::Failure;

/// One workload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) source: Source,
    pub(super) arguments: &'static [&'static str],
}

/// What is built for a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The program of this name under `bench/runtime`.
    Program(&'static str),
    /// The test binary of a package of the standard library, run in that package's folder.
    Package(&'static str),
}

impl Source {
    /// The file name of its binary.
    pub(super) fn binary(self) -> String {
        match self {
            Self::Program(name) => name.to_owned(),
            Self::Package(path) => format!("{}.test", path.replace('/', "-")),
        }
    }
}

const fn program(name: &'static str) -> Workload {
    Workload { name, source: Source::Program(name), arguments: &[] }
}

const fn package(name: &'static str, path: &'static str, arguments: &'static [&'static str]) -> Workload {
    Workload { name, source: Source::Package(path), arguments }
}

const fn alive(name: &'static str, arguments: &'static [&'static str]) -> Workload {
    Workload { name, source: Source::Program("goroutines-alive"), arguments }
}

const CODE_BENCHMARKS: [&str; 3] =
    ["-test.run=^$", "-test.bench=^BenchmarkCode(Encoder|Marshal|Decoder|Unmarshal)$", "-test.benchtime=5x"];

const ALL: &[Workload] = &[
    program("array"),
    program("map-mutex"),
    program("sync-map"),
    program("map-rwmutex"),
    program("map-sharded"),
    program("channels"),
    program("atomics"),
    alive("20,000 live goroutines", &["20000"]),
    alive("100,000 live goroutines", &["100000"]),
    Workload {
        name: "2,000,000 finished goroutines",
        source: Source::Program("goroutines-finished"),
        arguments: &[],
    },
    package("encoding/json tests", "encoding/json", &["-test.short"]),
    package("encoding/json Code benchmarks", "encoding/json", &CODE_BENCHMARKS),
    package("sort tests", "sort", &["-test.short", "-test.count=5"]),
    package("regexp tests", "regexp", &["-test.short"]),
    package("strings tests", "strings", &[]),
    package("go/parser tests", "go/parser", &["-test.short"]),
    package("compress/flate tests", "compress/flate", &["-test.short"]),
    package("net/http tests", "net/http", &["-test.short", "-test.run=^Test(Client|Transport)"]),
];

/// The workloads whose name contains `part`.
pub(super) fn named(part: Option<&str>) -> Result<Vec<Workload>, Failure> {
    let found: Vec<Workload> =
        ALL.iter().filter(|workload| part.is_none_or(|part| workload.name.contains(part))).copied().collect();
    if found.is_empty() {
        let names: Vec<&str> = ALL.iter().map(|workload| workload.name).collect();
        return Err(Failure::environment(
            format!("no workload's name contains `{}`", part.unwrap_or_default()),
            format!("take a part of one of these: {}", names.join("; ")),
        ));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_are_found_by_a_part_of_their_name() {
        assert_eq!(named(None).unwrap().len(), ALL.len());
        assert_eq!(named(Some("json")).unwrap().len(), 2);
        assert!(named(Some("fortran")).unwrap_err().to_string().contains("sync-map"));
    }
}
