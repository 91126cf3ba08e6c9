//! Go's syntax: tokens, the tree, and the parser that makes one of the other.
//!
//! Source: the Go Programming Language Specification, version 1.27; where it is silent, go/parser and the compiler.
//! What go/parser accepts is accepted, what it rejects is rejected.
//!
//! Bytes go in, values come out: nothing here does I/O, panics, or fails as a whole. What is wrong in a file comes
//! back as [`SyntaxError`]s beside a tree of what could be read.
//!
//! Start reading at [`parse_file`].

pub mod ast;
mod encoding;
pub mod error;
pub mod lexer;
pub mod line_index;
pub mod literal;
pub mod name;
mod name_cache;
pub mod parser;
pub mod span;
pub mod token;

pub use error::SyntaxError;
pub use line_index::LineIndex;
pub use parser::{Mode, Parsed, ParsedBody, parse_body, parse_file};
