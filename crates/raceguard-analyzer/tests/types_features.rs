//! What types expressions have, feature by feature of the language. Expectations are in the sources' comments.

#[path = "types_support/fixture.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod fixture;

use fixture::check;

#[test]
fn maps_and_what_is_ranged_over() {
    check(&[(
        "m",
        r#"package m

type set map[string]struct{ n int }
type seq func(yield func(int, *set) bool)

func f(s set, a [3]uint8, p *[2]string, ch <-chan error, n uint16, it seq, one func(func(rune) bool), str string) {
	_ = s["k"].n // type s["k"] = struct{n int} | type s["k"].n = int
	v, ok := s["k"] // type v = struct{n int} | type ok = bool
	for k, v := range s { // type k = string | type v = struct{n int}
		_, _ = k, v
	}
	for i, e := range a { // type i = int | type e = uint8
		_, _ = i, e
	}
	for i, e := range p { // type i = int | type e = string
		_, _ = i, e
	}
	for e := range ch { // type e = error
		_ = e
	}
	for i := range n { // type i = uint16
		_ = i
	}
	for i := range 10 { // type i = int | type 10 = int
		_ = i
	}
	for i, s := range it { // type i = int | type s = *m.set
		_, _ = i, s
	}
	for r := range one { // type r = int32
		_ = r
	}
	for i, r := range str { // type i = int | type r = int32
		_, _ = i, r
	}
	_, _ = v, ok
	m := make(map[[2]int]set) // type m = map[[2]int]m.set
	m[[2]int{1, 2}]["x"] = struct{ n int }{1} // type m[[2]int{1, 2}] = m.set
	delete(m, [2]int{}) // type delete(m, [2]int{}) = nothing | call delete(m, [2]int{}) = builtin Delete
	clear(m) // call clear(m) = builtin Clear
}
"#,
    )]);
}

#[test]
fn embedded_fields_and_promoted_methods() {
    check(&[(
        "m",
        r#"package m

type locker interface{ Lock() }
type inner struct{ data map[string]int }
func (i *inner) Touch() {}
func (i inner) Len() int { return len(i.data) }
type middle struct{ *inner; locker }
type outer struct{ middle; name string }
type chain *outer

func f(o outer, p *outer, c chain) {
	_ = o.data // type o.data = map[string]int
	_ = p.middle.inner.data["k"] // type p.middle.inner = *m.inner | type p.middle.inner.data["k"] = int
	p.Touch() // call p.Touch() = m.(*inner).Touch
	_ = o.Len() // call o.Len() = m.inner.Len | type o.Len() = int
	o.Lock() // call o.Lock() = interface Lock
	_ = c.name // type c.name = string
	_ = c.data // type c.data = map[string]int
	f := p.Len // type f = func() int
	_ = f() // call f() = dynamic
	g := (*inner).Touch // type g = func(*m.inner)
	g(p.inner) // call g(p.inner) = dynamic
	inner.Len(*p.inner) // call inner.Len(*p.inner) = m.inner.Len
	h := locker.Lock // type h = func(m.locker)
	_ = h
}
"#,
    )]);
}

#[test]
fn ambiguous_selectors_are_unknown() {
    check(&[(
        "m",
        r"package m

type a struct{ x int }
type b struct{ x string }
type both struct{ a; b }
type over struct{ both; x bool }

func f(v both, w over) {
	_ = v.x // type v.x = ?
	_ = w.x // type w.x = bool
}
",
    )]);
}

#[test]
fn what_an_unknown_type_may_hide_is_unknown() {
    check(&[(
        "m",
        r#"package m

import "gone"

type deep struct{ x int }
func (deep) M() error { return nil }
type middle struct{ deep; y map[string]int }
type outer struct{ gone.Base; middle }

func f(o outer, m middle) {
	_ = o.y // type o.y = map[string]int
	_ = o.x // type o.x = ?
	_ = o.M() // type o.M() = ? | call o.M() = unknown
	_ = o.middle.x // type o.middle.x = int
	_ = m.M() // type m.M() = error
	for k, v := range (map[string]gone.T{}) { // type k = string | type v = ?
		_, _ = k, v
	}
}
"#,
    )]);
}

#[test]
fn untyped_constants_take_the_type_that_is_wanted() {
    check(&[(
        "m",
        r#"package m

type level uint8
const (
	low level = iota
	high
)
const big = 1 << 40
const size = len("four") * 2

var table [size]level
var grid [high + 2]int

func f(x int64, s uint, i any) {
	_ = x + 1 // type 1 = int64
	y := 1 << s // type 1 = int | type y = int
	var z float64 = 2 // type 2 = float64
	_ = x == 0 // type 0 = int64 | type x == 0 = bool
	i = 'x' // type 'x' = int32
	_ = []level{1, 2} // type 2 = m.level
	_ = map[float32]string{3: "a"} // type 3 = float32 | type "a" = string
	r := 'a' + 1.0 // type r = float64
	_ = high // type high = m.level
	_ = big // type big = int
	_ = table // type table = [8]m.level
	_ = grid // type grid = [3]int
	_ = [...]string{4: "e"} // type [...]string{4: "e"} = [5]string
	_, _, _, _ = y, z, r, i
}
"#,
    )]);
}

