//! Triggers: what a server does when the evidence that comes in says so.
//!
//! A trigger counts the sightings that match its condition over a sliding window, for each group by itself. When a
//! group's count reaches the threshold it fires, and then not again before its cool-down is over. The server keeps the
//! counts; here is what a trigger says, and [`Trigger::matches`].

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use cel::Context;

use crate::condition::Condition;
use crate::facts::SightingFact;
use crate::facts::typed::Fact as _;
use crate::policy::Ticket;
use crate::problem::Position;

/// The longest window, cool-down and time to live.
pub const LONGEST: Duration = Duration::from_hours(24 * 30);

/// The longest window: what a server looks through again when it starts.
pub const LONGEST_WINDOW: Duration = Duration::from_hours(24);

/// A rule on the stream of evidence.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// Name, unique among all triggers and policies.
    pub id: String,
    /// Raised by its author with each change of meaning.
    pub version: u64,
    /// What it watches, for people.
    pub description: String,
    /// Which sightings count.
    pub when: Condition,
    /// How far back it counts.
    pub window: Duration,
    /// From which count on it fires.
    pub threshold: u64,
    /// What has a count of its own; one count for everything when empty.
    pub group_by: Vec<Label>,
    /// How long a group does not fire again.
    pub cooldown: Duration,
    /// What happens.
    pub responses: Vec<Act>,
    /// Sightings that must match, and sightings that must not.
    pub examples: Vec<TriggerExample>,
    /// Hash of its content: the same for the same meaning, whatever its comments and layout.
    pub hash: String,
    /// Where it stands.
    pub file: PathBuf,
    /// Where in that file.
    pub at: Position,
}

/// A sighting, and whether the trigger's condition is to hold for it.
#[derive(Debug, Clone)]
pub struct TriggerExample {
    /// The sighting.
    pub sighting: SightingFact,
    /// Whether it is to match.
    pub must_match: bool,
    /// Where it stands.
    pub at: Position,
}

/// Something that groups are made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// What makes findings the same one.
    Fingerprint,
    /// Race, crash or static finding.
    Kind,
    /// Code of the rule.
    Rule,
    /// Class of the cause.
    Class,
    /// Import path of the package.
    Package,
    /// Name of the service.
    Service,
    /// Its version.
    Version,
    /// Its instance.
    Instance,
    /// Where it runs.
    Environment,
}

impl Label {
    /// All, in the order of the docs.
    pub const ALL: [Self; 9] = [
        Self::Fingerprint,
        Self::Kind,
        Self::Rule,
        Self::Class,
        Self::Package,
        Self::Service,
        Self::Version,
        Self::Instance,
        Self::Environment,
    ];

    /// The word in a trigger, which is the field of a sighting.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fingerprint => "fingerprint",
            Self::Kind => "kind",
            Self::Rule => "rule",
            Self::Class => "class",
            Self::Package => "package",
            Self::Service => "service",
            Self::Version => "version",
            Self::Instance => "instance",
            Self::Environment => "environment",
        }
    }

    /// What a sighting has for it.
    pub fn of(self, sighting: &SightingFact) -> &str {
        match self {
            Self::Fingerprint => &sighting.fingerprint,
            Self::Kind => &sighting.kind,
            Self::Rule => &sighting.rule,
            Self::Class => &sighting.class,
            Self::Package => &sighting.package,
            Self::Service => &sighting.service,
            Self::Version => &sighting.version,
            Self::Instance => &sighting.instance,
            Self::Environment => &sighting.environment,
        }
    }
}

/// A sighting as conditions see it, made once for any number of triggers.
pub struct Prepared(Context<'static, 'static>);

impl Prepared {
    /// The values of a sighting.
    pub fn of(sighting: &SightingFact) -> Self {
        let mut context = Context::default();
        context.add_variable_from_value(SightingFact::RECORD.name, sighting.value());
        Self(context)
    }
}

/// How loud an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Somebody is paged.
    P1,
    /// Somebody looks today.
    P2,
    /// Somebody looks some day.
    P3,
}

impl Priority {
    /// All, the loudest first.
    pub const ALL: [Self; 3] = [Self::P1, Self::P2, Self::P3];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
        }
    }
}

/// What a trigger does when it fires.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// People are told.
    Alert(Priority),
    /// A JSON document is posted.
    Webhook {
        /// Where to.
        url: String,
    },
    /// A ticket is drafted.
    Ticket(Ticket),
    /// The group's version of its service is marked as blocked.
    BlockBuild {
        /// Why, for whoever is held up; the trigger's description when empty.
        reason: String,
    },
    /// Tests or an instance are set aside for a while.
    Quarantine {
        /// Which.
        what: Quarantined,
        /// For how long.
        for_: Duration,
        /// Why; the trigger's description when empty.
        reason: String,
    },
    /// Agents of the group's service look at more of what happens, for a while.
    RaiseSampling {
        /// Share of operations to look at, over 0, at most 1.
        rate: f64,
        /// For how long.
        for_: Duration,
        /// Share of the time that looking may cost; above it the rate is lowered.
        max_overhead: f64,
    },
}

/// What a quarantine is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quarantined {
    /// The tests that show the sighting.
    Tests,
    /// The group's instance.
    Instance,
}

impl Act {
    /// The names of all, in the order of the docs.
    pub const NAMES: [&str; 6] =
        ["alert", "webhook", "ticket", "block-build", "quarantine", "raise-sampling"];

    /// The name in a trigger.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Alert(_) => "alert",
            Self::Webhook { .. } => "webhook",
            Self::Ticket(_) => "ticket",
            Self::BlockBuild { .. } => "block-build",
            Self::Quarantine { .. } => "quarantine",
            Self::RaiseSampling { .. } => "raise-sampling",
        }
    }

    /// The labels without which it would not know what to act on.
    pub fn needs(&self) -> &'static [Label] {
        match self {
            Self::Alert(_)
            | Self::Webhook { .. }
            | Self::Ticket(_)
            | Self::Quarantine { what: Quarantined::Tests, .. } => &[],
            Self::BlockBuild { .. } => &[Label::Service, Label::Version],
            Self::Quarantine { what: Quarantined::Instance, .. } => &[Label::Service, Label::Instance],
            Self::RaiseSampling { .. } => &[Label::Service],
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Trigger {
    /// Whether a sighting counts.
    ///
    /// # Errors
    ///
    /// What CEL says, where the condition can't be evaluated for the values: a division by zero, an index beyond a list.
    pub fn matches(&self, sighting: &Prepared) -> Result<bool, String> {
        self.when.holds(&sighting.0)
    }

    /// The group that a sighting belongs to: a value for each label of `group_by`.
    pub fn group_of(&self, sighting: &SightingFact) -> Vec<String> {
        self.group_by.iter().map(|label| label.of(sighting).to_owned()).collect()
    }

    /// What is wrong with its examples: the first that does not come out as its author says.
    pub fn failing_example(&self) -> Option<(Position, String)> {
        self.examples.iter().find_map(|example| match self.matches(&Prepared::of(&example.sighting)) {
            Ok(matches) if matches == example.must_match => None,
            Ok(true) => Some((example.at, format!("an example of {} must not match, and does", self.id))),
            Ok(false) => Some((example.at, format!("an example of {} must match, and does not", self.id))),
            Err(error) => {
                Some((example.at, format!("an example of {} can't be evaluated: {error}", self.id)))
            }
        })
    }
}
