//! Evaluates policies over facts, and keeps for each of them what it looked at, what matched, and why it came to what.
//!
//! Order matters in one place alone: quarantines go first, and what they set aside no other policy sees.

mod items;
mod outcome;

use std::collections::BTreeMap;

use cel::Context;
use jiff::Timestamp;

use crate::facts::{Facts, Over};
use crate::owners::Owners;
use crate::policy::{Count, Level, Policy, PolicySet, Quarantine, Response, Window};
use items::Item;
pub use outcome::{Evaluation, Match, Outcome, Reached, SetAside, Status};

/// Facts of one moment. The first one of a question is what is judged; the others came before, newest first.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Name, for people: that of the run.
    pub name: String,
    /// When it began.
    pub started: Timestamp,
    /// The facts.
    pub facts: Facts,
}

/// What is asked of policies.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The evidence that is judged, and earlier runs for windows.
    pub snapshots: &'a [Snapshot],
    /// Now: for validity and quarantines.
    pub now: Timestamp,
    /// Who owns which file, when somebody says.
    pub owners: Option<&'a Owners>,
    /// Policies whose failure is allowed this time.
    pub allowed: &'a [String],
}

/// Evaluates all policies.
pub fn evaluate(set: &PolicySet, question: &Question<'_>) -> Evaluation {
    let set_aside = quarantined(set, question);
    let outcomes = set.policies.iter().map(|policy| judge(policy, question, &set_aside)).collect();
    Evaluation { outcomes, set_aside }
}

/// The findings that are set aside, by their fingerprints.
fn quarantined(set: &PolicySet, question: &Question<'_>) -> Vec<SetAside> {
    let mut set_aside: BTreeMap<String, SetAside> = BTreeMap::new();
    for policy in &set.policies {
        let Some(quarantine) = quarantine_of(policy) else { continue };
        if !is_in_force(policy, question.now) || quarantine.until.time <= question.now {
            continue;
        }
        let Ok(Found { matched, .. }) = find(policy, question, &[]) else { continue };
        for found in matched.into_values().filter(|it| covers(quarantine, &it.shown.tests)) {
            set_aside.entry(found.shown.id.clone()).or_insert_with(|| SetAside {
                policy: policy.id.clone(),
                until: quarantine.until.text.clone(),
                reason: quarantine.reason.clone(),
                owner: quarantine.owner.clone(),
                found: found.shown,
            });
        }
    }
    set_aside.into_values().collect()
}

/// Whether all tests that show a finding are in quarantine. One that no test shows never is.
fn covers(quarantine: &Quarantine, tests: &[String]) -> bool {
    let is_covered = |test: &String| {
        let matches = |pattern: &String| glob::Pattern::new(pattern).is_ok_and(|it| it.matches(test));
        quarantine.tests.is_empty() || quarantine.tests.iter().any(matches)
    };
    !tests.is_empty() && tests.iter().all(is_covered)
}

fn quarantine_of(policy: &Policy) -> Option<&Quarantine> {
    policy.responses.iter().find_map(|it| match &it.response {
        Response::Quarantine(quarantine) => Some(quarantine),
        _ => None,
    })
}

fn is_in_force(policy: &Policy, now: Timestamp) -> bool {
    let begun = policy.valid.from.as_ref().is_none_or(|from| from.time <= now);
    begun && policy.valid.until.as_ref().is_none_or(|until| now < until.time)
}

/// What a policy found.
#[derive(Debug, Default)]
struct Found {
    /// How many items it looked at.
    looked_at: u64,
    /// How many of them could not be judged.
    unmeasured: u64,
    /// Those that match, by identity, in a stable order.
    matched: BTreeMap<(usize, String), FoundItem>,
}

#[derive(Debug)]
struct FoundItem {
    shown: Match,
}

