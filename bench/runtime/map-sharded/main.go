// Command map-sharded has four goroutines on a map of 16 shards, each behind
// its own mutex.
package main

import (
	"fmt"
	"sync"
)

const shards = 16

type shard struct {
	mu       sync.Mutex
	balances map[int]int64
}

func main() {
	const goroutines, operations, keys = 4, 200_000, 4096
	var table [shards]shard
	for i := range table {
		table[i].balances = make(map[int]int64)
	}

	var work sync.WaitGroup
	for goroutine := range goroutines {
		work.Add(1)
		go func() {
			defer work.Done()
			for operation := range operations {
				key := (operation*7 + goroutine) % keys
				shard := &table[key%shards]
				shard.mu.Lock()
				shard.balances[key]++
				shard.mu.Unlock()
			}
		}()
	}
	work.Wait()
	fmt.Println(len(table[0].balances))
}
