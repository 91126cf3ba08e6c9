//! The parser on what nobody would write: real Go with tokens deleted, doubled and swapped, and plain bytes.
//!
//! Whatever the input: no panic, spans inside of the source and inside of those around them, no more nodes than the
//! source is long, and the same with bodies parsed apart.

#[path = "syntax_support/mutation.rs"]
mod mutation;
#[path = "syntax_support/spans.rs"]
mod spans;

use mutation::{FRAGMENTS, SEEDS, mutated};
use proptest::prelude::*;
use raceguard_analyzer::syntax::ast::{Body, Decl};
use raceguard_analyzer::syntax::error::MAX_ERRORS;
use raceguard_analyzer::syntax::span::Span;
use raceguard_analyzer::syntax::{LineIndex, Mode, SyntaxError, parse_body, parse_file};

fn check_errors(source: &[u8], errors: &[SyntaxError]) {
    assert!(errors.len() <= MAX_ERRORS);
    assert!(errors.is_sorted());
    for error in errors {
        assert!(error.span.start <= error.span.end && error.span.end as usize <= source.len(), "{error:?}");
        assert!(!error.message.is_empty() && error.message.len() < 500, "{error:?}");
    }
}

/// Parses in all modes and checks what must hold for any source.
fn check(source: &[u8]) {
    let whole = parse_file(source, Mode { bodies: true, comments: true });
    check_errors(source, &whole.errors);
    spans::check_file(source, &whole.file);
    let nodes = whole.file.arena.exprs.len() + whole.file.arena.stmts.len();
    assert!(nodes <= 2 * source.len() + 8, "{nodes} nodes of {} bytes", source.len());
    let plain = parse_file(source, Mode { bodies: true, comments: false });
    assert_eq!(plain.file.arena.exprs.len(), whole.file.arena.exprs.len());
    assert_eq!(plain.errors.is_empty(), whole.errors.is_empty());

    let parts = parse_file(source, Mode { bodies: false, comments: true });
    check_errors(source, &parts.errors);
    spans::check_file(source, &parts.file);
    let mut accepted = parts.errors.is_empty();
    for decl in &parts.file.decls {
        if let Decl::Func(function) = decl
            && let Body::Skipped(span) = function.body
        {
            let body = parse_body(source, span);
            check_errors(source, &body.errors);
            spans::check_body(span, &body);
            accepted &= body.errors.is_empty();
        }
    }
    assert_eq!(accepted, whole.errors.is_empty(), "{:?}", whole.errors);

    let index = LineIndex::new(source);
    for error in &whole.errors {
        assert!(index.line_span(index.line(error.span.start)).is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_go(source in mutated(6)) {
        check(&source);
    }

    #[test]
    fn arbitrary_bytes(source in prop::collection::vec(any::<u8>(), 0..400)) {
        check(&source);
        check(&[b"package p\nfunc f() {\n".as_slice(), &source].concat());
    }

    #[test]
    fn arbitrary_tokens(tokens in prop::collection::vec(0..FRAGMENTS.len() + 4, 0..200)) {
        let mut source = String::from("package p\n");
        for token in tokens {
            source.push_str(FRAGMENTS.get(token).unwrap_or(&" x "));
            source.push(' ');
        }
        check(source.as_bytes());
        check(source.replacen('\n', "\nfunc f() {", 1).as_bytes());
    }

    #[test]
    fn a_body_parsed_at_any_place(start in any::<u32>(), end in any::<u32>()) {
        let source = SEEDS[0].as_slice();
        let length = u32::try_from(source.len()).expect("a small source");
        for span in [Span::new(start, end), Span::new(start % length, end % length)] {
            parse_body(source, span);
        }
    }
}

/// Number of cases of each property; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300)
}
