//! From YAML to policies that are checked as a whole.
//!
//! Everything that is wrong is told at once, with its place. What is accepted can be evaluated: names, fields, types,
//! dates and thresholds are sound, and no two policies share an id.

pub(crate) mod example;
mod fields;
pub(crate) mod response;
pub(crate) mod trigger;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::condition::{Condition, Scope};
use crate::digest::short_hash;
use crate::facts::typed::Type;
use crate::facts::{Over, globals};
use crate::policy::{Count, Level, Policy, PolicySet, Response, Severity, Threshold, Validity, Window};
use crate::problem::{Position, Problems, suggestion};
use crate::trigger::Trigger;
use crate::yaml::{Content, Node};
use fields::Fields;

/// The version of the files' format.
pub const SCHEMA: u64 = 1;

/// The keys of a file.
pub const FILE_KEYS: &[&str] = &["schema", "policies", "triggers"];

/// The keys of a policy.
pub const POLICY_KEYS: &[&str] = &[
    "id",
    "version",
    "description",
    "match",
    "unmeasured",
    "window",
    "count",
    "threshold",
    "severity",
    "responses",
    "valid",
    "examples",
];

/// The keys of `match`.
pub const MATCH_KEYS: &[&str] = &["over", "needs", "when"];

/// What `unmeasured` may be.
pub const UNMEASURED: [Level; 3] = [Level::Pass, Level::Warn, Level::Fail];

/// Reads the policies of several files, each given by its name and its text.
pub fn read<'a>(files: impl IntoIterator<Item = (&'a Path, &'a str)>) -> Result<PolicySet, Problems> {
    let mut set = PolicySet::default();
    let mut problems = Problems::default();
    let mut places: HashMap<String, (PathBuf, Position)> = HashMap::new();
    for (file, text) in files {
        let mut reader = Reader { file, text, problems: Problems::default() };
        let (policies, triggers) = reader.file();
        let ids = policies.iter().map(|it| ("policy", it.id.clone(), it.at));
        for (what, id, at) in ids.chain(triggers.iter().map(|it| ("trigger", it.id.clone(), it.at))) {
            if let Some((first_file, first_at)) = places.insert(id.clone(), (file.to_owned(), at)) {
                let message = format!("there is a second {what} `{id}`");
                let (first_file, first_line) = (first_file.display(), first_at.line);
                reader.problem(
                    at,
                    message,
                    format!("the first is at {first_file}:{first_line}: rename one of them"),
                );
            }
        }
        set.policies.extend(policies);
        set.triggers.extend(triggers);
        problems.extend(reader.problems);
    }
    if problems.is_empty() { Ok(set) } else { Err(problems) }
}

/// A file while it is read.
struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    problems: Problems,
}