/// Goes over the items of all snapshots in the policy's window.
fn find(policy: &Policy, question: &Question<'_>, set_aside: &[SetAside]) -> Result<Found, String> {
    let mut found = Found::default();
    let mut order: BTreeMap<String, usize> = BTreeMap::new();
    for snapshot in window(policy.window, question) {
        let mut globals = Context::default();
        for (name, value) in snapshot.facts.values() {
            globals.add_variable_from_value(name, value);
        }
        for item in items::of(&snapshot.facts, policy.over) {
            if policy.over == Over::Findings && set_aside.iter().any(|it| it.found.id == item.id) {
                continue;
            }
            found.looked_at += 1;
            match matches(policy, &item, &globals)? {
                None => found.unmeasured += 1,
                Some(false) => {}
                Some(true) => {
                    let next = order.len();
                    let place = *order.entry(item.id.clone()).or_insert(next);
                    let Item { id, .. } = &item;
                    let entry = found
                        .matched
                        .entry((place, id.clone()))
                        .or_insert_with(|| FoundItem { shown: item.shown.clone() });
                    entry.shown.see(&item.shown, &snapshot.name);
                }
            }
        }
    }
    Ok(found)
}

/// Whether an item matches; nothing when it can't be judged.
fn matches(policy: &Policy, item: &Item, globals: &Context<'_, '_>) -> Result<Option<bool>, String> {
    let mut scope = globals.new_inner_scope();
    scope.add_variable_from_value(policy.over.record().name, item.value.clone());
    if let Some(needs) = &policy.needs
        && !needs.holds(&scope)?
    {
        return Ok(None);
    }
    policy.when.holds(&scope).map(Some)
}

/// The snapshots that a policy looks at: the judged one, and those before it that its window reaches.
fn window<'a>(window: Window, question: &Question<'a>) -> Vec<&'a Snapshot> {
    let (now, seconds) = (question.now.as_second(), 24 * 60 * 60);
    let reaches = |index: usize, snapshot: &Snapshot| match window {
        Window::Runs(runs) => (index as u64) < runs,
        Window::Days(days) => {
            let age = u64::try_from(now - snapshot.started.as_second()).unwrap_or(0);
            age <= days.saturating_mul(seconds)
        }
    };
    let snapshots = question.snapshots.iter().enumerate();
    snapshots.filter(|(index, it)| *index == 0 || reaches(*index, it)).map(|(_, it)| it).collect()
}

/// What one policy comes to.
fn judge(policy: &Policy, question: &Question<'_>, set_aside: &[SetAside]) -> Outcome {
    let mut outcome = Outcome::new(policy);
    if let Some(reason) = not_in_force(policy, question.now) {
        outcome.status = Status::NotInForce;
        outcome.reason = reason;
        return outcome;
    }
    // A quarantine looks at what it has set aside itself.
    let own: Vec<SetAside> = set_aside.iter().filter(|it| it.policy != policy.id).cloned().collect();
    let found = match find(policy, question, &own) {
        Ok(found) => found,
        Err(error) => {
            outcome.status = Status::Broken;
            outcome.level = Level::Broken;
            outcome.reason = format!("it could not be evaluated: {error}");
            return outcome;
        }
    };
    outcome.looked_at = found.looked_at;
    outcome.unmeasured = found.unmeasured;
    outcome.matched = found.matched.into_values().map(|it| it.shown).collect();
    outcome.count = counted(policy.count, &outcome.matched);
    if found.looked_at == found.unmeasured && is_unmeasured(policy.over, found.unmeasured, question) {
        outcome.status = Status::Unmeasured;
        outcome.level = policy.unmeasured;
        outcome.reason = unmeasured_reason(policy.over, found.unmeasured);
    } else {
        respond(policy, question, &mut outcome);
    }
    if outcome.level == Level::Fail && question.allowed.contains(&policy.id) {
        outcome.status = Status::Allowed;
        outcome.level = Level::Note;
        outcome.reason = format!("allowed on the command line: {}", outcome.reason);
    }
    outcome
}

