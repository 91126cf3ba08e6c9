//! `raceguard explain` in every format, with names in the evidence that try to be markup: terminal escapes, Markdown,
//! HTML. The page is opened in a Chromium without a window, which these tests need on PATH.

mod explain_support;
mod support;

use std::process::{Command, Stdio};

use explain_support::{built, diagnosis, ingest, list, program_output};
use raceguard_gotool::environment::find_program;
use serde_json::Value;
use support::GoModule;

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Before anything else of the page: keeps what goes wrong.
const WATCH: &str = r"<script>
window.problems = [];
window.alert = (text) => window.problems.push(`alert ${text}`);
window.addEventListener('error', (event) => window.problems.push(event.message));
document.addEventListener('securitypolicyviolation', (event) => window.problems.push(event.blockedURI));
</script>";

/// At the end of the page: what a reader sees.
const PROBE: &str = r#"<script>
const page = document.documentElement;
const all = (selector) => [...document.querySelectorAll(selector)];
const seen = {
  headlines: all(".headline").map((node) => node.textContent),
  drawings: all("svg").filter((node) => node.getBoundingClientRect().height > 10).length,
  deadlocks: all("ol li").map((node) => node.textContent),
  strange: all("img, iframe, object, embed, link[href], script[src], a[href^='javascript']").length,
  wider: page.scrollWidth - page.clientWidth,
  requests: performance.getEntriesByType("resource").map((entry) => entry.name),
  problems: window.problems,
};
page.dataset.probe = btoa(unescape(encodeURIComponent(JSON.stringify(seen))));
</script>"#;

/// What the probe saw on a page.
fn look(page: &str) -> Value {
    let probed = page.replacen("<head>", &format!("<head>{WATCH}"), 1);
    let probed = probed.replacen("</body>", &format!("{PROBE}</body>"), 1);
    assert!(probed.contains(WATCH) && probed.contains(PROBE), "the page has a head and a body");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("page.html");
    std::fs::write(&file, probed).expect("the folder can be written");
    let browser = BROWSERS.iter().find_map(|name| find_program(name)).unwrap_or_else(|| {
        panic!("no Chromium is on PATH, under the names {BROWSERS:?}; Debian: apt-get install chromium")
    });
    let output = Command::new(browser)
        // The sandbox refuses to work for root, as whom CI runs; the page is our own.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .args(["--window-size=1200,900", "--dump-dom"])
        .arg(format!("file://{}", file.display()))
        .stdin(Stdio::null())
        .output()
        .expect("the browser starts");
    let document = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, rest) = document.split_once("data-probe=\"").unwrap_or_else(|| {
        panic!("the probe did not come to its end:\n{document}\n{}", String::from_utf8_lossy(&output.stderr))
    });
    let text = base64(rest.split('"').next().unwrap_or_default());
    serde_json::from_slice(&text).expect("JSON")
}

/// Bytes of a text in base 64.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u32> = text
        .bytes()
        .filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte))
        .map(|digit| u32::try_from(digit).expect("six bits"))
        .collect();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bytes.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}

/// A race report whose names are these.
fn race(write: &str, read: &str, file: &str) -> String {
    format!(
        "==================\nWARNING: DATA RACE\nWrite at 0x00c00009cfc0 by goroutine 9:\n  runtime.mapassign_faststr()\n      \
         /go/src/internal/runtime/maps/runtime_faststr.go:261 +0x0\n  example.com/m.{write}()\n      {file}:7 +0xf8\n\n\
         Previous read at 0x00c00009cfc0 by goroutine 7:\n  runtime.mapaccess1_faststr()\n      \
         /go/src/internal/runtime/maps/runtime_faststr.go:115 +0x17\n  example.com/m.{read}()\n      {file}:8 +0x1ef\n\n\
         Goroutine 9 (running) created at:\n  main.main()\n      {file}:10 +0xf3\n\nGoroutine 7 (finished) created at:\n  \
         main.main()\n      {file}:10 +0xf3\n==================\n"
    )
}