impl Reader<'_> {
    fn problem(&mut self, at: Position, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(at.problem(self.file, message, hint));
    }

    fn file(&mut self) -> (Vec<Policy>, Vec<Trigger>) {
        let nothing = || (Vec::new(), Vec::new());
        let root = match Node::parse(self.text) {
            Ok(root) => root,
            Err(error) => {
                self.problem(error.at, error.message, error.hint);
                return nothing();
            }
        };
        let Some(fields) = self.fields(&root, "a file of policies", FILE_KEYS) else { return nothing() };
        match fields.get("schema").map(|node| (node, node.json().as_u64())) {
            Some((_, Some(SCHEMA))) => {}
            Some((node, Some(newer))) if newer > SCHEMA => {
                let message = format!("schema {newer} is newer than this raceguard");
                self.problem(node.at, message, "upgrade raceguard");
                return nothing();
            }
            Some((node, _)) => {
                self.problem(node.at, "`schema` is no version", format!("write `schema: {SCHEMA}`"));
            }
            None => {
                let hint = format!("write `schema: {SCHEMA}`");
                self.problem(root.at, "the version of the format is missing", hint);
            }
        }
        let (policies, triggers) = (fields.get("policies"), fields.get("triggers"));
        if policies.is_none() && triggers.is_none() {
            self.problem(root.at, "there are no policies", "write them as a list below `policies:`");
        }
        let policies = policies.map(|list| self.items(list, "policies")).unwrap_or_default();
        let policies = policies.iter().filter_map(|node| self.policy(node)).collect();
        let triggers = triggers.map(|list| self.items(list, "triggers")).unwrap_or_default();
        (policies, triggers.iter().filter_map(|node| self.trigger(node)).collect())
    }

    fn policy(&mut self, node: &Node) -> Option<Policy> {
        let fields = self.fields(node, "a policy", POLICY_KEYS)?;
        let id = self.id(&fields);
        let version = match fields.get("version") {
            Some(node) => self.positive(node, "version"),
            None => self.missing(
                &fields,
                "version",
                "write `version: 1`, and raise it with each change of meaning",
            ),
        };
        let description = self.required_text(&fields, "description", "say what it demands, in one sentence");
        let condition = match fields.get("match") {
            Some(node) => self.matching(node),
            None => {
                self.missing(&fields, "match", "write below it `over: findings` and `when: finding.is_new`")
            }
        };
        let unmeasured = fields.get("unmeasured").map_or(Some(Level::Pass), |node| {
            self.word(node, "unmeasured", UNMEASURED.map(|level| (level.word(), level)))
        });
        let count = fields.get("count").map_or(Some(Count::Items), |node| {
            self.word(node, "count", Count::ALL.map(|it| (it.word(), it)))
        });
        let window = fields.get("window").map_or(Some(Window::default()), |node| self.window(node));
        let responses = self.responses(&fields);
        let severity = fields.get("severity").map_or(Some(None), |node| {
            self.word(node, "severity", Severity::ALL.map(|it| (it.word(), it))).map(Some)
        });
        let valid = fields.get("valid").map_or(Some(Validity::default()), |node| self.validity(node));
        let examples = fields.get("examples").map(|node| self.examples(node));
        let (over, needs, when) = condition?;
        let responses = responses?;
        self.refuse_misplaced(&fields, over, &responses);
        Some(Policy {
            id: id?,
            version: version?,
            description: description?,
            over,
            needs,
            when,
            unmeasured: unmeasured?,
            window: window?,
            count: count?,
            severity: severity?.unwrap_or_else(|| usual_severity(&responses)),
            responses,
            valid: valid?,
            examples: examples.unwrap_or_default(),
            hash: hash(&node.json()),
            file: self.file.to_owned(),
            at: node.at,
        })
    }

    fn id(&mut self, fields: &Fields<'_>) -> Option<String> {
        let id = self.required_text(fields, "id", "give it a name like `no-new-races`")?;
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if id.len() <= 64 && id.chars().all(is_word) && id.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Some(id);
        }
        // It also names files of tickets.
        let hint = "use lower-case letters, digits and `-`, beginning with a letter, at most 64";
        self.problem(fields.get("id")?.at, format!("`{id}` is no id"), hint);
        None
    }

    fn matching(&mut self, node: &Node) -> Option<(Over, Option<Condition>, Condition)> {
        let fields = self.fields(node, "`match`", MATCH_KEYS)?;
        let over = if let Some(node) = fields.get("over") {
            self.word(node, "over", Over::ALL.map(|over| (over.word(), over)))
        } else {
            let all = Over::ALL.map(Over::word).join(", ");
            self.missing(&fields, "over", &format!("say what it goes over: {all}"))
        }?;
        let mut variables: Vec<(String, Type)> =
            globals().into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect();
        variables.push((over.record().name.to_owned(), Type::Record(over.record())));
        let mut scope = Scope { variables, ..Scope::default() };
        let needs = match fields.get("needs") {
            Some(node) => Some(self.condition(node, "needs", &scope)?),
            None => None,
        };
        if let Some(needs) = &needs {
            scope.not_null = needs.not_null_where_true();
        }
        let when = match fields.get("when") {
            Some(node) => self.condition(node, "when", &scope),
            None => self.missing(&fields, "when", "write a condition, `true` for every item"),
        }?;
        Some((over, needs, when))
    }

    fn condition(&mut self, node: &Node, name: &str, scope: &Scope) -> Option<Condition> {
        let (Content::Scalar { text: source, .. }, Value::String(_) | Value::Bool(_)) =
            (&node.content, node.json())
        else {
            let message = format!("`{name}` is {}, not a condition", node.kind());
            self.problem(node.at, message, "write a CEL expression like `finding.kind == 'race'`");
            return None;
        };
        match Condition::compile(source, scope) {
            Ok(condition) => Some(condition),
            Err(errors) => {
                for error in errors {
                    self.problem(node.place_of(error.index, self.text), error.message, error.hint);
                }
                None
            }
        }
    }

    fn window(&mut self, node: &Node) -> Option<Window> {
        let fields = self.fields(node, "`window`", &["runs", "days"])?;
        match (fields.get("runs"), fields.get("days")) {
            (Some(runs), None) => self.positive(runs, "runs").map(Window::Runs),
            (None, Some(days)) => self.positive(days, "days").map(Window::Days),
            _ => {
                self.problem(node.at, "`window` needs either runs or days", "write `window: {runs: 5}`");
                None
            }
        }
    }

    fn validity(&mut self, node: &Node) -> Option<Validity> {
        let fields = self.fields(node, "`valid`", &["from", "until"])?;
        let mut moment = |name: &str, end| match fields.get(name) {
            Some(node) => self.moment(node, name, end).map(Some),
            None => Some(None),
        };
        let validity = Validity { from: moment("from", false)?, until: moment("until", true)? };
        if let (Some(from), Some(until)) = (&validity.from, &validity.until)
            && from.time >= until.time
        {
            self.problem(node.at, "it ends before it begins", "exchange `from` and `until`");
            return None;
        }
        Some(validity)
    }

    /// Refuses combinations that would silently do nothing.
    fn refuse_misplaced(&mut self, fields: &Fields<'_>, over: Over, responses: &[Threshold]) {
        let Some(at) = fields.get("responses").map(|node| node.at) else { return };
        for threshold in responses {
            let (needs, reason) = match threshold.response {
                Response::Quarantine(_) => (&[Over::Findings][..], "only findings have tests"),
                Response::RequireOwner => {
                    (&[Over::Findings, Over::Clusters, Over::Locks][..], "an owner is named for a file")
                }
                _ => continue,
            };
            if !needs.contains(&over) {
                let message = format!("`{}` can't be given over {}", threshold.response, over.word());
                self.problem(at, message, format!("{reason}: leave the response out"));
            }
        }
    }
}

/// The severity of a policy that names none.
fn usual_severity(responses: &[Threshold]) -> Severity {
    let fails = |it: &Threshold| matches!(it.response, Response::Fail | Response::RequireOwner);
    if responses.iter().any(fails) { Severity::Error } else { Severity::Warning }
}

/// Hash of the content, with keys in a fixed order, so that comments and layout do not matter.
fn hash(value: &Value) -> String {
    short_hash(sorted(value).to_string().as_bytes())
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            Value::Object(entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// `did you mean …`, for the words of a choice.
fn choice<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    suggestion(word, known)
}

#[cfg(test)]
mod tests;
