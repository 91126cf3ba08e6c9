//! The verdict on one screen.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use raceguard_policy::policy::Level;
use raceguard_policy::{Outcome, Status};

use super::{Look, Verdict, details, headline, place, shown, summary};
use crate::check::render::clean;

/// Matches shown of one policy.
const SHOWN: usize = 5;

pub(super) fn render(verdict: &Verdict<'_>, look: Look, out: &mut dyn Write) -> io::Result<()> {
    for outcome in shown(verdict.evaluation, look.verbose) {
        policy(outcome, look, out)?;
    }
    unmeasured(verdict, look, out)?;
    for aside in &verdict.evaluation.set_aside {
        let owner = if aside.owner.is_empty() { String::new() } else { format!(", owner {}", aside.owner) };
        let found = clean(&aside.found.title);
        writeln!(
            out,
            "set aside until {} by {}{owner}: {found} ({})",
            aside.until,
            aside.policy,
            clean(&aside.reason)
        )?;
    }
    if let Some(baseline) = &verdict.baseline {
        write!(out, "baseline: {} known, {} still there", baseline.known, baseline.seen.len())?;
        match baseline.gone {
            0 => writeln!(out)?,
            gone => writeln!(out, ", {gone} gone: `raceguard gate --update-baseline` removes them")?,
        }
        let shown = if look.verbose { baseline.seen.len() } else { SHOWN };
        for known in baseline.seen.iter().take(shown) {
            writeln!(out, "        - {}", clean(known))?;
        }
        if baseline.seen.len() > shown {
            writeln!(out, "        - and {} more (--verbose)", baseline.seen.len() - shown)?;
        }
    }
    for ticket in &verdict.tickets {
        writeln!(out, "ticket drafted: {}", ticket.display())?;
    }
    let runs: Vec<String> = verdict.runs.iter().map(|(mode, name)| format!("{mode} {name}")).collect();
    writeln!(out, "judged: {}; by {}", clean(&runs.join(", ")), verdict.policies)?;
    let level = verdict.evaluation.level();
    writeln!(
        out,
        "{} ({})",
        painted(&format!("gate {}", headline(level)), level, look),
        summary(verdict.evaluation)
    )
}

fn policy(outcome: &Outcome, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let word = painted(&format!("{:<6}", outcome.level.word()), outcome.level, look);
    writeln!(out, "{word}  {} v{}: {}", outcome.policy, outcome.version, clean(&outcome.reason))?;
    writeln!(out, "        {}", clean(&outcome.description))?;
    for item in outcome.matched.iter().take(SHOWN) {
        let place = place(item);
        let place = if place.is_empty() { place } else { format!("{place}: ") };
        writeln!(out, "        - {}{}", clean(&place), clean(&item.title))?;
        for detail in details(item) {
            writeln!(out, "          {}", clean(&detail))?;
        }
    }
    if outcome.matched.len() > SHOWN {
        writeln!(out, "        - and {} more", outcome.matched.len() - SHOWN)?;
    }
    Ok(())
}

/// What passes without having been looked at is never silent.
fn unmeasured(verdict: &Verdict<'_>, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let is_hidden = |outcome: &&Outcome| {
        matches!(outcome.status, Status::Unmeasured | Status::NotInForce) && outcome.level == Level::Pass
    };
    if look.verbose {
        return Ok(());
    }
    for outcome in verdict.evaluation.outcomes.iter().filter(is_hidden) {
        writeln!(out, "        {}: {}", outcome.policy, clean(&outcome.reason))?;
    }
    Ok(())
}

fn painted(text: &str, level: Level, look: Look) -> String {
    let color = match level {
        Level::Pass => AnsiColor::Green,
        Level::Note => AnsiColor::Cyan,
        Level::Warn => AnsiColor::Yellow,
        Level::Fail | Level::Broken => AnsiColor::Red,
    };
    if !look.color {
        return text.to_owned();
    }
    let style = Style::new().bold().fg_color(Some(color.into()));
    format!("{style}{text}{style:#}")
}
