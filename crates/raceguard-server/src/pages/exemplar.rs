//! The first record of a finding, as a page shows it: a race, a crash, or a static finding.

use askama::Template;
use askama::filters::HtmlSafe;
use raceguard_diagnosis::advice::{Facts, advise};
use raceguard_diagnosis::rule::Rule;
use raceguard_evidence::{
    Access, Crash, EvidenceReader, Frame, MapOp, Object, ObjectKind, Race, Reason, Record, Site,
    StaticFinding,
};

use super::graph::{Graph, Words};
use super::stack::{Excerpt, FrameView, StackView, anchor, place};
use super::text::Text;

/// Goroutines of a crash that are shown.
const GOROUTINES: usize = 20;

/// What a record shows.
#[derive(Debug, Template)]
#[template(path = "part/exemplar.html")]
pub(super) struct Exemplar {
    text: &'static Text,
    /// Code and meaning of its rule.
    pub(super) rule: Option<(String, String)>,
    /// What to do, one line each.
    pub(super) advice: Vec<String>,
    pub(super) sides: Vec<Side>,
    pub(super) graph: Option<Graph>,
    pub(super) object: Option<ObjectView>,
    pub(super) goroutines: Vec<GoroutineView>,
    /// Goroutines that are not shown.
    pub(super) left_out: u64,
    /// Why it is taken for what it is, with places.
    pub(super) reasons: Vec<(String, String)>,
    pub(super) fix: Option<FixView>,
    /// What a reader must know to judge it.
    pub(super) notes: Vec<String>,
}

/// One of the two accesses of a race, or a statement of a static finding.
#[derive(Debug)]
pub(super) struct Side {
    /// `later` or `earlier`, for colours.
    pub(super) class: &'static str,
    pub(super) role: String,
    pub(super) what: String,
    pub(super) who: String,
    pub(super) locks: Vec<String>,
    pub(super) excerpt: Option<Excerpt>,
    pub(super) stack: StackView,
    /// The `go` statement that started its goroutine.
    pub(super) started: Option<FrameView>,
}

/// The object that was raced on.
#[derive(Debug)]
pub(super) struct ObjectView {
    pub(super) text: String,
    pub(super) stack: StackView,
}

/// A goroutine of a crash.
#[derive(Debug)]
pub(super) struct GoroutineView {
    pub(super) title: String,
    pub(super) excerpt: Option<Excerpt>,
    pub(super) stack: StackView,
    pub(super) started: Option<FrameView>,
}

/// A change that mends it.
#[derive(Debug)]
pub(super) struct FixView {
    pub(super) title: String,
    /// Place and new text of each replacement.
    pub(super) edits: Vec<(String, String)>,
}

impl HtmlSafe for Exemplar {}

impl Exemplar {
    fn empty(text: &'static Text) -> Self {
        Self {
            text,
            rule: None,
            advice: Vec::new(),
            sides: Vec::new(),
            graph: None,
            object: None,
            goroutines: Vec::new(),
            left_out: 0,
            reasons: Vec::new(),
            fix: None,
            notes: Vec::new(),
        }
    }

    /// Reads a line of evidence. What is no finding shows nothing.
    pub(super) fn read(line: &str, text: &'static Text) -> Self {
        match EvidenceReader::new(line.as_bytes()).next() {
            Some(Ok(Record::Race(race))) => Self::of_race(&race, text),
            Some(Ok(Record::Crash(crash))) => Self::of_crash(&crash, text),
            Some(Ok(Record::StaticFinding(finding))) => Self::of_static_finding(&finding, text),
            _ => Self::empty(text),
        }
    }

    fn of_race(race: &Race, text: &'static Text) -> Self {
        let subject = race.object.as_ref().and_then(|object| object.name.as_deref());
        let (rule, advice) =
            advise(&Facts { race, lines: [None, None], subject: subject.filter(|name| !name.is_empty()) });
        let words = Words {
            go_statement: text.go_statement,
            shared: text.shared_memory,
            label: text.goroutine_graph,
        };
        Self {
            rule: Some(named(rule)),
            advice: vec![advice],
            sides: vec![Side::of_access(race, 0, "later", text), Side::of_access(race, 1, "earlier", text)],
            graph: Some(Graph::of_race(race, words)),
            object: race.object.as_ref().map(|object| ObjectView::new(object, text)),
            notes: race.notes.clone(),
            ..Self::empty(text)
        }
    }

