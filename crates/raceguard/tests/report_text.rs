//! The report for a terminal.

mod report_fixture;

use raceguard::report::{Format, Options};
use report_fixture::{EVIDENCE, rendered, source};

fn text(options: &Options<'_>) -> String {
    rendered(EVIDENCE, Format::Text, options)
}

#[test]
fn stacked_on_an_ordinary_terminal() {
    insta::assert_snapshot!(text(&Options::new(&source)));
}

#[test]
fn side_by_side_on_a_wide_terminal() {
    insta::assert_snapshot!(text(&Options { width: 180, ..Options::new(&source) }));
}

#[test]
fn narrow_with_every_frame_and_without_sources() {
    let options = Options { width: 60, all_frames: true, ..Options::new(&|_| None) };
    insta::assert_snapshot!(text(&options));
}

#[test]
fn colours_only_when_asked_for_and_the_text_is_the_same() {
    let plain = text(&Options::new(&source));
    let coloured = text(&Options { color: true, ..Options::new(&source) });
    assert!(!plain.contains('\u{1b}'));
    assert!(coloured.contains('\u{1b}'));
    let stripped = anstream::adapter::strip_str(&coloured).to_string();
    let trimmed = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(trimmed(&stripped), trimmed(&plain));
}

#[test]
fn lines_fit_the_terminal() {
    for width in [60, 80, 100, 160, 200] {
        let text = text(&Options { width, ..Options::new(&source) });
        // Headlines are one line, so that they can be searched for; the terminal breaks them.
        for line in text.lines().filter(|line| !line.starts_with("error[")) {
            assert!(line.chars().count() <= width, "{width} columns: {line}");
        }
    }
}

#[test]
fn names_of_the_program_cannot_steer_the_terminal() {
    let hostile = EVIDENCE.replace("(*Router).Reload", "\\u001b]0;owned\\u0007\\u001b[2J");
    let text = rendered(&hostile, Format::Text, &Options { color: true, ..Options::new(&source) });
    assert!(text.contains("owned"));
    assert!(!text.contains("\u{1b}]") && !text.contains("\u{1b}[2J") && !text.contains('\u{7}'));
}

#[test]
fn a_run_without_findings_says_so() {
    let quiet: String = EVIDENCE
        .lines()
        .filter(|line| line.contains(r#""kind": "run"#))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_eq!(rendered(&quiet, Format::Text, &Options::new(&source)), "no data race found\n");
}

#[test]
fn damage_and_an_early_end_are_told() {
    let torn = EVIDENCE[..EVIDENCE.len() - 20].to_owned();
    let text = rendered(&torn, Format::Text, &Options::new(&source));
    assert!(text.contains("ends in the middle of a record and was skipped"), "{text}");
    assert!(text.contains("the run did not end in an orderly way"), "{text}");
}
