//! What a conflict's finding says.

use std::fmt::Write as _;

use crate::analysis::conflicts::Conflict;
use crate::analysis::scope::{Event, FrameId, Origin, Scope, ThreadId, Touch};
use crate::analysis::wording::capitalised;
use crate::finding::{Finding, Location, Reason, Severity, Site};
use crate::ir::function::How;
use crate::ir::place::{Index, Place, Root, Step};
use crate::rules::Rule;

/// A conflict to describe.
pub(super) struct Describe<'s, 'a> {
    pub(super) scope: &'s Scope<'a>,
    pub(super) conflict: Conflict,
    pub(super) first: &'s Touch<'a>,
    pub(super) second: &'s Touch<'a>,
}

/// What findings that say the same have in common: subject and functions. For channels and WaitGroups the function that
/// closes or waits is enough, and for parts of a variable that is also accessed as a whole, that access.
pub(super) fn topic(finding: &Finding, first: &Touch<'_>, second: &Touch<'_>) -> String {
    let mut functions: Vec<&str> = finding.sites.iter().map(|site| &*site.function).collect();
    if matches!(first.how, How::Close | How::Send | How::GroupAdd | How::GroupWait) {
        return format!("{} {}", finding.subject, functions[0]);
    }
    functions.sort_unstable();
    let functions = functions.join(" ");
    let (a, b) = (first.place.steps.len(), second.place.steps.len());
    let whole =
        finding.sites.iter().find(|site| a != b && site.write != (if a < b { second } else { first }).write);
    match whole {
        Some(whole) => format!("{:?} {functions}", whole.location),
        None => format!("{} {functions}", finding.subject),
    }
}

impl Describe<'_, '_> {
    pub(super) fn finding(&self, rule: &'static Rule, severity: Severity) -> Finding {
        let (blamed, other) = self.order();
        let subject = subject(self.scope, blamed.1);
        let sites = vec![self.site(blamed), self.site(other)];
        let message = format!(
            "{} of {subject} may run at the same time as the {} {}",
            capitalised(sites[0].action),
            sites[1].action,
            self.where_is(&sites[1]),
        );
        let reasons = Self::reasons(&sites);
        let remedy = remedy(rule.code, &subject);
        Finding {
            rule,
            severity: severity.min(rule.severity),
            subject,
            message,
            sites,
            reasons,
            remedy,
            fix: None,
        }
    }

    /// The access to blame, and the other: `Add` of a WaitGroup; the one without a lock, or else the write.
    fn order(&self) -> ((usize, &Touch<'_>), (usize, &Touch<'_>)) {
        let (a, b) = ((self.conflict.first, self.first), (self.conflict.second, self.second));
        let locks = |index: usize| self.scope.events[index].locks.len();
        let rank = |(index, touch): (usize, &Touch<'_>)| {
            (touch.how == How::GroupWait, locks(index) > 0, !touch.write)
        };
        if rank(b) < rank(a) { (b, a) } else { (a, b) }
    }

    fn event(&self, index: usize) -> &Event<'_> {
        &self.scope.events[index]
    }

    fn site(&self, (index, touch): (usize, &Touch<'_>)) -> Site {
        let event = self.event(index);
        let frame = self.scope.frame(event.frame);
        let unit = &self.scope.units().units[frame.unit];
        Site {
            location: location(self.scope, event.frame, event.span),
            function: unit.body(frame.body).name.clone(),
            action: touch.how.noun(touch.write),
            write: touch.write,
            locks: event
                .locks
                .iter()
                .map(|lock| {
                    let name = path(self.scope, &lock.place);
                    match (lock.exclusive, lock.keyed) {
                        (_, true) => format!("{name} (by key)"),
                        (true, false) => name,
                        (false, false) => format!("{name} (read)"),
                    }
                })
                .collect(),
            origin: origins(self.scope, event.thread),
            calls: calls(self.scope, event.frame, event.thread),
        }
    }

    fn where_is(&self, site: &Site) -> String {
        let function = &site.function;
        if *function == self.blamed_function() {
            "in the same function".to_owned()
        } else {
            format!("in {function}")
        }
    }

    fn blamed_function(&self) -> std::sync::Arc<str> {
        let frame = self.scope.frame(self.event(self.order().0.0).frame);
        self.scope.units().units[frame.unit].body(frame.body).name.clone()
    }

    /// Why the two may run at once.
    fn reasons(sites: &[Site]) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let locks = match (sites[0].locks.as_slice(), sites[1].locks.as_slice()) {
            ([], []) => "No lock is held at either access".to_owned(),
            ([], held) => format!("The other access holds {}, this one holds no lock", held.join(", ")),
            (held, []) => format!("This access holds {}, the other holds no lock", held.join(", ")),
            (a, b) if a == b && a.iter().any(|lock| lock.ends_with("(by key)")) => {
                format!("Both hold {}, which excludes only those who give the same key", a.join(", "))
            }
            (a, b) if a == b => {
                format!("Both hold {} for reading only, which does not exclude the write", a.join(", "))
            }
            (a, b) => format!("They hold different locks: {} here, {} there", a.join(", "), b.join(", ")),
        };
        reasons.push(Reason { text: locks, location: None });
        let text = "Nothing between the start of the goroutine and the two accesses makes one wait for the other: no \
                    channel operation, Wait, or Once that both pass"
            .to_owned();
        reasons.push(Reason { text, location: None });
        reasons
    }
}