#[test]
fn conversions_calls_and_predeclared_functions() {
    check(&[(
        "m",
        r#"package m

import "unsafe"

type handler func(string) (int, error)
func pair() (int, map[string]bool) { return 0, nil }
func take(n int, m map[string]bool, more ...string) {}

func f(h handler, x any, b []byte, p unsafe.Pointer) {
	n, err := h("a") // type n = int | type err = error | call h("a") = dynamic
	_ = handler(nil) // call handler(nil) = conversion m.handler
	_ = (*int)(p) // call (*int)(p) = conversion *int
	take(pair()) // call take(pair()) = m.take | type pair() = (int, map[string]bool)
	_, m := pair() // type m = map[string]bool
	s, ok := x.(map[int]string) // type s = map[int]string | type ok = bool
	b = append(b, "xyz"...) // type append(b, "xyz"...) = []uint8
	q := new(map[string]int) // type q = *map[string]int
	w := new(m["k"]) // type w = *bool
	c := max(1, 2.5) // type c = float64
	d := min(n, 3) // type d = int
	func() { _ = recover() }() // call func() { _ = recover() }() = literal | type recover() = any
	_ = unsafe.Sizeof(n) // type unsafe.Sizeof(n) = uintptr | call unsafe.Sizeof(n) = builtin UnsafeSizeof
	_ = unsafe.Slice(&b[0], 3) // type unsafe.Slice(&b[0], 3) = []uint8
	_ = complex(1, float32(2)) // type complex(1, float32(2)) = complex64
	_, _, _, _, _, _, _, _ = err, s, ok, q, w, c, d, m
}
"#,
    )]);
}

#[test]
fn packages_are_imported_renamed_dotted_and_missing() {
    check(&[
        (
            "m",
            r#"package m

import (
	"example.com/gone"
	"gopkg.in/yaml.v3"
	"example.com/go-redis/v9"
	other "m/lib"
	. "m/dot"
	_ "m/lib"
	"m/lib"
)

var client = redis.NewClient() // type redis.NewClient() = ?

func f() {
	_ = lib.Registry["k"] // type lib.Registry["k"] = *m/lib.Entry
	other.Registry["k"].Use() // call other.Registry["k"].Use() = m/lib.(*Entry).Use
	Dotted() // call Dotted() = m/dot.Dotted
	gone.Call() // call gone.Call() = unknown Call | type gone.Call() = ?
	_ = yaml.Marshal(1) // call yaml.Marshal(1) = unknown Marshal
	_ = client // type client = ?
	_ = lib.hidden // type lib.hidden = int
	lib := 3 // type lib = int
	_ = lib
}
"#,
        ),
        (
            "m/lib",
            "package lib\ntype Entry struct{}\nfunc (*Entry) Use() {}\nvar Registry = map[string]*Entry{}\nvar hidden int\n",
        ),
        ("m/dot", "package dot\nfunc Dotted() {}\n"),
    ]);
}

#[test]
fn composite_literals_may_leave_out_types() {
    check(&[(
        "m",
        r#"package m

type point struct{ x, y int }
type line [2]*point

func f() {
	_ = []*point{{x: 1}} // type {x: 1} = *m.point
	_ = map[point]line{{1, 2}: {{}, nil}} // type {1, 2} = m.point | type {{}, nil} = m.line | type {} = *m.point
	_ = []any{1, "s"} // type 1 = int | type "s" = string
	_ = struct{ m map[string]int }{m: map[string]int{}} // type m = map[string]int
	_ = [][]string{{"a"}} // type {"a"} = []string
}
"#,
    )]);
}

#[test]
fn shadowed_predeclared_names_are_what_they_shadow_with() {
    check(&[(
        "m",
        r"package m

type string map[int]bool
func len(s string) error { return nil }

func f(s string) {
	_ = s[1] // type s[1] = bool | type s = m.string
	err := len(s) // type err = error | call len(s) = m.len
	true := 7 // type true = int
	nil := true // type nil = int
	_, _ = err, nil
}
",
    )]);
}

#[test]
fn type_switches_bind_one_variable_in_each_clause() {
    check(&[(
        "m",
        r"package m

func f(x any) {
	switch v := x.(type) {
	case map[string]int:
		_ = v // type v = map[string]int
	case int, string:
		_ = v // type v = any
	case nil:
		_ = v // type v = any
	default:
		_ = v // type v = any
	}
}
",
    )]);
}
