//! Race reports in the text that ThreadSanitizer prints, of stock `-race` and of our own runtime.

use crate::crash::frame_position;
use crate::frame::Frame;
use crate::race::{Access, AccessOp, Goroutine, GoroutineState, MapOp, Object, ObjectKind, Race};
use crate::record::Extra;

/// The line that every report has.
pub(super) const TITLE: &str = "WARNING: DATA RACE";
const RULE: &str = "==================";
/// Most frames of a stack.
const MAX_FRAMES: usize = 1000;
/// Most goroutines of a report.
const MAX_GOROUTINES: usize = 64;
/// Lines of other writers in a row that end a report.
const MAX_FOREIGN: usize = 64;
/// The detector's number of the main goroutine.
const MAIN: u64 = 1;

/// Takes the lines of one stream and gives back the reports in them.
#[derive(Debug, Default)]
pub(super) struct RaceReportParser {
    open: Option<OpenReport>,
}

/// A report that ended.
#[derive(Debug)]
pub(super) enum EndedReport {
    /// A race; its `id` is still empty.
    Race(Box<Race>),
    /// A report of which less than both accesses is there.
    CutOff,
}

#[derive(Debug, Default)]
struct OpenReport {
    accesses: Vec<(Access, String)>,
    object: Option<Object>,
    goroutines: Vec<Goroutine>,
    section: Section,
    /// A function whose position is expected on the next line.
    function: Option<String>,
    foreign: usize,
    left_out: bool,
}

/// What frames belong to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Title,
    Access,
    Object,
    Goroutine,
}

impl RaceReportParser {
    /// Whether the next line is of no interest unless it starts a report.
    pub(super) fn is_idle(&self) -> bool {
        self.open.is_none()
    }

    /// Takes the next line; gives back the report that it ended.
    pub(super) fn line(&mut self, line: &str) -> Option<EndedReport> {
        let content = line.trim();
        if content == TITLE {
            return self.open.replace(OpenReport::default()).map(|open| open.finish(false));
        }
        let open = self.open.as_mut()?;
        if content == RULE {
            return self.open.take().map(|open| open.finish(true));
        }
        if open.take(content) {
            open.foreign = 0;
            return None;
        }
        open.foreign += 1;
        if open.foreign > MAX_FOREIGN { self.finish() } else { None }
    }

    /// Ends the stream; gives back the report it ended in.
    pub(super) fn finish(&mut self) -> Option<EndedReport> {
        self.open.take().map(|open| open.finish(false))
    }
}

impl OpenReport {
    /// Takes a line without the blanks around it; `false` when it is none of a report's.
    fn take(&mut self, line: &str) -> bool {
        if line.is_empty() {
            self.function = None;
            return true;
        }
        // Most lines are frames, so they are looked for first.
        if let Some(function) = line.strip_suffix("()").filter(|name| is_function(name)) {
            self.flush_function();
            self.function = Some(function.to_owned());
            return true;
        }
        // Without an offset it is a line of another writer: `listening on host:8080`.
        if self.function.is_some()
            && let Some((file, line, Some(offset))) = frame_position(line)
            && let Some(function) = self.function.take()
        {
            self.push(Frame { offset: Some(offset), ..Frame::new(function, file, line) });
            return true;
        }
        if self.take_heading(line) {
            self.function = None;
            return true;
        }
        line == "[failed to restore the stack]"
    }

    fn take_heading(&mut self, line: &str) -> bool {
        if let Some((access, address)) = access(line) {
            self.flush_function();
            if self.accesses.len() < 2 {
                self.accesses.push((access, address));
            } else {
                self.left_out = true;
            }
            self.section = Section::Access;
        } else if let Some(object) = object(line) {
            self.flush_function();
            self.object.get_or_insert(object);
            self.section = Section::Object;
        } else if let Some(goroutine) = goroutine(line) {
            self.flush_function();
            if self.goroutines.len() < MAX_GOROUTINES {
                self.goroutines.push(goroutine);
            }
            self.section = Section::Goroutine;
        } else {
            return false;
        }
        true
    }