fn location(scope: &Scope<'_>, frame: FrameId, span: crate::syntax::span::Span) -> Location {
    let unit = &scope.units().units[scope.frame(frame).unit];
    Location { package: unit.package, file: unit.file, span }
}

/// The chain of goroutines that leads to a thread, innermost first.
fn origins(scope: &Scope<'_>, thread: ThreadId) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut next = Some(thread);
    while let Some(id) = next {
        let thread = &scope.threads[id.0 as usize];
        let at =
            thread.spawn.map(|spawn| location(scope, scope.events[spawn].frame, scope.events[spawn].span));
        let text = match thread.origin {
            Origin::Root => {
                let frame = scope.frame(thread.frame);
                format!("runs in the goroutine of {}", scope.units().units[frame.unit].name)
            }
            Origin::Go => "runs in a goroutine started here".to_owned(),
            Origin::Group => "runs in a goroutine of the group, started here".to_owned(),
            Origin::Callback => "runs in a goroutine of the runtime: this sets the callback".to_owned(),
            Origin::Handler => {
                "runs once for each request, many at a time: this registers the handler".to_owned()
            }
            Origin::Subtest => "runs beside other parallel subtests".to_owned(),
            Origin::Sent => "is sent to another goroutine, which runs it".to_owned(),
        };
        reasons.push(Reason { text, location: at });
        next = thread.parent;
    }
    reasons
}

/// The calls from the beginning of the goroutine to a frame, innermost first.
fn calls(scope: &Scope<'_>, frame: FrameId, thread: ThreadId) -> Vec<(std::sync::Arc<str>, Location)> {
    let outermost = scope.threads[thread.0 as usize].frame;
    let mut chain = Vec::new();
    let mut current = frame;
    while current != outermost {
        let inner = scope.frame(current);
        let Some(caller) = inner.caller else { break };
        let called_from = scope.frame(caller);
        let unit = &scope.units().units[called_from.unit];
        chain.push((unit.body(called_from.body).name.clone(), location(scope, caller, inner.call)));
        current = caller;
    }
    chain
}

/// What is accessed, as people name it.
fn subject(scope: &Scope<'_>, touch: &Touch<'_>) -> String {
    let name = named(scope, touch);
    if touch.how.is_map() {
        format!("map {name}")
    } else if matches!(touch.how, How::Send | How::Close) {
        format!("channel {name}")
    } else if matches!(touch.how, How::GroupAdd | How::GroupWait) {
        format!("WaitGroup {name}")
    } else if touch.place.steps.is_empty() {
        format!("variable {name}")
    } else {
        name
    }
}

/// The memory by the variable that leads to it; where none does, by its type and field.
fn named(scope: &Scope<'_>, touch: &Touch<'_>) -> String {
    let nameless = match touch.place.root {
        Root::Result(..) | Root::Opaque(_) => true,
        Root::Site(site) => scope.site_name(site).is_none(),
        Root::Var(_) | Root::Global(_) => false,
    };
    match touch.field {
        Some(field) if nameless => {
            let mut name = scope.program().object(field.owner).name.to_string();
            for field in &field.fields {
                let _ = write!(name, ".{field}");
            }
            name
        }
        _ => path(scope, &touch.place),
    }
}

/// A place as it would be written in Go.
fn path(scope: &Scope<'_>, place: &Place) -> String {
    let mut text = match place.root {
        Root::Var(var) => {
            let (unit, own) = scope.variable(var);
            scope.units().units[unit].var(own).name.to_string()
        }
        Root::Global(object) => scope.program().object(object).name.to_string(),
        Root::Site(_) => site_name(scope, place),
        Root::Result(..) | Root::Opaque(_) => "(…)".to_owned(),
    };
    for step in &place.steps {
        match step {
            Step::Field(name) => {
                let _ = write!(text, ".{name}");
            }
            Step::Index(index) | Step::Element(index) => {
                let inside = match index {
                    Index::Const(number) if (0..1000).contains(number) => number.to_string(),
                    _ => "…".to_owned(),
                };
                let _ = write!(text, "[{inside}]");
            }
            Step::Deref | Step::Map | Step::State => {}
        }
    }
    text
}

/// An object made in the scope goes by the name of the variable that holds it.
fn site_name(scope: &Scope<'_>, place: &Place) -> String {
    let Root::Site(site) = place.root else { return String::new() };
    scope.site_name(site).unwrap_or_else(|| "(new object)".to_owned())
}

/// What would order the two.
fn remedy(code: &str, subject: &str) -> String {
    match code {
        "RG203" => "Let one goroutine, the sender, close the channel, after its last send".to_owned(),
        "RG208" => "Call Add before the go statement, in the goroutine that calls Wait".to_owned(),
        "RG106" => "Take the lock for writing: Lock instead of RLock".to_owned(),
        "RG107" => format!("Guard {subject} with the same lock at both places"),
        "RG205" => {
            "Pass the variable to the goroutine as an argument, or let go.mod say Go 1.22 or later".to_owned()
        }
        "RG206" => {
            "Give the goroutine an error variable of its own, and hand it back through a channel or errgroup"
                .to_owned()
        }
        "RG209" => "Give each subtest its own copy, or don't run them in parallel".to_owned(),
        "RG210" => "Access it through sync/atomic everywhere, best by one of its types".to_owned(),
        "RG111" => {
            format!("Give the goroutine a copy (maps.Clone), or guard {subject} with a mutex at both places")
        }
        _ => format!(
            "Guard {subject} with one mutex at both places, or wait for the goroutine before the access"
        ),
    }
}
