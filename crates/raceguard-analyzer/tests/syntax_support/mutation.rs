//! Real Go with tokens deleted, doubled, swapped and inserted.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use proptest::prelude::*;
use raceguard_analyzer::syntax::lexer::Lexer;
use raceguard_analyzer::syntax::span::Span;
use raceguard_analyzer::syntax::token::TokenKind;

/// What to mutate: a file with every construct, and some of the toolchain's sources where there is a toolchain.
pub(crate) static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut seeds = vec![include_bytes!("../data/syntax_constructs.go").to_vec()];
    let output = Command::new("go").args(["env", "GOROOT"]).output();
    let goroot = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    let goroot = goroot.map(|root| PathBuf::from(root.trim())).filter(|root| root.is_dir());
    let files = [
        "src/sync/map.go",
        "src/go/parser/testdata/typeset.go2",
        "src/internal/types/testdata/check/stmt0.go",
        "src/internal/types/testdata/check/typeparams.go",
        "src/net/http/transport.go",
        "test/syntax/import.go",
    ];
    seeds.extend(goroot.iter().flat_map(|root| files.map(|file| std::fs::read(root.join(file)))).flatten());
    seeds
});

#[derive(Debug, Clone)]
enum Mutation {
    Delete { at: usize, count: usize },
    Double { at: usize, count: usize },
    Swap { at: usize, with: usize },
    Insert { at: usize, text: &'static str },
    Truncate { at: usize },
    Byte { at: usize, byte: u8 },
}

/// Pieces of text that begin, end or separate something.
pub(crate) const FRAGMENTS: [&str; 30] = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ";",
    "\n",
    ",",
    ":",
    ":=",
    "=",
    "...",
    "<-",
    "chan",
    "func",
    "type",
    "interface{",
    "struct{",
    "case",
    "default:",
    "`",
    "\"",
    "'",
    "/*",
    "//",
    "~",
    "|",
    "import",
    "range",
];

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = || any::<usize>();
    prop_oneof![
        (at(), 1..20_usize).prop_map(|(at, count)| Mutation::Delete { at, count }),
        (at(), 1..20_usize).prop_map(|(at, count)| Mutation::Double { at, count }),
        (at(), at()).prop_map(|(at, with)| Mutation::Swap { at, with }),
        (at(), 0..FRAGMENTS.len()).prop_map(|(at, text)| Mutation::Insert { at, text: FRAGMENTS[text] }),
        at().prop_map(|at| Mutation::Truncate { at }),
        (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte { at, byte }),
    ]
}

fn tokens(source: &[u8]) -> Vec<Span> {
    let mut lexer = Lexer::new(source);
    let tokens = std::iter::from_fn(|| Some(lexer.next_token()).filter(|token| token.kind != TokenKind::Eof));
    tokens.map(|token| token.span).filter(|span| span.start < span.end).collect()
}

fn mutate(source: &mut Vec<u8>, mutation: &Mutation) {
    let tokens = tokens(source);
    if tokens.is_empty() {
        return;
    }
    let range = |at: usize, count: usize| {
        let first = at % tokens.len();
        let last = (first + count - 1).min(tokens.len() - 1);
        tokens[first].start as usize..tokens[last].end as usize
    };
    match *mutation {
        Mutation::Delete { at, count } => drop(source.drain(range(at, count))),
        Mutation::Double { at, count } => {
            let range = range(at, count);
            let copy = [b" ", &source[range.clone()]].concat();
            source.splice(range.end..range.end, copy);
        }
        Mutation::Swap { at, with } => {
            let (mut first, mut second) = (range(at, 1), range(with, 1));
            if first.start > second.start {
                std::mem::swap(&mut first, &mut second);
            }
            let [before, after] = [&first, &second].map(|range| source[range.clone()].to_vec());
            source.splice(second, before);
            source.splice(first, after);
        }
        Mutation::Insert { at, text } => {
            let place = range(at, 1).start;
            source.splice(place..place, text.bytes());
        }
        Mutation::Truncate { at } => source.truncate(range(at, 1).end),
        Mutation::Byte { at, byte } => {
            let place = at % source.len();
            source[place] = byte;
        }
    }
}

/// Sources with fewer than `limit` mutations, at least one.
pub(crate) fn mutated(limit: usize) -> impl Strategy<Value = Vec<u8>> {
    let mutations = prop::collection::vec(mutation(), 1..limit);
    (any::<prop::sample::Index>(), mutations).prop_map(|(seed, mutations)| {
        let mut source = seed.get(&SEEDS).clone();
        for mutation in &mutations {
            mutate(&mut source, mutation);
        }
        source
    })
}
