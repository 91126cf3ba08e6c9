//! What the parser makes of constructs that could be read in two ways, of comments, and of faulty source.

use raceguard_analyzer::syntax::ast::{
    ArrayLen, Block, Body, CommentGroup, Decl, ExprId, ExprKind, File, FuncDecl, Stmt, StmtKind, TypeSpec,
};
use raceguard_analyzer::syntax::{Mode, Parsed, parse_body, parse_file};

fn parse(source: &str) -> Parsed {
    parse_file(source.as_bytes(), Mode { bodies: true, comments: true })
}

fn valid(source: &str) -> File {
    let Parsed { file, errors } = parse(source);
    assert_eq!(errors, [], "{source}");
    file
}

fn messages(source: &str) -> Vec<String> {
    let line = |start: u32| source[..start as usize].matches('\n').count() + 1;
    parse(source)
        .errors
        .iter()
        .map(|error| format!("{}: {}", line(error.span.start), error.message))
        .collect()
}

fn types(file: &File) -> &[TypeSpec] {
    match file.decls.last() {
        Some(Decl::Type(specs)) => specs,
        other => panic!("no type declaration: {other:?}"),
    }
}

fn functions(file: &File) -> Vec<&FuncDecl> {
    let function = |decl: &'_ Decl| matches!(decl, Decl::Func(_));
    let decls = file.decls.iter().filter(|decl| function(decl));
    decls
        .map(|decl| if let Decl::Func(function) = decl { function.as_ref() } else { unreachable!() })
        .collect()
}

fn body(file: &File) -> &Block {
    match &functions(file)[0].body {
        Body::Parsed(block) => block,
        other => panic!("no body: {other:?}"),
    }
}

/// The first statement of the first function.
fn statement(file: &File) -> &Stmt {
    &file.arena[body(file).stmts[0]]
}

fn text<'s>(source: &'s str, file: &File, expr: ExprId) -> &'s str {
    let span = file.arena[expr].span;
    &source[span.start as usize..span.end as usize]
}

fn comments<'s>(source: &'s str, file: &File, group: CommentGroup) -> Vec<&'s str> {
    let comments = &file.comments[group.start as usize..group.end as usize];
    comments.iter().map(|comment| &source[comment.span.start as usize..comment.span.end as usize]).collect()
}

/// `type T[...] int` as `name constraint` for each parameter, or `array of` its length.
fn brackets(declaration: &str) -> String {
    let source = format!("package p\ntype {declaration}");
    let file = valid(&source);
    let spec = &types(&file)[0];
    let param = |param: &raceguard_analyzer::syntax::ast::Param| {
        format!("{} {}", param.name.expect("a name").name, text(&source, &file, param.ty))
    };
    match file.arena[spec.ty].kind {
        ExprKind::ArrayType(ArrayLen::Fixed(length), _) if spec.type_params.is_empty() => {
            format!("array of {}", text(&source, &file, length))
        }
        _ => spec.type_params.iter().map(param).collect::<Vec<_>>().join(", "),
    }
}

#[test]
fn brackets_after_a_type_name() {
    for (declaration, expected) in [
        ("T[P any] int", "P any"),
        ("T[P] int", "array of P"),
        ("T[P *C] int", "array of P *C"),
        ("T[P *C,] int", "P *C"),
        ("T[P *C, Q any] int", "P *C, Q any"),
        ("T[P *[]int] int", "P *[]int"),
        ("T[P *C | ~int] int", "P *C | ~int"),
        ("T[P *C | Q] int", "array of P *C | Q"),
        ("T[P (C)] int", "array of P (C)"),
        ("T[P (C),] int", "P (C)"),
        ("T[P (interface{})] int", "P (interface{})"),
        ("T[P []E, E any] int", "P []E, E any"),
        ("T[P, Q any] int", "P any, Q any"),
        ("T[P interface{ ~int }] int", "P interface{ ~int }"),
        ("T[P ~int | ~string] int", "P ~int | ~string"),
        ("T[2 * N] int", "array of 2 * N"),
        ("T[N + 1] int", "array of N + 1"),
        ("T[pkg.N] int", "array of pkg.N"),
    ] {
        assert_eq!(brackets(declaration), expected, "{declaration}");
    }
}

#[test]
fn a_generic_alias() {
    let file = valid("package p\ntype A[P any] = map[string]P");
    let spec = &types(&file)[0];
    assert!(spec.alias);
    assert_eq!(spec.type_params.len(), 1);
}

#[test]
fn a_generic_method_keeps_its_type_parameters() {
    let file = valid("package p\nfunc (r T[P]) Map[Q any](f func(P) Q) T[Q] { return nil }");
    let method = functions(&file)[0];
    assert!(method.receiver.is_some());
    assert_eq!(method.type_params.len(), 1);
}

