//! The HTML page in a real browser: a Chromium without a window opens it from a file, a probe beside the page's own
//! script uses it as a reader would, and what the probe saw is read from the resulting document.
//!
//! These tests need Chromium on PATH; without it they fail.

mod report_fixture;

use std::path::Path;
use std::process::{Command, Stdio};

use raceguard::report::{Format, Options};
use raceguard_gotool::environment::find_program;
use report_fixture::{EVIDENCE, rendered, source};
use serde_json::Value;

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Before anything else of the page: keeps what goes wrong.
const WATCH: &str = r"<script>
window.problems = [];
window.alert = (text) => window.problems.push(`alert ${text}`);
window.addEventListener('error', (event) => window.problems.push(event.message));
document.addEventListener('securitypolicyviolation', (event) => window.problems.push(event.blockedURI));
</script>";

/// After the page's own script: reads, filters, folds.
const PROBE: &str = r#"<script>
const visible = () => [...document.querySelectorAll(".card")]
  .filter((card) => card.getClientRects().length > 0).map((card) => card.dataset.rule);
const type = (text) => {
  const filter = document.getElementById("filter");
  filter.value = text;
  filter.dispatchEvent(new Event("input"));
};
const page = document.documentElement;
const box = (selector) => document.querySelector(selector).getBoundingClientRect();
const seen = { all: visible(), wider: page.scrollWidth - page.clientWidth };
seen.later = box(".side.later").toJSON();
seen.earlier = box(".side.earlier").toJSON();
seen.lines = [...document.querySelectorAll(".side .hit")].map((line) => line.textContent.trim());
seen.tree = [...document.querySelectorAll(".tree li")].length;
type("LEDGER debit");
seen.filtered = visible();
seen.status = document.getElementById("shown").textContent;
type("no such function");
seen.nothing = visible();
seen.saysNothing = !document.getElementById("none").hidden;
type("");
const chip = document.querySelector(".chip[data-rule='RG103']");
if (chip) chip.click();
seen.byRule = visible();
if (chip) chip.click();
seen.again = visible();
document.getElementById("toggle").click();
seen.folded = [...document.querySelectorAll(".card")].filter((card) => card.open).length;
seen.requests = performance.getEntriesByType("resource").map((entry) => entry.name);
seen.problems = window.problems;
page.dataset.probe = encodeURIComponent(JSON.stringify(seen));
</script>"#;

/// What the probe saw on the page of this evidence, in a window of this width.
fn look(evidence: &str, width: u32) -> Value {
    let page = rendered(evidence, Format::Html, &Options::new(&source));
    let probed = page.replacen("<head>", &format!("<head>{WATCH}"), 1);
    let probed = probed.replacen("</body>", &format!("{PROBE}</body>"), 1);
    assert!(probed.contains(WATCH) && probed.contains(PROBE), "the page has a head and a body");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("report.html");
    std::fs::write(&file, probed).expect("the folder can be written");
    let document = open(&file, folder.path(), width);
    let (_, rest) = document.split_once("data-probe=\"").unwrap_or_else(|| {
        panic!("the probe did not come to its end; the document was\n{document}");
    });
    let probe = rest.split('"').next().unwrap_or_default();
    serde_json::from_str(&decoded(probe)).expect("JSON")
}

/// The document after its scripts have run.
fn open(file: &Path, profile: &Path, width: u32) -> String {
    let browser = BROWSERS.iter().find_map(|name| find_program(name)).unwrap_or_else(|| {
        panic!("no Chromium is on PATH, under the names {BROWSERS:?}; Debian: apt-get install chromium")
    });
    let output = Command::new(&browser)
        // The sandbox refuses to work for root, as whom CI runs; the page is our own.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .arg(format!("--user-data-dir={}", profile.join("profile").display()))
        .arg(format!("--window-size={width},900"))
        .arg("--dump-dom")
        .arg(format!("file://{}", file.display()))
        .stdin(Stdio::null())
        .output()
        .expect("the browser starts");
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} ended with {}\n{messages}", browser.display(), output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Undoes `encodeURIComponent`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if let ([b'%', digits @ ..], Some(hex)) = (rest, text_of_two(tail)) {
            bytes.push(u8::from_str_radix(hex, 16).expect("two digits"));
            rest = &digits[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

fn text_of_two(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes.get(..2)?).ok()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn findings_are_shown_side_by_side_filtered_and_folded() {
    let seen = look(EVIDENCE, 1400);
    let all = serde_json::json!(["RG103", "RG214", "RG210", "RG101"]);
    assert_eq!(seen["all"], all, "{seen:#}");
    assert!(number(&seen["later"]["right"]) <= number(&seen["earlier"]["left"]), "side by side: {seen:#}");
    assert!(number(&seen["later"]["height"]) > 100.0, "{seen:#}");
    assert!(number(&seen["tree"]) >= 4.0, "{seen:#}");
    let lines = seen["lines"].as_array().expect("lines");
    assert!(lines.iter().any(|line| line.as_str().is_some_and(|line| line.contains("r.routes"))), "{seen:#}");

    assert_eq!(seen["filtered"], serde_json::json!(["RG214"]));
    assert_eq!(seen["status"], "1 of 4");
    assert_eq!(seen["nothing"], serde_json::json!([]));
    assert_eq!(seen["saysNothing"], true);
    assert_eq!(seen["byRule"], serde_json::json!(["RG103"]));
    assert_eq!(seen["again"], all);
    assert_eq!(seen["folded"], 0);

    assert_eq!(seen["wider"], 0, "the page scrolls sideways");
    assert_eq!(seen["requests"], serde_json::json!([]), "the page loads nothing");
    assert_eq!(seen["problems"], serde_json::json!([]));
}

#[test]
fn a_narrow_window_stacks_the_sides() {
    let seen = look(EVIDENCE, 600);
    assert!(number(&seen["later"]["bottom"]) <= number(&seen["earlier"]["top"]), "{seen:#}");
    assert_eq!(seen["wider"], 0, "the page scrolls sideways: {seen:#}");
}

#[test]
fn text_from_the_program_under_test_is_not_run() {
    let hostile = EVIDENCE
        .replace("(*Router).Reload", "<img src=x onerror=alert(1)>")
        .replace("concurrent map writes", "</script><script>alert(2)</script>")
        .replace("TestReloadStorm", "Test\\\"><script>alert(3)</script>");
    let seen = look(&hostile, 1400);
    assert_eq!(seen["all"].as_array().map(Vec::len), Some(4), "{seen:#}");
    assert_eq!(seen["problems"], serde_json::json!([]));
    assert_eq!(seen["requests"], serde_json::json!([]));
}
