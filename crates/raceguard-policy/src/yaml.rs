//! YAML as a tree in which everything knows its place.
//!
//! Built on the events of `saphyr-parser`. What would make a policy mean something else than it looks like is refused:
//! keys that come twice, anchors and aliases (which can also make a small file a huge tree), tags, and more than one
//! document.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};
use serde_json::{Map, Value};

use crate::problem::Position;

/// How deep collections may lie in each other.
const DEPTH: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its first character.
    pub at: Position,
    /// Index of that character in the text.
    start: usize,
    /// The value.
    pub content: Content,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Text, and whether it stands without quotes, so that `true`, `3` and `null` mean more than their letters.
    Scalar {
        /// The text.
        text: String,
        /// Whether it stands without quotes.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in its order.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Where it stands.
    pub at: Position,
    /// The key.
    pub name: String,
}

/// Why a text is no YAML that policies may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlError {
    /// Where.
    pub at: Position,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: &'static str,
}

impl Node {
    /// Reads a text. An empty one is an empty mapping.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        Tree { parser: Parser::new_from_str(text) }.document()
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// What it is, for people.
    pub fn kind(&self) -> &'static str {
        match self.json() {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "a mapping",
        }
    }

    /// The value by YAML's core schema, without its places.
    pub fn json(&self) -> Value {
        match &self.content {
            Content::Scalar { text, plain: true } => plain_scalar(text),
            Content::Scalar { text, .. } => Value::String(text.clone()),
            Content::List(items) => Value::Array(items.iter().map(Self::json).collect()),
            Content::Map(entries) => Value::Object(
                entries.iter().map(|(key, value)| (key.name.clone(), value.json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// The place in `source` of a character of the scalar, counted in characters.
    ///
    /// Folding and quoting change white space and add escapes, but the other characters stand in the source in the same
    /// order. Where that leads nowhere, the start of the scalar is the answer.
    pub fn place_of(&self, index: usize, source: &str) -> Position {
        let Content::Scalar { text, .. } = &self.content else { return self.at };
        let wanted = text.chars().take(index + 1).filter(|c| !c.is_whitespace());
        let mut place = self.at;
        let mut cursor = Cursor { at: self.at, chars: source.chars().skip(self.start) };
        for wanted in wanted {
            let Some(found) = cursor.find(wanted) else { return self.at };
            place = found;
        }
        place
    }
}

/// Walks over the source.
struct Cursor<I> {
    at: Position,
    chars: I,
}

impl<I: Iterator<Item = char>> Cursor<I> {
    /// The next place of `wanted`.
    fn find(&mut self, wanted: char) -> Option<Position> {
        loop {
            let here = self.at;
            let c = self.chars.next()?;
            if c == '\n' {
                self.at = Position { line: here.line + 1, column: 1 };
            } else {
                self.at.column += 1;
            }
            if c == wanted {
                return Some(here);
            }
        }
    }
}

fn plain_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let looks_like_a_number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    if looks_like_a_number {
        if let Ok(number) = text.parse::<i64>() {
            return number.into();
        }
        // `parse` also takes `inf` and `nan`, which the first character excludes.
        if let Some(number) = text.parse::<f64>().ok().and_then(serde_json::Number::from_f64) {
            return Value::Number(number);
        }
    }
    Value::String(text.to_owned())
}

/// Builds the tree from events.
struct Tree<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
}

impl Tree<'_> {
    fn next(&mut self) -> Result<(Event<'_>, Marker), YamlError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start)),
            Some(Err(error)) => Err(YamlError {
                at: position(*error.marker()),
                message: format!("this is no YAML: {}", error.info()),
                hint: "look at the indentation and the quotes of this line and the one above",
            }),
            None => Ok((Event::StreamEnd, Marker::default())),
        }
    }

    fn document(mut self) -> Result<Node, YamlError> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => break,
                (Event::DocumentStart(_), at) if root.is_some() => {
                    return Err(YamlError {
                        at: position(at),
                        message: "a second document begins here".to_owned(),
                        hint: "keep all policies in one list, or in files of their own",
                    });
                }
                (Event::DocumentStart(_), _) => {
                    let node = self.node(0)?;
                    root = node;
                }
                _ => {}
            }
        }
        let empty = Node { at: Position { line: 1, column: 1 }, start: 0, content: Content::Map(Vec::new()) };
        Ok(match root {
            Some(Node { content: Content::Scalar { text, plain: true }, .. }) if text.is_empty() => empty,
            Some(node) => node,
            None => empty,
        })
    }

    /// The next value, or nothing at the end of a collection.
    fn node(&mut self, depth: usize) -> Result<Option<Node>, YamlError> {
        let (event, mark) = self.next()?;
        let at = position(mark);
        let refuse = |message: &str, hint| Err(YamlError { at, message: message.to_owned(), hint });
        if depth > DEPTH {
            return refuse("collections lie too deep in each other", "no policy needs that");
        }
        let no_anchors = "write the value out: anchors and aliases are not used in policies";
        let no_tags = "remove the tag: policies need none";
        let content = match event {
            Event::Alias(_) => return refuse("an alias (`*name`) stands here", no_anchors),
            Event::Scalar(_, _, anchor, _)
            | Event::SequenceStart(anchor, _)
            | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                return refuse("an anchor (`&name`) stands here", no_anchors);
            }
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => return refuse("a tag (`!name`) stands here", no_tags),
            Event::Scalar(text, style, ..) => {
                Content::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                while let Some(item) = self.node(depth + 1)? {
                    items.push(item);
                }
                Content::List(items)
            }
            Event::MappingStart(..) => Content::Map(self.entries(depth + 1)?),
            _ => return Ok(None),
        };
        Ok(Some(Node { at, start: mark.index(), content }))
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, YamlError> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        while let Some(key) = self.node(depth)? {
            let Content::Scalar { text: name, .. } = key.content else {
                return Err(YamlError {
                    at: key.at,
                    message: "a key is no text".to_owned(),
                    hint: "write `key: value`",
                });
            };
            if entries.iter().any(|(known, _)| known.name == name) {
                return Err(YamlError {
                    at: key.at,
                    message: format!("the key `{name}` comes twice"),
                    hint: "remove one of the two",
                });
            }
            // A key always has a value in the events, if only an empty one.
            let Some(value) = self.node(depth)? else { break };
            entries.push((Key { at: key.at, name }, value));
        }
        Ok(entries)
    }
}

