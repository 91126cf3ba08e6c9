// Command panics recovers from COUNT panics, ten calls deep, between the two
// accesses of a race. Functions left by a panic tell the detector nothing.
package main

import "example.com/seeded/internal/unseen"

var balance int64

//go:noinline
func fail(depth int) {
	if depth == 0 {
		panic("declined")
	}
	fail(depth - 1)
}

func attempt() {
	defer func() { _ = recover() }()
	fail(10)
}

func main() {
	count := unseen.Count()
	written, finished := unseen.New(), make(chan bool)
	go func() {
		balance = 1
		for range count {
			attempt()
		}
		written.Send()
		finished <- true
	}()
	written.Wait()
	balance = 2
	<-finished
}
