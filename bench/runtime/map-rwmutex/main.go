// Command map-rwmutex has four goroutines on one map behind a read-write lock,
// nine lookups to an insert.
package main

import (
	"fmt"
	"sync"
)

func main() {
	const goroutines, operations, keys = 4, 400_000, 4096
	var mu sync.RWMutex
	routes := make(map[int]int64)
	for key := range keys {
		routes[key] = int64(key)
	}

	var sums [goroutines]int64
	var work sync.WaitGroup
	for goroutine := range goroutines {
		work.Add(1)
		go func() {
			defer work.Done()
			var sum int64
			for operation := range operations {
				key := (operation*7 + goroutine) % keys
				if operation%10 == 0 {
					mu.Lock()
					routes[key] = int64(operation)
					mu.Unlock()
				} else {
					mu.RLock()
					sum += routes[key]
					mu.RUnlock()
				}
			}
			sums[goroutine] = sum
		}()
	}
	work.Wait()
	fmt.Println(len(sums))
}
