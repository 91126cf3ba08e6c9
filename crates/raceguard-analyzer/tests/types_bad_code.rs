//! Code that no compiler accepts, or that has no end: resolution gives unknowns, in time, and never panics.

#[path = "types_support/fixture.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod fixture;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use fixture::{object, program_of, program_of_any, resolve_all};
use raceguard_analyzer::types::Program;

fn ty(program: &Program, name: &str) -> String {
    program.display(&program.object_type(object(program, name))).to_string()
}

#[test]
fn declarations_that_need_themselves_are_unknown_whichever_is_asked_first() {
    let source = "package m\nvar a = b\nvar b = c\nvar c = a\nvar d = a\ntype t = u\ntype u = t\ntype s struct{ s }\ntype i interface{ i }\nconst n = k + 1\nconst k = n\nvar x [n]int\nfunc f(v s) { _ = v.y }\n";
    for order in [["a", "b", "c", "d"], ["d", "c", "b", "a"], ["b", "d", "a", "c"]] {
        let program = program_of(&[("m", source)]);
        for name in order {
            assert_eq!(ty(&program, name), "?", "{name} of {order:?}");
        }
        assert_eq!(ty(&program, "t"), "?");
        assert_eq!(ty(&program, "x"), "[?]int");
        resolve_all(&program);
    }
}

#[test]
fn long_chains_of_declarations_do_not_overflow_the_stack() {
    let mut source = "package m\nvar v0 = 1\ntype t0 int\nconst c0 = 1\nvar array [c2000]int\n".to_owned();
    for number in 1..=2000 {
        let before = number - 1;
        let _ = writeln!(
            source,
            "var v{number} = v{before}\ntype t{number} t{before}\nconst c{number} = c{before} + 1"
        );
    }
    resolve_all(&program_of(&[("m", &source)]));
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    let deep = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    for depth in [100, 900, 20_000] {
        let bodies = [
            format!("_ = {}", deep("(", "1", ")", depth)),
            format!("_ = {}", deep("-", "1", "", depth)),
            format!("_ = {}", deep("f(", "1", ")", depth)),
            format!("_ = {}", deep("[]int{", "1", "}", depth)),
            format!("_ = {}", deep("a[", "1", "]", depth)),
            format!("_ = 1{}", " + 1".repeat(depth)),
            format!("_ = x{}", ".x".repeat(depth)),
            format!("_ = x{}", "()".repeat(depth)),
            format!("var _ {}int", "*".repeat(depth)),
            format!("var _ {}int", "map[string]".repeat(depth)),
            format!("var _ {}", deep("struct { f ", "int", " }", depth)),
            deep("func() { ", "", " }()", depth),
            deep("{ ", "", " }", depth),
            deep("if true { ", "", " }", depth),
            deep("for { ", "", " }", depth),
            format!("if true {{ }} {}", "else if true { } ".repeat(depth)),
        ];
        for body in bodies {
            let source =
                format!("package m\nvar x = 1\nvar a []int\nfunc f(n int) int {{ {body}\nreturn n }}\n");
            resolve_all(&program_of_any(&[("m", &source)]));
        }
    }
}

#[test]
fn types_without_end_are_given_up_in_time() {
    let mut interfaces = "type i0 interface{ M() }\n".to_owned();
    for number in 1..40 {
        let before = number - 1;
        let _ = writeln!(interfaces, "type i{number} interface{{ i{before}; i{before} }}");
    }
    let source = format!(
        "package m\n{interfaces}\
         type wide[T any] struct {{ *wide[[]T]; *other[map[int]T] }}\ntype other[T any] struct {{ *wide[*T]; *other[[]T] }}\n\
         type twice[T any] interface {{ A() twice[T]; B() twice[T] }}\ntype impl struct{{}}\n\
         func (impl) A() impl {{ return impl{{}} }}\nfunc (impl) B() impl {{ return impl{{}} }}\n\
         func use[T any](t twice[T]) {{}}\ntype k[T k[T]] interface{{ k[T] }}\n\
         func g[P interface{{ *Q }}, Q interface{{ *P }}](p P) {{ _ = p.x; for range p {{}} }}\n\
         func f(w wide[int], i i39) {{ _ = w.missing; i.M(); _ = i.missing; use(impl{{}}) }}\n"
    );
    let start = Instant::now();
    resolve_all(&program_of(&[("m", &source)]));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn sources_with_pieces_missing_are_resolved_as_far_as_they_go() {
    let whole = include_str!("data/types_reference/main.go");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("below a usize")
    };
    for _ in 0..300 {
        let mut text = whole.to_owned();
        for _ in 0..=random(8) {
            let start = random(text.len());
            let end = (start + random(30)).min(text.len());
            if random(2) == 0 {
                text.replace_range(start..end, "");
            } else {
                let piece = text[start..end].to_owned();
                text.insert_str(random(text.len()), &piece);
            }
        }
        resolve_all(&program_of_any(&[("m", &text)]));
    }
}

#[test]
fn mistakes_in_bodies_leave_the_rest_known() {
    fixture::check(&[(
        "m",
        r#"package m

func g() (int, string) { return 0, "" }
func f(m map[string]int) {
	a, b, c := g() // type a = int | type b = string | type c = ?
	_ = undefined.field // type undefined.field = ?
	_ = m.nothing // type m.nothing = ? | type m = map[string]int
	undefined() // call undefined() = unknown
	x := undefined[1] // type x = ?
	for k, v := range undefined { _, _ = k, v } // type k = ? | type v = ?
	_ = m["k"] + undefined // type m["k"] = int
	3 := m // type m = map[string]int
	_, _, _, _ = a, b, c, x
}
"#,
    )]);
}
