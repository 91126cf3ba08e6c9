//! One bug seen by several tools: `raceguard explain` makes one cluster of what a race detector, a crash and static
//! analysis say, and links it to coverage, traces and spans. What they say is made here, by the real tools.

mod explain_support;
mod support;

use std::process::Command;

use explain_support::{diagnosis, go_output, ingest, list, texts};
use serde_json::{Value, json};
use support::{GoModule, go};

const SHOP: &str = include_str!("explain_programs/shop.go");

fn shop() -> GoModule {
    GoModule::new(&[
        ("shop/shop.go", SHOP),
        ("shop/shop_test.go", include_str!("explain_programs/shop_test.go")),
    ])
}

/// The number of the line with this text, from 1.
fn line(text: &str) -> usize {
    1 + SHOP.lines().position(|line| line.contains(text)).expect("the line")
}

/// What `go test` prints, with one more variable in the environment.
fn go_test(module: &GoModule, variable: (&str, &str), arguments: &[&str]) -> String {
    let mut command = Command::new(go());
    command.arg("test").args(arguments).arg("./...").current_dir(module.path());
    let output = command.env(variable.0, variable.1).env("GOTRACEBACK", "all").output().expect("it starts");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A run of the race detector, and what static analysis finds.
fn raced(module: &GoModule) {
    let text = go_test(module, ("A", "b"), &["-race", "-count=1", "-run", "TestReprice"]);
    module.write("race.log", text);
    ingest(module, &["race.log"]);
    module.check(&[]);
}

/// The cluster about the map without a lock.
#[track_caller]
fn prices(diagnosis: &Value) -> &Value {
    let clusters = list(&diagnosis["clusters"]);
    let about: Vec<&Value> = clusters
        .iter()
        .filter(|cluster| cluster["variable"].as_str().is_some_and(|name| name.ends_with("Catalog.prices")))
        .collect();
    assert_eq!(about.len(), 1, "{clusters:#?}");
    about[0]
}

/// The kinds of evidence that a cluster has, and the texts that its links lead to.
fn linked<'a>(cluster: &'a Value, kind: &str) -> Vec<&'a str> {
    let ends = list(&cluster["links"]).iter().map(|link| &link["to"]);
    ends.filter(|end| end["kind"] == kind).filter_map(|end| end["text"].as_str()).collect()
}

#[test]
fn a_race_a_crash_and_a_static_finding_are_one_cluster() {
    let module = shop();
    raced(&module);
    let crash = go_test(&module, ("SHOP_CRASH", "1"), &["-count=1", "-run", "TestCrash"]);
    assert!(crash.contains("fatal error: concurrent map writes"), "{crash}");
    module.write("crash.log", crash);
    ingest(&module, &["crash.log"]);
    let found = diagnosis(&module, &[]);
    let cluster = prices(&found);
    let mut kinds: Vec<&str> =
        list(&cluster["members"]).iter().filter_map(|member| member["kind"].as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, ["crash", "race", "static"], "{cluster:#}");
    assert_eq!(list(&found["clusters"]).len(), 1, "{found:#}");
    assert_eq!(cluster["cause"], "shared-map", "{cluster:#}");
    let lines: Vec<u64> =
        list(&cluster["statements"]).iter().filter_map(|statement| statement["line"].as_u64()).collect();
    assert!(lines.contains(&(line("c.prices[key] = price") as u64)), "{cluster:#}");
    assert!(cluster["confidence"].as_f64() > Some(0.9), "{cluster:#}");
    module.raceguard(&["explain"]).expect(1, &["Catalog.prices", "static analysis reports", "because"]);
}

#[test]
fn coverage_tells_what_no_test_executes() {
    let module = shop();
    raced(&module);
    go_output(&module, &["test", "-count=1", "-coverprofile=cover.out", "./..."]);
    ingest(&module, &["cover.out"]);
    let found = diagnosis(&module, &[]);
    let covered = linked(prices(&found), "coverage");
    let dropped = format!("no test executes shop/shop.go:{}", line("delete(c.prices"));
    assert!(covered.contains(&dropped.as_str()), "{covered:?}");
    let written = format!("tests execute shop/shop.go:{}", line("c.prices[key] = price"));
    assert!(covered.iter().any(|text| text.starts_with(&written)), "{covered:?}");
    module.raceguard(&["explain"]).expect(1, &[&dropped, "not executed by any"]);
}

#[test]
fn regions_of_a_trace_are_linked_by_the_function_that_begins_them() {
    let module = shop();
    raced(&module);
    let path = module.join("trace.out");
    go_test(&module, ("SHOP_TRACE", path.to_str().expect("text")), &["-count=1", "-run", "TestTrace"]);
    ingest(&module, &["trace.out"]);
    let found = diagnosis(&module, &[]);
    let regions = linked(prices(&found), "trace-region");
    assert!(
        regions
            .iter()
            .any(|text| text.starts_with("region map_access of map_key a: 20 times in 20 goroutines")),
        "{regions:?}\n{found:#}"
    );
}

/// Spans as the collector's file exporter writes them: (operation, channel, milliseconds, failed).
fn spans(all: &[(&str, &str, u64, bool)]) -> String {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let span = |(number, (name, channel, milliseconds, failed)): (usize, &(&str, &str, u64, bool))| {
        let start = 1_795_182_615_000_000_000_u64 + number as u64 * 1_000_000;
        json!({
            "traceId": format!("{:032x}", number + 1), "spanId": format!("{:016x}", number + 1), "name": name, "kind": 2,
            "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + milliseconds * 1_000_000).to_string(),
            "attributes": [text("channel", channel), text("code.function.name", "example.com/m/shop.(*Catalog).Price")],
            "status": {"code": if *failed { 2 } else { 1 }},
        })
    };
    let spans: Vec<Value> = all.iter().enumerate().map(span).collect();
    json!({"resourceSpans": [{
        "resource": {"attributes": [text("service.name", "pay")]},
        "scopeSpans": [{"scope": {"name": "shop"}, "spans": spans}],
    }]})
    .to_string()
}

