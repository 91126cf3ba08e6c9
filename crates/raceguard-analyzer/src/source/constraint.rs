//! Build constraints: `//go:build` expressions and the older `// +build` lines.
//!
//! Grammar and limits are those of Go's `go/build/constraint`.

use super::versions::LanguageVersion;

/// As many operators and tags as Go allows in one expression.
const MOST_TERMS: usize = 1000;

/// Go has no such limit; nobody nests as deep, and it bounds the stack.
const MOST_NESTED: usize = 100;

/// A build constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    /// A tag: `linux`.
    Tag(String),
    /// `!x`
    Not(Box<Constraint>),
    /// `x && y`
    And(Box<Constraint>, Box<Constraint>),
    /// `x || y`
    Or(Box<Constraint>, Box<Constraint>),
}

/// Why an expression is none, and at which byte of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstraintError {
    /// Byte offset in the expression.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
}

impl Constraint {
    /// Reads what follows `//go:build`.
    pub fn parse(expression: &str) -> Result<Self, ConstraintError> {
        let mut parser = Parser { text: expression, offset: 0, terms: 0, nested: 0 };
        let constraint = parser.or()?;
        parser.skip_space();
        if parser.offset < expression.len() {
            return Err(parser.error("unexpected text after the expression"));
        }
        Ok(constraint)
    }

    /// Reads what follows `// +build`: a comma is `and`, a space is `or`. `None` if it holds no tag, or a
    /// malformed one, which Go passes over.
    pub fn parse_plus_build(arguments: &str) -> Option<Self> {
        let mut any: Option<Self> = None;
        for (count, clause) in arguments.split_ascii_whitespace().enumerate() {
            let mut all: Option<Self> = None;
            for literal in clause.split(',') {
                let (negated, tag) = literal.strip_prefix('!').map_or((false, literal), |tag| (true, tag));
                if tag.is_empty() || !tag.chars().all(is_tag_character) || count > MOST_TERMS {
                    return None;
                }
                let tag = Self::Tag(tag.to_owned());
                let literal = if negated { Self::Not(Box::new(tag)) } else { tag };
                all = Some(match all {
                    Some(left) => Self::And(Box::new(left), Box::new(literal)),
                    None => literal,
                });
            }
            any = Some(match (any, all) {
                (Some(left), Some(right)) => Self::Or(Box::new(left), Box::new(right)),
                (left, right) => left.or(right)?,
            });
        }
        any
    }

    /// Whether the constraint holds, given which tags are set.
    pub fn holds(&self, is_set: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Tag(tag) => is_set(tag),
            Self::Not(inner) => !inner.holds(is_set),
            Self::And(left, right) => left.holds(is_set) && right.holds(is_set),
            Self::Or(left, right) => left.holds(is_set) || right.holds(is_set),
        }
    }

    /// The Go version that is certain wherever the constraint holds: `go1.22` for `go1.22 && linux`.
    pub fn implied_version(&self) -> Option<LanguageVersion> {
        self.least_minor(true).map(LanguageVersion::go1)
    }

    fn least_minor(&self, positive: bool) -> Option<u32> {
        match self {
            Self::Tag(_) if !positive => None,
            Self::Tag(tag) if tag == "go1" => Some(0),
            Self::Tag(tag) => tag.strip_prefix("go1.")?.parse().ok(),
            Self::Not(inner) => inner.least_minor(!positive),
            Self::And(left, right) | Self::Or(left, right) => {
                let both = matches!(self, Self::And(..)) == positive;
                let (left, right) = (left.least_minor(positive), right.least_minor(positive));
                // `None` is the least of all: what holds on both sides of an `or` is the lesser of the two.
                if both { left.max(right) } else { left.min(right) }
            }
        }
    }
}

