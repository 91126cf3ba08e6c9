//! The command lines of `go test`, `go run` and `go build`, read as far as raceguard has to know them.
//!
//! Everything is passed on in the user's order, except the few flags that raceguard answers for: `-C`, which
//! Go wants first, `-toolexec`, which is chained, and `-json` of `go test`, which is always on underneath.
//! Flags of raceguard itself are spelled with two dashes and stand anywhere before `-args`, `--` or, for
//! `run`, the package. Which words are packages follows `testFlags` in cmd/go.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::error::FlagError;
use crate::quoting;

/// Flags of `go build` and `go test` that take no value, or take one only after `=`.
const BOOLEAN: [&str; 23] = [
    "a",
    "artifacts",
    "asan",
    "benchmem",
    "buildvcs",
    "c",
    "cover",
    "failfast",
    "fullpath",
    "h",
    "help",
    "i",
    "json",
    "linkshared",
    "modcacherw",
    "msan",
    "n",
    "race",
    "short",
    "trimpath",
    "v",
    "work",
    "x",
];

/// Flags of `go build`, `go run` and `go test` that take a value.
const VALUED: [&str; 19] = [
    "C",
    "asmflags",
    "buildmode",
    "compiler",
    "covermode",
    "coverpkg",
    "debug-actiongraph",
    "exec",
    "gccgoflags",
    "gcflags",
    "installsuffix",
    "ldflags",
    "mod",
    "modfile",
    "o",
    "overlay",
    "p",
    "pgo",
    "pkgdir",
];

/// More of them that only some of these commands know; knowing them everywhere does no harm, because Go itself
/// rejects what it does not know.
const VALUED_TOO: [&str; 27] = [
    "tags",
    "toolexec",
    "debug-trace",
    "bench",
    "benchtime",
    "blockprofile",
    "blockprofilerate",
    "count",
    "coverprofile",
    "cpu",
    "cpuprofile",
    "fuzz",
    "fuzzminimizetime",
    "fuzztime",
    "list",
    "memprofile",
    "memprofilerate",
    "mutexprofile",
    "mutexprofilefraction",
    "outputdir",
    "parallel",
    "run",
    "shuffle",
    "skip",
    "timeout",
    "trace",
    "vet",
];

/// The go command that is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `go test`
    Test,
    /// `go run`
    Run,
    /// `go build`
    Build,
}

/// A flag of raceguard's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFlag {
    /// Without its two dashes.
    pub name: String,
    /// Whether it needs a value, after `=` or as the next word.
    pub takes_value: bool,
}

/// A command line, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// Raceguard's own flags and their values, in order.
    pub own: Vec<OsString>,
    /// Flags to pass on; for `test` and `build` the packages and all that follows are among them.
    pub forwarded: Vec<OsString>,
    /// The packages or Go files; empty means the current folder.
    pub packages: Vec<OsString>,
    /// For `run`: the program's own arguments.
    pub program_arguments: Vec<OsString>,
    values: BTreeMap<String, OsString>,
}

impl CommandLine {
    /// Takes apart what follows `raceguard test`, `run` or `build`.
    pub fn parse(verb: Verb, own: &[OwnFlag], arguments: &[OsString]) -> Result<Self, FlagError> {
        let mut line = Self::default();
        let rest = match verb {
            Verb::Test => line.scan_test(own, arguments)?,
            Verb::Run | Verb::Build => line.scan_flags(verb, own, arguments)?,
        };
        if let Some(value) = line.values.get("race").filter(|value| is_false(value)) {
            return Err(FlagError::RaceDisabled { flag: format!("-race={}", value.to_string_lossy()) });
        }
        match verb {
            Verb::Test => line.forwarded.extend_from_slice(rest),
            Verb::Build => {
                line.packages = rest.to_vec();
                line.forwarded.extend_from_slice(rest);
            }
            Verb::Run => line.split_program(rest)?,
        }
        Ok(line)
    }

    /// The same with the flags of GOFLAGS, which stand for those that the command line does not have.
    pub fn with_goflags(&self, goflags: &str) -> Result<Self, FlagError> {
        let mut line = self.clone();
        // The last one of a name counts.
        for word in quoting::split(goflags)?.iter().rev().map(OsString::from) {
            // `-C` can't stand there.
            if let Some(flag) = Flag::read(&word).filter(|flag| flag.name != "C") {
                let value = flag.value.unwrap_or(OsStr::new("true")).to_owned();
                line.values.entry(flag.name.to_owned()).or_insert(value);
            }
        }
        Ok(line)
    }

    /// The value of a flag, without its dashes and without `test.`; `true` for a flag that has none.
    pub fn value(&self, flag: &str) -> Option<&OsStr> {
        self.values.get(flag).map(OsString::as_os_str)
    }

