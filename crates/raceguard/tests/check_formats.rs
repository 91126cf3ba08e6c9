//! The report of a check in each format, from findings on a small module.

use std::path::Path;

use raceguard::check::filter::{Hidden, Report};
use raceguard::check::registry;
use raceguard::check::render::{Format, Look, Paths, render};
use raceguard_evidence::{
    CallStep, Fingerprint, Reason, Severity, Site, SourcePlace, SourceProblem, StaticFinding, SuggestedEdit,
    SuggestedFix,
};
use serde_json::Value;

const ROUTER: &str = include_str!("check_fixture/router.go");
const HEALTH: &str = include_str!("check_fixture/health.go");

fn source(path: &Path) -> Option<String> {
    match path.to_str()? {
        "/home/dev/pay/gateway/router.go" => Some(ROUTER.to_owned()),
        "/home/dev/pay/gateway/health.go" => Some(HEALTH.to_owned()),
        _ => None,
    }
}

/// The place of a text in one of the files.
fn place(file: &str, text: &str) -> SourcePlace {
    let path = format!("/home/dev/pay/gateway/{file}");
    let source = source(Path::new(&path)).expect("a file of the fixture");
    let start = source.find(text).expect("a text of the fixture");
    let position = |at: usize| {
        let line_start = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = source[..at].matches('\n').count() + 1;
        (u32::try_from(line).expect("few lines"), u32::try_from(at - line_start + 1).expect("short lines"))
    };
    let ((line, column), (end_line, end_column)) = (position(start), position(start + text.len()));
    SourcePlace { file: path, line, column, end_line, end_column, ..SourcePlace::default() }
}

fn reason(text: &str, place: Option<SourcePlace>) -> Reason {
    Reason { text: text.to_owned(), place, ..Reason::default() }
}

fn site(function: &str, action: &str, place: SourcePlace) -> Site {
    Site { place, function: function.to_owned(), action: action.to_owned(), ..Site::default() }
}

fn finding(rule: &str, severity: Severity, subject: &str, message: &str, sites: Vec<Site>) -> StaticFinding {
    StaticFinding {
        rule: rule.to_owned(),
        tool: None,
        severity,
        fingerprint: Fingerprint::of_static_finding(rule, subject, &sites),
        subject: subject.to_owned(),
        message: message.to_owned(),
        sites,
        reasons: Vec::new(),
        remedy: "hold r.mu around both".to_owned(),
        fix: None,
        extra: serde_json::Map::new(),
    }
}

fn race() -> StaticFinding {
    let mut write = site(
        "example.com/pay/gateway.(*Router).Reload",
        "map write",
        place("router.go", "r.routes[host] = backend"),
    );
    write.write = true;
    write.origin = vec![reason("HTTP handler", Some(place("router.go", "Reload(routes")))];
    let mut read = site(
        "example.com/pay/gateway.(*Health).probe",
        "map iteration",
        place("health.go", "h.router.routes"),
    );
    read.locks = vec!["h.router.mu (read)".to_owned()];
    read.origin = vec![reason("a goroutine started here", Some(place("health.go", "probe")))];
    read.calls = vec![CallStep {
        function: "example.com/pay/gateway.(*Health).run".to_owned(),
        place: place("health.go", "up++"),
        ..CallStep::default()
    }];
    let mut finding = finding(
        "RG103",
        Severity::Error,
        "map field gateway.Router.routes",
        "map field gateway.Router.routes is iterated over while another goroutine may write to it",
        vec![write, read],
    );
    finding.reasons = vec![
        reason("r.mu guards the field at 3 of 4 accesses", Some(place("router.go", "mu     sync.RWMutex"))),
        reason("nothing makes one of the goroutines wait for the other", None),
    ];
    let edit = SuggestedEdit {
        file: "/home/dev/pay/gateway/router.go".to_owned(),
        start: 10,
        end: 12,
        text: "x".to_owned(),
        ..SuggestedEdit::default()
    };
    finding.fix = Some(SuggestedFix {
        title: "hold r.mu in Reload".to_owned(),
        edits: vec![edit],
        ..SuggestedFix::default()
    });
    finding
}

