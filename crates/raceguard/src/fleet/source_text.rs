//! Lines of source for the frames of evidence, so that whoever looks at a page on the server sees the code.
//!
//! Evidence may come from anywhere, and what is added here leaves the machine. So only files below the module's folder
//! are read, only when `go.mod` in that folder says that it is the module, and only `.go` files that have not changed since the
//! run began: those after it would show other code than what ran. Each record takes a bounded number of lines.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use raceguard_evidence::{
    Crash, EvidenceReader, Frame, ModulePaths, Origin, Race, Record, Run, SourcePlace, StaticFinding,
};
use serde_json::{Value, json};

/// Lines before and after the one that a frame names.
const AROUND: usize = 5;
/// Longest line, in characters; what is behind is cut off.
const LINE_LENGTH: usize = 300;
/// Frames of a record that get their source, and bytes of it.
const FRAMES: usize = 32;
const RECORD_BYTES: usize = 32 << 10;
/// Goroutines of a crash that get their source.
const GOROUTINES: usize = 20;
/// Largest file that is read, and how many are kept.
const FILE_BYTES: u64 = 2 << 20;
const FILES: usize = 256;

/// Kinds of records whose frames get their source, as they stand in a line.
const KINDS: [&[u8]; 3] = [b"\"race\"", b"\"crash\"", b"\"static_finding\""];

/// Adds source to the evidence of one run.
#[derive(Debug, Default)]
pub struct SourceText {
    module: Option<Module>,
    /// By path: what it holds, or nothing when it is not to be shown.
    files: HashMap<PathBuf, Option<Vec<String>>>,
    changed: u64,
}

/// The module that the evidence is about.
#[derive(Debug)]
struct Module {
    paths: ModulePaths,
    /// Its folder, without links.
    folder: PathBuf,
    /// Files that changed later are not what ran.
    began: SystemTime,
}

impl SourceText {
    /// How many files were left out because they changed since the run began.
    pub fn changed(&self) -> u64 {
        self.changed
    }

    /// The lines of a batch, each with its newline; those of findings with source where it is at hand. All others stay
    /// as they are, byte by byte.
    pub fn add_to<'a>(&mut self, lines: &'a [u8]) -> Cow<'a, [u8]> {
        let mut added: Option<Vec<u8>> = None;
        let mut done = 0;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let record = self.record(line);
            if let Some(record) = record {
                let out = added.get_or_insert_with(|| lines[..done].to_vec());
                record.append_line(out);
            } else if let Some(out) = &mut added {
                out.extend_from_slice(line);
            }
            done += line.len();
        }
        added.map_or(Cow::Borrowed(lines), Cow::Owned)
    }

    /// Learns from the line which module the evidence is about, or gives it with source.
    fn record(&mut self, line: &[u8]) -> Option<Record> {
        let head = &line[..line.len().min(64)];
        let holds = |word: &[u8]| memchr::memmem::find(head, word).is_some();
        let is_run = holds(b"\"run\"");
        if !is_run && (self.module.is_none() || !KINDS.iter().any(|kind| holds(kind))) {
            return None;
        }
        let mut record = EvidenceReader::new(line).next()?.ok()?;
        let mut room = Room { frames: FRAMES, bytes: RECORD_BYTES };
        match &mut record {
            Record::Run(run) => self.module = Module::of(run),
            Record::Race(race) => self.race(race, &mut room),
            Record::Crash(crash) => self.crash(crash, &mut room),
            Record::StaticFinding(finding) => self.static_finding(finding, &mut room),
            _ => {}
        }
        (room.frames < FRAMES).then_some(record)
    }

    fn race(&mut self, race: &mut Race, room: &mut Room) {
        // What the page opens with comes first: both statements, then how they came about.
        for access in &mut race.accesses {
            self.stack(&mut access.stack, 1, room);
        }
        for goroutine in &mut race.goroutines {
            self.stack(&mut goroutine.created_at, 1, room);
        }
        for access in &mut race.accesses {
            self.stack(&mut access.stack, FRAMES, room);
        }
        if let Some(object) = &mut race.object {
            self.stack(&mut object.allocation, 1, room);
        }
    }

    fn crash(&mut self, crash: &mut Crash, room: &mut Room) {
        let shown = crash.goroutines.len().min(GOROUTINES);
        for goroutine in &mut crash.goroutines[..shown] {
            self.stack(&mut goroutine.stack, 1, room);
            self.stack(&mut goroutine.created_at, 1, room);
        }
    }

    fn static_finding(&mut self, finding: &mut StaticFinding, room: &mut Room) {
        for site in &mut finding.sites {
            self.place(&mut site.place, room);
        }
        for site in &mut finding.sites {
            for call in &mut site.calls {
                self.place(&mut call.place, room);
            }
        }
    }

    /// Gives their source to the first frames of the user's own code, at most so many.
    fn stack(&mut self, stack: &mut [Frame], most: usize, room: &mut Room) {
        let Some(module) = &self.module else { return };
        let own: Vec<usize> = (0..stack.len())
            .filter(|index| module.paths.origin(&stack[*index]) == Origin::User)
            .take(most)
            .collect();
        for index in own {
            let frame = &mut stack[index];
            if !frame.extra.contains_key("source")
                && let Some(source) = self.around(&frame.file, frame.line, room)
            {
                frame.extra.insert("source".to_owned(), source);
            }
        }
    }

    fn place(&mut self, place: &mut SourcePlace, room: &mut Room) {
        if !place.extra.contains_key("source")
            && let Some(source) = self.around(&place.file, place.line, room)
        {
            place.extra.insert("source".to_owned(), source);
        }
    }

    /// The lines around one (from 1), as evidence holds them.
    fn around(&mut self, file: &str, line: u32, room: &mut Room) -> Option<Value> {
        if room.frames == 0 {
            return None;
        }
        let at = usize::try_from(line).ok()?.checked_sub(1)?;
        let text = self.file(file)?;
        text.get(at)?;
        let first = at.saturating_sub(AROUND);
        let lines = &text[first..text.len().min(at + 1 + AROUND)];
        let bytes: usize = lines.iter().map(String::len).sum();
        room.bytes = room.bytes.checked_sub(bytes)?;
        room.frames -= 1;
        Some(json!({"first": first + 1, "lines": lines}))
    }

    fn file(&mut self, file: &str) -> Option<&Vec<String>> {
        let module = self.module.as_ref()?;
        let path = module.paths.locate(file);
        if !self.files.contains_key(&path) {
            if self.files.len() >= FILES {
                self.files.clear();
            }
            let text = match module.read(&path) {
                Ok(text) => Some(text),
                Err(reason) => {
                    self.changed += u64::from(reason == NotShown::Changed);
                    None
                }
            };
            self.files.insert(path.clone(), text);
        }
        self.files.get(&path)?.as_ref()
    }
}

