//! The reports for other programs: JSON, SARIF, GitHub annotations, and the HTML page.

mod report_fixture;

use std::path::Path;

use raceguard::report::{Format, Options};
use raceguard_diagnosis::rule::RULES;
use report_fixture::{EVIDENCE, rendered, source};
use serde_json::Value;

fn report(format: Format) -> String {
    rendered(EVIDENCE, format, &Options::new(&source))
}

fn json(format: Format) -> Value {
    serde_json::from_str(&report(format)).expect("JSON")
}

/// A function name and a message made to break out of any format.
fn hostile() -> String {
    EVIDENCE
        .replace("(*Router).Reload", "<img src=x onerror=alert(1)>\\\"'&\\n::error::injected")
        .replace(
            "concurrent map writes",
            "concurrent map writes</script><script>alert(1)</script>\\n::error::injected",
        )
        .replace("TestReloadStorm", "Test\\\"><script>alert(1)</script>")
}

#[test]
fn json_report() {
    insta::assert_snapshot!(report(Format::Json));
}

#[test]
fn sarif_report() {
    insta::assert_snapshot!(report(Format::Sarif));
}

#[test]
fn github_annotations() {
    insta::assert_snapshot!(report(Format::Github));
}

#[test]
fn html_page() {
    let page = report(Format::Html);
    let body = page.split("<body>").nth(1).and_then(|body| body.split("<script>").next());
    insta::assert_snapshot!(body.expect("a body before the script"));
}

#[test]
fn sarif_has_what_the_standard_and_code_scanning_require() {
    let log = json(Format::Sarif);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    assert_eq!(rules.len(), RULES.len());
    for rule in rules {
        for text in ["shortDescription", "fullDescription", "help"] {
            assert!(!rule[text]["text"].as_str().expect("a text").is_empty(), "{rule}");
        }
    }
    let root = run["originalUriBaseIds"]["%SRCROOT%"]["uri"].as_str().expect("a root");
    assert!(root.starts_with("file:///") && root.ends_with('/'));
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), 4);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("a small index");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(result["message"]["text"].is_string());
        assert!(result["partialFingerprints"]["raceguard/v1"].as_str().expect("one").starts_with("RG1-"));
        let physical = &result["locations"][0]["physicalLocation"];
        assert!(physical["artifactLocation"]["uri"].is_string());
        assert!(physical["region"]["startLine"].as_u64() >= Some(1));
    }
}

#[test]
fn sarif_has_both_locations_and_a_flow_per_goroutine() {
    let log = json(Format::Sarif);
    let race = &log["runs"][0]["results"][0];
    let uri = |location: &Value| location["physicalLocation"]["artifactLocation"]["uri"].clone();
    assert_eq!(uri(&race["locations"][0]), "gateway/router.go");
    assert_eq!(uri(&race["relatedLocations"][0]), "gateway/health.go");
    let flows = race["codeFlows"][0]["threadFlows"].as_array().expect("thread flows");
    let ids: Vec<_> = flows.iter().map(|flow| flow["id"].as_str().expect("an id")).collect();
    assert_eq!(ids, ["goroutine 7", "goroutine 9"]);
    for flow in flows {
        let steps = flow["locations"].as_array().expect("steps");
        assert_eq!(steps.iter().filter(|step| step["importance"] == "essential").count(), 1);
    }
    let region = &race["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startColumn"], &region["endColumn"]), (&3.into(), &11.into()));
    assert_eq!(region["snippet"]["text"], "r.routes");
}

#[test]
fn json_holds_the_whole_record_of_a_race() {
    let report = json(Format::Json);
    let written = &report["findings"][0]["race"];
    let line = EVIDENCE.lines().find(|line| line.contains("\"200-1\"")).expect("the record");
    assert_eq!(written, &serde_json::from_str::<Value>(line).expect("JSON"));
    assert_eq!(report["findings"][1]["occurrences"], 5);
    assert_eq!(report["findings"][1]["tests"].as_array().map(Vec::len), Some(3));
}

#[test]
fn annotations_are_one_line_each_whatever_the_names() {
    let text = rendered(&hostile(), Format::Github, &Options::new(&source));
    for line in text.lines() {
        assert!(line.starts_with("::error file=") || line.starts_with("::notice file="), "{line}");
        let properties = line.split("::").nth(1).expect("properties");
        let title = properties.split("title=").nth(1).expect("a title");
        assert!(!title.contains([',', ':']), "{line}");
    }
    assert_eq!(text.lines().count(), report(Format::Github).lines().count());
}

#[test]
fn annotation_paths_are_relative_to_the_repository() {
    let options = Options { repository_root: Some(Path::new("/home/dev")), ..Options::new(&source) };
    let text = rendered(EVIDENCE, Format::Github, &options);
    assert!(text.starts_with("::error file=pay/gateway/router.go,line=23,"), "{text}");
}

#[test]
fn markup_in_names_messages_and_sources_stays_text() {
    let hostile_source =
        |path: &Path| source(path).map(|text| text.replace("channels", "</pre><script>alert(1)</script>"));
    let page = rendered(&hostile(), Format::Html, &Options::new(&hostile_source));
    assert_eq!(page.matches("<script").count(), 1, "the page's own script only");
    assert_eq!(page.matches("</script").count(), 1);
    assert!(!page.contains("<img"));
    assert!(page.contains("&lt;") || page.contains("&#60;"));
}

#[test]
fn the_page_asks_for_nothing_from_outside() {
    let page = report(Format::Html);
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn formats_are_named_as_on_the_command_line() {
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    assert!("xml".parse::<Format>().expect_err("no such format").contains("sarif"));
}

#[test]
fn a_page_of_thousands_of_findings_shows_the_first_ones_and_says_so() {
    use std::fmt::Write as _;
    let mut evidence = String::new();
    for race in 0..1003 {
        let access = format!("{{\"op\":\"write\",\"stack\":[{{\"function\":\"m.F{race}\"}}]}}");
        writeln!(
            evidence,
            "{{\"schema\":1,\"kind\":\"race\",\"id\":\"1-{race}\",\"pid\":1,\"accesses\":[{access},{access}]}}"
        )
        .unwrap();
    }
    let page = rendered(&evidence, Format::Html, &Options::new(&source));
    assert!(page.contains("1003 data races"));
    assert!(page.contains("shows the first 1000 findings, 3 more are left out"));
    assert_eq!(page.matches("<details class=\"card\"").count(), 1000);
    let json: Value =
        serde_json::from_str(&rendered(&evidence, Format::Json, &Options::new(&source))).expect("JSON");
    assert_eq!(json["findings"].as_array().unwrap().len(), 1003);
}
