// Package p has every construct of Go.
//
//go:build linux && !windows
package p

import (
	"fmt"
	. "math"
	_ "embed"
	other "path/to/other" // why
)

import "C"

const (
	A, B = iota, 1 << iota // first
	C1, D
	_, _
	E float64 = 0x1p-2 + 1_000.5e+3 + 0b1010 + 0o17 + 017 + 0xFF_FF + .5 + 1i + 'x' + '\'' + '\u00e9' + '\x41'
)

const untyped = "a" + `b
c` + "\t\"\\\377\U0001F600"

var (
	// x is documented.
	x, y int = 1, 2 // and explained
	m        = map[string][]struct {
		a, b int `tag:"x"`
		*other.T
		G[int] "tag"
		arr [A]int
	}{"k": {{a: 1}, {b: 2}}, "l": nil}
	f = func(a, b int, rest ...string) (n int, err error) { return 0, nil }
)

var größe, 世界 = [...]int{2: 1, 3}, <-chan int(nil)

type (
	Alias           = other.Thing
	Generic[K comparable, V any] struct {
		m    map[K]V
		next *Generic[K, V]
	}
	GenericAlias[P any] = Generic[string, P]
	Constraint          interface {
		~int | ~string | []byte
		fmt.Stringer
		G[int]
		M(a int, _ ...string) (x, y int)
		comparable
	}
	Array  [2 * A]int
	Slice  []Slice
	Ptr[P *[]int,]  struct{}
	Ptr2[P *C1 | ~int] struct{}
	Par[P (interface{ M() })] int
	Func   func(int, string) (<-chan int, chan<- chan int, chan (<-chan int))
	Paren  (((int)))
)

func (r *Generic[K, V]) Method[T any](k K, t T) (V, bool) {
	v, ok := r.m[k]
	return v, ok
}

func External(a int, b ...string)

func min3[T interface{ ~int | ~float64 }](a, b, c T) T { return min(a, b, c) }

/* block */ func Statements(ch chan int, i interface{}) (err error) {
	defer func() { recover() }()
	go f(1, 2, "x")
	var local struct{ sync.Mutex }
	type t[P any] []P
	const c = 1
	p := new(expr(1) + 2)
	_ = (*int)(nil) == p && !true || -x < +y && ^x != 1&^2
	x, y = y, x
	x += 1; x <<= 2; x &^= 3; x--
	y++
	ch <- <-ch
	*p, m["a"] = 1, nil
	a := []int{1, 2, 3}[1:2:3]
	b, c2 := a[:], a[1:]
	_, _ = b, c2
	_ = G[int, string]{1, 2}
	_ = pkg.G[int](nil)
	_ = i.(interface{ M() })
	func() {}()
	if v, ok := i.(int); ok && v > (T{1}).x {
	} else if err := f(); err != nil {
		return err
	} else {
		clear(m)
	}
outer:
	for i := 0; i < 10; i++ {
		for range 10 {
			continue outer
		}
		for k, v := range m {
			_, _ = k, v
			break
		}
		for k = range seq {
		}
		for x < 1 {
			goto done
		}
		for ;; {
			break outer
		}
	}
	switch x := f(); {
	case x > 1, x < 0:
		fallthrough
	default:
	}
	switch tag {
	}
	switch y := i.(type) {
	case nil, int, *T, []int, map[string]int, func():
		_ = y
	}
	switch i.(type) {
	}
	select {
	case v, ok := <-ch:
		_, _ = v, ok
	case ch <- 1:
	case <-ch:
	case a[0] = <-ch:
	default:
	}
	select {}
	{
		;
	}
	for _, x := range []struct{ a int }{{1}, {2}} {
		fmt.Println(x, args...)
	}
	if x == (T{}) || y == (&T{a: 1}).a || len([]int{}) > 0 {
	}
	_ = func(yield func(int) bool) {}
	_ = (*T).Method
	_ = interface{}(nil).(func() <-chan int)
	_ = [...]string{0: "a", 'b': "b"}
done:
}

/*line other.go:10*/

// trailing
