// Command map-mutex has four goroutines read and write one map behind a mutex.
package main

import (
	"fmt"
	"sync"
)

func main() {
	const goroutines, operations, keys = 4, 200_000, 4096
	var mu sync.Mutex
	balances := make(map[int]int64)

	var work sync.WaitGroup
	for goroutine := range goroutines {
		work.Add(1)
		go func() {
			defer work.Done()
			for operation := range operations {
				key := (operation*7 + goroutine) % keys
				mu.Lock()
				balances[key] += balances[(key+1)%keys] + 1
				mu.Unlock()
			}
		}()
	}
	work.Wait()
	fmt.Println(len(balances))
}