    /// A function whose position did not come is a frame all the same.
    fn flush_function(&mut self) {
        if let Some(function) = self.function.take() {
            self.push(Frame::new(function, "", 0));
        }
    }

    fn push(&mut self, frame: Frame) {
        let stack = match self.section {
            Section::Title => None,
            Section::Access => self.accesses.last_mut().map(|(access, _)| &mut access.stack),
            Section::Object => self.object.as_mut().map(|object| &mut object.allocation),
            Section::Goroutine => self.goroutines.last_mut().map(|goroutine| &mut goroutine.created_at),
        };
        match stack {
            Some(stack) if stack.len() < MAX_FRAMES => stack.push(frame),
            _ => self.left_out = true,
        }
    }

    fn finish(mut self, whole: bool) -> EndedReport {
        self.flush_function();
        let mut accesses = std::mem::take(&mut self.accesses);
        for (access, _) in &mut accesses {
            complete(access);
        }
        let Ok([(later, address), (earlier, _)]) = <[(Access, String); 2]>::try_from(accesses) else {
            return EndedReport::CutOff;
        };
        let mut notes = Vec::new();
        if !whole {
            notes.push("the report is cut off: stacks may be missing".to_owned());
        }
        if self.left_out {
            notes.push("the report was too long: a part is left out".to_owned());
        }
        let mut goroutines = self.goroutines;
        for id in [later.goroutine, earlier.goroutine].into_iter().flatten() {
            if !goroutines.iter().any(|goroutine| goroutine.id == Some(id)) {
                goroutines.push(unknown_goroutine(id));
            }
        }
        EndedReport::Race(Box::new(Race {
            id: String::new(),
            pid: 0,
            time_unix_ns: 0,
            address,
            size: 0,
            object: self.object,
            accesses: [later, earlier],
            goroutines,
            notes,
            extra: Extra::new(),
        }))
    }
}

const OPERATIONS: [(&str, AccessOp); 8] = [
    ("Write", AccessOp::Write),
    ("write", AccessOp::Write),
    ("Read", AccessOp::Read),
    ("read", AccessOp::Read),
    ("Atomic write", AccessOp::AtomicWrite),
    ("atomic write", AccessOp::AtomicWrite),
    ("Atomic read", AccessOp::AtomicRead),
    ("atomic read", AccessOp::AtomicRead),
];

/// `Write at 0x00c000012345 by goroutine 7:`, `Previous read at 0x00c000012345 by main goroutine:`.
fn access(line: &str) -> Option<(Access, String)> {
    let rest = line.strip_prefix("Previous ").unwrap_or(line);
    // Nearly every line is none, so the first word is looked at before all else.
    let (op, rest) = OPERATIONS.iter().find_map(|(name, op)| Some((op, rest.strip_prefix(name)?)))?;
    let rest = rest.strip_prefix(" at 0x")?;
    let (address, by) = rest.split_once(" by ")?;
    let address = u64::from_str_radix(address, 16).ok()?;
    let goroutine = goroutine_number(by.strip_suffix(':')?);
    let access =
        Access { op: op.clone(), size: 0, map_op: None, goroutine, stack: Vec::new(), extra: Extra::new() };
    Some((access, format!("{address:#x}")))
}

/// `goroutine 7`, `main goroutine`.
fn goroutine_number(text: &str) -> Option<u64> {
    match text {
        "main goroutine" => Some(MAIN),
        _ => text.strip_prefix("goroutine ")?.parse().ok(),
    }
}

