//! What findings say: names of memory as people write them, and sites.

use std::fmt::Write as _;

use super::path_facts::Held;
use crate::finding::{Location, Reason, Site};
use crate::ir::function::{BodyId, FieldKey, Unit};
use crate::ir::place::{Index, Place, Root, Step};
use crate::syntax::span::Span;
use crate::types::{FuncId, ObjectId, Program};

/// A function of the program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wording<'a> {
    /// Packages, names and types.
    pub(super) program: &'a Program,
    /// The function.
    pub(super) unit: &'a Unit,
}

impl<'a> Wording<'a> {
    /// A place in the function's file.
    pub(super) fn location(self, span: Span) -> Location {
        Location { package: self.unit.package, file: self.unit.file, span }
    }

    /// A statement of one of the function's bodies.
    pub(super) fn site(self, body: BodyId, span: Span, action: &'static str) -> Site {
        Site {
            location: self.location(span),
            function: self.unit.body(body).name.clone(),
            action,
            write: false,
            locks: Vec::new(),
            origin: Vec::new(),
            calls: Vec::new(),
        }
    }

    /// The same, with the locks held there.
    pub(super) fn site_with(self, body: BodyId, span: Span, action: &'static str, held: &[Held]) -> Site {
        let mut site = self.site(body, span, action);
        site.locks = held.iter().map(|lock| self.lock(lock)).collect();
        site
    }

    /// A piece of evidence with its place.
    pub(super) fn reason(self, text: impl Into<String>, span: Span) -> Reason {
        Reason { text: text.into(), location: Some(self.location(span)) }
    }

    /// A lock as the call that took it names it: `s.mu`, or `s` where it is embedded.
    pub(super) fn lock_name(self, lock: &Held) -> String {
        let call = if lock.own { self.line(lock.at) } else { "" };
        match call.rsplit_once('.') {
            Some((name, _)) => name.to_owned(),
            None => self.place(&lock.place),
        }
    }

    /// A lock, and whether only for reading.
    pub(super) fn lock(self, lock: &Held) -> String {
        let name = self.lock_name(lock);
        if lock.exclusive { name } else { format!("{name} (read)") }
    }

    /// The source text of a span.
    pub(super) fn source(self, span: Span) -> &'a str {
        let source = &self.program.package(self.unit.package).files[self.unit.file as usize].source;
        let bytes = source.get(span.start as usize..span.end as usize).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The first line of a span's source text.
    pub(super) fn line(self, span: Span) -> &'a str {
        self.source(span).lines().next().unwrap_or_default().trim()
    }

    /// The channel of an operation, as it is written there.
    pub(super) fn channel(self, span: Span) -> &'a str {
        let text = self.line(span);
        if let Some(argument) = text.strip_prefix("close(") {
            return argument.trim_end_matches(')');
        }
        text.split_once("<-").map_or(text, |(channel, _)| channel.trim())
    }

    /// Memory as it would be written in the function.
    pub(super) fn place(self, place: &Place) -> String {
        let mut text = match place.root {
            Root::Var(var) => self.unit.var(var).name.as_str().to_owned(),
            Root::Global(object) => self.program.object(object).name.as_str().to_owned(),
            Root::Site(site) => self.line(self.unit.site(site).span).to_owned(),
            Root::Result(..) | Root::Opaque(_) => "value".to_owned(),
        };
        for step in &place.steps {
            match step {
                Step::Field(name) => {
                    let _ = write!(text, ".{name}");
                }
                Step::Index(index) | Step::Element(index) => match index {
                    Index::Const(number) => {
                        let _ = write!(text, "[{number}]");
                    }
                    Index::Var(var) => {
                        let _ = write!(text, "[{}]", self.unit.var(*var).name);
                    }
                    _ => text.push_str("[...]"),
                },
                Step::Deref | Step::Map | Step::State => {}
            }
        }
        text
    }

    /// Whether the function is part of a test: its file imports `testing`.
    pub(super) fn is_test(self) -> bool {
        let file = &self.program.package(self.unit.package).files[self.unit.file as usize];
        file.syntax.imports.iter().any(|import| import.path.as_str() == "testing")
    }

    /// Whether the function's name or comment says that its caller holds a lock, or gets one.
    pub(super) fn speaks_of_held_lock(self) -> bool {
        let Some(func) = self.unit.func else { return false };
        let object = self.program.function(func);
        let name = self.program.object(object).name.as_str().to_lowercase();
        if name.contains("lock") || name.contains("acquire") {
            return true;
        }
        let comment = self.program.object_comment(object).to_lowercase();
        [
            "must hold",
            "be held",
            "is held",
            "held by",
            "lock held",
            "mu held",
            "holds the",
            "holding",
            "locked",
            "unlock",
        ]
        .iter()
        .chain(&["caller must", "callers must"])
        .any(|word| comment.contains(word))
    }
}

/// A function as people name it: `(*T).Method`, `pkg.Func`.
pub(super) fn function_name(program: &Program, func: FuncId) -> String {
    let name = program.runtime_name(func);
    name.rsplit('/').next().unwrap_or(&name).to_owned()
}

/// An object as people name it: `pkg.Name`.
pub(super) fn object_name(program: &Program, object: ObjectId) -> String {
    format!("{}.{}", program.package(object.package).name, program.object(object).name)
}

/// A field as people name it: `pkg.Type.field`.
pub(super) fn field_name(program: &Program, field: &FieldKey) -> String {
    let mut text = object_name(program, field.owner);
    for name in &field.fields {
        let _ = write!(text, ".{name}");
    }
    text
}
