//! A statement that takes part in an observation: where it is and what it does.

use raceguard_evidence::{Access, AccessOp, Frame, MapOp, ModulePaths, Origin, Site, normalised_function};
use serde::Serialize;

/// What a statement does to what it touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Puts an entry into a map.
    MapInsert,
    /// Takes an entry out of a map.
    MapDelete,
    /// Empties a map.
    MapClear,
    /// Changes a map, it is not known how.
    MapWrite,
    /// Looks up a key of a map, or takes its length.
    MapLookup,
    /// Ranges over a map.
    MapIterate,
    /// Writes plainly.
    Write,
    /// Reads plainly.
    Read,
    /// Writes through `sync/atomic`.
    AtomicWrite,
    /// Reads through `sync/atomic`.
    AtomicRead,
    /// Sends on a channel.
    Send,
    /// Closes a channel.
    Close,
    /// Something else: a lock, a call.
    Other,
}

impl Operation {
    /// Of one access of a race.
    pub fn of_access(access: &Access) -> Self {
        match (&access.map_op, &access.op) {
            (Some(MapOp::Insert), _) => Self::MapInsert,
            (Some(MapOp::Delete), _) => Self::MapDelete,
            (Some(MapOp::Clear), _) => Self::MapClear,
            (Some(MapOp::Lookup), _) => Self::MapLookup,
            (Some(MapOp::Iterate), _) => Self::MapIterate,
            (_, AccessOp::Write) => Self::Write,
            (_, AccessOp::Read) => Self::Read,
            (_, AccessOp::AtomicWrite) => Self::AtomicWrite,
            (_, AccessOp::AtomicRead) => Self::AtomicRead,
            _ => Self::Other,
        }
    }

    /// Of a site of a static finding, by the words that the analyzer uses.
    pub fn of_site(site: &Site) -> Self {
        match site.action.as_str() {
            "map write" => Self::MapInsert,
            "map delete" => Self::MapDelete,
            "map clear" => Self::MapClear,
            "map read" | "map len" => Self::MapLookup,
            action if action.contains("iteration") => Self::MapIterate,
            action if action.starts_with("map") && site.write => Self::MapWrite,
            "atomic write" => Self::AtomicWrite,
            "atomic read" => Self::AtomicRead,
            "send" => Self::Send,
            "close" => Self::Close,
            "read" => Self::Read,
            _ if site.write => Self::Write,
            _ => Self::Other,
        }
    }

    /// Of the innermost frames of a goroutine that died in Go's runtime.
    pub fn of_runtime_frames<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> Self {
        frames.into_iter().find_map(|frame| Self::of_runtime_function(&frame.function)).unwrap_or(Self::Other)
    }

    fn of_runtime_function(function: &str) -> Option<Self> {
        let name = function.rsplit('/').next().unwrap_or(function);
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        if !name.starts_with("runtime.") && !name.starts_with("maps.") {
            return None;
        }
        if has(&["mapassign", ".PutSlot", ".putSlot"]) {
            Some(Self::MapInsert)
        } else if has(&["mapdelete", "(*Map).Delete", "(*table).Delete"]) {
            Some(Self::MapDelete)
        } else if has(&["mapclear", "(*Map).Clear", "(*table).Clear"]) {
            Some(Self::MapClear)
        } else if has(&["mapiter", "(*Iter).Next", "mapIterNext", "mapIterStart"]) {
            Some(Self::MapIterate)
        } else if has(&["mapaccess", "(*Map).Get", "(*Map).getWith"]) {
            Some(Self::MapLookup)
        } else if has(&["runtime.closechan"]) {
            Some(Self::Close)
        } else if has(&["runtime.chansend"]) {
            Some(Self::Send)
        } else {
            None
        }
    }

    /// Whether it is about the entries of a map.
    pub fn is_map(self) -> bool {
        matches!(
            self,
            Self::MapInsert
                | Self::MapDelete
                | Self::MapClear
                | Self::MapWrite
                | Self::MapLookup
                | Self::MapIterate
        )
    }

    /// Whether it changes what it touches.
    pub fn is_write(self) -> bool {
        matches!(
            self,
            Self::MapInsert
                | Self::MapDelete
                | Self::MapClear
                | Self::MapWrite
                | Self::Write
                | Self::AtomicWrite
                | Self::Close
        )
    }

    /// In words, after a function: `inserts into the map`.
    pub fn verb(self) -> &'static str {
        match self {
            Self::MapInsert => "inserts into",
            Self::MapDelete => "deletes from",
            Self::MapClear => "clears",
            Self::MapWrite => "changes",
            Self::MapLookup => "looks up a key in",
            Self::MapIterate => "iterates over",
            Self::Write => "writes",
            Self::Read => "reads",
            Self::AtomicWrite => "atomically writes",
            Self::AtomicRead => "atomically reads",
            Self::Send => "sends on",
            Self::Close => "closes",
            Self::Other => "uses",
        }
    }

    /// As a noun: `map insert`.
    pub fn noun(self) -> &'static str {
        match self {
            Self::MapInsert => "map insert",
            Self::MapDelete => "map delete",
            Self::MapClear => "map clear",
            Self::MapWrite => "map write",
            Self::MapLookup => "map lookup",
            Self::MapIterate => "map iteration",
            Self::Write => "write",
            Self::Read => "read",
            Self::AtomicWrite => "atomic write",
            Self::AtomicRead => "atomic read",
            Self::Send => "send",
            Self::Close => "close",
            Self::Other => "use",
        }
    }
}

