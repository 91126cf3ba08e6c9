//! Who is told what when.

use super::*;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;

fn alert(id: i64, severity: Severity, service: &str, fired_ms: i64) -> Alert {
    Alert {
        id,
        key: format!("alert {id}"),
        severity,
        title: format!("title {id}"),
        text: String::new(),
        labels: BTreeMap::from([("service".to_owned(), service.to_owned())]),
        link: "/alerts".to_owned(),
        fired_ms,
        last_ms: fired_ms,
        firings: 1,
        resolved_ms: None,
        acknowledged_ms: None,
        acknowledged_by: None,
    }
}

fn receiver(name: &str, more: &str) -> Receiver {
    let settings = format!(r#"{{"name": "{name}", "kind": "generic", "url": "http://127.0.0.1:9/x"{more}}}"#);
    serde_json::from_str::<Receiver>(&settings).expect("it is one").checked().expect("it makes sense")
}

fn known(receivers: Vec<Receiver>, alerts: Vec<Alert>) -> Known {
    Known { receivers, alerts, ..Known::default() }
}

/// What the database would hold after the plan.
fn carry_out(known: &mut Known, plan: &Plan, now_ms: i64) {
    for message in &plan.messages {
        let group = (message.receiver.clone(), message.group.clone());
        known.groups.insert(group, (now_ms, message.sequence));
        known.told.extend(message.firing.iter().map(|id| (message.receiver.clone(), *id)));
        for id in &message.over {
            known.told.remove(&(message.receiver.clone(), *id));
        }
    }
    for forgotten in &plan.forgotten {
        known.told.remove(forgotten);
    }
    let told = &known.told;
    known.alerts.retain(|alert| alert.resolved_ms.is_none() || told.iter().any(|(_, id)| *id == alert.id));
}

fn summary(plan: &Plan) -> Vec<(&str, &[i64], &[i64])> {
    plan.messages.iter().map(|m| (m.receiver.as_str(), m.firing.as_slice(), m.over.as_slice())).collect()
}

#[test]
fn the_first_alert_waits_for_others_of_its_group() {
    let alerts = vec![
        alert(1, Severity::P3, "a", 0),
        alert(2, Severity::P2, "a", 5 * SECOND),
        alert(3, Severity::P3, "b", 9 * SECOND),
    ];
    let mut known = known(vec![receiver("chat", "")], alerts);
    let early = plan(&known, 9 * SECOND);
    assert_eq!((early.messages.len(), early.next_ms), (0, Some(10 * SECOND)));
    let now = 10 * SECOND;
    let first = plan(&known, now);
    assert_eq!(summary(&first), [("chat", [1, 2].as_slice(), [].as_slice())]);
    assert_eq!(first.messages[0].notice.firing[0].id, 2, "the worst comes first");
    carry_out(&mut known, &first, now);
    assert_eq!(plan(&known, now).messages, []);
    assert_eq!(summary(&plan(&known, 19 * SECOND)), [("chat", [3].as_slice(), [].as_slice())]);
}

#[test]
fn later_messages_keep_a_distance_but_a_new_p1_does_not_wait() {
    let mut known = known(vec![receiver("chat", "")], vec![alert(1, Severity::P3, "a", 0)]);
    let first = plan(&known, 10 * SECOND);
    carry_out(&mut known, &first, 10 * SECOND);
    known.alerts.push(alert(2, Severity::P2, "a", 20 * SECOND));
    let later = plan(&known, MINUTE);
    assert_eq!((later.messages.len(), later.next_ms), (0, Some(10 * SECOND + 5 * MINUTE)));
    known.alerts.push(alert(3, Severity::P1, "a", 30 * SECOND));
    assert_eq!(summary(&plan(&known, 40 * SECOND)), [("chat", [1, 2, 3].as_slice(), [].as_slice())]);
}

#[test]
fn what_is_over_is_told_once_and_only_to_who_was_told_before() {
    let receivers = vec![
        receiver("chat", ""),
        receiver("pager", r#", "least": "P1""#),
        receiver("log", r#", "tell_over": false"#),
    ];
    let mut known = known(receivers, vec![alert(1, Severity::P2, "a", 0)]);
    let first = plan(&known, MINUTE);
    assert_eq!(summary(&first), [("chat", [1].as_slice(), [].as_slice()), ("log", &[1], &[])]);
    carry_out(&mut known, &first, MINUTE);
    known.alerts[0].resolved_ms = Some(2 * MINUTE);
    let over = plan(&known, 10 * MINUTE);
    assert_eq!(summary(&over), [("chat", [].as_slice(), [1].as_slice())]);
    assert_eq!(over.forgotten, [("log".to_owned(), 1)]);
    assert_eq!(over.messages[0].notice.title(), "[over] a: title 1");
    carry_out(&mut known, &over, 10 * MINUTE);
    assert!(known.alerts.is_empty());
    assert_eq!(plan(&known, 20 * MINUTE), Plan::default());
}

#[test]
fn what_goes_on_is_repeated_until_somebody_looks_at_it() {
    let mut known =
        known(vec![receiver("chat", r#", "repeat_interval_s": 3600"#)], vec![alert(1, Severity::P1, "a", 0)]);
    let first = plan(&known, MINUTE);
    carry_out(&mut known, &first, MINUTE);
    assert_eq!(plan(&known, 60 * MINUTE).next_ms, Some(61 * MINUTE));
    let again = plan(&known, 61 * MINUTE);
    assert_eq!((again.messages[0].sequence, again.messages[0].notice.firing[0].is_new), (2, false));
    known.alerts[0].acknowledged_ms = Some(30 * MINUTE);
    assert_eq!(plan(&known, 61 * MINUTE), Plan::default());
}

#[test]
fn a_silence_holds_back_until_it_ends() {
    let mut known = known(
        vec![receiver("chat", "")],
        vec![alert(1, Severity::P1, "a", 0), alert(2, Severity::P1, "b", 0)],
    );
    known.silences.push(Silence {
        id: 1,
        labels: BTreeMap::from([("service".to_owned(), "a".to_owned())]),
        reason: "being mended".to_owned(),
        author: "ann".to_owned(),
        starts_ms: 0,
        ends_ms: 30 * MINUTE,
    });
    let silenced = plan(&known, MINUTE);
    assert_eq!(summary(&silenced), [("chat", [2].as_slice(), [].as_slice())]);
    assert_eq!(silenced.next_ms, Some(30 * MINUTE));
    carry_out(&mut known, &silenced, MINUTE);
    known.alerts.pop();
    assert_eq!(summary(&plan(&known, 30 * MINUTE)), [("chat", [1].as_slice(), [].as_slice())]);
    known.alerts[0].resolved_ms = Some(20 * MINUTE);
    assert_eq!(
        plan(&known, 30 * MINUTE),
        Plan::default(),
        "nobody heard of it, so nobody need hear that it is over"
    );
}

#[test]
fn whatever_fires_is_told_however_the_times_lie() {
    let mut state = 7_u64;
    let mut chance = |below: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(state >> 40).unwrap_or(0) % below
    };
    let mut known = known(vec![receiver("chat", ""), receiver("two", r#", "group_by": []"#)], Vec::new());
    let (mut now, mut next, mut heard) = (0, None, HashSet::new());
    for id in 1..=300 {
        now += chance(2 * MINUTE);
        let severity = [Severity::P1, Severity::P2, Severity::P3][usize::try_from(chance(3)).unwrap_or(0)];
        known.alerts.push(alert(id, severity, ["a", "b"][usize::try_from(chance(2)).unwrap_or(0)], now));
        for _ in 0..chance(4) {
            let plan = plan(&known, now);
            heard.extend(
                plan.messages.iter().flat_map(|m| m.firing.iter().map(|id| (m.receiver.clone(), *id))),
            );
            carry_out(&mut known, &plan, now);
            // After a plan nothing is due at once, or it would be told for ever.
            assert!(super::plan(&known, now).messages.is_empty());
            next = plan.next_ms;
            now += chance(MINUTE);
        }
    }
    // From now on only when the plan says so.
    for _ in 0..200 {
        now = next.unwrap_or(now + 1).max(now);
        let plan = plan(&known, now);
        heard.extend(plan.messages.iter().flat_map(|m| m.firing.iter().map(|id| (m.receiver.clone(), *id))));
        carry_out(&mut known, &plan, now);
        next = super::plan(&known, now).next_ms;
    }
    assert_eq!(heard.len(), 600);
}
