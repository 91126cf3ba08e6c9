//! `raceguard check` and `raceguard rule` as users run them.

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use support::{CLEAN, GoModule, RACY, run};

/// A module with one finding, and the code of its rule.
fn racy() -> (GoModule, String) {
    let module = GoModule::without_go(&[("a.go", RACY)]);
    let rules = module.rules(&[]);
    assert_eq!(rules.len(), 1, "{rules:?}");
    let rule = rules[0].clone();
    (module, rule)
}

/// The file with a comment in front of the first line that holds `text`.
fn commented(text: &str, comment: &str) -> String {
    RACY.lines()
        .map(|line| if line.contains(text) { format!("{comment}\n{line}\n") } else { format!("{line}\n") })
        .collect()
}

#[test]
fn findings_are_1_and_none_are_0() {
    let module = GoModule::without_go(&[("a.go", RACY)]);
    module.check(&["--exit-zero"]).expect(0, &["1 error in 1 package"]);
    module.write("a.go", "package");
    assert_eq!(module.check(&["--exit-zero"]).code, 2, "what was not analysed is no finding");
    let (module, rule) = racy();
    let ended = module.check(&[]);
    ended.expect(
        1,
        &[&format!("error[{rule}]"), "a.go:6:3", "1 error in 1 package", &format!("raceguard rule {rule}")],
    );
    assert!(ended.stderr.is_empty(), "{ended}");
    GoModule::without_go(&[("a.go", CLEAN)]).check(&[]).expect(0, &["no findings in 1 package"]);
}

#[test]
fn codes_choose_what_is_shown() {
    let (module, rule) = racy();
    let group = &rule[..3];
    assert_eq!(module.rules(&["--select", group]).len(), 1);
    assert_eq!(module.rules(&["--select", "RG4"]).len(), 0);
    assert_eq!(module.rules(&["--ignore", &rule]).len(), 0);
    assert_eq!(module.rules(&["--ignore", group, "--select", &format!("RG4,{rule}")]).len(), 1);
    module.check(&["--ignore", &rule]).expect(0, &["no findings", "not shown: 1 not selected"]);
    module
        .check(&["--select", "RG9"])
        .expect(2, &["--select RG9: no rule has a code", "hint: `raceguard rule`"]);
    module.check(&["--select", &rule, "--ignore", &rule]).expect(2, &["--select and --ignore both name"]);
}

#[test]
fn packages_and_files_can_be_named() {
    let module = GoModule::without_go(&[("a/a.go", RACY), ("b/b.go", CLEAN)]);
    assert_eq!(module.rules(&["./b"]).len(), 0);
    assert_eq!(module.rules(&["a"]).len(), 1);
    assert_eq!(module.rules(&["a/a.go"]).len(), 1);
    assert_eq!(module.rules(&["example.com/m/a"]).len(), 1);
    assert_eq!(module.rules(&["-C", "a"]).len(), 1);
    module.check(&["-C", "none"]).expect(2, &["cannot change to"]);
}

#[test]
fn tests_tags_and_platforms_choose_files() {
    let tagged = format!("//go:build special\n\n{RACY}");
    let module = GoModule::without_go(&[
        ("a_test.go", RACY),
        ("b/b.go", &tagged),
        ("c/c_windows.go", RACY),
        ("c/c.go", "package m\n"),
        ("b/x.go", "package m\n"),
    ]);
    assert_eq!(module.rules(&["."]).len(), 1);
    assert_eq!(module.rules(&["--no-tests", "."]).len(), 0);
    assert_eq!((module.rules(&["./b"]).len(), module.rules(&["./b", "--tags", "x,special"]).len()), (0, 1));
    assert_eq!((module.rules(&["./c"]).len(), module.rules(&["./c", "--goos", "windows"]).len()), (0, 1));
    module.write("raceguard.toml", "[check]\ntests = false\ntags = [\"special\"]\n");
    assert_eq!((module.rules(&["."]).len(), module.rules(&["./b"]).len()), (0, 1));
}

#[test]
fn the_configuration_of_a_folder_above_counts() {
    let (module, rule) = racy();
    fs::write(
        module.path().parent().unwrap().join("raceguard.toml"),
        format!("[check]\nignore = [\"{rule}\"]\n"),
    )
    .unwrap();
    assert_eq!(module.rules(&[]).len(), 0);
    assert_eq!(module.rules(&["--select", &rule]).len(), 1, "a flag wins");
    module.write("raceguard.toml", "[check]\n");
    assert_eq!(module.rules(&[]).len(), 1, "the nearest file alone counts");
    module.write("raceguard.toml", "[check]\nexclude = [\"a.go\"]\n");
    assert_eq!(module.rules(&[]).len(), 0);
    module.write("raceguard.toml", format!("[check.per-file-ignores]\n\"*.go\" = [\"{rule}\"]\n"));
    assert_eq!(module.rules(&[]).len(), 0);
}

