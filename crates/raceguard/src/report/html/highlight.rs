//! Go source as markup: lines with their tokens coloured, and pieces of code within text.

use std::ops::Range;

use raceguard_diagnosis::go_source::pieces;

use crate::report::source::Excerpt;

/// A line of source.
pub(crate) struct CodeLine {
    pub(crate) number: usize,
    /// Markup; everything in it is escaped.
    pub(crate) markup: String,
    /// Whether it is the line that the excerpt is about.
    pub(crate) marked: bool,
}

/// The lines of an excerpt, with what is marked inside `<mark>`.
pub(crate) fn lines(excerpt: &Excerpt) -> Vec<CodeLine> {
    let numbered = excerpt.lines.iter().enumerate();
    numbered
        .map(|(index, line)| {
            let marked = index == excerpt.marked;
            CodeLine {
                number: excerpt.first_line + index,
                markup: if marked { with_mark(line, &excerpt.mark) } else { highlighted(line) },
                marked,
            }
        })
        .collect()
}

fn with_mark(line: &str, mark: &Range<usize>) -> String {
    let (before, marked, after) = (&line[..mark.start], &line[mark.clone()], &line[mark.end..]);
    format!("{}<mark>{}</mark>{}", highlighted(before), highlighted(marked), highlighted(after))
}

/// Text in which pieces between backticks are code.
pub(crate) fn inline_code(text: &str) -> String {
    let mut markup = String::new();
    for (index, piece) in text.split('`').enumerate() {
        match index % 2 {
            0 => push_escaped(&mut markup, piece),
            _ => push_span(&mut markup, "code", "", piece),
        }
    }
    markup
}

fn highlighted(line: &str) -> String {
    let mut markup = String::with_capacity(line.len() * 2);
    for piece in pieces(line) {
        match piece.class.chars().next() {
            None => push_escaped(&mut markup, &piece.text),
            // The page's style sheet knows them by their first letter.
            Some(initial) => push_span(&mut markup, "span", initial.encode_utf8(&mut [0; 4]), &piece.text),
        }
    }
    markup
}

fn push_span(markup: &mut String, element: &str, class: &str, text: &str) {
    markup.push('<');
    markup.push_str(element);
    if !class.is_empty() {
        markup.push_str(" class=");
        markup.push_str(class);
    }
    markup.push('>');
    push_escaped(markup, text);
    markup.push_str("</");
    markup.push_str(element);
    markup.push('>');
}

fn push_escaped(markup: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => markup.push_str("&amp;"),
            '<' => markup.push_str("&lt;"),
            '>' => markup.push_str("&gt;"),
            '"' => markup.push_str("&quot;"),
            '\'' => markup.push_str("&#39;"),
            c => markup.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_coloured_and_escaped() {
        assert_eq!(
            highlighted(r#"for i := 10; a<b; s = "<x>\"" // &"#),
            "<span class=k>for</span> i := <span class=n>10</span>; a&lt;b; s = \
             <span class=s>&quot;&lt;x&gt;\\&quot;&quot;</span> <span class=c>// &amp;</span>"
        );
    }

    #[test]
    fn markup_in_source_stays_text() {
        let nasty = "x := `</pre><script>alert('1')</script>`";
        let markup = highlighted(nasty);
        assert!(!markup.contains("<script") && !markup.contains("</pre"), "{markup}");
        assert!(!inline_code("`<b>` <i>").contains("<b>"));
        assert_eq!(inline_code("on `a<b`"), "on <code>a&lt;b</code>");
    }

    #[test]
    fn the_mark_may_cut_a_token() {
        let excerpt = Excerpt { first_line: 3, lines: vec!["\tvariable++".into()], marked: 0, mark: 1..4 };
        assert_eq!(
            lines(&excerpt)[0].markup,
            "\t<mark>var</mark>iable++".replace("var<", "<span class=k>var</span><")
        );
    }
}
