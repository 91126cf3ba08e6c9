// A program that waits for two locks, and writes its mutex and block profile and a trace into the folder given.
package main

import (
	"bytes"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"sync"
	"time"
)

type routes struct {
	mu    sync.RWMutex
	table map[string]string
}

func (r *routes) lookup(key string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	time.Sleep(200 * time.Microsecond)
	return r.table[key]
}

func (r *routes) reload() {
	r.mu.Lock()
	time.Sleep(2 * time.Millisecond)
	r.table["a"] = "b"
	r.mu.Unlock()
}

type totals struct {
	mu  sync.Mutex
	sum int
}

func (t *totals) add(n int) {
	t.mu.Lock()
	time.Sleep(100 * time.Microsecond)
	t.sum += n
	t.mu.Unlock()
}

func main() {
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	var traced bytes.Buffer
	trace.Start(&traced)
	r, t := &routes{table: map[string]string{}}, &totals{}
	var group sync.WaitGroup
	for worker := 0; worker < 8; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < 20; i++ {
				if worker == 0 {
					r.reload()
				} else {
					r.lookup("a")
				}
				t.add(i)
			}
		}()
	}
	group.Wait()
	trace.Stop()
	write("trace.out", func(file *os.File) { file.Write(traced.Bytes()) })
	for _, name := range []string{"mutex", "block"} {
		write(name+".pb.gz", func(file *os.File) { pprof.Lookup(name).WriteTo(file, 0) })
	}
}

func write(name string, content func(*os.File)) {
	file, err := os.Create(os.Args[1] + "/" + name)
	if err != nil {
		panic(err)
	}
	content(file)
	file.Close()
}
