// Command sync-map has four goroutines on one sync.Map, nine loads to a store.
package main

import (
	"fmt"
	"sync"
)

func main() {
	const goroutines, operations, keys = 4, 250_000, 4096
	var routes sync.Map
	for key := range keys {
		routes.Store(key, int64(key))
	}

	var hits [goroutines]int
	var work sync.WaitGroup
	for goroutine := range goroutines {
		work.Add(1)
		go func() {
			defer work.Done()
			found := 0
			for operation := range operations {
				key := (operation*7 + goroutine) % keys
				if operation%10 == 0 {
					routes.Store(key, int64(operation))
				} else if _, ok := routes.Load(key); ok {
					found++
				}
			}
			hits[goroutine] = found
		}()
	}
	work.Wait()
	fmt.Println(hits)
}
