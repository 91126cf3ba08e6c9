// Command calls makes COUNT function calls between the two accesses of a race.
package main

import "example.com/seeded/internal/unseen"

var balance int64

// step touches memory, so that the compiler tells the detector of each call.
//
//go:noinline
func step(n *int) { *n++ }

func main() {
	count := unseen.Count()
	written, finished := unseen.New(), make(chan bool)
	go func() {
		balance = 1
		for n := 0; n < count; {
			step(&n)
		}
		written.Send()
		finished <- true
	}()
	written.Wait()
	balance = 2
	<-finished
}