fn near_accesses() -> StaticFinding {
    let mut locked = site("example.com/pay/gateway.(*Router).count", "write", place("router.go", "r.hits++"));
    locked.locks = vec!["r.mu".to_owned()];
    let plain = site("example.com/pay/gateway.(*Router).count", "write", place("router.go", "r.hits--"));
    finding(
        "RG213",
        Severity::Warning,
        "field gateway.Router.hits",
        "field gateway.Router.hits is written with and without its lock",
        vec![plain, locked],
    )
}

fn advice() -> StaticFinding {
    let gone = SourcePlace {
        file: "/home/dev/pay/gateway/gone.go".into(),
        line: 7,
        column: 2,
        ..SourcePlace::default()
    };
    let sites = vec![site("example.com/pay/gateway.Sum", "lock", gone)];
    finding(
        "RG402",
        Severity::Advice,
        "map gateway.totals",
        "one lock guards a map that is mostly read",
        sites,
    )
}

fn problem(loss: bool, line: u32, message: &str) -> SourceProblem {
    SourceProblem {
        path: "/home/dev/pay/gateway/health.go".to_owned(),
        line,
        column: line.min(1),
        message: message.to_owned(),
        hint: "mend it".to_owned(),
        loss,
        ..SourceProblem::default()
    }
}

fn report() -> Report {
    Report {
        findings: vec![race(), near_accesses(), near_accesses(), advice()],
        problems: vec![problem(true, 4, "expected ';', found '{'"), problem(false, 0, "a module of its own")],
        hidden: Hidden { suppressed: 2, too_mild: 1, ..Hidden::default() },
        packages: 3,
        seconds: 0.25,
    }
}

fn rendered(report: &Report, format: Format) -> String {
    let paths = Paths::new(Path::new("/home/dev/pay/gateway"), Path::new("/home/dev/pay"));
    let look = Look { read_source: &source, ..Look::plain(&paths) };
    let mut out = Vec::new();
    render(report, format, &look, &mut out).expect("memory takes everything");
    String::from_utf8(out).expect("UTF-8")
}

fn json(format: Format) -> Value {
    serde_json::from_str(&rendered(&report(), format)).expect("JSON")
}

/// The report with names and messages made to break out of any format.
fn hostile() -> String {
    "</script><script>alert(1)</script>\"'&<img src=x>\n::error::injected\u{1b}[31m\u{1}".to_owned()
}

fn hostile_report() -> Report {
    let mut report = report();
    for finding in &mut report.findings {
        finding.message = hostile();
        finding.subject = hostile();
        finding.remedy = hostile();
        for site in &mut finding.sites {
            site.function = hostile();
            site.locks = vec![hostile()];
        }
    }
    report.problems[0].message = hostile();
    report
}

#[test]
fn text() {
    insta::assert_snapshot!(rendered(&report(), Format::Text));
}

#[test]
fn github() {
    insta::assert_snapshot!(rendered(&report(), Format::Github));
}

#[test]
fn gitlab() {
    insta::assert_snapshot!(rendered(&report(), Format::Gitlab));
}

#[test]
fn junit() {
    insta::assert_snapshot!(rendered(&report(), Format::Junit));
}

#[test]
fn json_document() {
    insta::assert_snapshot!(rendered(&report(), Format::Json));
}

#[test]
fn sarif_results() {
    let mut log = json(Format::Sarif);
    // The rules' pages have tests of their own.
    log["runs"][0]["tool"]["driver"]["rules"] = Value::Null;
    for result in log["runs"][0]["results"].as_array_mut().expect("results") {
        result["ruleIndex"] = Value::Null;
    }
    insta::assert_snapshot!(format!("{log:#}"));
}

#[test]
fn html_page() {
    let page = rendered(&report(), Format::Html);
    let body = page.split("<body>").nth(1).and_then(|body| body.split("<script>").next());
    let body = body.expect("a body before the script");
    // Rules' texts have tests of their own.
    assert!(body.contains("data-rule=\"RG103\"") && body.contains("3 packages"));
    assert_eq!(page.matches("<details class=\"card\"").count(), 4);
    let ids: std::collections::BTreeSet<&str> = body
        .split("<details class=\"card\" id=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(ids.len(), 4, "each finding has an id of its own");
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn a_report_without_findings_is_a_whole_document_in_each_format() {
    let empty = Report { packages: 1, ..Report::default() };
    assert_eq!(rendered(&empty, Format::Text), "no findings in 1 package, 0.0 s\n");
    assert_eq!(rendered(&empty, Format::Github), "");
    assert_eq!(rendered(&empty, Format::Gitlab), "[]\n");
    assert!(rendered(&empty, Format::Junit).contains("tests=\"1\" failures=\"0\" errors=\"0\""));
    assert!(rendered(&empty, Format::Html).contains("Nothing was found."));
    let log: Value = serde_json::from_str(&rendered(&empty, Format::Sarif)).expect("JSON");
    assert_eq!(log["runs"][0]["results"], Value::Array(Vec::new()));
    assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], true);
}

