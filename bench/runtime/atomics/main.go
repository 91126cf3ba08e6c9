// Command atomics has four goroutines add to, load and compare-and-swap
// shared words.
package main

import (
	"fmt"
	"sync"
	"sync/atomic"
)

func main() {
	const goroutines, operations = 4, 250_000
	var requests, highest atomic.Int64
	var stopped atomic.Bool

	var work sync.WaitGroup
	for goroutine := range goroutines {
		work.Add(1)
		go func() {
			defer work.Done()
			for operation := int64(goroutine); operation < operations && !stopped.Load(); operation++ {
				requests.Add(1)
				if seen := highest.Load(); operation > seen {
					highest.CompareAndSwap(seen, operation)
				}
			}
		}()
	}
	work.Wait()
	fmt.Println(requests.Load() > 0)
}
