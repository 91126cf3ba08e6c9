//! What `raceguard explain` and `raceguard advise` make of profiles: the programs in `explain_programs/` write them here.

mod explain_support;
mod support;

use explain_support::{built, diagnosis, ingest, list, program_output, texts};
use raceguard_maps::WorkloadProfile;
use serde_json::Value;
use support::GoModule;

fn contended(files: &[&str]) -> GoModule {
    let module = built(include_str!("explain_programs/contention.go"));
    assert_eq!(program_output(&module, &["."]), "");
    ingest(&module, files);
    module
}

#[track_caller]
fn lock<'a>(diagnosis: &'a Value, name: &str) -> &'a Value {
    let locks = list(&diagnosis["locks"]);
    locks.iter().find(|lock| lock["lock"] == name).unwrap_or_else(|| panic!("no {name} in {locks:#?}"))
}

#[test]
fn contended_locks_are_named_by_type_and_field() {
    for files in [&["mutex.pb.gz", "block.pb.gz"][..], &["block.pb.gz"]] {
        let module = contended(files);
        let diagnosis = diagnosis(&module, &[]);
        let (routes, totals) = (lock(&diagnosis, "main.routes.mu"), lock(&diagnosis, "main.totals.mu"));
        assert_eq!((&routes["kind"], &totals["kind"]), (&"RWMutex".into(), &"Mutex".into()));
        assert!(routes["reader_share"].as_f64().is_some_and(|share| share > 0.5), "{routes:#}");
        for lock in [routes, totals] {
            assert!(lock["contentions"].as_u64() > Some(10), "{lock:#}");
            assert!(lock["mean_wait_ns"].as_u64() > Some(10_000), "{lock:#}");
            let functions: Vec<&Value> = list(&lock["sites"]).iter().map(|site| &site["function"]).collect();
            assert!(
                functions.iter().all(|name| name.as_str().is_some_and(|n| n.starts_with("main.(*"))),
                "{lock:#}"
            );
        }
        module
            .raceguard(&["explain"])
            .expect(0, &["Locks that goroutines waited for", "RWMutex main.routes.mu"]);
    }
    let module = contended(&["mutex.pb.gz"]);
    let diagnosis = diagnosis(&module, &[]);
    let totals = lock(&diagnosis, "main.totals.mu");
    assert!(list(&totals["sites"]).iter().all(|site| site["call"] == "Unlock"), "{totals:#}");
}

#[test]
fn a_trace_knows_the_longest_wait() {
    let module = contended(&["trace.out"]);
    let diagnosis = diagnosis(&module, &[]);
    let totals = lock(&diagnosis, "main.totals.mu");
    assert!(totals["max_wait_ns"].as_u64() >= totals["mean_wait_ns"].as_u64(), "{totals:#}");
    assert!(totals["max_wait_ns"].as_u64() > Some(0), "{totals:#}");
}

#[test]
fn advice_rests_on_the_profile_and_on_what_is_known() {
    let module = contended(&["mutex.pb.gz", "block.pb.gz"]);
    module
        .raceguard(&["advise", "routes.mu", "--reads", "95", "--hold", "200us"])
        .expect(0, &["main.routes.mu", "RWMutex", "rests on", "(*routes).lookup"]);
    module
        .raceguard(&["advise", "totals.mu", "--number"])
        .expect(0, &["main.totals.mu", "atomic counter", "(*totals).add"]);
    module
        .raceguard(&["advise", "routes.mu", "--reads", "99.9", "--keys", "200"])
        .expect(0, &["copy-on-write snapshot"]);
    module.raceguard(&["advise", "nothing.mu"]).expect(2, &["nothing.mu", "main.routes.mu"]);
}

#[test]
fn the_load_of_a_lock_becomes_a_profile_that_can_be_replayed() {
    let module = contended(&["mutex.pb.gz", "block.pb.gz"]);
    let written = |arguments: &[&str]| -> WorkloadProfile {
        let command = [&["advise", "--map-profile", "load.json"], arguments].concat();
        module.raceguard(&command).expect(0, &["profile", "load.json"]);
        WorkloadProfile::from_json(&module.read("load.json")).expect("a workload profile")
    };
    let routes = written(&["routes.mu"]);
    assert_eq!(routes.name.as_deref(), Some("main.routes.mu"));
    assert!(routes.mix.reads > Some(0.5) && routes.estimated["mix.reads"].contains("waits"), "{routes:#?}");
    assert!(routes.keys.is_none() && routes.unknown["keys"].contains("--keys"), "{routes:#?}");
    assert!(routes.unknown["hold_nanos"].contains("on average"), "{routes:#?}");
    let totals = written(&["totals.mu", "--keys", "500", "--processors", "4"]);
    assert!(totals.mix.reads.is_none() && totals.unknown["mix.reads"].contains("Mutex"), "{totals:#?}");
    assert_eq!((totals.keys, totals.threads), (Some(500), Some(4)));
    let load = totals.workload().expect("it can be replayed");
    assert!(load.assumed.contains(&"mix.reads") && !load.assumed.contains(&"keys"));

    module
        .raceguard(&["advise", "--map-profile", "all.json"])
        .expect(2, &["about one lock or map", "main.routes.mu", "main.totals.mu"]);
    module
        .raceguard(&["advise", "routes.mu", "--map-profile", "no/such/folder.json"])
        .expect(2, &["no/such/folder.json"]);
}

#[test]
fn maps_in_heap_profiles() {
    let module = built(include_str!("explain_programs/maps.go"));
    program_output(&module, &["."]);
    ingest(&module, &["heap0.pb.gz", "heap1.pb.gz", "heap2.pb.gz"]);
    let found = diagnosis(&module, &[]);
    let heap = list(&found["heap"]);
    let of = |function: &str| -> &Value {
        heap.iter()
            .find(|finding| finding["function"] == function)
            .unwrap_or_else(|| panic!("no {function} in {heap:#?}"))
    };
    assert_eq!(of("main.count")["kind"], "short-lived");
    let grows = of("main.remember");
    assert_eq!(grows["kind"], "only-grows");
    assert_eq!(list(&grows["history"]).len(), 3);
    let kept = of("main.(*sessions).ServeHTTP");
    assert_eq!(kept["kind"], "kept-by-finished-work", "{kept:#}");
    assert_eq!(kept["file"], "main.go");
    module.raceguard(&["explain"]).expect(0, &["Maps in heap profiles", "maps kept by finished work"]);
    assert!(texts(&found["notes"]).is_empty(), "{:#}", found["notes"]);
}

#[test]
fn one_heap_profile_shows_no_growth() {
    let module = built(include_str!("explain_programs/maps.go"));
    program_output(&module, &["."]);
    ingest(&module, &["heap2.pb.gz"]);
    let found = diagnosis(&module, &[]);
    assert!(list(&found["heap"]).iter().all(|finding| finding["kind"] != "only-grows"), "{found:#}");
}