    /// Whether a flag without a value is there and not switched off by `=false`.
    pub fn is_on(&self, flag: &str) -> bool {
        self.value(flag).is_some_and(|value| !is_false(value))
    }

    /// Whether `-h`, `-help` or `--help` is among the flags, be the rest right or wrong.
    pub fn asks_for_help(verb: Verb, own: &[OwnFlag], arguments: &[OsString]) -> bool {
        let mut line = Self::default();
        // What was read before an error counts.
        let _ = match verb {
            Verb::Test => line.scan_test(own, arguments),
            Verb::Run | Verb::Build => line.scan_flags(verb, own, arguments),
        };
        line.is_on("h") || line.is_on("help")
    }

    /// The user's own `-toolexec` command, from the command line or else from GOFLAGS.
    pub fn toolexec(&self, goflags: &str) -> Result<Vec<String>, FlagError> {
        self.or_from_goflags("toolexec", goflags)
    }

    /// The user's own `-exec` command, from the command line or else from GOFLAGS.
    pub fn exec(&self, goflags: &str) -> Result<Vec<String>, FlagError> {
        self.or_from_goflags("exec", goflags)
    }

    fn or_from_goflags(&self, flag: &str, goflags: &str) -> Result<Vec<String>, FlagError> {
        if let Some(value) = self.value(flag) {
            return quoting::split(&value.to_string_lossy());
        }
        let words = quoting::split(goflags)?;
        let value = words.iter().rev().find_map(|word| {
            let (name, value) = word.trim_start_matches('-').split_once('=')?;
            (name == flag).then_some(value)
        });
        quoting::split(value.unwrap_or_default())
    }

    /// Flags up to the first word that is none; returns the rest.
    fn scan_flags<'a>(
        &mut self,
        verb: Verb,
        own: &[OwnFlag],
        mut arguments: &'a [OsString],
    ) -> Result<&'a [OsString], FlagError> {
        while let Some(flag) = arguments.first().and_then(|word| Flag::read(word)) {
            if flag.is_terminator {
                return Ok(&arguments[1..]);
            }
            arguments = self.take(verb, own, &flag, arguments)?;
        }
        Ok(arguments)
    }

    /// Flags and packages in any order, as cmd/go reads them; returns what is for the test binary only.
    fn scan_test<'a>(
        &mut self,
        own: &[OwnFlag],
        mut arguments: &'a [OsString],
    ) -> Result<&'a [OsString], FlagError> {
        let (mut packages_seen, mut in_packages, mut may_be_value) = (false, false, false);
        while let Some(word) = arguments.first() {
            let could_be_value = std::mem::take(&mut may_be_value);
            let Some(flag) = Flag::read(word) else {
                if packages_seen && !in_packages {
                    if !could_be_value {
                        break;
                    }
                } else {
                    (packages_seen, in_packages) = (true, true);
                    self.packages.push(word.clone());
                }
                self.forwarded.push(word.clone());
                arguments = &arguments[1..];
                continue;
            };
            in_packages = false;
            if flag.is_terminator || flag.name == "args" {
                break;
            }
            if !flag.is_own(own) && !is_known(flag.name) {
                packages_seen = true;
                may_be_value = flag.value.is_none();
            }
            arguments = self.take(Verb::Test, own, &flag, arguments)?;
        }
        Ok(arguments)
    }

    /// Notes one flag, with its value when that is the next word, and returns what follows.
    fn take<'a>(
        &mut self,
        verb: Verb,
        own: &[OwnFlag],
        flag: &Flag<'_>,
        arguments: &'a [OsString],
    ) -> Result<&'a [OsString], FlagError> {
        let own_flag = own.iter().find(|own| flag.is_named(own));
        let takes_value = own_flag.map_or_else(|| is_valued(flag.name), |own| own.takes_value);
        let words = if takes_value && flag.value.is_none() { 2 } else { 1 };
        let taken = arguments
            .get(..words)
            .ok_or_else(|| FlagError::MissingValue { flag: arguments[0].to_string_lossy().into_owned() })?;
        if own_flag.is_some() {
            self.own.extend_from_slice(taken);
        } else {
            let value = match &flag.value {
                Some(value) => (*value).to_owned(),
                None if words == 2 => taken[1].clone(),
                None => "true".into(),
            };
            self.values.insert(flag.name.to_owned(), value);
            let is_ours = match flag.name {
                "C" | "toolexec" => true,
                "json" => verb == Verb::Test,
                "exec" => verb == Verb::Run,
                _ => false,
            };
            if !is_ours {
                self.forwarded.extend_from_slice(taken);
            }
        }
        Ok(&arguments[words..])
    }

    /// `go run` takes Go files, or one package; the rest is for the program.
    fn split_program(&mut self, words: &[OsString]) -> Result<(), FlagError> {
        let is_file = |word: &&OsString| word.to_string_lossy().ends_with(".go");
        let count = match words.iter().take_while(is_file).count() {
            0 => usize::from(!words.is_empty()),
            files => files,
        };
        let (packages, arguments) = words.split_at(count);
        let Some(package) = packages.first() else { return Err(FlagError::NothingToRun) };
        let text = package.to_string_lossy();
        if text.contains('@') && !text.ends_with(".go") && !text.starts_with('.') && !text.starts_with('/') {
            return Err(FlagError::VersionedPackage { package: text.into_owned() });
        }
        self.packages = packages.to_vec();
        self.program_arguments = arguments.to_vec();
        Ok(())
    }
}

