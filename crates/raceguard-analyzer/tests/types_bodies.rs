//! What is known of bodies beside types: locals, what declares them and what they shadow, selections, labels.

#[path = "types_support/fixture.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod fixture;

use fixture::{body_of, expr, object, program_of};
use raceguard_analyzer::syntax::ast::{ExprId, ExprKind, StmtKind};
use raceguard_analyzer::syntax::name::Name;
use raceguard_analyzer::types::{Entity, LocalKind, PackageId, Selection, resolve_initialisers};

#[test]
fn locals_know_their_kind_owner_and_what_they_shadow() {
    let program = program_of(&[(
        "m",
        "package m\nfunc f(a int, _ string) (err error) {\n\tx, err := a, err\n\tfor i := 0; i < x; i++ {\n\t\tgo func(x int) { err := err; _ = err }(i)\n\t}\n\tfor k := range x { _ = k }\n\tconst c = 1\n\ttype t int\n\tif v, err := c, err; v > 0 { _ = err }\n\treturn\n}\n",
    )]);
    let body = body_of(&program, "f");
    let locals = &body.info.locals;
    let summary: Vec<(&str, LocalKind, bool, Option<&str>)> = locals
        .iter()
        .map(|local| {
            let shadowed = local.shadowed.map(|id| locals[id.0 as usize].name.as_str());
            (local.name.as_str(), local.kind, local.owner.is_some(), shadowed)
        })
        .collect();
    let expected = [
        ("a", LocalKind::Param, false, None),
        ("_", LocalKind::Param, false, None),
        ("err", LocalKind::Result, false, None),
        ("x", LocalKind::Var, false, None),
        ("i", LocalKind::ForVar, false, None),
        ("x", LocalKind::Param, true, Some("x")),
        ("err", LocalKind::Var, true, Some("err")),
        ("k", LocalKind::RangeVar, false, None),
        ("c", LocalKind::Const, false, None),
        ("t", LocalKind::Type, false, None),
        ("v", LocalKind::Var, false, None),
        ("err", LocalKind::Var, false, Some("err")),
    ];
    assert_eq!(summary, expected);
    let functions = body.info.function_locals(None).expect("the function");
    assert_eq!((functions.params.len(), functions.results.len()), (2, 1));
}

#[test]
fn define_tells_new_variables_from_reassigned_ones() {
    let program =
        program_of(&[("m", "package m\nfunc f() {\n\tvar err error\n\tx, err := 1, err\n\t_ = x\n}\n")]);
    let body = body_of(&program, "f");
    let names = |text: &str| -> Vec<bool> {
        let name = Name::new(text);
        let named = (0..)
            .zip(&body.arena.exprs)
            .filter(|(_, expr)| matches!(expr.kind, ExprKind::Name(n) if n == name));
        named.map(|(id, _)| body.info.definition(ExprId(id)).is_some()).collect()
    };
    assert_eq!(names("x"), [true, false]);
    assert_eq!(names("err"), [false, false]);
    let err = body.info.locals.iter().find(|local| local.name.as_str() == "err").expect("err");
    let declared = body.info.declaration(err.span).expect("a declaration");
    assert_eq!(body.info.locals[declared.0 as usize].name.as_str(), "err");
}

