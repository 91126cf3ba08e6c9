// Command readers has one reader that nobody waits for and COUNT readers that
// are joined, then a write: it races with the first reader alone.
package main

import (
	"sync"

	"example.com/seeded/internal/unseen"
)

var price = int64(100)

//go:noinline
func read() int64 { return price }

func main() {
	count := unseen.Count()
	looked, finished := unseen.New(), make(chan int64)
	go func() {
		seen := read()
		looked.Send()
		finished <- seen
	}()
	looked.Wait()

	var joined sync.WaitGroup
	for range count {
		joined.Add(1)
		go func() {
			defer joined.Done()
			read()
		}()
	}
	joined.Wait()
	price = 200
	<-finished
}