fn not_in_force(policy: &Policy, now: Timestamp) -> Option<String> {
    match (&policy.valid.from, &policy.valid.until) {
        (Some(from), _) if from.time > now => Some(format!("not in force before {}", from.text)),
        (_, Some(until)) if until.time <= now => {
            Some(format!("no longer in force: it ended with {}", until.text))
        }
        _ => None,
    }
}

/// No finding is a good sign, but no coverage is none.
fn is_unmeasured(over: Over, unmeasured: u64, question: &Question<'_>) -> bool {
    let has_profile = || question.snapshots.iter().any(|it| it.facts.evidence.has_lock_profile);
    match over {
        _ if unmeasured > 0 => true,
        Over::Coverage | Over::Runs => true,
        Over::Locks => !has_profile(),
        Over::Findings | Over::Clusters | Over::Evidence => false,
    }
}

fn unmeasured_reason(over: Over, unmeasured: u64) -> String {
    match (over, unmeasured) {
        (Over::Coverage, 0) => "not judged: no coverage was measured".to_owned(),
        (Over::Locks, 0) => "not judged: there is no profile of locks".to_owned(),
        (_, 0) => format!("not judged: there are no {}", over.word()),
        (Over::Coverage, _) => "not judged: what it needs of coverage is not known".to_owned(),
        (_, count) => format!("not judged: what it needs is not known of {count} of {count} {}", over.word()),
    }
}

fn counted(count: Count, matched: &[Match]) -> u64 {
    match count {
        Count::Items => matched.len() as u64,
        Count::Occurrences => matched.iter().map(|it| it.occurrences).sum(),
        Count::Runs => {
            let mut runs: Vec<&String> = matched.iter().flat_map(|it| &it.seen_in).collect();
            runs.sort();
            runs.dedup();
            runs.len() as u64
        }
    }
}

/// Which responses the count reaches, and what they come to.
fn respond(policy: &Policy, question: &Question<'_>, outcome: &mut Outcome) {
    let mut extra = Vec::new();
    for threshold in policy.responses.iter().filter(|it| it.at <= outcome.count) {
        let level = match &threshold.response {
            Response::Fail => Level::Fail,
            Response::Warn => Level::Warn,
            Response::Annotate | Response::Ticket(_) => Level::Note,
            Response::Quarantine(quarantine) => quarantine_level(quarantine, question.now, &mut extra),
            Response::RequireOwner => require_owner(question.owners, &mut outcome.matched, &mut extra),
        };
        outcome.level = outcome.level.max(level);
        outcome.reached.push(Reached { response: threshold.response.name().to_owned(), at: threshold.at });
    }
    let mut reason = outcome::counted_reason(policy, outcome);
    for text in extra {
        reason.push_str("; ");
        reason.push_str(&text);
    }
    outcome.reason = reason;
}

fn quarantine_level(quarantine: &Quarantine, now: Timestamp, extra: &mut Vec<String>) -> Level {
    if quarantine.until.time <= now {
        extra.push(format!(
            "the quarantine ended with {}, so the findings count again: mend the test, or renew or remove the quarantine",
            quarantine.until.text
        ));
        return Level::Warn;
    }
    extra.push(format!("set aside until {}: {}", quarantine.until.text, quarantine.reason));
    Level::Note
}

fn require_owner(owners: Option<&Owners>, matched: &mut [Match], extra: &mut Vec<String>) -> Level {
    let Some(owners) = owners else {
        extra.push("owners are required, and there is no CODEOWNERS file".to_owned());
        return Level::Fail;
    };
    let mut unowned: Vec<String> = Vec::new();
    for item in matched {
        item.owners = owners.of(&item.file).to_vec();
        if item.owners.is_empty() && !unowned.contains(&item.file) {
            unowned.push(item.file.clone());
        }
    }
    if unowned.is_empty() {
        return Level::Note;
    }
    extra.push(format!("CODEOWNERS names nobody for {}", unowned.join(", ")));
    Level::Fail
}

#[cfg(test)]
mod tests;
