// Command alive keeps COUNT goroutines alive at once; the first and the last
// of them race.
package main

import (
	"sync"

	"example.com/seeded/internal/unseen"
)

var balance int64

func main() {
	count := unseen.Count()
	gate, written := make(chan bool), unseen.New()
	var parked sync.WaitGroup
	for n := range count {
		parked.Add(1)
		go func() {
			defer parked.Done()
			if n == 0 {
				balance = 1
				written.Send()
			}
			<-gate
		}()
	}
	written.Wait()
	parked.Add(1)
	go func() {
		defer parked.Done()
		balance = 2
		<-gate
	}()
	close(gate)
	parked.Wait()
}