/// `Heap block of size 48 at 0x00c000012345 allocated by goroutine 7:`,
/// `Global var main.total of size 8 at 0x000000123456 declared at /m/a.go:3`.
fn object(line: &str) -> Option<Object> {
    let mut object = Object {
        kind: ObjectKind::Heap,
        start: None,
        size: None,
        allocated_by: None,
        allocation: Vec::new(),
        name: None,
        extra: Extra::new(),
    };
    let rest = if let Some(rest) = line.strip_prefix("Global var ") {
        let (name, rest) = rest.split_once(" of size ")?;
        object.kind = ObjectKind::Global;
        object.name = Some(name.to_owned());
        rest
    } else {
        let rest = line.strip_prefix("Heap block of size ")?;
        let (_, by) = rest.split_once(" allocated by ")?;
        object.allocated_by = goroutine_number(by.strip_suffix(':')?);
        rest
    };
    let (size, rest) = rest.split_once(" at 0x")?;
    object.size = size.parse().ok();
    let digits = rest.split(' ').next().unwrap_or_default();
    object.start = u64::from_str_radix(digits, 16).ok().map(|start| format!("{start:#x}"));
    Some(object)
}

/// `Goroutine 7 (running) created at:`.
fn goroutine(line: &str) -> Option<Goroutine> {
    let rest = line.strip_prefix("Goroutine ")?.strip_suffix(" created at:")?;
    let (id, state) = rest.split_once(" (")?;
    let state = match state.strip_suffix(')')? {
        "running" => GoroutineState::Running,
        "finished" => GoroutineState::Finished,
        other => GoroutineState::Other(other.to_owned()),
    };
    Some(Goroutine { state, ..unknown_goroutine(id.parse().ok()?) })
}

fn unknown_goroutine(id: u64) -> Goroutine {
    Goroutine {
        id: Some(id),
        name: (id == MAIN).then(|| "main".to_owned()),
        state: GoroutineState::Running,
        parent: None,
        created_at: Vec::new(),
        ancestors: Vec::new(),
        extra: Extra::new(),
    }
}

fn is_function(name: &str) -> bool {
    !name.is_empty() && !name.contains(' ') && name.contains('.')
}

/// Says what the text does not: the map operation, and that the access is atomic.
fn complete(access: &mut Access) {
    access.map_op = map_operation(&access.stack);
    if access.stack.first().is_some_and(|frame| frame.name().package() == "sync/atomic") {
        access.op = match &access.op {
            AccessOp::Write => AccessOp::AtomicWrite,
            AccessOp::Read => AccessOp::AtomicRead,
            other => other.clone(),
        };
    }
}

/// Functions of Go's map implementation by the beginning of their names, and what a user does who ends up there.
const MAP_FUNCTIONS: [(&str, MapOp); 16] = [
    ("runtime.mapaccess", MapOp::Lookup),
    ("runtime.mapassign", MapOp::Insert),
    ("runtime.mapdelete", MapOp::Delete),
    ("runtime.mapclear", MapOp::Clear),
    ("runtime.mapiter", MapOp::Iterate),
    ("runtime.mapIter", MapOp::Iterate),
    ("runtime.evacuate", MapOp::Insert),
    ("runtime.growWork", MapOp::Insert),
    ("reflect.mapassign", MapOp::Insert),
    ("reflect.mapaccess", MapOp::Lookup),
    ("internal/runtime/maps.(*Iter)", MapOp::Iterate),
    ("internal/runtime/maps.(*Map).Clear", MapOp::Clear),
    ("internal/runtime/maps.(*Map).Delete", MapOp::Delete),
    ("internal/runtime/maps.(*Map).Put", MapOp::Insert),
    ("internal/runtime/maps.runtime_mapassign", MapOp::Insert),
    ("internal/runtime/maps.runtime_mapaccess", MapOp::Lookup),
];

