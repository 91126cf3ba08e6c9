//! The line syntax that go.mod and go.work share: a verb and arguments, or a verb and a block of arguments.
//!
//! Reference: golang.org/ref/mod#go-mod-file-lexical. An error costs its line, not the file.

use super::problem::Position;

/// One directive; a block gives one for each of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directive {
    /// `require`, `use`, …
    pub verb: String,
    /// What follows it. Quotes are removed.
    pub arguments: Vec<String>,
    /// The comment at the end of the line, without its slashes.
    pub comment: String,
    /// Where it begins.
    pub position: Position,
}

/// An error in go.mod, go.work or vendor/modules.txt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// Where.
    pub position: Position,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl ManifestError {
    pub(crate) fn new(position: Position, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { position, message: message.into(), hint: hint.into() }
    }
}

/// Reads all directives of a file.
pub(crate) fn read_directives(text: &str) -> (Vec<Directive>, Vec<ManifestError>) {
    let mut reader = Reader { directives: Vec::new(), errors: Vec::new(), block: None };
    for (index, line) in text.trim_start_matches('\u{feff}').split('\n').enumerate() {
        reader.read_line(u32::try_from(index + 1).unwrap_or(u32::MAX), line);
    }
    if let Some((verb, position)) = reader.block {
        let message = format!("the block of `{verb}` is not closed");
        reader.errors.push(ManifestError::new(position, message, "close it with a line `)`"));
    }
    (reader.directives, reader.errors)
}

struct Reader {
    directives: Vec<Directive>,
    errors: Vec<ManifestError>,
    /// Verb and start of the block we are in.
    block: Option<(String, Position)>,
}

impl Reader {
    fn read_line(&mut self, number: u32, line: &str) {
        let line = match Line::split(number, line) {
            Ok(line) => line,
            Err(error) => return self.errors.push(error),
        };
        let Some(position) = line.position else { return };
        let Line { mut tokens, comment, .. } = line;
        if let Some((verb, _)) = &self.block {
            let verb = verb.clone();
            if tokens == [")"] {
                self.block = None;
            } else {
                self.directives.push(Directive { verb, arguments: tokens, comment, position });
            }
            return;
        }
        if tokens.len() == 2 && tokens[1] == "(" {
            self.block = Some((tokens.swap_remove(0), position));
        } else if !(tokens.len() == 3 && tokens[1] == "(" && tokens[2] == ")") {
            let verb = tokens.remove(0);
            self.directives.push(Directive { verb, arguments: tokens, comment, position });
        }
    }
}

/// The tokens of one line.
struct Line {
    tokens: Vec<String>,
    comment: String,
    /// Where the first token stands; `None` for a line without any.
    position: Option<Position>,
}

impl Line {
    fn split(number: u32, text: &str) -> Result<Self, ManifestError> {
        let mut line = Self { tokens: Vec::new(), comment: String::new(), position: None };
        let mut rest = text;
        loop {
            rest = rest.trim_start();
            let column = u32::try_from(text.len() - rest.len() + 1).unwrap_or(u32::MAX);
            let position = Position { line: number, column };
            if let Some(comment) = rest.strip_prefix("//") {
                comment.trim().clone_into(&mut line.comment);
                return Ok(line);
            }
            let Some(first) = rest.chars().next() else { return Ok(line) };
            if rest.starts_with("/*") {
                let message = "`/* */` comments are not allowed here";
                return Err(ManifestError::new(position, message, "use a `//` comment"));
            }
            line.position.get_or_insert(position);
            let (token, after) = match first {
                '(' | ')' | '[' | ']' | '{' | '}' | ',' => (first.to_string(), &rest[1..]),
                '"' | '`' => quoted(rest, first, position)?,
                _ => plain(rest),
            };
            line.tokens.push(token);
            rest = after;
        }
    }
}

/// A token without quotes: up to white space, punctuation or a comment.
fn plain(text: &str) -> (String, &str) {
    let ends = |character: char| character.is_whitespace() || "()[]{},".contains(character);
    let end = text.find(ends).unwrap_or(text.len());
    let end = text[..end].find("//").unwrap_or(end);
    (text[..end].to_owned(), &text[end..])
}

/// A token in quotes. Of escapes only those of the quote and the backslash itself are known.
fn quoted(text: &str, quote: char, position: Position) -> Result<(String, &str), ManifestError> {
    let mut token = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((index, character)) = characters.next() {
        match character {
            '\\' if quote == '"' => match characters.next() {
                Some((_, escaped @ ('\\' | '"'))) => token.push(escaped),
                Some((_, other)) => token.extend(['\\', other]),
                None => break,
            },
            _ if character == quote => return Ok((token, &text[index + 1..])),
            _ => token.push(character),
        }
    }
    Err(ManifestError::new(
        position,
        "a quoted string has no end on its line",
        format!("add a closing {quote}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Vec<String>, String)> {
        let (directives, errors) = read_directives(text);
        assert_eq!(errors, []);
        directives.into_iter().map(|line| (line.verb, line.arguments, line.comment)).collect()
    }

    #[test]
    fn lines_and_blocks_are_the_same_to_the_caller() {
        let lines = "require a v1 // indirect\nrequire b v2\n";
        let block = "require ( // both\n\n\ta v1 // indirect\n\t// comment\n\tb v2\n)\nexclude ( )\n";
        assert_eq!(read(lines), read(block));
        assert_eq!(read(lines)[0].2, "indirect");
    }

    #[test]
    fn quotes_and_punctuation_are_tokens() {
        let read = read("retract [v1.0.0, v1.9.9]\nmodule \"a b\\\"c\"//x\nreplace `a//b` => ./c\r\n");
        assert_eq!(read[0].1, ["[", "v1.0.0", ",", "v1.9.9", "]"]);
        assert_eq!((read[1].1.as_slice(), read[1].2.as_str()), (["a b\"c".to_owned()].as_slice(), "x"));
        assert_eq!(read[2].1, ["a//b", "=>", "./c"]);
    }

    #[test]
    fn an_error_costs_its_line_only() {
        let (directives, errors) = read_directives("module m\ngo \"1.2\n/* no */\nuse (\n a\n");
        assert_eq!(directives.iter().map(|line| line.verb.as_str()).collect::<Vec<_>>(), ["module", "use"]);
        let places: Vec<String> = errors.iter().map(|error| error.position.to_string()).collect();
        assert_eq!(places, ["2:4", "3:1", "4:1"]);
    }
}
