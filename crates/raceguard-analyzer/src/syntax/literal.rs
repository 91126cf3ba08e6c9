//! The values of string and rune literals.

/// The text of a string literal, quotes included in `literal`; none if it isn't a valid one, or not UTF-8.
pub fn unquote_string(literal: &[u8]) -> Option<String> {
    match literal {
        [b'`', body @ .., b'`'] => {
            let bytes = body.iter().copied().filter(|byte| *byte != b'\r').collect();
            String::from_utf8(bytes).ok()
        }
        [b'"', body @ .., b'"'] => {
            let mut bytes = Vec::with_capacity(body.len());
            let mut rest = body;
            while let Some((&byte, after)) = rest.split_first() {
                if byte == b'\\' {
                    let (value, after) = unescape(after, b'"')?;
                    value.write(&mut bytes);
                    rest = after;
                } else {
                    bytes.push(byte);
                    rest = after;
                }
            }
            String::from_utf8(bytes).ok()
        }
        _ => None,
    }
}

/// The value of a rune literal, quotes included in `literal`; none if it isn't a valid one.
pub fn unquote_rune(literal: &[u8]) -> Option<u32> {
    let [b'\'', body @ .., b'\''] = literal else { return None };
    if let [b'\\', escape @ ..] = body {
        let (value, rest) = unescape(escape, b'\'')?;
        return rest.is_empty().then_some(match value {
            Escape::Byte(byte) => byte.into(),
            Escape::Character(character) => character.into(),
        });
    }
    let mut characters = std::str::from_utf8(body).ok()?.chars();
    let value = characters.next()?;
    characters.next().is_none().then_some(value.into())
}

/// What an escape sequence stands for.
enum Escape {
    Byte(u8),
    Character(char),
}

impl Escape {
    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Byte(byte) => bytes.push(*byte),
            Self::Character(character) => {
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
}

/// The escape sequence at the start of `text`, after its backslash, and what follows it.
fn unescape(text: &[u8], quote: u8) -> Option<(Escape, &[u8])> {
    let (&mark, rest) = text.split_first()?;
    let byte = match mark {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' => b'\\',
        _ if mark == quote => quote,
        b'0'..=b'7' => return number(text, 3, 8),
        b'x' => return number(rest, 2, 16),
        b'u' => return number(rest, 4, 16),
        b'U' => return number(rest, 8, 16),
        _ => return None,
    };
    Some((Escape::Byte(byte), rest))
}

fn number(text: &[u8], digits: usize, base: u32) -> Option<(Escape, &[u8])> {
    let (number, rest) = text.split_at_checked(digits)?;
    if !number.iter().all(|digit| char::from(*digit).is_digit(base)) {
        return None;
    }
    let value = u32::from_str_radix(std::str::from_utf8(number).ok()?, base).ok()?;
    let escape = match digits {
        2 | 3 => Escape::Byte(u8::try_from(value).ok()?),
        _ => Escape::Character(char::from_u32(value)?),
    };
    Some((escape, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings() {
        let text = |literal: &str| unquote_string(literal.as_bytes());
        assert_eq!(text(r#""a\tb\x41\102\u00e9\U0001F600\"""#).as_deref(), Some("a\tbABé😀\""));
        assert_eq!(text("`raw \\n\r\n`").as_deref(), Some("raw \\n\n"));
        assert_eq!(text(r#""\xff""#), None, "not UTF-8");
        for wrong in ["", "\"", "'a'", r#""\q""#, r#""\x4""#, r#""\400""#, r#""\ud800""#, r#""\'""#] {
            assert_eq!(text(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn runes() {
        let value = |literal: &str| unquote_rune(literal.as_bytes());
        assert_eq!(value("'x'"), Some(120));
        assert_eq!(value("'é'"), Some(0xE9));
        assert_eq!(value(r"'\''"), Some(39));
        assert_eq!(value(r"'\377'"), Some(255));
        assert_eq!(value(r"'\U0010FFFF'"), Some(0x0010_FFFF));
        for wrong in ["", "''", "'ab'", r"'\n\n'", r#"'\"'"#] {
            assert_eq!(value(wrong), None, "{wrong}");
        }
    }
}