/// Recursive descent; `MOST_NESTED` bounds its depth.
struct Parser<'a> {
    text: &'a str,
    offset: usize,
    terms: usize,
    nested: usize,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Constraint, ConstraintError> {
        let mut left = self.and()?;
        while self.take("||") {
            self.count()?;
            left = Constraint::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Constraint, ConstraintError> {
        let mut left = self.not()?;
        while self.take("&&") {
            self.count()?;
            left = Constraint::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Constraint, ConstraintError> {
        if !self.take("!") {
            return self.atom();
        }
        self.skip_space();
        if self.text[self.offset..].starts_with('!') {
            return Err(self.error("double negation is not allowed"));
        }
        self.count()?;
        Ok(Constraint::Not(Box::new(self.atom()?)))
    }

    fn atom(&mut self) -> Result<Constraint, ConstraintError> {
        self.count()?;
        if self.take("(") {
            self.nested += 1;
            if self.nested > MOST_NESTED {
                return Err(self.error("parentheses are nested too deeply"));
            }
            let inner = self.or()?;
            self.nested -= 1;
            return if self.take(")") { Ok(inner) } else { Err(self.error("missing `)`")) };
        }
        self.skip_space();
        let rest = &self.text[self.offset..];
        let length = rest.find(|character| !is_tag_character(character)).unwrap_or(rest.len());
        if length == 0 {
            let message = match rest.chars().next() {
                None => "a tag is missing at the end".to_owned(),
                Some(found) => format!("expected a tag, found `{found}`"),
            };
            return Err(self.error(message));
        }
        self.offset += length;
        Ok(Constraint::Tag(rest[..length].to_owned()))
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let found = self.text[self.offset..].starts_with(token);
        self.offset += if found { token.len() } else { 0 };
        found
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.offset..];
        self.offset += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }

    fn count(&mut self) -> Result<(), ConstraintError> {
        self.terms += 1;
        if self.terms > MOST_TERMS { Err(self.error("the expression is too large")) } else { Ok(()) }
    }

    fn error(&self, message: impl Into<String>) -> ConstraintError {
        ConstraintError { offset: self.offset, message: message.into() }
    }
}

fn is_tag_character(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '.'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(expression: &str, tags: &[&str]) -> bool {
        Constraint::parse(expression).expect(expression).holds(&|tag| tags.contains(&tag))
    }

    #[test]
    fn operators_bind_as_in_go() {
        assert!(holds("a || b && c", &["a"]));
        assert!(!holds("(a || b) && c", &["a"]));
        assert!(holds("!a && b", &["b"]));
        assert!(!holds("!(a && b)", &["a", "b"]));
        assert!(holds(" linux&&!cgo ", &["linux"]));
    }

    #[test]
    fn errors_say_what_and_where() {
        let error = |expression| Constraint::parse(expression).expect_err(expression);
        let described = |expression| (error(expression).offset, error(expression).message);
        assert_eq!(described(""), (0, "a tag is missing at the end".to_owned()));
        assert_eq!(described("a &&"), (4, "a tag is missing at the end".to_owned()));
        assert_eq!(described("a & b"), (2, "unexpected text after the expression".to_owned()));
        assert_eq!(described("(a"), (2, "missing `)`".to_owned()));
        assert_eq!(described("!!a"), (1, "double negation is not allowed".to_owned()));
        assert_eq!(described("a || -b"), (5, "expected a tag, found `-`".to_owned()));
    }

    #[test]
    fn an_expression_has_bounds() {
        let deep = format!("{}a{}", "(".repeat(2000), ")".repeat(2000));
        assert_eq!(
            Constraint::parse(&deep).expect_err("too deep").message,
            "parentheses are nested too deeply"
        );
        let long = vec!["a"; 2000].join(" || ");
        assert_eq!(Constraint::parse(&long).expect_err("too long").message, "the expression is too large");
        assert!(Constraint::parse(&vec!["a"; 400].join(" || ")).is_ok());
    }

    #[test]
    fn plus_build_has_commas_for_and_and_spaces_for_or() {
        let holds = |arguments: &str, tags: &[&str]| {
            Constraint::parse_plus_build(arguments).expect(arguments).holds(&|tag| tags.contains(&tag))
        };
        assert!(holds("linux,!cgo darwin", &["linux"]));
        assert!(!holds("linux,!cgo darwin", &["linux", "cgo"]));
        assert!(holds("linux,!cgo darwin", &["darwin", "cgo"]));
        assert_eq!(Constraint::parse_plus_build(""), None);
        assert_eq!(Constraint::parse_plus_build("a (b)"), None);
    }

    #[test]
    fn the_implied_version_is_what_is_certain() {
        let implied = |expression: &str| {
            Constraint::parse(expression).expect(expression).implied_version().map(|version| version.minor)
        };
        assert_eq!(implied("go1.21"), Some(21));
        assert_eq!(implied("go1.21 && linux"), Some(21));
        assert_eq!(implied("go1.21 || go1.18"), Some(18));
        assert_eq!(implied("go1.21 || linux"), None);
        assert_eq!(implied("!go1.21"), None);
        assert_eq!(implied("!(!go1.21 || linux)"), Some(21));
        assert_eq!(implied("linux"), None);
    }
}
