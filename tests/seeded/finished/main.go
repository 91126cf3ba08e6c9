// Command finished starts and joins COUNT goroutines between the two accesses
// of a race; the goroutine of the first access is itself long finished.
package main

import (
	"sync"

	"example.com/seeded/internal/unseen"
)

var balance int64

func main() {
	count := unseen.Count()
	written := unseen.New()
	go func() {
		balance = 1
		written.Send()
	}()
	written.Wait()

	const batch = 1000
	for started := 0; started < count; {
		var joined sync.WaitGroup
		for range min(batch, count-started) {
			started++
			joined.Add(1)
			go joined.Done()
		}
		joined.Wait()
	}
	balance = 2
}
