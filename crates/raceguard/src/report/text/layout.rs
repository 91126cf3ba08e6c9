//! Colours, widths and columns.

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::report::Options;

/// The narrowest text that is still laid out.
const MIN_WIDTH: usize = 40;

/// Writes text in the colours and the width of the output.
#[derive(Debug, Clone)]
pub(crate) struct Painter {
    pub(crate) color: bool,
    pub(crate) width: usize,
    pub(crate) all_frames: bool,
}

impl Painter {
    pub(crate) fn new(options: &Options<'_>) -> Self {
        Self { color: options.color, width: options.width.max(MIN_WIDTH), all_frames: options.all_frames }
    }

    pub(crate) fn with_width(&self, width: usize) -> Self {
        Self { width, ..self.clone() }
    }

    pub(crate) fn bold(&self, text: &str) -> String {
        self.paint(Style::new().bold(), text)
    }

    pub(crate) fn dim(&self, text: &str) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    pub(crate) fn error(&self, text: &str) -> String {
        self.paint(AnsiColor::BrightRed.on_default().bold(), text)
    }

    pub(crate) fn warning(&self, text: &str) -> String {
        self.paint(AnsiColor::BrightYellow.on_default().bold(), text)
    }

    pub(crate) fn good(&self, text: &str) -> String {
        self.paint(AnsiColor::BrightGreen.on_default().bold(), text)
    }

    /// A line `= label: text`, wrapped.
    pub(crate) fn note(&self, label: &str, text: &str) -> String {
        let start = format!("  {} {}", self.dim("="), self.bold(label));
        self.labelled(&start, &format!("  = {label}"), text)
    }

    /// The line that says what to do.
    pub(crate) fn help(&self, text: &str) -> String {
        let label = self.paint(AnsiColor::BrightCyan.on_default().bold(), "help");
        let start = format!("  {} {label}", self.dim("="));
        self.labelled(&start, "  = help", text)
    }

    /// `start: text`, wrapped and indented below the text; `plain` is `start` without colours.
    pub(crate) fn labelled(&self, start: &str, plain: &str, text: &str) -> String {
        let indent = plain.width() + 2;
        let lines = wrap(&clean(text), self.width.saturating_sub(indent).max(20));
        format!("{start}: {}\n", lines.join(&format!("\n{}", " ".repeat(indent))))
    }

    /// The text, wrapped and indented by `indent` on every line.
    pub(crate) fn hanging(&self, indent: &str, text: &str) -> String {
        let lines = wrap(&clean(text), self.width.saturating_sub(indent.width()).max(20));
        format!("{indent}{}", lines.join(&format!("\n{indent}")))
    }

    fn paint(&self, style: Style, text: &str) -> String {
        let text = clean(text);
        if self.color { format!("{style}{text}{style:#}") } else { text }
    }
}

/// The text without anything that could move the cursor or colour the terminal: evidence holds names and messages
/// of a program under test. Control characters become visible, also those that turn the direction of text.
pub(crate) fn clean(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// Breaks text at blanks into lines of at most `width` columns; a longer word stays whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let last = lines.len() - 1;
        if used > 0 && used + 1 + word.width() > width {
            lines.push(word.to_owned());
            used = word.width();
        } else {
            if used > 0 {
                lines[last].push(' ');
                used += 1;
            }
            lines[last].push_str(word);
            used += word.width();
        }
    }
    lines
}

/// Columns that text with colours takes.
pub(crate) fn visible_width(text: &str) -> usize {
    anstream::adapter::strip_str(text).to_string().width()
}

/// Puts two texts of at most `width` columns beside each other.
pub(crate) fn beside(left: &str, right: &str, width: usize, gap: usize) -> String {
    let (mut left, mut right) = (left.lines(), right.lines());
    let mut text = String::new();
    loop {
        let pair = (left.next(), right.next());
        if pair == (None, None) {
            return text;
        }
        let start = cut(pair.0.unwrap_or_default(), width);
        let line = match pair.1 {
            Some(end) if !end.is_empty() => {
                let padding = (width + gap).saturating_sub(visible_width(&start));
                format!("{start}{}{end}", " ".repeat(padding))
            }
            _ => start,
        };
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// The line, or as much of it as `width` columns hold; a line that is cut loses its colours.
fn cut(line: &str, width: usize) -> String {
    if visible_width(line) <= width {
        return line.to_owned();
    }
    let mut used = 0;
    let plain = anstream::adapter::strip_str(line).to_string();
    let kept = plain.chars().take_while(|c| {
        used += c.width().unwrap_or(0);
        used < width
    });
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_at_blanks() {
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrap("longer than-the-width x", 6), ["longer", "than-the-width", "x"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("日本 語", 4), ["日本", "語"]);
    }

    #[test]
    fn columns_are_aligned_by_what_is_visible() {
        let red = AnsiColor::Red.on_default();
        let left = format!("{red}ab{red:#}\nabcdef");
        let plain = anstream::adapter::strip_str(&beside(&left, "x\ny\nz", 4, 2)).to_string();
        assert_eq!(plain, "ab    x\nabc…  y\n      z\n");
    }

    #[test]
    fn control_characters_are_made_visible() {
        assert_eq!(clean("a\u{1b}[31mb\nc\td"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d");
        assert_eq!(clean("right-to-left \u{202e}"), "right-to-left \u{fffd}");
    }
}
