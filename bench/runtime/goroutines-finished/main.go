// Command goroutines-finished starts and joins two million goroutines, at most
// a thousand of them at a time.
package main

import (
	"fmt"
	"sync"
)

func main() {
	const count, batch = 2_000_000, 1000
	results := make([]int, batch)
	for range count / batch {
		var joined sync.WaitGroup
		joined.Add(batch)
		for n := range batch {
			go func() {
				defer joined.Done()
				results[n]++
			}()
		}
		joined.Wait()
	}
	fmt.Println(results[0] * batch)
}
