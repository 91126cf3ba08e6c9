//! Triggers: conditions on sightings, times, groups and what happens.

use std::time::Duration;

use super::fields::Fields;
use super::{Reader, choice, hash};
use crate::condition::{STREAM_STEPS, Scope};
use crate::facts::SightingFact;
use crate::facts::typed::Type;
use crate::problem::Position;
use crate::trigger::{Act, LONGEST, LONGEST_WINDOW, Label, Priority, Quarantined, Trigger, TriggerExample};
use crate::yaml::{Content, Key, Node};

/// The keys of a trigger.
pub(crate) const TRIGGER_KEYS: &[&str] = &[
    "id",
    "version",
    "description",
    "when",
    "window",
    "threshold",
    "group_by",
    "cooldown",
    "responses",
    "examples",
];

/// The keys of `quarantine` in a trigger.
pub(crate) const LIVE_QUARANTINE_KEYS: &[&str] = &["what", "for", "reason"];

/// The keys of `raise-sampling`.
pub(crate) const SAMPLING_KEYS: &[&str] = &["rate", "for", "max_overhead"];

/// Share of the time that a raised sampling rate may cost when the trigger does not say.
const MAX_OVERHEAD: f64 = 0.05;

impl Reader<'_> {
    pub(super) fn trigger(&mut self, node: &Node) -> Option<Trigger> {
        let fields = self.fields(node, "a trigger", TRIGGER_KEYS)?;
        let id = self.id(&fields);
        let version = match fields.get("version") {
            Some(node) => self.positive(node, "version"),
            None => self.missing(&fields, "version", "write `version: 1`, and raise it with each change"),
        };
        let description = self.required_text(&fields, "description", "say what it watches, in one sentence");
        let variables = vec![(SightingFact::RECORD.name.to_owned(), Type::Record(SightingFact::RECORD))];
        let scope = Scope { variables, max_steps: Some(STREAM_STEPS), ..Scope::default() };
        let when = match fields.get("when") {
            Some(node) => self.condition(node, "when", &scope),
            None => self.missing(&fields, "when", "write a condition, `sighting.kind == 'crash'`"),
        };
        let window = match fields.get("window") {
            Some(node) => self.duration(node, "window", LONGEST_WINDOW),
            None => self.missing(&fields, "window", "say how far back it counts: `window: 5m`"),
        };
        let threshold = fields.get("threshold").map_or(Some(1), |node| self.positive(node, "threshold"));
        let cooldown = match fields.get("cooldown") {
            Some(node) => self.duration(node, "cooldown", LONGEST),
            None => window,
        };
        let group_by = fields.get("group_by").map_or(Some(Vec::new()), |node| self.labels(node));
        let responses = match fields.get("responses") {
            Some(node) => self.acts(node),
            None => self.missing(&fields, "responses", "write `responses: [alert]`"),
        };
        let examples = fields.get("examples").map(|node| self.sightings(node)).unwrap_or_default();
        let (group_by, responses) = (group_by?, responses?);
        self.refuse_groupless(fields.get("responses").map_or(node.at, |it| it.at), &group_by, &responses);
        Some(Trigger {
            id: id?,
            version: version?,
            description: description?,
            when: when?,
            window: window?,
            threshold: threshold?,
            group_by,
            cooldown: cooldown?,
            responses,
            examples,
            hash: hash(&node.json()),
            file: self.file.to_owned(),
            at: node.at,
        })
    }

    /// Refuses responses that would not know what to act on.
    fn refuse_groupless(&mut self, at: Position, group_by: &[Label], acts: &[Act]) {
        for act in acts {
            let missing: Vec<&str> =
                act.needs().iter().filter(|label| !group_by.contains(label)).map(|it| it.word()).collect();
            if !missing.is_empty() {
                let needed: Vec<&str> = act.needs().iter().map(|label| label.word()).collect();
                let message = format!("`{act}` needs groups by {}", missing.join(" and "));
                self.problem(at, message, format!("write `group_by: [{}]`", needed.join(", ")));
            }
        }
    }

    /// A time like `90s`, `5m`, `1h`, `2d`: from one second to `longest`.
    fn duration(&mut self, node: &Node, name: &str, longest: Duration) -> Option<Duration> {
        let text = node.text().unwrap_or_default();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let seconds = match unit {
            "s" => Some(1),
            "m" => Some(60),
            "h" => Some(3600),
            "d" => Some(86_400),
            _ => None,
        };
        let time = number
            .parse::<u64>()
            .ok()
            .zip(seconds)
            .and_then(|(number, seconds)| number.checked_mul(seconds))
            .map(Duration::from_secs);
        match time {
            Some(time) if !time.is_zero() && time <= longest => Some(time),
            Some(_) => {
                let hours = longest.as_secs() / 3600;
                self.problem(
                    node.at,
                    format!("`{name}` is {text}, it may be from 1s to {hours}h"),
                    "choose a time between",
                );
                None
            }
            None => {
                self.problem(node.at, format!("`{name}` is no time: `{text}`"), "write 90s, 5m, 1h or 2d");
                None
            }
        }
    }

    fn labels(&mut self, node: &Node) -> Option<Vec<Label>> {
        let mut labels = Vec::new();
        for item in self.items(node, "group_by") {
            let label = self.word(item, "group_by", Label::ALL.map(|label| (label.word(), label)))?;
            if labels.contains(&label) {
                self.problem(item.at, format!("`{}` comes twice", label.word()), "remove one of the two");
            }
            labels.push(label);
        }
        Some(labels)
    }

    fn acts(&mut self, node: &Node) -> Option<Vec<Act>> {
        let mut acts: Vec<Act> = Vec::new();
        for item in self.items(node, "responses") {
            let act = self.act(item)?;
            if acts.iter().any(|known| known.name() == act.name() && !matches!(act, Act::Webhook { .. })) {
                self.problem(item.at, format!("`{act}` comes twice"), "remove one of the two");
            }
            acts.push(act);
        }
        if acts.is_empty() {
            self.problem(node.at, "there are no responses", "write `responses: [alert]`");
            return None;
        }
        Some(acts)
    }

    fn act(&mut self, node: &Node) -> Option<Act> {
        match &node.content {
            Content::Scalar { text, .. } => match text.as_str() {
                "alert" => Some(Act::Alert(Priority::P2)),
                "ticket" => Some(Act::Ticket(crate::policy::Ticket::default())),
                "block-build" => Some(Act::BlockBuild { reason: String::new() }),
                name if Act::NAMES.contains(&name) => {
                    let hint = match name {
                        "webhook" => "write `- webhook: {url: https://…}`",
                        "quarantine" => "write `- quarantine: {what: tests, for: 24h}`",
                        _ => "write `- raise-sampling: {rate: 0.5, for: 30m}`",
                    };
                    self.problem(node.at, format!("`{name}` does not say enough"), hint);
                    None
                }
                other => {
                    let hint = choice(other, Act::NAMES);
                    self.problem(node.at, format!("there is no response `{other}` to a trigger"), hint);
                    None
                }
            },
            Content::Map(entries) => {
                if let [(key, value)] = entries.as_slice() {
                    return self.detailed_act(key, value);
                }
                self.problem(node.at, "a response has one name", "begin each one with `- `");
                None
            }
            Content::List(_) => {
                self.problem(node.at, "a response is a list", "write its name, `- alert`");
                None
            }
        }
    }

    fn detailed_act(&mut self, key: &Key, value: &Node) -> Option<Act> {
        let text = |this: &mut Self, fields: &Fields<'_>, name: &str| {
            fields.get(name).map_or(Some(String::new()), |node| this.text_of(node, name))
        };
        match key.name.as_str() {
            "alert" => {
                let fields = self.fields(value, "`alert`", &["priority"])?;
                let priority = fields.get("priority").map_or(Some(Priority::P2), |node| {
                    self.word(node, "priority", Priority::ALL.map(|it| (it.word(), it)))
                });
                Some(Act::Alert(priority?))
            }
            "webhook" => {
                let fields = self.fields(value, "`webhook`", &["url"])?;
                let url = self.required_text(&fields, "url", "write `url: https://…`")?;
                if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) || url.len() > 2000 {
                    self.problem(value.at, format!("`{url}` is no address"), "write `url: https://…`");
                    return None;
                }
                Some(Act::Webhook { url })
            }
            "ticket" => self.ticket(value).map(Act::Ticket),
            "block-build" => {
                let fields = self.fields(value, "`block-build`", &["reason"])?;
                Some(Act::BlockBuild { reason: text(self, &fields, "reason")? })
            }
            "quarantine" => {
                let fields = self.fields(value, "`quarantine`", LIVE_QUARANTINE_KEYS)?;
                let what = match fields.get("what") {
                    Some(node) => {
                        let words = [("tests", Quarantined::Tests), ("instance", Quarantined::Instance)];
                        self.word(node, "what", words)
                    }
                    None => self.missing(&fields, "what", "write `what: tests` or `what: instance`"),
                };
                let for_ = self.time_to_live(&fields);
                Some(Act::Quarantine { what: what?, for_: for_?, reason: text(self, &fields, "reason")? })
            }
            "raise-sampling" => {
                let fields = self.fields(value, "`raise-sampling`", SAMPLING_KEYS)?;
                let rate = match fields.get("rate") {
                    Some(node) => self.share(node, "rate"),
                    None => self.missing(&fields, "rate", "write `rate: 0.5` for every second operation"),
                };
                let overhead = fields
                    .get("max_overhead")
                    .map_or(Some(MAX_OVERHEAD), |it| self.share(it, "max_overhead"));
                let for_ = self.time_to_live(&fields);
                Some(Act::RaiseSampling { rate: rate?, for_: for_?, max_overhead: overhead? })
            }
            name => {
                let hint = choice(name, Act::NAMES);
                self.problem(key.at, format!("there is no response `{name}` to a trigger"), hint);
                None
            }
        }
    }

    fn time_to_live(&mut self, fields: &Fields<'_>) -> Option<Duration> {
        match fields.get("for") {
            Some(node) => self.duration(node, "for", LONGEST),
            None => self.missing(fields, "for", "say for how long: `for: 24h`"),
        }
    }

    /// A number over 0, at most 1.
    fn share(&mut self, node: &Node, name: &str) -> Option<f64> {
        let share = node.json().as_f64().filter(|share| *share > 0.0 && *share <= 1.0);
        if share.is_none() {
            self.problem(node.at, format!("`{name}` is no share"), "write a number over 0, at most 1: 0.05");
        }
        share
    }

    fn sightings(&mut self, node: &Node) -> Vec<TriggerExample> {
        let Some(fields) = self.fields(node, "`examples`", &["match", "no_match"]) else { return Vec::new() };
        let mut examples = Vec::new();
        for (key, must_match) in [("match", true), ("no_match", false)] {
            let Some(list) = fields.get(key) else { continue };
            for item in self.items(list, key) {
                let Some(value) = self.fact(item, "sighting", &Type::Record(SightingFact::RECORD)) else {
                    continue;
                };
                // Types were checked, so that only a mistake of ours is left to be told.
                match serde_json::from_value::<SightingFact>(value) {
                    Ok(sighting) => examples.push(TriggerExample { sighting, must_match, at: item.at }),
                    Err(error) => self.problem(item.at, format!("this sighting can't be read: {error}"), ""),
                }
            }
        }
        examples
    }
}
