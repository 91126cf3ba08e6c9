//! Numbers: decimal, hexadecimal, octal and binary; integers, fractions and imaginary ones.

use super::classes::IDENTIFIER;
use super::{Lexer, TokenKind};

/// What was met in a run of digits.
#[derive(Default)]
struct Digits {
    any: bool,
    separators: bool,
    /// The place of the first digit that the base doesn't have.
    too_large: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    Decimal,
    /// With the old prefix `0`.
    LeadingZero,
    Octal,
    Binary,
    Hexadecimal,
}

impl Base {
    const fn literal(self) -> &'static str {
        match self {
            Self::Decimal => "decimal literal",
            Self::LeadingZero | Self::Octal => "octal literal",
            Self::Binary => "binary literal",
            Self::Hexadecimal => "hexadecimal literal",
        }
    }

    const fn radix(self) -> u8 {
        match self {
            Self::Decimal | Self::Hexadecimal => 10,
            Self::LeadingZero | Self::Octal => 8,
            Self::Binary => 2,
        }
    }
}

impl Lexer<'_> {
    pub(super) fn number(&mut self) -> TokenKind {
        let rest = &self.source[self.offset..];
        let length = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        let next = rest.get(length).copied().unwrap_or(0);
        let plain = length == 1 || rest[0] != b'0';
        if plain && length > 0 && next != b'.' && !IDENTIFIER[usize::from(next)] {
            self.offset += length;
            return TokenKind::Int;
        }
        self.unusual_number()
    }

    fn unusual_number(&mut self) -> TokenKind {
        let start = self.offset;
        let mut digits = Digits::default();
        let mut kind = TokenKind::Int;
        let mut base = Base::Decimal;
        if self.peek(0) != b'.' {
            base = self.base_prefix(&mut digits);
            self.digits(base == Base::Hexadecimal, base.radix(), &mut digits);
        }
        if self.peek(0) == b'.' {
            kind = TokenKind::Float;
            if matches!(base, Base::Octal | Base::Binary) {
                self.number_error(start, format!("invalid radix point in {}", base.literal()));
            }
            self.offset += 1;
            self.digits(base == Base::Hexadecimal, base.radix(), &mut digits);
        }
        if !digits.any {
            self.number_error(start, format!("{} has no digits", base.literal()));
        }
        if self.exponent(start, base, &mut digits) {
            kind = TokenKind::Float;
        } else if base == Base::Hexadecimal && kind == TokenKind::Float {
            self.number_error(start, "hexadecimal mantissa requires a 'p' exponent".to_owned());
        }
        if self.peek(0) == b'i' {
            kind = TokenKind::Imaginary;
            self.offset += 1;
        }
        self.check_digits(start, kind, base, &digits);
        kind
    }

    fn base_prefix(&mut self, digits: &mut Digits) -> Base {
        if self.peek(0) != b'0' {
            return Base::Decimal;
        }
        let base = match self.peek(1) {
            b'x' | b'X' => Base::Hexadecimal,
            b'o' | b'O' => Base::Octal,
            b'b' | b'B' => Base::Binary,
            _ => {
                digits.any = true;
                self.offset += 1;
                return Base::LeadingZero;
            }
        };
        self.offset += 2;
        base
    }

    fn digits(&mut self, hexadecimal: bool, radix: u8, digits: &mut Digits) {
        loop {
            match self.peek(0) {
                b'_' => digits.separators = true,
                byte if byte.is_ascii_digit() => {
                    digits.any = true;
                    if !hexadecimal && byte - b'0' >= radix {
                        digits.too_large.get_or_insert(self.offset);
                    }
                }
                byte if hexadecimal && byte.is_ascii_hexdigit() => digits.any = true,
                _ => return,
            }
            self.offset += 1;
        }
    }

    /// The exponent, if there is one.
    fn exponent(&mut self, start: usize, base: Base, digits: &mut Digits) -> bool {
        let mark = self.peek(0).to_ascii_lowercase();
        match mark {
            b'e' if !matches!(base, Base::Decimal | Base::LeadingZero) => {
                self.number_error(start, "'e' exponent requires decimal mantissa".to_owned());
            }
            b'p' if base != Base::Hexadecimal => {
                self.number_error(start, "'p' exponent requires hexadecimal mantissa".to_owned());
            }
            b'e' | b'p' => {}
            _ => return false,
        }
        self.offset += 1;
        if matches!(self.peek(0), b'+' | b'-') {
            self.offset += 1;
        }
        let mut exponent = Digits::default();
        self.digits(false, 10, &mut exponent);
        digits.separators |= exponent.separators;
        if !exponent.any {
            self.number_error(start, "exponent has no digits".to_owned());
        }
        true
    }

    fn check_digits(&mut self, start: usize, kind: TokenKind, base: Base, digits: &Digits) {
        if let Some(at) = digits.too_large.filter(|_| kind == TokenKind::Int) {
            let digit = char::from(self.source[at]);
            self.error(at, at + 1, format!("invalid digit {digit:?} in {}", base.literal()));
        }
        if digits.separators && has_misplaced_separator(&self.source[start..self.offset]) {
            self.number_error(start, "'_' must separate successive digits".to_owned());
        }
    }

    #[cold]
    fn number_error(&mut self, start: usize, message: String) {
        self.error(start, self.offset, message);
    }
}

/// Whether some `_` in a number doesn't stand between two digits; a base prefix counts as a digit.
fn has_misplaced_separator(literal: &[u8]) -> bool {
    let prefixed = matches!(literal, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]);
    let hexadecimal = matches!(literal, [b'0', b'x' | b'X', ..]);
    let is_digit = |byte: u8| byte.is_ascii_digit() || hexadecimal && byte.is_ascii_hexdigit();
    let skipped = if prefixed { 2 } else { 0 };
    (skipped..literal.len()).filter(|at| literal[*at] == b'_').any(|at| {
        let after_digit = if at == skipped { prefixed } else { is_digit(literal[at - 1]) };
        !after_digit || !literal.get(at + 1).is_some_and(|next| is_digit(*next))
    })
}
