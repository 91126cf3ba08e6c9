// A program that contends for a lock, keeps memory, and writes its profiles in text and in protobuf.
package main

import (
	"context"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"
)

var kept [][]byte

//go:noinline
func keep() {
	for i := 0; i < 100; i++ {
		kept = append(kept, make([]byte, 1000))
	}
}

//go:noinline
func contend(mu *sync.Mutex) {
	for i := 0; i < 20; i++ {
		mu.Lock()
		time.Sleep(100 * time.Microsecond)
		mu.Unlock()
	}
}

func main() {
	runtime.MemProfileRate = 1
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := 0; i < 8; i++ {
		wg.Add(1)
		go func() { defer wg.Done(); contend(&mu) }()
	}
	wg.Wait()
	keep()
	// What a heap profile shows may be two collections old.
	runtime.GC()
	runtime.GC()
	go pprof.Do(context.Background(), pprof.Labels("tenant", "a b"), func(context.Context) { select {} })
	time.Sleep(10 * time.Millisecond)
	for _, name := range []string{"heap", "allocs", "mutex", "block", "goroutine", "threadcreate"} {
		file, err := os.Create(os.Args[1] + "/" + name + ".txt")
		if err != nil {
			panic(err)
		}
		pprof.Lookup(name).WriteTo(file, 1)
		file.Close()
	}
}