#[test]
fn sarif_has_what_the_standard_and_code_scanning_require() {
    let log = json(Format::Sarif);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    assert_eq!(rules.len(), registry::rules().len());
    for rule in rules {
        for text in ["shortDescription", "fullDescription", "help"] {
            assert!(!rule[text]["text"].as_str().expect("a text").is_empty(), "{rule}");
        }
    }
    let root = run["originalUriBaseIds"]["%SRCROOT%"]["uri"].as_str().expect("a root");
    assert_eq!(root, "file:///home/dev/pay/");
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), 4);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("a small index");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(result["message"]["text"].is_string());
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().expect("a level")));
        assert!(result["partialFingerprints"]["raceguard/v1"].as_str().expect("one").starts_with("RG1-"));
        let physical = &result["locations"][0]["physicalLocation"];
        assert_eq!(physical["artifactLocation"]["uriBaseId"], "%SRCROOT%");
        assert!(physical["region"]["startLine"].as_u64() >= Some(1));
    }
    let invocation = &run["invocations"][0];
    assert_eq!((&invocation["executionSuccessful"], &invocation["exitCode"]), (&false.into(), &2.into()));
    assert_eq!(invocation["toolExecutionNotifications"][0]["level"], "error");
}

#[test]
fn sarif_columns_count_utf16_units() {
    let mut report = report();
    report.findings.truncate(1);
    report.findings[0].sites[0].place = place("router.go", "𝄞");
    let log: Value = serde_json::from_str(&rendered(&report, Format::Sarif)).expect("JSON");
    let region = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"];
    let line = ROUTER.lines().find(|line| line.contains('𝄞')).expect("a line");
    let before = line[..line.find('𝄞').expect("there")].encode_utf16().count();
    assert_eq!((&region["startColumn"], &region["endColumn"]), (&(before + 1).into(), &(before + 3).into()));
}

#[test]
fn gitlab_fingerprints_are_unique() {
    let issues = json(Format::Gitlab);
    let prints: Vec<&str> = issues
        .as_array()
        .expect("issues")
        .iter()
        .map(|it| it["fingerprint"].as_str().expect("one"))
        .collect();
    let unique: std::collections::BTreeSet<_> = prints.iter().collect();
    assert_eq!(unique.len(), prints.len(), "{prints:?}");
}

#[test]
fn names_and_messages_can_not_leave_their_place() {
    let report = hostile_report();
    for line in rendered(&report, Format::Github).lines() {
        assert!(
            ["::error file=", "::warning file=", "::notice file="].iter().any(|it| line.starts_with(it)),
            "{line}"
        );
    }
    let page = rendered(&report, Format::Html);
    assert_eq!(page.matches("<script").count(), 1, "the page's own script only");
    assert!(!page.contains("<img"));
    let text = rendered(&report, Format::Text);
    assert!(!text.contains(['\u{1b}', '\u{1}']), "{text:?}");
    let xml = rendered(&report, Format::Junit);
    assert!(!xml.contains("<script") && !xml.contains(['\u{1b}', '\u{1}']));
    for format in [Format::Json, Format::Sarif, Format::Gitlab] {
        serde_json::from_str::<Value>(&rendered(&report, format)).expect("JSON");
    }
}

#[test]
fn narrow_terminals_get_every_word_too() {
    let paths = Paths::new(Path::new("/home/dev/pay"), Path::new("/home/dev/pay"));
    let look = Look { read_source: &source, width: 60, ..Look::plain(&paths) };
    let mut out = Vec::new();
    render(&report(), Format::Text, &look, &mut out).expect("memory takes everything");
    let text = String::from_utf8(out).expect("UTF-8").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("map iteration in gateway.(*Health).probe, holding h.router.mu (read)"), "{text}");
}