/// One word that is a flag by its spelling.
struct Flag<'a> {
    name: &'a str,
    value: Option<&'a OsStr>,
    two_dashes: bool,
    is_terminator: bool,
}

impl<'a> Flag<'a> {
    fn read(word: &'a OsStr) -> Option<Self> {
        use std::os::unix::ffi::OsStrExt as _;
        let bytes = word.as_bytes().strip_prefix(b"-")?;
        if bytes.is_empty() {
            return None;
        }
        let two_dashes = bytes[0] == b'-';
        let bytes = if two_dashes { &bytes[1..] } else { bytes };
        let (name, value) = match bytes.iter().position(|&byte| byte == b'=') {
            Some(equals) => (&bytes[..equals], Some(OsStr::from_bytes(&bytes[equals + 1..]))),
            None => (bytes, None),
        };
        let name = std::str::from_utf8(name).unwrap_or("?");
        let name = name.strip_prefix("test.").unwrap_or(name);
        Some(Self { name, value, two_dashes, is_terminator: bytes.is_empty() })
    }

    fn is_named(&self, own: &OwnFlag) -> bool {
        self.two_dashes && own.name == self.name
    }

    fn is_own(&self, own: &[OwnFlag]) -> bool {
        own.iter().any(|own| self.is_named(own))
    }
}

fn is_valued(name: &str) -> bool {
    VALUED.contains(&name) || VALUED_TOO.contains(&name)
}

fn is_known(name: &str) -> bool {
    is_valued(name) || BOOLEAN.contains(&name)
}