#[test]
fn suppressions_count_at_either_statement_and_above_the_function() {
    let (module, rule) = racy();
    for place in ["counts[\"a\"]", "counts[\"b\"]", "func Race"] {
        module.write("a.go", commented(place, &format!("//raceguard:ignore {rule} it is a test")));
        module.check(&[]).expect(0, &["no findings", "not shown: 1 suppressed"]);
        module.write("a.go", commented(place, "//nolint:raceguard"));
        module.check(&[]).expect(0, &["not shown: 1 suppressed"]);
    }
    module.write("a.go", commented("counts[\"a\"]", &format!("//raceguard:ignore {rule}")));
    module.check(&[]).expect(1, &["warning[RG001]", "does not say why"]);
    module.write("a.go", commented("package m", "//raceguard:ignore RG404 no reason to"));
    module.check(&[]).expect(1, &["warning[RG002]", &format!("error[{rule}]")]);
    assert_eq!(module.rules(&["a.go"]).len(), 1, "a file alone does not show what is unused");
}

#[test]
fn a_baseline_hides_what_was_there() {
    let (module, _) = racy();
    module.check(&["--baseline", "none.json"]).expect(2, &["cannot read", "none.json", "hint:"]);
    module.check(&["--update-baseline"]).expect(0, &["1 finding known", "hint: use it with `--baseline"]);
    let flags = ["--baseline", "raceguard-baseline.json"];
    module.check(&flags).expect(0, &["not shown: 1 in the baseline"]);
    let moved = RACY.replace("func Race", "// A line more.\nfunc Race");
    module.write("a.go", &moved);
    assert_eq!(module.rules(&flags).len(), 0, "lines do not matter");
    module.write("b.go", RACY.replace("Race", "Other"));
    assert_eq!(module.rules(&flags).len(), 1, "another function is new");
    module.write("b.go", CLEAN);
    module.write("a.go", "package m\n");
    module.check(&flags).expect(0, &["1 finding of the baseline no longer occur"]);
    module.check(&["--update-baseline"]).expect(0, &["0 findings known, 1 removed"]);
    module.write("raceguard.toml", "[check]\nbaseline = \"raceguard-baseline.json\"\n");
    module.write("raceguard-baseline.json", "{}");
    module.check(&[]).expect(2, &["raceguard-baseline.json is no baseline", "hint: write it anew"]);
}

#[test]
fn a_diff_shows_what_a_change_touches() {
    let module = GoModule::without_go(&[("a.go", RACY), ("b.go", CLEAN)]);
    module
        .check(&["--diff", "main"])
        .expect(2, &["cannot tell what has changed since main", "not a git repository"]);
    module.git(&["init", "-q"]);
    module.git(&["add", "."]);
    module.git(&["commit", "-qm", "one"]);
    module.check(&["--diff", "HEAD"]).expect(0, &["not shown: 1 on unchanged lines"]);
    module.write("b.go", RACY.replace("Race", "New"));
    assert_eq!(module.rules(&["--diff", "HEAD"]).len(), 1, "a change that is not committed");
    module.git(&["checkout", "-q", "-b", "topic"]);
    module.git(&["commit", "-qam", "two"]);
    assert_eq!(module.rules(&["--diff", "main"]).len(), 1, "one that is");
    module.write("c ü.go", RACY.replace("Race", "Untracked"));
    assert_eq!(module.rules(&["--diff", "HEAD"]).len(), 1, "a new file");
    module
        .check(&["--diff", "nowhere"])
        .expect(2, &["since nowhere", "git knows no commit", "hint: name a commit"]);
    module.check(&["--diff"]).expect(2, &["--diff needs the commit"]);
    run(module.command(&["check", "--diff", "HEAD"]).env("PATH", module.path()))
        .expect(2, &["`git` could not be run", "hint: install git"]);
}

#[test]
fn statistics_count_rules() {
    let (module, rule) = racy();
    let ended = module.check(&["--statistics"]);
    ended.expect(1, &[&format!("     1  {rule}  ")]);
    assert!(!ended.stdout.contains("a.go"), "{ended}");
}