/// A statement of the program that takes part in an observation.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The function around it as Go names it, closures by their numbers.
    pub function: String,
    /// Its file, relative to the module where it lies inside.
    pub file: String,
    /// From 1; 0 when unknown.
    pub line: u32,
    /// What it does.
    pub operation: Operation,
    /// Whose code it is.
    pub origin: Origin,
    /// Locks held, where static analysis says so.
    pub locks: Option<Vec<String>>,
    /// The whole stack, innermost first; for a static finding the calls on the way.
    pub stack: Vec<Frame>,
    /// The `go` statement of its goroutine, when known.
    pub started_at: Option<Frame>,
}

impl Statement {
    /// The statement of the user's own code in a stack: the innermost such frame, or else one of a dependency, or
    /// else the innermost outside Go's runtime.
    pub fn of_stack(
        stack: &[Frame],
        operation: Operation,
        started_at: Option<&Frame>,
        paths: &ModulePaths,
    ) -> Option<Self> {
        let outside = |frame: &&Frame| !frame.is_runtime_internal();
        let by = |origin| stack.iter().filter(outside).find(|frame| paths.origin(frame) == origin);
        let frame = by(Origin::User)
            .or_else(|| by(Origin::Dependency))
            .or_else(|| stack.iter().find(outside))
            .or_else(|| stack.first())?;
        Some(Self {
            function: frame.function.clone(),
            file: paths.relative(&frame.file).to_owned(),
            line: frame.line,
            operation,
            origin: paths.origin(frame),
            locks: None,
            stack: stack.to_vec(),
            started_at: started_at
                .map(|frame| Frame { file: paths.relative(&frame.file).to_owned(), ..frame.clone() }),
        })
    }

    /// The declared function that it lies in.
    pub fn declared_function(&self) -> String {
        declared_function(&self.function)
    }
}

/// The declared function around a function as Go's runtime names it, without type arguments: `m.(*T).F` for
/// `m.(*T[...]).F.func1.2`. Closures are numbered by their order, so a name with the number does not last.
pub fn declared_function(function: &str) -> String {
    let plain = normalised_function(function).replace("[...]", "");
    let package = raceguard_evidence::FunctionName::parse(&plain).package().len();
    let (package, local) = plain.split_at(package.min(plain.len()));
    let mut kept: Vec<&str> = Vec::new();
    // A receiver `(*T)` holds no dot, so parts are names.
    for part in local.split('.') {
        if is_closure_part(part) {
            break;
        }
        // The body of a loop over a function is a closure named `F-range1`.
        kept.push(part.split("-range").next().unwrap_or(part));
    }
    format!("{package}{}", kept.join("."))
}

/// `func1`, `gowrap2`, `deferwrap1`, and the bare numbers of closures inside closures.
fn is_closure_part(part: &str) -> bool {
    let digits =
        ["func", "gowrap", "deferwrap"].iter().find_map(|prefix| part.strip_prefix(prefix)).unwrap_or(part);
    let digits = digits.split("-range").next().unwrap_or(digits);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The last element of the import path and the name: `pkg.(*T).M`.
pub fn short_function(function: &str) -> String {
    raceguard_evidence::FunctionName::parse(function).short()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closures_belong_to_the_function_that_declares_them() {
        for (function, declared) in [
            ("example.com/m/pkg.(*T).M.func1.2", "example.com/m/pkg.(*T).M"),
            ("example.com/m/pkg.(*T[...]).M.func1", "example.com/m/pkg.(*T).M"),
            ("m.F[go.shape.int].gowrap1", "m.F"),
            ("m.F-range1", "m.F"),
            ("m.F.func2-range1", "m.F"),
            ("m.F", "m.F"),
            ("m.init.0.func1", "m.init"),
            ("m.glob..func1", "m.glob."),
            ("gopkg.in/yaml.v3.Parse.func1", "gopkg.in/yaml.v3.Parse"),
            ("", ""),
        ] {
            assert_eq!(declared_function(function), declared, "{function}");
        }
    }

    #[test]
    fn the_runtimes_frames_tell_the_operation() {
        let of = |functions: &[&str]| {
            Operation::of_runtime_frames(&functions.iter().map(|f| Frame::new(*f, "", 0)).collect::<Vec<_>>())
        };
        assert_eq!(
            of(&["internal/runtime/maps.fatal", "runtime.mapassign_faststr", "m.F"]),
            Operation::MapInsert
        );
        assert_eq!(of(&["runtime.throw", "runtime.mapaccess2", "m.F"]), Operation::MapLookup);
        assert_eq!(of(&["internal/runtime/maps.(*Iter).Next", "m.F"]), Operation::MapIterate);
        assert_eq!(of(&["m.mapassign"]), Operation::Other);
    }

    #[test]
    fn the_users_code_goes_before_libraries() {
        let paths = ModulePaths::new("example.com/m", "/m");
        let stack = [
            Frame::new("bytes.(*Buffer).Write", "/go/src/bytes/buffer.go", 10),
            Frame::new("example.com/m.Put.func1", "/m/a.go", 20),
        ];
        let statement = Statement::of_stack(&stack, Operation::Write, None, &paths).expect("a statement");
        assert_eq!((statement.file.as_str(), statement.line), ("a.go", 20));
        assert_eq!(statement.declared_function(), "example.com/m.Put");
    }
}
