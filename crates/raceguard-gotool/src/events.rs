//! The events of `go test -json` (`go doc test2json`), one JSON object per line.

use serde::Deserialize;

/// One event. Fields that an action does not have are absent or empty.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TestEvent {
    /// When cmd/go saw it, RFC 3339.
    pub time: Option<String>,
    /// What happened.
    pub action: Action,
    /// The package whose tests run.
    pub package: Option<String>,
    /// The package being built, for build events; `example.com/m [example.com/m.test]` for test variants.
    pub import_path: Option<String>,
    /// The test, `TestX/sub`; absent in events of the package.
    pub test: Option<String>,
    /// Seconds that the test or package took.
    pub elapsed: Option<f64>,
    /// A piece of output, a line with its end except for very long lines.
    pub output: Option<String>,
    /// In a package's `fail`: the build that failed.
    pub failed_build: Option<String>,
}

/// What an event reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "test2json documents these")]
pub enum Action {
    Start,
    Run,
    Pause,
    Cont,
    Pass,
    Bench,
    Fail,
    Output,
    Skip,
    BuildOutput,
    BuildFail,
    /// One that a newer Go has added.
    #[default]
    #[serde(other)]
    Other,
}

impl Action {
    /// Whether the test or the package is over.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Pass | Self::Fail | Self::Skip)
    }
}

/// Reads one line of `go test -json`. `None` for a line that is no event: before Go 1.24 some build failures
/// are plain text among the events.
pub fn parse_line(line: &[u8]) -> Option<TestEvent> {
    if !line.starts_with(b"{") {
        return None;
    }
    let event: TestEvent = serde_json::from_slice(line).ok()?;
    (event.package.is_some() || event.import_path.is_some()).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_tests_packages_and_builds() {
        let line = br#"{"Time":"2026-11-20T07:17:31.8Z","Action":"fail","Package":"m","Test":"TestX/a","Elapsed":0.5}"#;
        let event = parse_line(line).unwrap();
        assert_eq!(
            (event.action, event.test.as_deref(), event.elapsed),
            (Action::Fail, Some("TestX/a"), Some(0.5))
        );
        let build = parse_line(br##"{"ImportPath":"m","Action":"build-output","Output":"# m\n"}"##).unwrap();
        assert_eq!((build.action, build.output.as_deref()), (Action::BuildOutput, Some("# m\n")));
    }

    #[test]
    fn actions_of_a_newer_go_are_kept_apart() {
        let event = parse_line(br#"{"Action":"attr","Package":"m","Key":"a","Value":"b"}"#).unwrap();
        assert_eq!(event.action, Action::Other);
    }

    #[test]
    fn other_lines_are_no_events() {
        for line in [&b"FAIL\tm [build failed]"[..], b"{\"a\":1}", b"{broken", b""] {
            assert_eq!(parse_line(line), None);
        }
    }
}