#[test]
fn a_report_goes_to_a_file() {
    let (module, _) = racy();
    let ended = module.check(&["--format", "junit", "--output", "out.xml"]);
    ended.expect(1, &["1 error, see", "out.xml"]);
    assert!(ended.stdout.is_empty());
    assert!(module.read("out.xml").starts_with("<?xml"));
    module.check(&["-q", "-o", "none/out.xml"]).expect(2, &["cannot write the report", "hint:"]);
}

#[test]
fn evidence_is_kept_and_shown_again() {
    let (module, rule) = racy();
    let checked = module.check(&[]);
    let again = module.raceguard(&["report"]);
    again.expect(1, &[&format!("error[{rule}]"), "1 error in 1 package"]);
    let without_end =
        |text: &str| text.lines().filter(|line| !line.contains(" package, ")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_end(&again.stdout), without_end(&checked.stdout));
    module.raceguard(&["report", "--format", "sarif"]).expect(1, &["\"version\": \"2.1.0\"", &rule]);
    let last = module.read(".raceguard/last");
    let evidence = module.read(&format!(".raceguard/runs/{}/evidence.jsonl", last.trim()));
    let kinds: Vec<String> = evidence
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(kinds, ["run", "static_finding", "run_end"]);
    assert_eq!(module.read(".raceguard/.gitignore"), "*\n");
}

#[test]
fn the_second_run_comes_from_the_cache_until_something_changes() {
    let (module, _) = racy();
    let cache = module.path().parent().unwrap().join("cache/raceguard/check");
    let entries = || fs::read_dir(&cache).map_or(0, Iterator::count);
    assert_eq!(entries(), 1);
    let first = module.check(&[]).stdout;
    assert_eq!(entries(), 1);
    module.write("a.go", RACY.replace("\"a\"", "\"c\""));
    assert!(module.check(&[]).stdout.contains("counts[\"c\"]"));
    assert_eq!(entries(), 2);
    for entry in fs::read_dir(&cache).unwrap() {
        fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    module.write("a.go", RACY);
    let again = module.check(&[]).stdout;
    assert_eq!(again.lines().next(), first.lines().next());
    module.check(&["--cache-dir", "own"]).expect(1, &[]);
    assert_eq!(fs::read_dir(module.join("own")).unwrap().count(), 1);
    fs::remove_dir_all(&cache).unwrap();
    module.check(&["--no-cache"]).expect(1, &[]);
    assert_eq!(entries(), 0);
}

#[test]
fn watching_checks_again_when_a_file_changes() {
    let module = GoModule::without_go(&[("a.go", CLEAN)]);
    let mut child =
        module.command(&["check", "--watch"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    let (told, lines) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = told.send(line);
        }
    });
    let waits_for = |text: &str| loop {
        match lines.recv_timeout(Duration::from_mins(1)) {
            Ok(line) if line.contains(text) => break true,
            Ok(_) => {}
            Err(_) => break false,
        }
    };
    let clean = waits_for("no findings");
    // At once: what changes before the watch has begun is seen too.
    module.write("a.go", RACY);
    let racy = waits_for("1 error in 1 package");
    std::thread::sleep(Duration::from_secs(1));
    module.write("b.go", RACY.replace("Race", "Other"));
    let new = waits_for("2 errors in 1 package");
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    assert_eq!((clean, racy, new), (true, true, true));
}

#[test]
fn rules_have_pages() {
    let module = GoModule::bare(&[]);
    let ended = module.raceguard(&["rule", "rg4"]);
    ended.expect(0, &["RG401", "RG404"]);
    assert!(!ended.stdout.contains("RG3"), "{ended}");
    module
        .raceguard(&["rule", "--all"])
        .expect(0, &["RG101 concurrent-map-writes", "RG404 map-copy-under-lock"]);
    let module = GoModule::bare(&[]);
    module.raceguard(&["rule"]).expect(0, &["RG001  warning", "RG101  error", "RG404"]);
    module.raceguard(&["rule", "rg101"]).expect(0, &["RG101 ", "Why it is bad\n"]);
    module
        .raceguard(&["rule", "RG101", "--format", "markdown"])
        .expect(0, &["# RG101 ", "## Why it is bad", "```go"]);
    module.raceguard(&["rule", "RG101", "--format", "json"]).expect(0, &["\"code\": \"RG101\""]);
    module.raceguard(&["rule", "RG1O1"]).expect(2, &["there is no rule \"RG1O1\"", "did you mean RG1"]);
}
