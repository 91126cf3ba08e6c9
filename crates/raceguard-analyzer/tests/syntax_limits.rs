//! What bounds the parser: depth, time and memory, whatever the input.

use std::time::{Duration, Instant};

use raceguard_analyzer::syntax::ast::{Body, Decl};
use raceguard_analyzer::syntax::parser::MAX_DEPTH;
use raceguard_analyzer::syntax::{Mode, Parsed, SyntaxError, parse_body, parse_file};

const FULL: Mode = Mode { bodies: true, comments: true };

/// The stack of a rayon worker thread, the smallest that the parser runs on.
const WORKER_STACK: usize = 2 << 20;

/// Text that nests: what opens a level, the innermost, and what closes a level.
const NESTINGS: [(&str, &str, &str); 22] = [
    ("(", "x", ")"),
    ("[", "x", "]"),
    ("f(", "x", ")"),
    ("x[", "1", "]"),
    ("!", "x", ""),
    ("*", "x", ""),
    ("<-", "x", ""),
    ("a + b * (c && d == ", "x", ")"),
    ("func() { return ", "x", "}"),
    ("func(a ", "int", ") {}"),
    ("[]", "int", "{}"),
    ("[]T{", "x", "}"),
    ("T{{", "x", "}}"),
    ("map[", "int", "]int{}"),
    ("chan ", "int", "(nil)"),
    ("<-chan ", "int", "(nil)"),
    ("chan<- ", "int", "(nil)"),
    ("struct{ f ", "int", "}{}"),
    ("interface{ m(a ", "int", ") }(nil)"),
    ("func() {\nif a {\nfor {\nswitch {\ncase ", "x", ":\n}\n}\n}\n}"),
    ("x.([", "1", "]int)"),
    ("func() { select { case c <- ", "x", ": } }"),
];

/// Statements that nest.
const STATEMENT_NESTINGS: [(&str, &str, &str); 9] = [
    ("{", "x()", "}"),
    ("if a {\n", "x()", "\n}"),
    ("if a {\n} else ", "{ }", ""),
    ("for {\n", "x()", "\n}"),
    ("switch {\ncase a:\n", "x()", "\n}"),
    ("select {\ncase <-c:\n", "x()", "\n}"),
    ("l:\n", "x()", ""),
    ("go func() {\n", "x()", "\n}()"),
    ("type t struct { f [func() { ", "x()", " }]int }"),
];

fn nested((open, innermost, close): (&str, &str, &str), levels: usize) -> String {
    format!("{}{innermost}{}", open.repeat(levels), close.repeat(levels))
}

fn in_function(body: &str) -> String {
    format!("package p\nfunc f() {{\n{body}\n}}\n")
}

fn on_worker_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(WORKER_STACK).spawn(work);
    thread.expect("a thread starts").join().expect("the parser doesn't panic")
}

fn all_errors(source: &[u8]) -> Vec<SyntaxError> {
    let Parsed { file, mut errors } = parse_file(source, Mode { bodies: false, comments: true });
    for decl in &file.decls {
        if let Decl::Func(function) = decl
            && let Body::Skipped(span) = function.body
        {
            errors.extend(parse_body(source, span).errors);
        }
    }
    errors
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let sources = NESTINGS.map(|nesting| format!("x = {}", nested(nesting, 100_000))).into_iter();
    let statements = STATEMENT_NESTINGS.map(|nesting| nested(nesting, 100_000));
    for body in sources.chain(statements) {
        let source = in_function(&body);
        let beginning = source[..60.min(source.len())].to_owned();
        let too_deep = |errors: &[SyntaxError]| {
            errors.iter().any(|error| error.message.starts_with("nested too deeply"))
        };
        let (whole, parts) = on_worker_stack(move || {
            (parse_file(source.as_bytes(), FULL).errors, all_errors(source.as_bytes()))
        });
        assert!(too_deep(&whole), "{beginning:?}: {whole:?}");
        assert!(too_deep(&parts), "{beginning:?}: {parts:?}");
    }
}

#[test]
fn ordinary_nesting_is_no_error() {
    for nesting in STATEMENT_NESTINGS {
        let source = in_function(&nested(nesting, MAX_DEPTH as usize / 8));
        let errors = on_worker_stack(move || parse_file(source.as_bytes(), FULL).errors);
        assert_eq!(errors, [], "{nesting:?}");
    }
}

#[test]
fn chains_may_be_long() {
    let chain = |first: &str, link: &str| format!("x = {first}{}", link.repeat(100_000));
    let bodies = [
        chain("a", " + b"),
        chain("a", " || b && c == d + e * f"),
        chain("a", ".b()"),
        chain("a", "[0]"),
        chain("f(a", ", a") + ")",
        chain("[]int{0", ", 1: 2") + "}",
        "x()\n".repeat(100_000),
    ];
    for body in bodies {
        let source = in_function(&body);
        let errors = on_worker_stack(move || parse_file(source.as_bytes(), FULL).errors);
        assert_eq!(errors, [], "{}", &body[..40]);
    }
    for last in ["a{}", "~b"] {
        let terms = "| a ".repeat(100_000);
        let source = format!("package p\ntype T[P *a {terms} | {last}] int\n");
        let errors = on_worker_stack(move || parse_file(source.as_bytes(), FULL).errors);
        assert_eq!(errors, [], "{last}");
    }
}

#[test]
fn time_is_linear_in_the_input() {
    let hostile = [
        "x = f(((((\n",
        "'",
        "\"",
        "`",
        "/*",
        "{ if { for { switch {",
        "case x:",
        "}",
        "a b c d\n",
        "<-",
        "chan<- ",
        "func(",
        "func f(a ...int, b ...int) {\n",
        "type T[P *",
        "const (\nA, B, C = 1, 2, 3\nD\n",
        "import x\n",
        "a, ",
        "struct{",
        "interface{",
        "~",
        "\0",
        "\u{feff}",
        "é",
        "\u{2028}",
        "0x_",
        "1e",
        ":",
        "/* */\n",
        "//\n",
    ];
    for pattern in hostile {
        let source = in_function(&pattern.repeat(300_000 / pattern.len()));
        let unclosed = source.replace('}', "");
        for source in [source, unclosed] {
            let started = Instant::now();
            let parsed = parse_file(source.as_bytes(), FULL);
            let errors = all_errors(source.as_bytes());
            let nodes = parsed.file.arena.exprs.len() + parsed.file.arena.stmts.len();
            assert!(started.elapsed() < Duration::from_secs(20), "{pattern:?}: {:?}", started.elapsed());
            assert!(nodes <= 2 * source.len(), "{pattern:?}: {nodes} nodes of {} bytes", source.len());
            assert!(errors.len() <= 200, "{pattern:?}: {} errors", errors.len());
        }
    }
}

#[test]
fn repeated_constants_take_space_for_their_names_alone() {
    let values = "1, ".repeat(20_000) + "1";
    let source = format!("package p\nconst (\na = {values}\n{})\n", "b\n".repeat(20_000));
    let parsed = parse_file(source.as_bytes(), FULL);
    assert_eq!(parsed.errors, []);
    let [Decl::Const(specs)] = parsed.file.decls.as_slice() else { panic!("one group") };
    assert_eq!(specs.len(), 20_001);
    assert!(specs[1..].iter().all(|spec| spec.values.len() == 1));
}