/// How much source a record may still take.
struct Room {
    frames: usize,
    bytes: usize,
}

/// Why a file is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotShown {
    /// It is not there, not in the module, or no Go source.
    NotAtHand,
    /// It changed since the run began.
    Changed,
}

impl Module {
    /// The module of a run, when it lies where the run says.
    fn of(run: &Run) -> Option<Self> {
        let folder = Path::new(&run.module_dir).canonicalize().ok()?;
        let go_mod = fs::read_to_string(folder.join("go.mod")).ok()?;
        let named = go_mod.lines().find_map(|line| line.trim_start().strip_prefix("module "))?;
        let named = named.split("//").next()?.trim().trim_matches('"');
        (!named.is_empty() && named == run.module).then(|| Self {
            paths: ModulePaths::new(&run.module, &run.module_dir),
            folder,
            began: UNIX_EPOCH + Duration::from_nanos(run.started_unix_ns),
        })
    }

    fn read(&self, path: &Path) -> Result<Vec<String>, NotShown> {
        let path = path.canonicalize().map_err(|_| NotShown::NotAtHand)?;
        if !path.starts_with(&self.folder) || path.extension().is_none_or(|end| end != "go") {
            return Err(NotShown::NotAtHand);
        }
        let read = || {
            let file = File::open(&path).ok()?;
            let metadata = file.metadata().ok()?;
            let mut text = String::new();
            let is_small = metadata.is_file() && metadata.len() <= FILE_BYTES;
            let is_text = is_small && file.take(FILE_BYTES).read_to_string(&mut text).is_ok();
            is_text.then_some((text, metadata.modified().ok()?))
        };
        let (text, modified) = read().ok_or(NotShown::NotAtHand)?;
        if modified > self.began {
            return Err(NotShown::Changed);
        }
        Ok(text.lines().map(|line| line.chars().take(LINE_LENGTH).collect()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 4_000_000_000_000_000_000;

    fn module(folder: &Path) {
        fs::write(folder.join("go.mod"), "module example.com/m\n\ngo 1.26\n").expect("it is written");
        let lines: Vec<String> = (1..=20).map(|n| format!("// line {n}")).collect();
        fs::write(folder.join("a.go"), lines.join("\n")).expect("it is written");
    }

    fn run(folder: &Path, module: &str, started: u64) -> String {
        let folder = folder.display();
        format!(
            "{{\"schema\":1,\"kind\":\"run\",\"id\":\"r\",\"mode\":\"test\",\"started_unix_ns\":{started},\
             \"module\":\"{module}\",\"module_dir\":\"{folder}\"}}\n"
        )
    }

    fn crash(function: &str, file: &str, line: u32) -> String {
        format!(
            "{{\"schema\":1,\"kind\":\"crash\",\"goroutines\":[{{\"id\":1,\"stack\":[\
             {{\"function\":\"{function}\",\"file\":\"{file}\",\"line\":{line}}}]}}]}}\n"
        )
    }

    /// The source that the one frame of the evidence got.
    fn source(evidence: &str) -> (Value, u64) {
        let mut source = SourceText::default();
        let added = source.add_to(evidence.as_bytes()).into_owned();
        let last =
            added.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).expect("there is a line");
        let crash: Value = serde_json::from_slice(last).expect("it is JSON");
        (crash["goroutines"][0]["stack"][0]["source"].clone(), source.changed())
    }

    #[test]
    fn a_frame_of_the_module_gets_the_lines_around_it_and_nothing_else_changes() {
        let folder = tempfile::tempdir().expect("there is room");
        module(folder.path());
        let head = run(folder.path(), "example.com/m", NOW);
        let file = folder.path().join("a.go");
        let (found, _) = source(&format!("{head}{}", crash("example.com/m.F", &file.to_string_lossy(), 8)));
        assert_eq!((&found["first"], &found["lines"][5]), (&json!(3), &json!("// line 8")));
        assert_eq!(found["lines"].as_array().map(Vec::len), Some(11));
        // A path that -trimpath made.
        let (found, _) = source(&format!("{head}{}", crash("example.com/m.F", "example.com/m/a.go", 20)));
        assert_eq!((&found["first"], &found["lines"][5]), (&json!(15), &json!("// line 20")));
        let others = format!("{head}no record\n{{\"schema\":1, \"kind\":\"repeat\", \"race\":\"1\"}}\n");
        assert!(matches!(SourceText::default().add_to(others.as_bytes()), Cow::Borrowed(_)));
    }

    #[test]
    fn what_is_not_source_of_the_module_as_it_ran_stays_here() {
        let folder = tempfile::tempdir().expect("there is room");
        let outside = tempfile::tempdir().expect("there is room");
        module(folder.path());
        module(outside.path());
        fs::write(folder.path().join("secret.env"), "TOKEN=1\n").expect("it is written");
        std::os::unix::fs::symlink(outside.path().join("a.go"), folder.path().join("link.go"))
            .expect("it is linked");
        let head = run(folder.path(), "example.com/m", NOW);
        let own = folder.path().join("a.go").to_string_lossy().into_owned();
        let up = format!("{}/../{}/a.go", folder.path().display(), outside.path().display());
        let other = outside.path().join("a.go").to_string_lossy().into_owned();
        for (why, head, function, file) in [
            ("another module's", head.clone(), "example.com/other.F", other.clone()),
            ("outside the folder", head.clone(), "example.com/m.F", other),
            ("a way out of it", head.clone(), "example.com/m.F", up),
            ("a link out of it", head.clone(), "example.com/m.F", "link.go".to_owned()),
            ("no Go source", head.clone(), "example.com/m.F", "secret.env".to_owned()),
            ("no file", head.clone(), "example.com/m.F", "/etc/passwd".to_owned()),
            (
                "not what go.mod says",
                run(folder.path(), "example.com/x", NOW),
                "example.com/x.F",
                own.clone(),
            ),
            ("no module there", run(Path::new("/"), "example.com/m", NOW), "example.com/m.F", own.clone()),
            ("no run", String::new(), "example.com/m.F", own.clone()),
        ] {
            assert_eq!(source(&format!("{head}{}", crash(function, &file, 3))), (Value::Null, 0), "{why}");
        }
        let before = run(folder.path(), "example.com/m", 1);
        let (found, changed) = source(&format!("{before}{}", crash("example.com/m.F", &own, 3)));
        assert_eq!((found, changed), (Value::Null, 1));
    }

    #[test]
    fn a_record_takes_a_bounded_number_of_lines() {
        let folder = tempfile::tempdir().expect("there is room");
        module(folder.path());
        let long = format!("package m\n{}\n", "x".repeat(100_000));
        fs::write(folder.path().join("long.go"), long).expect("it is written");
        let frame = r#"{"function":"example.com/m.F","file":"a.go","line":3}"#;
        let wide = r#"{"function":"example.com/m.F","file":"long.go","line":2}"#;
        let stack = format!("[{wide},{}]", vec![frame; 500].join(","));
        let access = format!("{{\"op\":\"read\",\"stack\":{stack}}}");
        let race = format!(
            "{{\"schema\":1,\"kind\":\"race\",\"id\":\"1\",\"pid\":1,\"accesses\":[{access},{access}]}}\n"
        );
        let evidence = format!("{}{race}", run(folder.path(), "example.com/m", NOW));
        let added = SourceText::default().add_to(evidence.as_bytes()).into_owned();
        let given = memchr::memmem::find_iter(&added, b"\"source\"").count();
        assert_eq!(given, FRAMES);
        assert!(added.len() < evidence.len() + RECORD_BYTES * 2, "{}", added.len());
    }
}
