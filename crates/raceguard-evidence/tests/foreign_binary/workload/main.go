// Workload does known things and writes what Go's runtime shows of them: an execution trace and all profiles.
//
//	workload FOLDER
package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"sync"
	"time"
)

const workers, accesses, keys = 4, 200, 5

var (
	folder = os.Args[1]
	lock   sync.Mutex
	counts = map[string]int{}
	block  = make(chan int)
	kept   [][]byte
)

func main() {
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	cpu := create("cpu.pb.gz")
	check(pprof.StartCPUProfile(cpu))
	file := create("trace.out")
	check(trace.Start(file))
	ctx := context.Background()

	accessInTurn(ctx)
	accessTogether(ctx)
	accessAtOnce(ctx)
	contend()
	parkLabelled()
	kept = append(kept, make([]byte, 1<<20))
	runtime.GC()
	runtime.GC()
	burn(50 * time.Millisecond)
	trace.NewTask(ctx, "never ended")
	time.Sleep(5 * time.Millisecond)

	trace.Stop()
	check(file.Close())
	pprof.StopCPUProfile()
	check(cpu.Close())
	for _, name := range []string{"mutex", "block", "goroutine", "heap", "allocs", "threadcreate"} {
		profile := create(name + ".pb.gz")
		check(pprof.Lookup(name).WriteTo(profile, 0))
		check(profile.Close())
	}
}

// accessInTurn logs the key "alone" twice, from two goroutines that never meet.
func accessInTurn(ctx context.Context) {
	for range 2 {
		done := make(chan bool)
		go func() {
			access(ctx, "alone", func() {})
			close(done)
		}()
		<-done
	}
}

// accessTogether logs the key "shared" from two goroutines, the second inside of the first.
func accessTogether(ctx context.Context) {
	inside, done := make(chan bool), make(chan bool)
	go func() {
		access(ctx, "shared", func() {
			close(inside)
			<-done
		})
	}()
	<-inside
	access(ctx, "shared", func() { time.Sleep(2 * time.Millisecond) })
	close(done)
}

// accessAtOnce logs each of five keys 160 times, within a task of each worker.
func accessAtOnce(ctx context.Context) {
	var group sync.WaitGroup
	for worker := range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			ctx, task := trace.NewTask(ctx, "worker")
			defer task.End()
			for i := range accesses {
				access(ctx, "key "+strconv.Itoa((i+worker)%keys), func() {
					lock.Lock()
					defer lock.Unlock()
					counts[strconv.Itoa(i)]++
				})
			}
		}()
	}
	group.Wait()
	trace.WithRegion(ctx, "no key", func() {})
	trace.Log(ctx, "outside", "of any region")
}

func access(ctx context.Context, key string, act func()) {
	trace.WithRegion(ctx, "map_access", func() {
		trace.Log(ctx, "map_key", key)
		act()
	})
}

// contend makes waitForLock wait for what holdLock holds, and a receive wait for a send.
func contend() {
	held, done := make(chan bool), make(chan bool)
	go holdLock(held)
	<-held
	go func() { waitForLock(); close(done) }()
	<-done
	values := make(chan int)
	go func() { time.Sleep(3 * time.Millisecond); values <- 1 }()
	receive(values)
	_, err := os.ReadFile("/proc/self/stat")
	check(err)
}

//go:noinline
func holdLock(held chan bool) {
	lock.Lock()
	close(held)
	time.Sleep(10 * time.Millisecond)
	lock.Unlock()
}

//go:noinline
func waitForLock() {
	lock.Lock()
	counts["waited"]++
	lock.Unlock()
}

//go:noinline
func receive(values chan int) int {
	return <-values
}

// parkLabelled leaves seven goroutines blocked for good, with a label.
func parkLabelled() {
	for range 7 {
		go pprof.Do(context.Background(), pprof.Labels("worker", "parked"), func(context.Context) { park() })
	}
	time.Sleep(5 * time.Millisecond)
}

//go:noinline
func park() {
	<-block
}

func burn(length time.Duration) {
	for start := time.Now(); time.Since(start) < length; {
		counts["burnt"]++
	}
}

func create(name string) *os.File {
	file, err := os.Create(filepath.Join(folder, name))
	check(err)
	return file
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