#[test]
fn a_brace_in_a_header_opens_the_block() {
    let file = valid("package p\nfunc f() { if x == T {} }");
    let StmtKind::If(stmt) = &statement(&file).kind else { panic!("no if") };
    assert!(matches!(file.arena[stmt.cond].kind, ExprKind::Binary(..)));
    for source in [
        "if x == (T{}) {}",
        "for _, x := range []T{{1}} {}",
        "switch f(T{1}) {}",
        "if m[T{1}] {}",
        "if func() bool { return x == T{} }() {}",
        "for range struct{}{} {}",
    ] {
        valid(&format!("package p\nfunc f() {{ {source} }}"));
    }
}

#[test]
fn arrows_belong_to_channel_types() {
    let shape = |source: &str| {
        let source = format!("package p\nfunc f() {{ _ = {source} }}");
        let file = valid(&source);
        let StmtKind::Assign(assign) = &statement(&file).kind else { panic!("no assignment") };
        match &file.arena[assign.rhs[0]].kind {
            ExprKind::Call(call) => format!("convert to {}", text(&source, &file, call.fun)),
            ExprKind::Unary(_, x) => format!("receive from {}", text(&source, &file, *x)),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(shape("<-chan int(x)"), "receive from chan int(x)");
    assert_eq!(shape("(<-chan int)(x)"), "convert to (<-chan int)");
    assert_eq!(shape("<-x.c"), "receive from x.c");
}

#[test]
fn parameters_with_and_without_names() {
    let names = |signature: &str| {
        let file = valid(&format!("package p\nfunc f{signature}"));
        let function = functions(&file)[0];
        let params = function.signature.params.iter();
        params.map(|param| param.name.map_or("-", |name| name.name.as_str())).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("(a, b int, c ...string)"), "a b c");
    assert_eq!(names("(int, pkg.T, ...string)"), "- - -");
    assert_eq!(names("(a []int, b [3]int, c T[int])"), "a b c");
    assert_eq!(names("([]int, [3]int, T[int])"), "- - -");
}

#[test]
fn constants_repeat_type_and_values() {
    let file = valid("package p\nconst (\n a, b T = iota, 1\n c, d\n e\n f = 2\n)");
    let Decl::Const(specs) = &file.decls[0] else { panic!("no constants") };
    let described: Vec<_> =
        specs.iter().map(|spec| (spec.iota, spec.ty.is_some(), spec.values.len())).collect();
    assert_eq!(described, [(0, true, 2), (1, true, 2), (2, true, 1), (3, false, 1)]);
    assert_eq!(specs[1].values, specs[0].values);
}

#[test]
fn a_type_switch_binds_a_name() {
    let file = valid("package p\nfunc f() { switch a := g(); x := a.(type) { case int, nil: default: } }");
    let StmtKind::TypeSwitch(stmt) = &statement(&file).kind else { panic!("no type switch") };
    assert!(stmt.init.is_some());
    assert_eq!(stmt.bind.map(|name| name.name.as_str()), Some("x"));
    let values: Vec<_> = stmt.cases.iter().map(|case| case.values.as_ref().map(Vec::len)).collect();
    assert_eq!(values, [Some(2), None]);
}

#[test]
fn comments_belong_to_what_they_stand_by() {
    let source = "package p\n\n// detached\n\n// mu guards\n// m.\ntype T struct {\n\t// doc\n\tmu, mv sync.Mutex // line\n\
                  \tm map[string]int /* inner */ // guarded by mu\n\n\t// alone\n\n\tn int\n}\n\n/* f */ func f() {\n\t// in\n}\n\n\
                  // group\nvar (\n\tx int // x\n)\n";
    let file = valid(source);
    let Decl::Type(specs) = &file.decls[0] else { panic!("no type") };
    assert_eq!(comments(source, &file, specs[0].doc), ["// mu guards", "// m."]);
    let ExprKind::StructType(fields) = &file.arena[specs[0].ty].kind else { panic!("no struct") };
    assert_eq!(comments(source, &file, fields[0].doc), ["// doc"]);
    assert_eq!(comments(source, &file, fields[0].comment), ["// line"]);
    assert_eq!(comments(source, &file, fields[1].comment), ["/* inner */", "// guarded by mu"]);
    assert_eq!(comments(source, &file, fields[2].doc), [""; 0]);
    let Decl::Var(specs) = &file.decls[2] else { panic!("no variable") };
    assert_eq!(comments(source, &file, specs[0].doc), ["// group"], "of a group with one line");
    assert_eq!(comments(source, &file, specs[0].comment), ["// x"]);
    let skipping = parse_file(source.as_bytes(), Mode { bodies: false, comments: true });
    assert_eq!(skipping.file.comments, file.comments);
}

#[test]
fn a_skipped_body_parses_the_same_later() {
    let source = "package p\nfunc f() { x := \"}\" + `}` + '}'; /* } */ // }\n y() }\nfunc g()\n";
    let file = parse_file(source.as_bytes(), Mode { bodies: false, comments: false }).file;
    let Body::Skipped(span) = functions(&file)[0].body else { panic!("not skipped") };
    assert_eq!(source.as_bytes()[span.end as usize - 1], b'}');
    let later = parse_body(source.as_bytes(), span);
    assert_eq!(later.errors, []);
    assert_eq!(later.block.span, span);
    assert_eq!(later.block.stmts.len(), 2);
    assert!(matches!(functions(&file)[1].body, Body::None));
}

#[test]
fn errors_say_what_and_where() {
    for (source, expected) in [
        ("x := 1\n", "1: expected 'package', found x"),
        ("package p\nfunc f() { x := }\n", "2: expected operand, found '}'"),
        ("package p\nvar x = f(1,\n2\n)\n", "3: missing ',' before newline in argument list"),
        ("package p\nfunc f()\n{\n}\n", "3: unexpected semicolon or newline before {"),
        ("package p\nvar x = 08\n", "2: invalid digit '8' in octal literal"),
        ("package p\nvar x = \"a\n", "2: string literal not terminated"),
        ("package p\nvar x = '\\q'\n", "2: unknown escape sequence"),
        ("package p\nvar x = “a”\n", "2: curly quotation mark '“' (use neutral '\"')"),
        ("package p\n/* a\n", "2: comment not terminated"),
        ("package p\nfunc f() { go g }\n", "2: expression in go must be function call"),
        ("package p\nfunc f() { if x { }\n", "3: expected '}', found 'EOF'"),
        ("package p\nvar x int\nimport \"a\"\n", "3: imports must appear before other declarations"),
        ("package p\nfunc f(a int, b) {}\n", "2: missing parameter type"),
        ("package p\nfunc f(a int, []string) {}\n", "2: missing parameter name"),
        ("package p\nfunc f(a ...int, b int) {}\n", "2: can only use ... with final parameter"),
    ] {
        assert_eq!(messages(source).first().map(String::as_str), Some(expected), "{source}");
    }
}

#[test]
fn encoding_faults_are_errors() {
    let first = |source: &[u8]| {
        let errors = parse_file(source, Mode { bodies: true, comments: false }).errors;
        errors.first().map(|error| (error.span.start, error.message.clone()))
    };
    assert_eq!(first(b"\xEF\xBB\xBFpackage p\n"), None, "a byte order mark at the start");
    assert_eq!(first("package p // \u{feff}".as_bytes()), Some((13, "illegal byte order mark".to_owned())));
    assert_eq!(first(b"package p // \xff"), Some((13, "illegal UTF-8 encoding".to_owned())));
    assert_eq!(first(b"package p // \0"), Some((13, "illegal character NUL".to_owned())));
    let utf16 = parse_file(b"\xFF\xFEp\0", Mode { bodies: true, comments: false }).errors;
    assert_eq!(utf16.len(), 1);
    assert_eq!(utf16[0].message, "illegal UTF-8 encoding (got UTF-16)");
}

#[test]
fn the_rest_is_read_after_an_error() {
    let names = |source: &str, bodies: bool| {
        let parsed = parse_file(source.as_bytes(), Mode { bodies, comments: false });
        assert!(!parsed.errors.is_empty() || !bodies, "{source}");
        functions(&parsed.file)
            .iter()
            .map(|function| function.name.name.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    for source in [
        "package p\nfunc a() { x := }\nfunc b() {}\n",
        "package p\nfunc a() {\nif x {\n\nfunc b() {\n}\n",
        "package p\nfunc a() {}\nvar = 1\nfunc b() {}\n",
        "package p\nfunc a() {}\n)))\nfunc b() {}\n",
        "package p\nfunc a() { f(1, }\nfunc b() {}\n",
        "package p\nfunc a() { x := T{1,\n}\nfunc b() {}\n",
        "package p\nfunc a() { go func() { }\nfunc b() {}\n",
        "package p\nfunc a() {}\nvar (\nx = 1\nfunc b() {}\n",
        "package p\nfunc a() {}\ntype t struct {\n x int\nfunc b() {}\n",
    ] {
        assert_eq!(names(source, true), "a b", "{source}");
        assert_eq!(names(source, false), "a b", "{source}");
    }
}

#[test]
fn one_error_a_line_and_not_too_many() {
    let source = "package p\n".to_owned() + &"var 1 2 3 4\n".repeat(1000);
    let found = messages(&source);
    assert_eq!(found.len(), raceguard_analyzer::syntax::error::MAX_ERRORS);
    assert!(found[0].starts_with("2: ") && found[1].starts_with("3: "), "{found:?}");
}
