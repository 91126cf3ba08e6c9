//! A race as an observation.

use std::collections::BTreeSet;

use raceguard_evidence::{Finding, Frame, FunctionName, ModulePaths, Place, Race, Severity};

use super::{Observation, ObservationKind, Sighting};
use crate::advice::{Facts, advise};
use crate::classify;
use crate::naming;
use crate::operand::{operand, same_operand};
use crate::source_text::SourceText;
use crate::statement::{Operation, Statement};

/// The observation that a finding is, not yet with its sightings.
pub(super) fn of_race(finding: &Finding, paths: &ModulePaths, sources: &SourceText<'_>) -> Observation {
    let race = &finding.race;
    let lines =
        lines_of(race, race.accesses.each_ref().map(|access| access.statement().map(|f| f.line)), sources);
    let subject = subject_of_race(race, lines.each_ref().map(Option::as_deref));
    let lines = lines.each_ref().map(Option::as_deref);
    let (rule, advice) = advise(&Facts { race, lines, subject: subject.as_deref() });
    let statements: Vec<Statement> = race
        .accesses
        .iter()
        .filter_map(|access| {
            let goroutine = race.goroutine(access.goroutine);
            let started =
                goroutine.and_then(|goroutine| goroutine.go_statement()).and_then(|stack| go_frame(stack));
            Statement::of_stack(&access.stack, Operation::of_access(access), started, paths)
        })
        .collect();
    Observation {
        kind: ObservationKind::Race,
        fingerprint: finding.fingerprint.clone(),
        rule: rule.code.to_owned(),
        tool: None,
        headline: race_headline(race, subject.as_deref()),
        verdict: classify::of_race(race, rule, subject.as_deref(), lines),
        variables: BTreeSet::new(),
        subject,
        statements,
        severity: Severity::Error,
        advice,
        fix: None,
        sightings: Vec::new(),
        tests: BTreeSet::new(),
    }
}

fn go_frame(stack: &[Frame]) -> Option<&Frame> {
    stack.iter().find(|frame| !frame.is_runtime_internal()).or_else(|| stack.first())
}

/// What raced, as the source or the symbol table names it.
fn subject_of_race(race: &Race, lines: [Option<&str>; 2]) -> Option<String> {
    let named = |side: usize| {
        let line = lines[side]?;
        Some(line[operand(line, &race.accesses[side])?].to_owned())
    };
    let of_peer = |side: usize, peer: &str| Some(lines[side]?[same_operand(lines[side]?, peer)?].to_owned());
    let (later, earlier) = (named(0), named(1));
    match (&later, &earlier) {
        (Some(later), Some(earlier)) if last_name(later) != last_name(earlier) => None,
        (Some(_), _) => later,
        (None, Some(earlier)) => of_peer(0, earlier).or_else(|| Some(earlier.clone())),
        (None, None) => None,
    }
    .or_else(|| global_name(race))
}

fn last_name(operand: &str) -> &str {
    operand.rsplit('.').next().unwrap_or(operand)
}

/// The symbol of the package-level variable that raced.
fn global_name(race: &Race) -> Option<String> {
    race.object.as_ref()?.name.clone().filter(|name| !name.is_empty())
}

/// `r.routes` inside a method whose receiver is `r *Router` is the field `example.com/m.Router.routes`. `line` is
/// the line of the statement, from 1, and `lines` the file.
fn field_of_receiver(subject: &str, function: &str, lines: &[String], line: u32) -> Option<String> {
    let (base, field) = subject.split_once('.')?;
    if field.contains('.') || !field.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let (receiver, of_type) = naming::receiver(lines, line)?;
    let package = FunctionName::parse(function).package();
    (receiver == base).then(|| format!("{package}.{of_type}.{field}"))
}

fn race_headline(race: &Race, subject: Option<&str>) -> String {
    let [later, earlier] = race.accesses.each_ref().map(|access| Operation::of_access(access).noun());
    match subject {
        Some(subject) => format!("data race: {later} with {earlier} on `{subject}`"),
        None => format!("data race: {later} with {earlier}"),
    }
}

