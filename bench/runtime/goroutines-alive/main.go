// Command goroutines-alive keeps COUNT goroutines alive at once, each of them
// woken twice and touching memory of its own and a shared sum behind a mutex.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
)

func main() {
	count, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "usage: goroutines-alive COUNT")
		os.Exit(2)
	}
	first, second := make(chan bool), make(chan bool)
	var mu sync.Mutex
	var sum int
	var ready, work sync.WaitGroup
	for n := range count {
		ready.Add(1)
		work.Add(1)
		go func() {
			defer work.Done()
			own := make([]int, 16)
			<-first
			for i := range own {
				own[i] = n + i
			}
			ready.Done()
			<-second
			mu.Lock()
			sum += own[n%len(own)]
			mu.Unlock()
		}()
	}
	close(first)
	ready.Wait()
	close(second)
	work.Wait()
	fmt.Println(sum)
}
