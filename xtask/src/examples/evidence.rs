//! What the evidence of a run says about an example. Read straight from its JSON Lines, by nothing but the documented
//! schema, so that a slip in raceguard's own reader cannot hide here.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

/// A race, written as `insert (*Ledger).Debit with lookup (*Ledger).Refund`: what each side does, and the innermost
/// function of the example that does it. The order of the sides means nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Pair(String, String);

impl Pair {
    fn new(one: String, other: String) -> Self {
        if one <= other { Self(one, other) } else { Self(other, one) }
    }
}

impl TryFrom<String> for Pair {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (one, other) = text
            .split_once(" with ")
            .ok_or_else(|| format!("`{text}` does not read `ACCESS with ACCESS`"))?;
        Ok(Self::new(one.to_owned(), other.to_owned()))
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}", self.0, self.1)
    }
}

/// What one run found.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub(super) races: BTreeSet<Pair>,
    /// Whether the package `fixed` passed its tests.
    pub(super) fixed_passed: bool,
    pub(super) crashes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Record {
    Race {
        accesses: Vec<Access>,
    },
    Crash {
        message: String,
    },
    Test {
        package: String,
        test: Option<String>,
        result: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Access {
    op: String,
    map_op: Option<String>,
    stack: Vec<Frame>,
}

#[derive(Deserialize)]
struct Frame {
    function: String,
}

impl Evidence {
    /// Reads the evidence of a run in the given module.
    pub(super) fn read(text: &str, module: &str) -> Result<Self, String> {
        let mut evidence = Self::default();
        for (index, line) in text.lines().enumerate() {
            let record = serde_json::from_str(line)
                .map_err(|error| format!("evidence line {}: {error}", index + 1))?;
            match record {
                Record::Race { accesses } => match accesses.as_slice() {
                    [later, earlier] => {
                        evidence.races.insert(Pair::new(later.shown(module), earlier.shown(module)));
                    }
                    others => {
                        return Err(format!(
                            "evidence line {}: {} accesses in a race",
                            index + 1,
                            others.len()
                        ));
                    }
                },
                Record::Crash { message } => evidence.crashes.push(message),
                Record::Test { package, test: None, result } if package == format!("{module}/fixed") => {
                    evidence.fixed_passed = result == "pass";
                }
                Record::Test { .. } | Record::Other => {}
            }
        }
        Ok(evidence)
    }
}

impl Access {
    fn shown(&self, module: &str) -> String {
        let operation = self.map_op.as_ref().unwrap_or(&self.op);
        let own = self.stack.iter().find_map(|frame| within(&frame.function, module));
        format!("{operation} {}", own.unwrap_or("outside the example"))
    }
}

/// The function's name from its module on, as in `(*Ledger).Debit` or `fixed.(*Ledger).Debit`.
fn within<'a>(function: &'a str, module: &str) -> Option<&'a str> {
    function.strip_prefix(module)?.strip_prefix(['.', '/'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIDENCE: &str = r#"
{"schema":1,"kind":"run","id":"x"}
{"schema":1,"kind":"race","accesses":[{"op":"write","map_op":"insert","stack":[{"function":"runtime.mapassign"},{"function":"example.com/m.(*T).Put"}]},{"op":"read","stack":[{"function":"example.com/m/fixed.Get"}]}]}
{"schema":1,"kind":"test","package":"example.com/m/fixed","test":"TestGet","result":"fail"}
{"schema":1,"kind":"test","package":"example.com/m/fixed","test":null,"result":"pass"}
{"schema":1,"kind":"crash","message":"fatal error: concurrent map writes","goroutines":[]}
"#;

    #[test]
    fn races_are_named_by_the_examples_own_functions() {
        let evidence = Evidence::read(EVIDENCE.trim(), "example.com/m").unwrap();
        let races: Vec<String> = evidence.races.iter().map(ToString::to_string).collect();
        assert_eq!(races, ["insert (*T).Put with read fixed.Get"]);
        assert!(evidence.fixed_passed);
        assert_eq!(evidence.crashes, ["fatal error: concurrent map writes"]);
    }

    #[test]
    fn a_torn_line_is_an_error_with_its_number() {
        let torn = EVIDENCE.trim().replace("\"goroutines\":[]}", "");
        assert!(Evidence::read(&torn, "example.com/m").unwrap_err().starts_with("evidence line 5: "));
    }
}