/// The operation that the innermost frames carry out: the outermost of them that is known names it.
fn map_operation(stack: &[Frame]) -> Option<MapOp> {
    let mut operation = None;
    let mut inside = 0;
    for frame in stack {
        let function = frame.function.as_str();
        let known = MAP_FUNCTIONS.iter().find(|(start, _)| function.starts_with(start));
        let is_helper = ["internal/runtime/maps.", "runtime.reflect_map", "reflect.map"]
            .iter()
            .any(|start| function.starts_with(start));
        if known.is_none() && !is_helper {
            break;
        }
        operation = known.map(|(_, operation)| operation.clone()).or(operation);
        inside += 1;
    }
    operation.filter(|_| inside < stack.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "WARNING: DATA RACE\nWrite at 0x00c000012345 by goroutine 7:\n  runtime.mapassign_faststr()\n      \
        /go/map.go:1 +0x0\n  example.com/m.(*C).Put()\n      /m/a.go:1 +0x1\n\nPrevious read at 0x00c000012345 by main \
        goroutine:\n  sync/atomic.LoadInt64()\n      /go/a.s:2 +0xb\n  example.com/m.Get[...]()\n      /m/a.go:2 +0x2\n\n\
        Goroutine 7 (finished) created at:\n  main.main()\n      /m/a.go:3 +0x3\n";

    fn parse(text: &str) -> Vec<EndedReport> {
        let mut parser = RaceReportParser::default();
        let mut ended: Vec<EndedReport> = text.lines().filter_map(|line| parser.line(line)).collect();
        ended.extend(parser.finish());
        ended
    }

    fn race(text: &str) -> Race {
        match parse(text).pop() {
            Some(EndedReport::Race(race)) => *race,
            other => panic!("no race: {other:?}"),
        }
    }

    #[test]
    fn a_report_is_read_whole() {
        let race = race(&format!("{REPORT}==================\n"));
        let [later, earlier] = &race.accesses;
        assert_eq!(
            (&later.op, &later.map_op, later.goroutine),
            (&AccessOp::Write, &Some(MapOp::Insert), Some(7))
        );
        assert_eq!(
            later.statement().map(|f| (f.function.as_str(), f.line)),
            Some(("example.com/m.(*C).Put", 1))
        );
        assert_eq!((&earlier.op, earlier.goroutine), (&AccessOp::AtomicRead, Some(1)));
        assert_eq!(earlier.stack[1].function, "example.com/m.Get[...]");
        assert_eq!(race.address, "0xc000012345");
        let goroutine = race.goroutine(Some(7)).expect("goroutine 7");
        assert_eq!((&goroutine.state, goroutine.created_at[0].line), (&GoroutineState::Finished, 3));
        assert!(race.notes.is_empty());
    }

    #[test]
    fn a_report_that_is_cut_off_is_a_race_once_both_accesses_are_there() {
        let cut = REPORT.find("Goroutine 7 (").expect("a goroutine");
        assert_eq!(race(&REPORT[..cut]).notes.len(), 1);
        let cut = REPORT.find("Previous").expect("an access");
        assert!(matches!(parse(&REPORT[..cut]).as_slice(), [EndedReport::CutOff]));
    }

    #[test]
    fn lines_of_others_in_between_do_not_matter() {
        let others = "\n2026/01/01 some log line\n=== RUN   TestX\n";
        let mixed: String = REPORT.lines().flat_map(|line| [line, others]).collect();
        assert_eq!(
            race(&format!("{mixed}==================\n")),
            race(&format!("{REPORT}==================\n"))
        );
    }

    #[test]
    fn objects_are_read() {
        let heap =
            object("Heap block of size 48 at 0x00c000012340 allocated by goroutine 7:").expect("an object");
        assert_eq!(
            (heap.size, heap.start.as_deref(), heap.allocated_by),
            (Some(48), Some("0xc000012340"), Some(7))
        );
        let global =
            object("Global var main.total of size 8 at 0x000000123456 declared at /m/a.go:3").expect("one");
        assert_eq!((global.kind, global.name.as_deref()), (ObjectKind::Global, Some("main.total")));
    }
}