/// Adds how a run saw the race: at each pair of lines.
pub(super) fn add(
    seen: &mut Observation,
    finding: &Finding,
    run: usize,
    paths: &ModulePaths,
    sources: &SourceText<'_>,
) {
    let race = &finding.race;
    let own: Vec<Statement> = race
        .accesses
        .iter()
        .filter_map(|access| Statement::of_stack(&access.stack, Operation::Other, None, paths))
        .collect();
    // The record may have its accesses the other way round than the one that was seen first.
    let swapped = match (seen.statements.as_slice(), own.as_slice()) {
        ([wanted, _], [first, second]) => {
            let wanted = wanted.declared_function();
            first.declared_function() != wanted && second.declared_function() == wanted
        }
        _ => false,
    };
    let user_lines: Vec<u32> = own.iter().map(|statement| statement.line).collect();
    for (at, place) in finding.places.iter().enumerate() {
        let lines = if at == 0 { user_lines.clone() } else { lines_of_place(place, race, &user_lines) };
        let statement_lines = match (at, lines.as_slice()) {
            (0, _) => race.accesses.each_ref().map(|access| access.statement().map(|frame| frame.line)),
            (_, [first, second]) => [Some(*first), Some(*second)],
            _ => [None, None],
        };
        seen.variables.extend(variable_at(race, statement_lines, sources));
        let lines = if swapped { lines.into_iter().rev().collect() } else { lines };
        seen.sightings.push(Sighting {
            run,
            lines,
            occurrences: place.occurrences,
            time_unix_ns: if at == 0 { race.time_unix_ns } else { 0 },
        });
    }
    seen.tests.extend(finding.tests.iter().cloned());
}

/// The lines of a further pair, in the order of the race's accesses. A pair holds lines alone, so each goes to the
/// statement that it is nearer to.
fn lines_of_place(place: &Place, race: &Race, user_lines: &[u32]) -> Vec<u32> {
    let statements = race.accesses.each_ref().map(|access| access.statement().map_or(0, |frame| frame.line));
    // Where the statement lies in a library, the user's own line is not in the pair.
    if user_lines != statements.as_slice() {
        return user_lines.to_vec();
    }
    let (later, earlier) = (place.later.line, place.earlier.line);
    let distance = |first: u32, second: u32| {
        u64::from(first.abs_diff(statements[0])) + u64::from(second.abs_diff(statements[1]))
    };
    if distance(later, earlier) <= distance(earlier, later) {
        vec![later, earlier]
    } else {
        vec![earlier, later]
    }
}

/// The variable that a race at these lines is about: a symbol, or a field of the receiver.
fn variable_at(race: &Race, at: [Option<u32>; 2], sources: &SourceText<'_>) -> Option<String> {
    if let Some(name) = global_name(race) {
        return Some(name);
    }
    let lines = lines_of(race, at, sources);
    let subject = subject_of_race(race, lines.each_ref().map(Option::as_deref))?;
    // The side whose line names it: the other may reach the variable through a name of its own.
    (0..2).filter(|&side| lines[side].as_ref().is_some_and(|line| line.contains(&subject))).find_map(|side| {
        let frame = race.accesses[side].statement()?;
        field_of_receiver(&subject, &frame.function, &sources.lines(&frame.file)?, at[side]?)
    })
}

/// The source of both statements at the lines given, where the source is of the build that raced.
fn lines_of(race: &Race, at: [Option<u32>; 2], sources: &SourceText<'_>) -> [Option<String>; 2] {
    let line = |side: usize| {
        let frame = race.accesses[side].statement()?;
        let lines = sources.lines(&frame.file)?;
        let line = at[side]?;
        let is_of_this_build = naming::is_inside(&frame.function, &lines, line);
        lines.get(usize::try_from(line).ok()?.checked_sub(1)?).filter(|_| is_of_this_build).cloned()
    };
    [line(0), line(1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_of_the_receivers_type() {
        let function = "example.com/pay/gateway.(*RouteTable).Reload.func1";
        let source: Vec<String> =
            "func (t *RouteTable) Reload(o *Other) {\n\tgo func() {\n\t\tt.channels[k] = v"
                .lines()
                .map(str::to_owned)
                .collect();
        let field = |subject| field_of_receiver(subject, function, &source, 3);
        assert_eq!(field("t.channels").as_deref(), Some("example.com/pay/gateway.RouteTable.channels"));
        assert_eq!(field("o.channels"), None);
        assert_eq!(field("t.a.b"), None);
        assert_eq!(field("channels"), None);
    }
}
