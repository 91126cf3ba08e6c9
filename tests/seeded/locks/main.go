// Command locks has COUNT pairs of Lock and Unlock between the two accesses of
// a race.
package main

import (
	"sync"

	"example.com/seeded/internal/unseen"
)

var balance int64

func main() {
	count := unseen.Count()
	written, finished := unseen.New(), make(chan bool)
	go func() {
		balance = 1
		var mu sync.Mutex
		for range count {
			mu.Lock()
			mu.Unlock()
		}
		written.Send()
		finished <- true
	}()
	written.Wait()
	balance = 2
	<-finished
}
