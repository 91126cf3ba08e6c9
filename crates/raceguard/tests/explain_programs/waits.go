// A program whose goroutines wait for each other in the way that its first argument names, and which then is killed.
package main

import (
	"os"
	"sync"
	"syscall"
	"time"
)

type ledger struct {
	mu      sync.Mutex
	entries map[string]int
}

type index struct {
	mu    sync.Mutex
	words map[string]int
}

func (l *ledger) post(i *index) {
	l.mu.Lock()
	defer l.mu.Unlock()
	pause()
	i.add()
}

func (l *ledger) sum() {
	l.mu.Lock()
	l.entries["sum"]++
	l.mu.Unlock()
}

func (i *index) add() {
	i.mu.Lock()
	i.words["a"]++
	i.mu.Unlock()
}

func (i *index) rebuild(l *ledger) {
	i.mu.Lock()
	defer i.mu.Unlock()
	pause()
	l.sum()
}

type cache struct {
	rw      sync.RWMutex
	entries map[string]int
}

func (c *cache) refresh(key string) {
	c.rw.RLock()
	defer c.rw.RUnlock()
	if _, ok := c.entries[key]; !ok {
		c.rw.Lock()
		c.entries[key] = 1
		c.rw.Unlock()
	}
}

func (c *cache) get(key string) int {
	c.rw.Lock()
	defer c.rw.Unlock()
	if len(key) == 0 {
		c.rw.Unlock()
		return 0
	}
	return c.fill(key)
}

func (c *cache) fill(key string) int {
	c.rw.Lock()
	defer c.rw.Unlock()
	c.entries[key]++
	return c.entries[key]
}

type account struct {
	mu      sync.Mutex
	balance int
}

func transfer(from, to *account, amount int) {
	from.mu.Lock()
	defer from.mu.Unlock()
	pause()
	to.mu.Lock()
	defer to.mu.Unlock()
	from.balance -= amount
	to.balance += amount
}

type journal struct {
	mu    sync.Mutex
	ready chan bool
	lines map[string]int
}

func (j *journal) flush() {
	j.mu.Lock()
	defer j.mu.Unlock()
	<-j.ready
}

func (j *journal) write() {
	j.mu.Lock()
	j.lines["x"]++
	j.mu.Unlock()
}

func closures() {
	var first, second sync.Mutex
	go func() {
		first.Lock()
		pause()
		second.Lock()
		second.Unlock()
		first.Unlock()
	}()
	go func() {
		second.Lock()
		pause()
		first.Lock()
		first.Unlock()
		second.Unlock()
	}()
}

func pause() { time.Sleep(50 * time.Millisecond) }

func main() {
	switch os.Args[1] {
	case "inversion":
		l, i := &ledger{entries: map[string]int{}}, &index{words: map[string]int{}}
		go l.post(i)
		go i.rebuild(l)
	case "closures":
		closures()
	case "transfer":
		a, b := &account{}, &account{}
		go transfer(a, b, 1)
		go transfer(b, a, 1)
	case "upgrade":
		c := &cache{entries: map[string]int{}}
		go c.refresh("a")
	case "reentrant":
		c := &cache{entries: map[string]int{}}
		go c.get("a")
	case "chain":
		j := &journal{ready: make(chan bool), lines: map[string]int{}}
		go j.flush()
		pause()
		for n := 0; n < 20; n++ {
			go j.write()
		}
	case "asleep":
		answers := make(chan int)
		go func() { answers <- <-make(chan int) }()
		<-answers
	}
	time.Sleep(500 * time.Millisecond)
	if len(os.Args) > 2 {
		select {}
	}
	syscall.Kill(os.Getpid(), syscall.SIGQUIT)
	time.Sleep(time.Minute)
}
