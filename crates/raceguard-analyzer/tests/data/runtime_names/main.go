// Runtime_names prints, for each place where it calls here, the line and the name of the function around it.
package main

import (
	"fmt"
	"runtime"
)

//go:noinline
func here() int {
	pc := make([]uintptr, 1)
	runtime.Callers(2, pc)
	frame, _ := runtime.CallersFrames(pc).Next()
	fmt.Printf("%d %s\n", frame.Line, frame.Function)
	return 0
}

var package_level = func() int {
	return here()
}

var several, nested = func() int { return here() }, func() func() int {
	here()
	return func() int {
		return here()
	}
}

type thing struct{}

//go:noinline
func (thing) value() { here() }

//go:noinline
func (*thing) pointer() {
	func() {
		here()
	}()
}

type box[T any] struct{ t T }

//go:noinline
func (b *box[T]) method() {
	here()
	defer func() { here() }()
}

//go:noinline
func generic[T any](t T) {
	here()
}

func init() {
	here()
}

func init() {
	f := func() { here() }
	f()
}

//go:noinline
func closures(run func(func())) {
	run(func() {
		here()
		run(func() {
			here()
			run(func() { here() })
		})
		run(func() { here() })
	})
	go run(nil)
	for range []int{1} {
		run(func() { here() })
	}
}

//go:noinline
func call(f func()) {
	if f != nil {
		f()
	}
}

func main() {
	package_level()
	several()
	nested()()
	thing{}.value()
	new(thing).pointer()
	(&box[int]{}).method()
	generic("")
	closures(call)
}
