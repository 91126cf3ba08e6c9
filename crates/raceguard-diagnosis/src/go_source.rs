//! A line of Go in pieces for colouring: keywords, strings, numbers, comments.
//!
//! Lines are looked at one by one, so a comment or a raw string that spans several is only known on its first one. Pieces are
//! text; who shows them escapes them.

/// A piece of a line.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// `keyword`, `string`, `number`, `comment`; empty for all else.
    pub class: &'static str,
    /// As the line has it.
    pub text: String,
}

const KEYWORDS: [&str; 25] = [
    "break",
    "case",
    "chan",
    "const",
    "continue",
    "default",
    "defer",
    "else",
    "fallthrough",
    "for",
    "func",
    "go",
    "goto",
    "if",
    "import",
    "interface",
    "map",
    "package",
    "range",
    "return",
    "select",
    "struct",
    "switch",
    "type",
    "var",
];

/// The pieces of a line; together they are the line.
pub fn pieces(line: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (class, length) = token(rest, first);
        let (text, behind) = rest.split_at(length);
        match pieces.last_mut() {
            Some(last) if last.class == class => last.text.push_str(text),
            _ => pieces.push(Piece { class, text: text.to_owned() }),
        }
        rest = behind;
    }
    pieces
}

/// Class and length in bytes of the token that `text` starts with.
fn token(text: &str, first: char) -> (&'static str, usize) {
    let while_true = |wanted: fn(char) -> bool| text.find(|c| !wanted(c)).unwrap_or(text.len());
    if text.starts_with("//") {
        ("comment", text.len())
    } else if matches!(first, '"' | '\'' | '`') {
        ("string", literal_length(text, first))
    } else if first.is_ascii_digit() {
        ("number", while_true(|c| c.is_alphanumeric() || c == '.' || c == '_'))
    } else if first.is_alphabetic() || first == '_' {
        let length = while_true(|c| c.is_alphanumeric() || c == '_');
        (if KEYWORDS.contains(&&text[..length]) { "keyword" } else { "" }, length)
    } else {
        ("", first.len_utf8())
    }
}

fn literal_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote != '`' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_into_its_tokens() {
        let line = "for i := 10; s = \"<x>\\\"\" // é";
        let cut = pieces(line);
        let classes: Vec<_> = cut.iter().map(|piece| (piece.class, piece.text.as_str())).collect();
        assert_eq!(
            classes,
            [
                ("keyword", "for"),
                ("", " i := "),
                ("number", "10"),
                ("", "; s = "),
                ("string", "\"<x>\\\"\""),
                ("", " "),
                ("comment", "// é")
            ]
        );
        assert_eq!(cut.iter().map(|piece| piece.text.as_str()).collect::<String>(), line);
        assert_eq!(pieces(""), []);
    }
}