    fn of_crash(crash: &Crash, text: &'static Text) -> Self {
        let rule = Rule::of_crash(crash.cause());
        let shown = crash.goroutines.iter().take(GOROUTINES);
        let hidden = crash.goroutines.len().saturating_sub(GOROUTINES) as u64;
        Self {
            rule: Some(named(rule)),
            advice: vec![rule.fix.to_owned()],
            goroutines: shown
                .map(|goroutine| GoroutineView {
                    title: format!("goroutine {} [{}]", goroutine.id, goroutine.state),
                    excerpt: Excerpt::of_anchor(&goroutine.stack),
                    stack: StackView::new(&goroutine.stack, text),
                    started: goroutine.created_at.first().map(|frame| FrameView::alone(frame, text)),
                })
                .collect(),
            left_out: crash.goroutines_left_out + hidden,
            ..Self::empty(text)
        }
    }

    fn of_static_finding(finding: &StaticFinding, text: &'static Text) -> Self {
        let classes = ["later", "earlier"];
        let sides = finding.sites.iter().enumerate();
        let remedy = Some(finding.remedy.clone()).filter(|remedy| !remedy.is_empty());
        Self {
            rule: Some((finding.rule.clone(), finding.message.clone())),
            advice: remedy.into_iter().collect(),
            sides: sides.map(|(index, site)| Side::of_site(site, classes[index.min(1)], text)).collect(),
            reasons: finding.reasons.iter().map(reason).collect(),
            fix: finding.fix.as_ref().map(|fix| FixView {
                title: fix.title.clone(),
                edits: fix.edits.iter().map(|edit| (place(&edit.file, 0), edit.text.clone())).collect(),
            }),
            ..Self::empty(text)
        }
    }
}

fn named(rule: &Rule) -> (String, String) {
    (rule.code.to_owned(), rule.summary.to_owned())
}

fn reason(reason: &Reason) -> (String, String) {
    let at = reason.place.as_ref().map(|at| place(&at.file, at.line)).unwrap_or_default();
    (reason.text.clone(), at)
}

impl Side {
    fn of_access(race: &Race, index: usize, class: &'static str, text: &'static Text) -> Self {
        let access = &race.accesses[index];
        let goroutine = race.goroutine(access.goroutine);
        let started = goroutine.and_then(|goroutine| goroutine.go_statement());
        let started = started.and_then(|stack| Some(FrameView::alone(&stack[anchor(stack)?], text)));
        let who = match (goroutine.and_then(|goroutine| goroutine.name.as_deref()), access.goroutine) {
            (Some(name), _) if !name.is_empty() => format!("goroutine {name}"),
            (_, Some(id)) => format!("goroutine {id}"),
            _ => "goroutine".to_owned(),
        };
        Self {
            class,
            role: if index == 0 { text.later_access } else { text.earlier_access }.to_owned(),
            what: what(access),
            who,
            locks: Vec::new(),
            excerpt: Excerpt::of_anchor(&access.stack),
            stack: StackView::new(&access.stack, text),
            started,
        }
    }

    fn of_site(site: &Site, class: &'static str, text: &'static Text) -> Self {
        let frame = Frame::new(&site.function, &site.place.file, site.place.line);
        let calls = site.calls.iter().map(|call| {
            let frame = Frame::new(&call.function, &call.place.file, call.place.line);
            Frame { extra: call.place.extra.clone(), ..frame }
        });
        let stack: Vec<_> = std::iter::once(frame).chain(calls).collect();
        let started = site.origin.first().map(reason);
        Self {
            class,
            role: text.statement.to_owned(),
            what: site.action.clone(),
            who: started
                .map(|(text, at)| if at.is_empty() { text } else { format!("{text} ({at})") })
                .unwrap_or_default(),
            locks: site.locks.clone(),
            excerpt: Excerpt::of_place(&site.place),
            stack: StackView::new(&stack, text),
            started: None,
        }
    }
}

/// `map insert`, `write`.
fn what(access: &Access) -> String {
    match &access.map_op {
        Some(MapOp::Iterate) => "map iteration".to_owned(),
        Some(operation) => format!("map {}", operation.as_str()),
        None => access.op.as_str().to_owned(),
    }
}

impl ObjectView {
    fn new(object: &Object, text: &'static Text) -> Self {
        let name = object.name.as_deref().filter(|name| !name.is_empty());
        let size = object.size.map(|size| format!("{size} B ")).unwrap_or_default();
        let what = match (&object.kind, name) {
            (_, Some(name)) => name.to_owned(),
            (ObjectKind::Heap, _) => format!("{size}{}", text.on_the_heap),
            (ObjectKind::Global, _) => text.global_variable.to_owned(),
            _ => text.shared_memory.to_owned(),
        };
        Self { text: what, stack: StackView::new(&object.allocation, text) }
    }
}