fn position(mark: Marker) -> Position {
    Position { line: mark.line(), column: mark.col() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_mean_what_yaml_says() {
        let text = "a: 3\nb: '3'\nc: 2.5\nd: true\ne:\nf: [x, -1]\ng: 2026-12-31\nh: .inf\n";
        let expected = json!({"a": 3, "b": "3", "c": 2.5, "d": true, "e": null, "f": ["x", -1],
            "g": "2026-12-31", "h": ".inf"});
        assert_eq!(Node::parse(text).unwrap().json(), expected);
        assert_eq!(Node::parse("").unwrap().json(), json!({}));
        assert_eq!(Node::parse("# only a comment\n").unwrap().json(), json!({}));
    }

    #[test]
    fn characters_of_a_scalar_are_found_in_the_source() {
        let source = "plain: ab || cd\nfolded: >-\n\n  ab\n  || cd\nquoted: \"ab\\\" || cd\"\nliteral: |\n  ab ||\n    cd\n";
        let node = Node::parse(source).unwrap();
        let Content::Map(entries) = &node.content else { panic!("{node:?}") };
        let places: Vec<(usize, usize)> = entries
            .iter()
            .map(|(_, value)| {
                let index = value.text().unwrap().chars().position(|c| c == 'c').unwrap();
                let at = value.place_of(index, source);
                (at.line, at.column)
            })
            .collect();
        assert_eq!(places, [(1, 14), (5, 6), (6, 18), (9, 5)]);
    }

    #[test]
    fn what_would_mislead_is_refused_with_its_place() {
        for (text, line, column, part) in [
            ("a: 1\nb: 2\na: 3\n", 3, 1, "`a` comes twice"),
            ("a: &x 1\nb: *x\n", 1, 4, "anchor"),
            ("a: !t 1\n", 1, 4, "tag"),
            ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
            ("? [a]\n: 1\n", 1, 3, "no text"),
            ("a: [1\nb: 2\n", 2, 2, "no YAML"),
        ] {
            let error = Node::parse(text).unwrap_err();
            assert!(error.message.contains(part), "{text:?}: {error:?}");
            assert_eq!((error.at.line, error.at.column), (line, column), "{text:?}: {error:?}");
        }
        let deep = "[".repeat(5_000);
        assert!(Node::parse(&deep).is_err());
    }
}