/// Evidence with names that are markup somewhere, and the dump of a program that is stuck.
fn hostile() -> GoModule {
    let module = built(include_str!("explain_programs/waits.go"));
    module.write("dump.log", program_output(&module, &["inversion"]));
    let names = race(
        "(*T).<img/src=x/onerror=alert(1)>",
        "(*T).</script><script>alert(2)</script>",
        "/m/\u{1b}[31m`@everyone`|**a**\"onload=alert(3).go",
    );
    module.write("race.log", names);
    let span = "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":\
         \"<svg onload=alert(4)>\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"s\"},\"spans\":[{\"traceId\":\"0123456789abcdef0123456789abcdef\",\"spanId\":\"0123456789abcdef\",\
         \"name\":\"</title><script>alert(5)</script> @team\\u001b[2J\",\"kind\":2,\"startTimeUnixNano\":\"1795182615000000000\",\
         \"endTimeUnixNano\":\"1795182616000000000\",\"status\":{\"code\":2}}]}]}]}\n";
    module.write("spans.json", span);
    ingest(&module, &["dump.log", "race.log", "spans.json"]);
    module
}

#[test]
fn the_page_runs_nothing_of_the_evidence_and_loads_nothing() {
    let module = hostile();
    module.raceguard(&["explain", "-o", "page.html"]).expect(1, &[]);
    let seen = look(&module.read("page.html"));
    assert_eq!(seen["problems"], serde_json::json!([]), "{seen:#}");
    assert_eq!(seen["requests"], serde_json::json!([]), "{seen:#}");
    assert_eq!(seen["strange"], 0, "{seen:#}");
    assert_eq!(seen["wider"], 0, "the page scrolls sideways: {seen:#}");
    assert!(seen["drawings"].as_u64() >= Some(1), "{seen:#}");
    assert!(list(&seen["headlines"]).len() >= 2, "{seen:#}");
    let waits = list(&seen["deadlocks"]).iter().filter_map(Value::as_str);
    assert_eq!(waits.filter(|text| text.contains("waiting for main.")).count(), 2, "{seen:#}");
}

#[test]
fn a_page_of_profiles_draws_where_goroutines_waited() {
    let module = built(include_str!("explain_programs/contention.go"));
    program_output(&module, &["."]);
    ingest(&module, &["mutex.pb.gz", "block.pb.gz", "trace.out"]);
    module.raceguard(&["explain", "-o", "page.html"]).expect(0, &[]);
    let seen = look(&module.read("page.html"));
    assert_eq!((&seen["problems"], &seen["wider"]), (&serde_json::json!([]), &0.into()), "{seen:#}");
    assert!(seen["drawings"].as_u64() >= Some(2), "a flame graph for each kind of profile: {seen:#}");
}

#[test]
fn a_terminal_gets_no_control_codes_of_the_evidence() {
    let module = hostile();
    let ended = module.raceguard(&["explain"]);
    ended.expect(1, &["root cause", "deadlock: locks taken in different orders", "`raceguard check` tells"]);
    let strange = ended.stdout.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(strange, None, "{ended}");
}

#[test]
fn markdown_holds_no_markup_of_the_evidence() {
    let module = hostile();
    let text = module.raceguard(&["explain", "--format", "markdown"]).stdout;
    assert!(text.starts_with("## Raceguard: "), "{text}");
    for markup in ["<img", "<script", "<svg", "@team", "\u{1b}"] {
        assert!(!text.contains(markup), "{markup:?} in\n{text}");
    }
    for row in text.lines().filter(|line| line.starts_with("| ")) {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 3, "{row}");
    }
    assert!(text.contains("### Deadlock: locks taken in different orders"), "{text}");
}

#[test]
fn json_keeps_names_as_they_are() {
    let module = hostile();
    let found = diagnosis(&module, &[]);
    let causes = list(&found["top_causes"]);
    assert_eq!(causes[0]["service"], "<svg onload=alert(4)>", "{causes:#?}");
    assert_eq!((&found["schema"], &found["kind"]), (&1.into(), &"diagnosis".into()));
    assert!(found["comparison"].is_null());
}
