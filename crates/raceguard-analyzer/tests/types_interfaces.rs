//! Method sets, interfaces, and which functions a call of an interface method may reach; comments of declarations.

#[path = "types_support/fixture.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod fixture;

use fixture::{object, program_of};
use raceguard_analyzer::syntax::name::Name;
use raceguard_analyzer::types::{Program, Type};

fn implementations(program: &Program, interface: &str, method: &str) -> Vec<String> {
    let ty = program.object_type(object(program, interface));
    let functions = program.implementations(&ty, Name::new(method));
    functions.iter().map(|func| program.runtime_name(*func)).collect()
}

#[test]
fn calls_of_interface_methods_reach_all_types_that_implement_it() {
    let program = program_of(&[
        (
            "m",
            r#"package m
import "m/lib"
type store interface{ lib.Getter; Set(k string, v int) }
type memory struct{ m map[string]int }
func (s *memory) Get(k string) int { return s.m[k] }
func (s *memory) Set(k string, v int) { s.m[k] = v }
type logged struct{ *memory }
func (l logged) Set(k string, v int) {}
type wrong struct{}
func (wrong) Get(k int) int { return 0 }
func (wrong) Set(k string, v int) {}
type half struct{}
func (half) Set(k string, v int) {}
type generic[T any] struct{ t T }
func (g generic[T]) Get(k string) T { return g.t }
func (g generic[T]) Set(k string, v T) {}
type delegating struct{ store }
"#,
        ),
        (
            "m/lib",
            "package lib\ntype Getter interface{ Get(string) int }\ntype Fixed int\nfunc (Fixed) Get(string) int { return 0 }\n",
        ),
    ]);
    let set = ["m.(*memory).Set", "m.logged.Set", "m.generic[...].Set"];
    assert_eq!(implementations(&program, "store", "Set"), set);
    assert_eq!(implementations(&program, "store", "Get"), ["m.(*memory).Get", "m.generic[...].Get"]);
    assert_eq!(implementations(&program, "store", "Missing"), [""; 0]);
}

#[test]
fn types_that_embed_what_is_not_there_may_have_the_missing_methods() {
    let program = program_of(&[(
        "m",
        "package m\nimport \"gone\"\ntype service interface{ Get() int; Close() }\ntype server struct{ gone.Base }\nfunc (server) Get() int { return 0 }\ntype other struct{}\nfunc (other) Get() int { return 0 }\n",
    )]);
    assert_eq!(implementations(&program, "service", "Get"), ["m.server.Get"]);
    assert_eq!(implementations(&program, "service", "Close"), [""; 0]);
}

#[test]
fn types_implement_interfaces_by_their_methods_signatures() {
    let program = program_of(&[(
        "m",
        "package m\ntype i interface{ error; hidden() }\ntype a struct{}\nfunc (*a) Error() string { return \"\" }\nfunc (a) hidden() {}\ntype b struct{ a }\ntype c struct{ Error string }\nfunc (c) hidden() {}\n",
    )]);
    let ty = |name| program.object_type(object(&program, name));
    assert!(program.implements(&ty("a"), &ty("i")));
    assert!(program.implements(&ty("b").pointer_to(), &ty("i")));
    assert!(!program.implements(&ty("c"), &ty("i")));
    let methods = program.interface_methods(&ty("i"));
    let names: Vec<&str> = methods.iter().map(|method| method.name.as_str()).collect();
    assert_eq!(names, ["Error", "hidden"]);
}

#[test]
fn method_sets_hold_promoted_methods_but_not_those_they_hide() {
    let program = program_of(&[(
        "m",
        "package m\ntype base struct{}\nfunc (base) A() {}\nfunc (*base) B() {}\ntype outer struct{ base; inner }\nfunc (*outer) A() {}\ntype inner interface{ C() }\n",
    )]);
    let methods = program.methods(&program.object_type(object(&program, "outer")));
    let found: Vec<(String, usize, bool)> = methods
        .iter()
        .map(|method| (program.runtime_name(method.func), method.path.len(), method.pointer_receiver))
        .collect();
    assert_eq!(found, [("m.(*outer).A".to_owned(), 0, true), ("m.(*base).B".to_owned(), 1, true)]);
}

#[test]
fn comments_of_types_and_fields_are_kept() {
    let program = program_of(&[(
        "m",
        "package m\n\n// cache is safe for concurrent use.\ntype cache struct {\n\tmu int\n\t// guarded by mu\n\titems map[string]int // +checklocks:mu\n\tplain int\n}\n",
    )]);
    let cache = object(&program, "cache");
    assert_eq!(program.object_comment(cache), "// cache is safe for concurrent use.\n");
    let Type::Struct(structure) = program.underlying(&program.object_type(cache)) else { panic!("a struct") };
    assert_eq!(program.field_comment(&structure, 1), "// guarded by mu\n// +checklocks:mu\n");
    assert_eq!(program.field_comment(&structure, 2), "");
}

#[test]
fn lookups_may_be_made_by_many_threads_at_once() {
    let source = "package m\ntype a struct{ b b; next *a }\ntype b = map[string]*a\nvar v = w[\"x\"].b\nvar w = a{}.b\n";
    let expected = ["map[string]*m.a", "map[string]*m.a"];
    for _ in 0..20 {
        let program = program_of(&[("m", source)]);
        let types = |names: [&str; 2]| {
            names.map(|name| program.display(&program.object_type(object(&program, name))).to_string())
        };
        std::thread::scope(|scope| {
            let forwards = scope.spawn(|| types(["v", "w"]));
            let backwards = scope.spawn(|| types(["w", "v"]));
            assert_eq!(forwards.join().expect("no panic"), expected);
            assert_eq!(backwards.join().expect("no panic"), expected);
        });
    }
}