#[test]
fn operations_that_hurt_most_are_grouped_and_linked() {
    let module = shop();
    raced(&module);
    let mut all = vec![];
    for n in 0..20 {
        all.push(("charge", "web", 10, false));
        all.push(("charge", "app", 400, n < 10));
        all.push(("refund", "web", 60, n < 2));
        all.push(("list", "web", 900, false));
    }
    module.write("spans.json", spans(&all));
    ingest(&module, &["spans.json"]);
    let found = diagnosis(&module, &["--by", "channel"]);
    let causes = list(&found["top_causes"]);
    assert_eq!(causes[0]["operation"], "charge", "{causes:#?}");
    assert_eq!(causes[0]["attributes"]["channel"], "app");
    assert_eq!((&causes[0]["spans"], &causes[0]["failed"]), (&20.into(), &10.into()));
    assert!(
        causes.iter().all(|cause| cause["operation"] != "list"),
        "what never fails hurts nobody: {causes:#?}"
    );
    let cluster = prices(&found);
    assert_eq!(causes[0]["clusters"][0][0], cluster["id"], "{causes:#?}");
    assert!(
        linked(cluster, "spans").iter().any(|text| text.starts_with("10 of 20 spans failed")),
        "{cluster:#}"
    );
    let together = diagnosis(&module, &[]);
    assert_eq!(together["top_causes"][0]["spans"], 40);
    assert_eq!(list(&diagnosis(&module, &["--operations", "1"])["top_causes"]).len(), 1);
}

#[test]
fn since_a_run_and_since_a_commit() {
    let module = shop();
    module.write(".gitignore", ".raceguard/\n");
    module.git(&["init", "--quiet", "-b", "main"]);
    module.git(&["add", "."]);
    module.git(&["commit", "--quiet", "-m", "first"]);
    module.check(&[]);
    let first = module.read(".raceguard/last");
    let fixed = SHOP
        .replace("c.prices[key] = price", "c.set(key, price)")
        .replace("return c.prices[key]", "c.mu.Lock()\n\tdefer c.mu.Unlock()\n\treturn c.prices[key]")
        .replace("delete(c.prices, key)", "c.mu.Lock()\n\tdefer c.mu.Unlock()\n\tdelete(c.prices, key)");
    let set = "\nfunc (c *Catalog) set(key string, price int) {\n\tc.mu.Lock()\n\tdefer c.mu.Unlock()\n\tc.prices[key] = price\n}\n";
    let other = "\nvar hits = map[string]int{}\n\n// Hit counts.\nfunc Hit(key string) {\n\tgo func() { hits[key]++ }()\n\thits[key]++\n}\n";
    module.write("shop/shop.go", format!("{fixed}{set}{other}"));
    module.check(&[]);
    for base in ["main", first.trim()] {
        let found = diagnosis(&module, &["--since", base]);
        let comparison = &found["comparison"];
        assert_eq!(comparison["since"], base);
        assert_eq!(list(&comparison["new"]).len(), 1, "{base}: {found:#}");
        assert_eq!(list(&comparison["gone"]).len(), 1, "{base}: {comparison:#}");
        assert_eq!(texts(&comparison["still_there"]).len(), 0, "{base}: {comparison:#}");
        module.raceguard(&["explain", "--since", base]).expect(1, &["1 new, 0 still there, 1 gone"]);
    }
    module.raceguard(&["explain", "--since", "no-such"]).expect(2, &["no-such"]);
}

#[test]
fn crashes_of_channels_and_nil_maps_have_their_class() {
    let module = explain_support::built(include_str!("ingest_programs/crash.go"));
    for (kind, cause, function) in [
        ("nil-map", "nil-map", "main.main"),
        ("close", "channel-close", "main.main"),
        ("send", "channel-close", "main.main"),
    ] {
        let name = format!("{kind}.log");
        module.write(&name, explain_support::program_output(&module, &[kind]));
        ingest(&module, &[&name]);
        let run = module.read(".raceguard/last");
        let found = diagnosis(&module, &[run.trim()]);
        let cluster = &list(&found["clusters"])[0];
        assert_eq!(cluster["cause"], cause, "{cluster:#}");
        assert_eq!(cluster["statements"][0]["function"], function, "{cluster:#}");
    }
}

#[test]
fn a_once_that_is_replaced_while_it_runs() {
    let module = GoModule::new(&[
        (
            "once.go",
            "package m\n\nimport \"sync\"\n\nvar once sync.Once\n\nvar value int\n\nfunc Value() int {\n\tonce.Do(func() { value = 1 })\n\t\
             return value\n}\n\nfunc Reset() {\n\tonce = sync.Once{}\n}\n",
        ),
        (
            "once_test.go",
            "package m\n\nimport \"testing\"\n\nfunc TestReset(t *testing.T) {\n\tdone := make(chan bool)\n\t\
             go func() { Value(); done <- true }()\n\tReset()\n\t<-done\n}\n",
        ),
    ]);
    module.write("race.log", go_test(&module, ("A", "b"), &["-race", "-count=5"]));
    ingest(&module, &["race.log"]);
    let found = diagnosis(&module, &[]);
    let clusters = list(&found["clusters"]);
    let causes: Vec<&Value> = clusters.iter().map(|cluster| &cluster["cause"]).collect();
    assert!(
        causes.contains(&&"once-misuse".into()) && !causes.contains(&&"mixed-atomic".into()),
        "{clusters:#?}"
    );
}