fn is_false(value: &OsStr) -> bool {
    matches!(value.to_str(), Some("0" | "f" | "F" | "false" | "FALSE" | "False"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Vec<OwnFlag> {
        let flag = |name: &str, takes_value| OwnFlag { name: name.to_owned(), takes_value };
        vec![flag("format", true), flag("no-report", false)]
    }

    fn parse(verb: Verb, text: &str) -> Result<CommandLine, FlagError> {
        let words: Vec<OsString> = quoting::split(text).unwrap().into_iter().map(OsString::from).collect();
        CommandLine::parse(verb, &own(), &words)
    }

    fn test(text: &str) -> CommandLine {
        parse(Verb::Test, text).unwrap()
    }

    #[test]
    fn go_flags_pass_in_order() {
        let line = test("-run Test.*X -count=1 ./... -v -coverprofile c.out");
        assert_eq!(line.forwarded, ["-run", "Test.*X", "-count=1", "./...", "-v", "-coverprofile", "c.out"]);
        assert_eq!(line.packages, ["./..."]);
        assert!(line.is_on("v"));
        assert_eq!(line.value("run").unwrap(), "Test.*X");
    }

    #[test]
    fn own_flags_are_taken_before_and_after_packages_with_two_dashes_only() {
        let line = test("--format json -run X ./a ./b --no-report");
        assert_eq!(line.own, ["--format", "json", "--no-report"]);
        assert_eq!(line.forwarded, ["-run", "X", "./a", "./b"]);
        let line = test("./a -format json");
        assert_eq!(line.own, [""; 0]);
        assert_eq!(line.forwarded, ["./a", "-format", "json"]);
        assert_eq!(test("--format=html").own, ["--format=html"]);
    }

    #[test]
    fn nothing_after_args_or_a_terminator_is_touched() {
        let line = test("./a -args -json --format x -toolexec=y");
        assert_eq!(line.forwarded, ["./a", "-args", "-json", "--format", "x", "-toolexec=y"]);
        assert!(line.own.is_empty() && !line.is_on("json"));
        assert_eq!(test("./a -- --format x").forwarded, ["./a", "--", "--format", "x"]);
    }

    #[test]
    fn values_that_look_like_flags_are_values() {
        let line = test("-run -json -toolexec --format ./a");
        assert_eq!(line.value("run").unwrap(), "-json");
        assert_eq!(line.value("toolexec").unwrap(), "--format");
        assert!(line.own.is_empty() && !line.is_on("json"));
        assert_eq!(line.forwarded, ["-run", "-json", "./a"]);
    }

    #[test]
    fn what_raceguard_answers_for_is_not_forwarded() {
        let line = test("-C sub -json -test.v=true -exec 'nice -n 5' -toolexec 'wrap -x' .");
        assert_eq!(line.forwarded, ["-test.v=true", "-exec", "nice -n 5", "."]);
        assert_eq!(line.value("C").unwrap(), "sub");
        assert!(line.is_on("json") && line.is_on("v"));
        assert_eq!(line.toolexec("-toolexec=other").unwrap(), ["wrap", "-x"]);
    }

    #[test]
    fn goflags_give_the_toolexec_that_the_command_line_lacks() {
        let words = test("./a").toolexec("-mod=mod '-toolexec=wrap -x' -v").unwrap();
        assert_eq!(words, ["wrap", "-x"]);
        assert!(test("./a").toolexec("-v").unwrap().is_empty());
    }

    #[test]
    fn goflags_stand_for_flags_that_the_command_line_lacks() {
        let line =
            test("-count=2 ./a").with_goflags("-v -count=3 '-exec=nice -n 5' -C=x -json=false").unwrap();
        assert!(line.is_on("v") && !line.is_on("json"));
        assert_eq!(
            (line.value("count").unwrap(), line.value("exec").unwrap()),
            ("2".as_ref(), "nice -n 5".as_ref())
        );
        assert_eq!(line.value("C"), None);
        assert_eq!(line.forwarded, ["-count=2", "./a"], "Go reads GOFLAGS by itself");
    }

    #[test]
    fn words_after_an_unknown_flag_are_not_packages() {
        let line = test("-myflag value ./a");
        assert_eq!(line.packages, [""; 0]);
        assert_eq!(line.forwarded, ["-myflag", "value", "./a"]);
        assert_eq!(test("./a -myflag value -v").packages, ["./a"]);
        assert!(test("./a -myflag value -v").is_on("v"));
        assert!(!test("./a -v extra -json").is_on("json"), "a second list of words is for the test binary");
    }

    #[test]
    fn switching_race_off_is_refused() {
        let error = parse(Verb::Test, "-race=0 ./a").unwrap_err();
        assert_eq!(error, FlagError::RaceDisabled { flag: "-race=0".to_owned() });
        assert_eq!(test("-race ./a").forwarded, ["-race", "./a"]);
        assert_eq!(parse(Verb::Build, "-o").unwrap_err(), FlagError::MissingValue { flag: "-o".to_owned() });
    }

    #[test]
    fn run_takes_one_package_or_go_files_and_leaves_the_rest_to_the_program() {
        let line = parse(Verb::Run, "-tags a --no-report ./cmd -v --format x").unwrap();
        assert_eq!(line.forwarded, ["-tags", "a"]);
        assert_eq!(line.own, ["--no-report"]);
        assert_eq!(line.packages, ["./cmd"]);
        assert_eq!(line.program_arguments, ["-v", "--format", "x"]);
        let files = parse(Verb::Run, "a.go b.go c.txt").unwrap();
        assert_eq!(files.packages, ["a.go", "b.go"]);
        assert_eq!(files.program_arguments, ["c.txt"]);
        assert_eq!(parse(Verb::Run, "-v").unwrap_err(), FlagError::NothingToRun);
        assert!(matches!(parse(Verb::Run, "example.com/x@v1.2.3"), Err(FlagError::VersionedPackage { .. })));
    }

    #[test]
    fn build_passes_everything_after_its_flags() {
        let line = parse(Verb::Build, "-o app -json ./cmd/x --no-report").unwrap();
        assert_eq!(line.forwarded, ["-o", "app", "-json", "./cmd/x", "--no-report"]);
    }

    #[test]
    fn help_is_seen_only_before_what_is_not_ours() {
        let asks = |verb, text: &str| {
            let words: Vec<OsString> = text.split(' ').map(OsString::from).collect();
            CommandLine::asks_for_help(verb, &own(), &words)
        };
        assert!(asks(Verb::Test, "-v --help"));
        assert!(asks(Verb::Test, "-h"));
        assert!(asks(Verb::Run, "-help"));
        assert!(!asks(Verb::Test, "./a -args -h"));
        assert!(!asks(Verb::Run, "./cmd --help"));
        assert!(!asks(Verb::Test, "-run -h"));
    }
}
