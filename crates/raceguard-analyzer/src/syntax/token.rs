//! Tokens: what the lexer hands to the parser.

use std::fmt;

use super::ast::{AssignOp, BinaryOp};
use super::span::Span;

/// A token where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its place; of zero length for a semicolon that the lexer added at the end of a line.
    pub span: Span,
}

impl Token {
    /// Whether it is a semicolon that isn't written, but follows from the end of a line.
    pub const fn is_automatic_semicolon(self) -> bool {
        matches!(self.kind, TokenKind::Semicolon) && self.span.start == self.span.end
    }
}

macro_rules! tokens {
    ($($name:ident $text:literal,)*) => {
        /// The kinds of tokens. Each is shown as Go writes it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are those of go/token")]
        pub enum TokenKind { $($name,)* }

        impl TokenKind {
            /// Its text, or its class where the text varies.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

tokens! {
    Eof "EOF",
    Illegal "ILLEGAL",
    Ident "IDENT",
    Int "INT",
    Float "FLOAT",
    Imaginary "IMAG",
    Char "CHAR",
    String "STRING",
    Add "+",
    Sub "-",
    Mul "*",
    Quo "/",
    Rem "%",
    And "&",
    Or "|",
    Xor "^",
    Shl "<<",
    Shr ">>",
    AndNot "&^",
    AddAssign "+=",
    SubAssign "-=",
    MulAssign "*=",
    QuoAssign "/=",
    RemAssign "%=",
    AndAssign "&=",
    OrAssign "|=",
    XorAssign "^=",
    ShlAssign "<<=",
    ShrAssign ">>=",
    AndNotAssign "&^=",
    LogicalAnd "&&",
    LogicalOr "||",
    Arrow "<-",
    Increment "++",
    Decrement "--",
    Equal "==",
    Less "<",
    Greater ">",
    Assign "=",
    Not "!",
    Tilde "~",
    NotEqual "!=",
    LessEqual "<=",
    GreaterEqual ">=",
    Define ":=",
    Ellipsis "...",
    LeftParen "(",
    LeftBracket "[",
    LeftBrace "{",
    Comma ",",
    Period ".",
    RightParen ")",
    RightBracket "]",
    RightBrace "}",
    Semicolon ";",
    Colon ":",
    Break "break",
    Case "case",
    Chan "chan",
    Const "const",
    Continue "continue",
    Default "default",
    Defer "defer",
    Else "else",
    Fallthrough "fallthrough",
    For "for",
    Func "func",
    Go "go",
    Goto "goto",
    If "if",
    Import "import",
    Interface "interface",
    Map "map",
    Package "package",
    Range "range",
    Return "return",
    Select "select",
    Struct "struct",
    Switch "switch",
    Type "type",
    Var "var",
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl TokenKind {
    /// Whether a line that ends after this token ends its statement.
    pub const fn ends_statement(self) -> bool {
        matches!(
            self,
            Self::Ident
                | Self::Int
                | Self::Float
                | Self::Imaginary
                | Self::Char
                | Self::String
                | Self::Break
                | Self::Continue
                | Self::Fallthrough
                | Self::Return
                | Self::Increment
                | Self::Decrement
                | Self::RightParen
                | Self::RightBracket
                | Self::RightBrace
        )
    }

    /// Whether its text varies: an identifier or a literal.
    pub const fn is_literal(self) -> bool {
        matches!(self, Self::Ident | Self::Int | Self::Float | Self::Imaginary | Self::Char | Self::String)
    }

    /// As an operator between two operands, with its precedence: 1 binds loosest, 5 tightest.
    pub const fn binary_operator(self) -> Option<(BinaryOp, u8)> {
        Some(match self {
            Self::LogicalOr => (BinaryOp::LogicalOr, 1),
            Self::LogicalAnd => (BinaryOp::LogicalAnd, 2),
            Self::Equal => (BinaryOp::Equal, 3),
            Self::NotEqual => (BinaryOp::NotEqual, 3),
            Self::Less => (BinaryOp::Less, 3),
            Self::LessEqual => (BinaryOp::LessEqual, 3),
            Self::Greater => (BinaryOp::Greater, 3),
            Self::GreaterEqual => (BinaryOp::GreaterEqual, 3),
            Self::Add => (BinaryOp::Add, 4),
            Self::Sub => (BinaryOp::Subtract, 4),
            Self::Or => (BinaryOp::Or, 4),
            Self::Xor => (BinaryOp::Xor, 4),
            Self::Mul => (BinaryOp::Multiply, 5),
            Self::Quo => (BinaryOp::Quotient, 5),
            Self::Rem => (BinaryOp::Remainder, 5),
            Self::Shl => (BinaryOp::ShiftLeft, 5),
            Self::Shr => (BinaryOp::ShiftRight, 5),
            Self::And => (BinaryOp::And, 5),
            Self::AndNot => (BinaryOp::AndNot, 5),
            _ => return None,
        })
    }

    /// As an assignment.
    pub const fn assignment_operator(self) -> Option<AssignOp> {
        Some(match self {
            Self::Assign => AssignOp::Assign,
            Self::Define => AssignOp::Define,
            Self::AddAssign => AssignOp::Op(BinaryOp::Add),
            Self::SubAssign => AssignOp::Op(BinaryOp::Subtract),
            Self::MulAssign => AssignOp::Op(BinaryOp::Multiply),
            Self::QuoAssign => AssignOp::Op(BinaryOp::Quotient),
            Self::RemAssign => AssignOp::Op(BinaryOp::Remainder),
            Self::AndAssign => AssignOp::Op(BinaryOp::And),
            Self::OrAssign => AssignOp::Op(BinaryOp::Or),
            Self::XorAssign => AssignOp::Op(BinaryOp::Xor),
            Self::ShlAssign => AssignOp::Op(BinaryOp::ShiftLeft),
            Self::ShrAssign => AssignOp::Op(BinaryOp::ShiftRight),
            Self::AndNotAssign => AssignOp::Op(BinaryOp::AndNot),
            _ => return None,
        })
    }

    /// The keyword with this text.
    pub fn keyword(text: &[u8]) -> Option<Self> {
        if text.len() < 2 || text.len() > "fallthrough".len() {
            return None;
        }
        let candidate = KEYWORDS[keyword_slot(text)]?;
        (candidate.text().as_bytes() == text).then_some(candidate)
    }
}

const KEYWORD_LIST: [TokenKind; 25] = [
    TokenKind::Break,
    TokenKind::Case,
    TokenKind::Chan,
    TokenKind::Const,
    TokenKind::Continue,
    TokenKind::Default,
    TokenKind::Defer,
    TokenKind::Else,
    TokenKind::Fallthrough,
    TokenKind::For,
    TokenKind::Func,
    TokenKind::Go,
    TokenKind::Goto,
    TokenKind::If,
    TokenKind::Import,
    TokenKind::Interface,
    TokenKind::Map,
    TokenKind::Package,
    TokenKind::Range,
    TokenKind::Return,
    TokenKind::Select,
    TokenKind::Struct,
    TokenKind::Switch,
    TokenKind::Type,
    TokenKind::Var,
];

/// A hash without collisions among the keywords; the build fails if there is one.
const fn keyword_slot(text: &[u8]) -> usize {
    ((((text[0] as usize) << 4) ^ text[1] as usize) + text.len()) & 63
}

const KEYWORDS: [Option<TokenKind>; 64] = {
    let mut table = [None; 64];
    let mut i = 0;
    while i < KEYWORD_LIST.len() {
        let slot = keyword_slot(KEYWORD_LIST[i].text().as_bytes());
        assert!(table[slot].is_none(), "two keywords in one slot");
        table[slot] = Some(KEYWORD_LIST[i]);
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_keyword_is_found_and_nothing_else() {
        for keyword in KEYWORD_LIST {
            assert_eq!(TokenKind::keyword(keyword.text().as_bytes()), Some(keyword));
        }
        for other in ["", "f", "fun", "funcs", "Func", "breaks", "iff", "fallthroughs", "any"] {
            assert_eq!(TokenKind::keyword(other.as_bytes()), None, "{other}");
        }
    }
}
