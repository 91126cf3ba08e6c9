// Produce makes large files of Go's runtime to measure readers with.
//
//	produce trace MEGABYTES FILE     an execution trace of about that size
//	produce profile SAMPLES FILE     a goroutine profile of about as many different stacks, not compressed
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log"
	"os"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	log.SetFlags(0)
	amount, err := strconv.Atoi(os.Args[2])
	check(err)
	file, err := os.Create(os.Args[3])
	check(err)
	switch os.Args[1] {
	case "trace":
		produceTrace(int64(amount)<<20, file)
	case "profile":
		produceProfile(amount, file)
	}
	check(file.Close())
}

// counter counts the bytes on their way to a file.
type counter struct {
	io.Writer
	written atomic.Int64
}

func (c *counter) Write(bytes []byte) (int, error) {
	c.written.Add(int64(len(bytes)))
	return c.Writer.Write(bytes)
}

// produceTrace runs goroutines that meet at maps, channels and timers, and that come and go.
func produceTrace(size int64, file *os.File) {
	target := &counter{Writer: file}
	check(trace.Start(target))
	ctx, task := trace.NewTask(context.Background(), "produce")
	var lock sync.Mutex
	accounts := map[string]int{}
	queue := make(chan int, 16)
	go func() {
		for range queue {
			time.Sleep(time.Microsecond)
		}
	}()
	var group sync.WaitGroup
	for worker := range 16 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; target.written.Load() < size; i++ {
				key := "account " + strconv.Itoa((i*7+worker)%1000)
				trace.WithRegion(ctx, "map_access", func() {
					trace.Log(ctx, "map_key", key)
					lock.Lock()
					accounts[key]++
					lock.Unlock()
				})
				switch {
				case i%32 == 0:
					queue <- i
				case i%50 == 0:
					_, err := os.Stat("/")
					check(err)
				case i%64 == 0:
					done := make(chan bool)
					go close(done)
					<-done
				}
			}
		}()
	}
	group.Wait()
	task.End()
	trace.Stop()
}

// produceProfile parks goroutines below calls that spell their number in binary.
func produceProfile(samples int, file *os.File) {
	parked := make(chan bool)
	var group sync.WaitGroup
	for number := range samples {
		group.Add(1)
		go spell(number, 20, func() { group.Done(); <-parked })
	}
	group.Wait()
	var compressed bytes.Buffer
	check(pprof.Lookup("goroutine").WriteTo(&compressed, 0))
	plain, err := gzip.NewReader(&compressed)
	check(err)
	_, err = io.Copy(file, plain)
	check(err)
}

func spell(number, digits int, then func()) {
	switch {
	case digits == 0:
		then()
	case number%2 == 0:
		zero(number/2, digits-1, then)
	default:
		one(number/2, digits-1, then)
	}
}

//go:noinline
func zero(number, digits int, then func()) { spell(number, digits, then) }

//go:noinline
func one(number, digits int, then func()) { spell(number, digits, then) }

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
