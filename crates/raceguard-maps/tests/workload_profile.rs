//! A profile is read as written, refused when impossible, and its gaps are filled and named.

use raceguard_maps::advice::{Mix, Needs, WorkloadProfile};

fn refusal(json: &str) -> String {
    WorkloadProfile::from_json(json).expect_err(json).to_string()
}

fn close_to(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-9
}

#[test]
fn what_is_written_is_read() {
    let mut profile = WorkloadProfile {
        name: Some("routes".to_owned()),
        mix: Mix { reads: Some(0.7), overwrites: Some(0.2), removes: Some(0.1), ..Mix::default() },
        iterations_per_million: Some(2.5),
        keys: Some(1000),
        key_copy: Some(true),
        skew: Some(0.99),
        threads: Some(8),
        needs: Needs { durable: true, staleness_micros: Some(50), ..Needs::default() },
        ..WorkloadProfile::default()
    };
    profile.mark_unknown("value_bytes", "the profile sees no values");
    profile.mark_estimated("mix.reads", "from the waits");
    let json = profile.to_json().unwrap();
    assert_eq!(WorkloadProfile::from_json(&json).unwrap(), profile);
}

#[test]
fn the_schema_is_enough() {
    assert_eq!(WorkloadProfile::from_json(r#"{"schema": 1}"#).unwrap(), WorkloadProfile::default());
    assert!(refusal("{}").contains("missing field `schema`"));
}

#[test]
fn unknown_fields_are_kept_and_named() {
    let json = r#"{"schema": 1, "thread": 8, "mix": {"read": 1.0}, "needs": {"cheap": true}}"#;
    let profile = WorkloadProfile::from_json(json).unwrap();
    assert_eq!(profile.workload().unwrap().ignored, ["thread", "mix.read", "needs.cheap"]);
    let again = WorkloadProfile::from_json(&profile.to_json().unwrap()).unwrap();
    assert_eq!(again, profile);
}

#[test]
fn impossible_figures_are_refused_by_name() {
    for (json, part) in [
        (r#"{"schema": 2}"#, "schema 2"),
        (r#"{"schema": 0}"#, "schema = 0"),
        (r#"{"schema": 1, "keys": 0}"#, "keys = 0 is not possible: 1 to 2^40"),
        (r#"{"schema": 1, "threads": 0}"#, "threads = 0"),
        (r#"{"schema": 1, "threads": 70000}"#, "threads = 70000"),
        (r#"{"schema": 1, "skew": -0.5}"#, "skew = -0.5"),
        (r#"{"schema": 1, "iterations_per_million": 1000001}"#, "iterations_per_million = 1000001"),
        (r#"{"schema": 1, "hold_nanos": 3600000000001}"#, "hold_nanos"),
        (r#"{"schema": 1, "mix": {"reads": 1.5}}"#, "mix.reads = 1.5"),
        (r#"{"schema": 1, "mix": {"removes": -0.1}}"#, "mix.removes = -0.1"),
        (r#"{"schema": 1, "mix": {"reads": 0.9, "overwrites": 0.2}}"#, "add up to 1.1"),
        (r#"{"schema": 1, "keys": "many"}"#, "not a workload profile"),
        (r#"{"schema": 1, "keys": -1}"#, "not a workload profile"),
        ("reads: 1", "not a workload profile"),
    ] {
        let error = refusal(json);
        assert!(error.contains(part), "{json}: {error}");
    }
}

#[test]
fn a_complete_mix_has_to_add_up() {
    let mix = |reads: f64| {
        format!(
            r#"{{"schema": 1, "mix": {{"reads": {reads}, "overwrites": 0.1, "inserts": 0, "removes": 0, "read_modify_writes": 0}}}}"#
        )
    };
    assert!(refusal(&mix(0.8)).contains("have to be 1"));
    WorkloadProfile::from_json(&mix(0.9)).unwrap();
    let rounded = WorkloadProfile::from_json(&mix(0.8995)).unwrap().workload().unwrap();
    assert!(close_to(rounded.shares.reads + rounded.shares.writes(), 1.0));
}

#[test]
fn not_a_number_is_refused() {
    let profile = WorkloadProfile { skew: Some(f64::NAN), ..WorkloadProfile::default() };
    assert!(profile.validate().unwrap_err().to_string().contains("skew = NaN"));
}

#[test]
fn gaps_in_the_mix_are_filled_by_the_stated_rule() {
    let filled = |mix: &str| {
        let json = format!(r#"{{"schema": 1, "mix": {mix}}}"#);
        let shares = WorkloadProfile::from_json(&json).unwrap().workload().unwrap().shares;
        [shares.reads, shares.overwrites, shares.inserts, shares.removes, shares.read_modify_writes]
    };
    for (mix, expected) in [
        ("{}", [0.9, 0.1, 0.0, 0.0, 0.0]),
        (r#"{"reads": 0.7}"#, [0.7, 0.3, 0.0, 0.0, 0.0]),
        (r#"{"overwrites": 0.3}"#, [0.7, 0.3, 0.0, 0.0, 0.0]),
        (r#"{"inserts": 0.5}"#, [0.45, 0.05, 0.5, 0.0, 0.0]),
        (r#"{"reads": 0.5, "overwrites": 0.2}"#, [0.5, 0.2, 0.0, 0.0, 0.3]),
        (r#"{"reads": 0, "overwrites": 0, "read_modify_writes": 0}"#, [0.0, 0.0, 1.0, 0.0, 0.0]),
        (
            r#"{"reads": 0, "overwrites": 0, "read_modify_writes": 0, "inserts": 0}"#,
            [0.0, 0.0, 0.0, 1.0, 0.0],
        ),
    ] {
        let got = filled(mix);
        assert!(got.iter().zip(expected).all(|(&got, expected)| close_to(got, expected)), "{mix}: {got:?}");
    }
}

#[test]
fn what_is_assumed_is_named() {
    let json = r#"{"schema": 1, "mix": {"reads": 1}, "keys": 7, "skew": null, "threads": 3}"#;
    let workload = WorkloadProfile::from_json(json).unwrap().workload().unwrap();
    assert_eq!((workload.keys, workload.threads), (7, 3));
    for known in ["mix.reads", "keys", "threads"] {
        assert!(!workload.assumed.contains(&known), "{known}");
    }
    for gap in ["mix.overwrites", "skew", "hold_nanos", "value_copy", "iterations_per_million"] {
        assert!(workload.assumed.contains(&gap), "{gap}");
    }
}