#[test]
fn selections_give_each_step_with_its_dereference() {
    let program = program_of(&[(
        "m",
        "package m\ntype inner struct{ n, data int }\ntype middle struct{ skip bool; *inner }\ntype outer struct{ middle }\nfunc (i *inner) M() {}\nfunc f(o *outer) { o.data = 1; o.M(); v := *o; v.M(); i := *v.inner; i.M() }\n",
    )]);
    let body = body_of(&program, "f");
    let Selection::Field(steps) = body.info.selection(expr(&program, &body, "o.data")) else {
        panic!("a field")
    };
    let steps: Vec<(&str, u32, bool)> =
        steps.iter().map(|step| (step.name.as_str(), step.index, step.deref)).collect();
    assert_eq!(steps, [("middle", 0, true), ("inner", 1, false), ("data", 1, true)]);

    let method = |text: &str| match body.info.selection(expr(&program, &body, text)) {
        Selection::Method(method) => {
            let path: Vec<&str> = method.path.iter().map(|step| step.name.as_str()).collect();
            (path.join("."), method.pointer_receiver, method.from_pointer)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(method("o.M"), ("middle.inner".to_owned(), true, true));
    assert_eq!(method("v.M"), ("middle.inner".to_owned(), true, true));
    assert_eq!(method("i.M"), (String::new(), true, false));
}

#[test]
fn identifiers_name_fields_packages_and_type_parameters() {
    let program = program_of(&[
        (
            "m",
            "package m\nimport \"m/lib\"\ntype s struct{ a, b int }\nfunc f[T any](v T) { _ = s{b: lib.N}; var t T; _ = t; _ = nil }\n",
        ),
        ("m/lib", "package lib\nconst N = 1\n"),
    ]);
    let body = body_of(&program, "f");
    let entity = |text: &str| body.info.entity(expr(&program, &body, text));
    assert_eq!(entity("b"), Entity::Field(1));
    assert_eq!(entity("lib"), Entity::Import(0));
    assert_eq!(program.package(PackageId(0)).import(0, 0).package, Some(PackageId(1)));
    assert_eq!(entity("T"), Entity::TypeParam(object(&program, "f"), 0));
    assert_eq!(entity("nil"), Entity::Nil);
    assert_eq!(entity("_"), Entity::Blank);
    assert_eq!(entity("s"), Entity::Object(object(&program, "s")));
}

#[test]
fn labels_belong_to_their_function() {
    let program = program_of(&[(
        "m",
        "package m\nfunc f() {\nouter:\n\tfor {\n\t\tfunc() {\n\t\touter:\n\t\t\tfor { break outer }\n\t\t}()\n\t\tcontinue outer\n\t}\n}\n",
    )]);
    let body = body_of(&program, "f");
    let literal = expr(&program, &body, "func() {\n\t\touter:\n\t\t\tfor { break outer }\n\t\t}");
    let outer = body.info.label(None, Name::new("outer")).expect("the function's label");
    let inner = body.info.label(Some(literal), Name::new("outer")).expect("the literal's label");
    assert_ne!(outer, inner);
    assert!(matches!(body.arena[outer].kind, StmtKind::Labeled(..)));
    assert_eq!(body.info.label(None, Name::new("missing")), None);
}

#[test]
fn clauses_of_type_switches_have_locals_of_their_own() {
    let program = program_of(&[(
        "m",
        "package m\nfunc f(x any) {\n\tswitch v := x.(type) {\n\tcase int:\n\t\t_ = v\n\tdefault:\n\t}\n}\n",
    )]);
    let body = body_of(&program, "f");
    let switch = body.block.stmts[0];
    let first = body.info.clause_local(switch, 0).expect("the first clause's");
    let second = body.info.clause_local(switch, 1).expect("the second clause's");
    assert_ne!(first, second);
    let named_v = body
        .arena
        .exprs
        .iter()
        .zip(0..)
        .filter(|(expr, _)| matches!(expr.kind, ExprKind::Name(n) if n == Name::new("v")));
    let meaning =
        named_v.map(|(_, id)| body.info.entity(ExprId(id))).find(|entity| *entity != Entity::Unknown);
    assert_eq!(meaning, Some(Entity::Local(first)));
    assert_eq!(body.info.clause_local(switch, 2), None);
}

#[test]
fn local_types_of_different_bodies_differ() {
    let program = program_of(&[(
        "m",
        "package m\nfunc f() any { type t struct{ m map[string]*t }; return t{} }\nfunc g() any { type t struct{ m map[string]*t }; return t{} }\n",
    )]);
    let (f, g) = (body_of(&program, "f"), body_of(&program, "g"));
    let of = |body: &fixture::Resolved| body.info.type_of(expr(&program, body, "t{}")).clone();
    assert!(!program.identical(&of(&f), &of(&g)));
    assert!(program.identical(&of(&f), &of(&body_of(&program, "f"))));
    let field = program.select(&of(&f), Name::new("m"), PackageId(0));
    let Selection::Field(steps) = field else { panic!("a field") };
    assert_eq!(program.display(&steps[0].ty).to_string(), "map[string]*m.t");
}

#[test]
fn literals_in_initialisers_are_resolved() {
    let program = program_of(&[(
        "m",
        "package m\nvar handlers = map[string]func(int){\n\t\"a\": func(n int) { seen := n; _ = seen },\n}\nvar x, y = pair()\nfunc pair() (int, error) { return 0, nil }\n",
    )]);
    let info = resolve_initialisers(&program, PackageId(0), 0);
    let names: Vec<(&str, bool)> =
        info.locals.iter().map(|local| (local.name.as_str(), local.owner.is_some())).collect();
    assert_eq!(names, [("n", true), ("seen", true)]);
    let ty = |name| program.display(&program.object_type(object(&program, name))).to_string();
    assert_eq!(ty("handlers"), "map[string]func(int)");
    assert_eq!((ty("x"), ty("y")), ("int".to_owned(), "error".to_owned()));
}
