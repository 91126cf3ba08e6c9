//! How cmd/go splits the value of `-toolexec`, `-exec` and `GOFLAGS` into words, and the reverse.
//!
//! A word may be enclosed in single or in double quotes; nothing is escaped inside, and quotes in the middle
//! of a word are literal (cmd/internal/quoted in Go's sources).

use crate::error::FlagError;

/// Splits `text` into words the way cmd/go does.
pub fn split(text: &str) -> Result<Vec<String>, FlagError> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while let Some(first) = rest.chars().next() {
        if first == '"' || first == '\'' {
            let body = &rest[1..];
            let end =
                body.find(first).ok_or_else(|| FlagError::UnterminatedQuote { text: text.to_owned() })?;
            words.push(body[..end].to_owned());
            rest = &body[end + 1..];
        } else {
            let end = rest.find(is_space).unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        rest = rest.trim_start_matches(is_space);
    }
    Ok(words)
}

/// Joins `words` so that [`split`] gives them back. A word with both kinds of quotes can't be written.
pub fn join<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<String, FlagError> {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        let (single, double) = (word.contains('\''), word.contains('"'));
        match (single, double) {
            (false, false) if !word.is_empty() && !word.contains(is_space) => text.push_str(word),
            (false, _) => text.extend(["'", word, "'"]),
            (true, false) => text.extend(["\"", word, "\""]),
            (true, true) => return Err(FlagError::Unquotable { word: word.to_owned() }),
        }
    }
    Ok(text)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_be_quoted_either_way() {
        assert_eq!(split(" a  'b c'\t\"d 'e\" f'g").unwrap(), ["a", "b c", "d 'e", "f'g"]);
        assert_eq!(split("").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn an_open_quote_is_an_error() {
        assert!(matches!(split("a 'b"), Err(FlagError::UnterminatedQuote { .. })));
    }

    #[test]
    fn join_is_the_reverse_of_split() {
        let words = ["/opt/my tools/wrap", "", "it's", "\"quoted\"", "plain"];
        assert_eq!(split(&join(words).unwrap()).unwrap(), words);
        assert!(matches!(join(["'\""]), Err(FlagError::Unquotable { .. })));
    }
}
