// A program that dies in the way that its first argument names.
package main

import (
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"
)

type store struct {
	mu sync.Mutex
	rw sync.RWMutex
	m  map[string]int
}

func (s *store) locked() { s.mu.Lock(); s.m["x"]++; s.mu.Unlock() }
func (s *store) writer() { s.rw.Lock(); s.m["x"]++; s.rw.Unlock() }

var channel = make(chan int)

func receive() { <-channel }

func wait(s *store) {
	s.mu.Lock()
	s.rw.RLock()
	for i := 0; i < 20; i++ {
		go s.locked()
	}
	go s.writer()
	go receive()
	time.Sleep(50 * time.Millisecond)
}

func main() {
	s := &store{m: map[string]int{}}
	switch os.Args[1] {
	case "map-writes":
		for i := 0; i < 8; i++ {
			go func() {
				for {
					s.m["a"]++
				}
			}()
		}
		select {}
	case "map-iteration":
		for i := 0; i < 1000; i++ {
			s.m[string(rune(i))] = i
		}
		go func() {
			for i := 0; ; i++ {
				s.m[string(rune(i%1000))] = 1
			}
		}()
		for {
			for range s.m {
			}
		}
	case "unlock":
		s.mu.Unlock()
	case "deadlock":
		wait(s)
		s.mu.Lock()
	case "close":
		close(channel)
		close(channel)
	case "send":
		close(channel)
		channel <- 1
	case "nil-map":
		var m map[string]int
		m["a"] = 1
	case "quit":
		wait(s)
		go func() { runtime.LockOSThread(); receive() }()
		time.Sleep(50 * time.Millisecond)
		println("ready")
		time.Sleep(time.Hour)
	case "dump":
		wait(s)
		pprof.Lookup("goroutine").WriteTo(os.Stdout, 2)
	}
}
