//! Generic types, functions and methods. Expectations are in the sources' comments.

#[path = "types_support/fixture.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod fixture;

use fixture::check;

#[test]
fn type_arguments_are_inferred() {
    check(&[(
        "m",
        r"package m

type words []string
type headers map[string]words

func keys[M ~map[K]V, K comparable, V any](m M) []K { for k, v := range m { _, _ = k, v }; return nil } // type k = K | type v = V
func convert[A, B any](a []A, f func(A) B) []B { return nil }
func first[S ~[]E, E any](s S) (E, S) { return s[0], s } // type s[0] = E
func pick[T any](a, b T) T { return a }
func zero[T any]() (t T) { return }
func variadic[T any](all ...T) map[string]T { return nil }

func f(h headers, w words, n int64) {
	_ = keys(h) // type keys(h) = []string | call keys(h) = m.keys[...]
	e, s := first(w) // type e = string | type s = m.words
	_ = convert(w, func(s string) error { return nil }) // type convert(w, func(s string) error { return nil }) = []error
	_ = pick(1, 2.5) // type pick(1, 2.5) = float64
	_ = pick(n, 1) // type pick(n, 1) = int64 | type 1 = int64
	_ = zero[headers]() // type zero[headers]() = m.headers | call zero[headers]() = m.zero[...]
	_ = variadic(w, w) // type variadic(w, w) = map[string]m.words
	_ = convert[string, int] // type convert[string, int] = func([]string, func(string) int) []int
	var g func(int, int) int = pick // type pick = func(int, int) int
	_, _, _ = e, s, g
}
",
    )]);
}

#[test]
fn generic_types_have_fields_and_methods_with_their_arguments() {
    check(&[(
        "m",
        r#"package m

type cache[K comparable, V any] struct {
	items map[K]V
	next  *cache[K, V]
	lru   list[V]
}
type list[T any] struct{ head *node[T] }
type node[T any] struct{ value T; next *node[T] }
func (l *list[E]) Push(e E) *node[E] { l.head = &node[E]{value: e}; return l.head } // type l.head = *m.node[T] | type e = T
func (c *cache[A, _]) Get(a A) (v int) { _ = c.items[a]; return } // type c.items[a] = V
type named struct{ cache[string, []byte] }
type alias[T any] = map[string]T

func f(c *cache[string, error], n named, a alias[int]) {
	_ = c.items // type c.items = map[string]error
	_ = c.next.next.items["k"] // type c.next.next.items["k"] = error
	_ = c.lru.Push(nil) // type c.lru.Push(nil) = *m.node[error] | call c.lru.Push(nil) = m.(*list[...]).Push
	_ = n.items // type n.items = map[string][]uint8
	_ = n.Get // type n.Get = func(string) int
	_ = a // type a = map[string]int
	x := list[map[int]bool]{} // type x = m.list[map[int]bool]
	_ = x.head.value // type x.head.value = map[int]bool
}
"#,
    )]);
}

#[test]
fn constraints_give_methods_and_core_types() {
    check(&[(
        "m",
        r#"package m

type stringer interface{ String() string }
type table interface{ ~map[string]int }
type number interface{ ~int | ~float64 }
type pointer[T any] interface { *T; Set(int) }
type box struct{ n int }
func (b *box) Set(n int) { b.n = n }

func show[T stringer](t T) { _ = t.String() } // call t.String() = interface String | type t.String() = string
func get[T table](t T) { _ = t["k"]; for k := range t { _ = k } } // type t["k"] = int | type k = string
func sum[N number](ns ...N) N { total := ns[0] + 1; return total } // type total = N | type 1 = N
func fill[T any, P pointer[T]]() T { var t T; P(&t).Set(1); return t } // call P(&t).Set(1) = interface Set | call P(&t) = conversion P
func bytes[T string | []byte](t T) byte { return t[0] } // type t[0] = uint8

func f() {
	_ = fill[box]() // type fill[box]() = m.box
	_ = sum(1, 2.0) // type sum(1, 2.0) = float64
}
"#,
    )]);
}

#[test]
fn methods_may_be_generic() {
    check(&[(
        "m",
        r"package m

type stream[T any] struct{ items []T }
func (s stream[T]) Map[U any](f func(T) U) stream[U] { var u U; _ = u; return stream[U]{} } // type u = U

func f(s stream[int]) {
	t := s.Map(func(i int) error { return nil }) // type t = m.stream[error] | call s.Map(func(i int) error { return nil }) = m.stream[...].Map[...]
	_ = t.Map[bool](nil) // type t.Map[bool](nil) = m.stream[bool] | call t.Map[bool](nil) = m.stream[...].Map[...]
}
",
    )]);
}

#[test]
fn interface_methods_of_arguments_decide_type_arguments() {
    check(&[(
        "m",
        r#"package m

type source[T any] interface{ Next() (T, bool) }
type lines struct{}
func (lines) Next() (string, bool) { return "", false }
func collect[T any](s source[T]) map[int]T { return nil }
type seq[V any] func(yield func(V) bool)
func all[V any](s seq[V]) []V { return nil }

func f() {
	_ = collect(lines{}) // type collect(lines{}) = map[int]string
	_ = all(func(yield func(error) bool) {}) // type all(func(yield func(error) bool) {}) = []error
}
"#,
    )]);
}

#[test]
fn what_can_not_be_inferred_is_unknown() {
    check(&[(
        "m",
        r#"package m

import "gone"

func pick[K comparable, V any](k K) map[K]V { return nil }
func f() {
	_ = pick("k") // type pick("k") = map[string]?
	_ = pick[string, int](gone.X) // type pick[string, int](gone.X) = map[string]int
	x := gone.Map[string]{} // type x = ?
	_ = x["k"] // type x["k"] = ?
}
"#,
    )]);
}
