package main

import (
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Keeps the calling goroutine on a thread of its own, and the thread on a core.
func stayOn(core int) {
	runtime.LockOSThread()
	var mask [16]uint64
	mask[core/64] |= 1 << (core % 64)
	// Failing only makes figures noisier.
	syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, uintptr(len(mask)*8), uintptr(unsafe.Pointer(&mask[0])))
}

// Runs one function for each core at the same time and adds up what they return. A locked thread ends with its function.
func together(cores []int, work func(thread int) float64) (sum float64) {
	results := make([]float64, len(cores))
	var ready, done sync.WaitGroup
	ready.Add(len(cores))
	done.Add(len(cores))
	for thread, core := range cores {
		go func() {
			defer done.Done()
			stayOn(core)
			ready.Done()
			ready.Wait()
			results[thread] = work(thread)
		}()
	}
	done.Wait()
	for _, result := range results {
		sum += result
	}
	return sum
}

func readAll(files []string) ([][]uint32, error) {
	sequences := make([][]uint32, len(files))
	for index, file := range files {
		bytes, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		sequences[index] = make([]uint32, len(bytes)/4)
		for operation := range sequences[index] {
			sequences[index][operation] = binary.LittleEndian.Uint32(bytes[operation*4:])
		}
	}
	return sequences, nil
}

var sink atomic.Uint64

func mixed(m measured, sequences [][]uint32, one request) float64 {
	return together(one.Cores, func(thread int) float64 {
		return repeat(one.Seconds, sequences[thread], func(part []uint32) { sink.Add(m.loop(part)) })
	})
}

// Works through a sequence until the time is over; returns millions of operations a second. The first eighth of the
// time is not counted.
func repeat(seconds float64, sequence []uint32, work func([]uint32)) float64 {
	limit := time.Duration(seconds * float64(time.Second))
	position, batch, counted := 0, 1, 0
	begin := time.Now()
	last, from := time.Duration(0), time.Duration(-1)
	for {
		end := min(position+batch, len(sequence))
		work(sequence[position:end])
		now := time.Since(begin)
		switch {
		case from < 0 && now >= limit/8:
			from = now
		case from >= 0:
			counted += end - position
			if now-from >= limit {
				return float64(counted) / (now - from).Seconds() / 1e6
			}
		}
		if now-last < 50*time.Microsecond && batch < len(sequence) {
			batch *= 2
		}
		last = now
		position = end % len(sequence)
	}
}

// Milliseconds of one pass over all values.
func iterate(m measured, one request) float64 {
	return together(one.Cores[:1], func(int) float64 {
		begin := time.Now()
		sink.Add(m.sum())
		return time.Since(begin).Seconds() * 1e3
	})
}

// Inserts keys on one core while another one reads those that are there; quantiles of both in microseconds.
func growth(m measured, one request) answer {
	runtime.GC()
	var grown, finished atomic.Uint64
	writes := make([]uint32, 0, one.Keys)
	reads := make([]uint32, 0, 1<<24)
	together(one.Cores[:2], func(thread int) float64 {
		if thread == 0 {
			for key := uint64(0); key < uint64(one.Keys); key++ {
				begin := time.Now()
				m.put(key, key)
				writes = append(writes, uint32(time.Since(begin)))
				grown.Store(key + 1)
			}
			finished.Store(1)
			return 0
		}
		random := uint64(1)
		for finished.Load() == 0 && len(reads) < cap(reads) {
			there := grown.Load()
			if there == 0 {
				continue
			}
			random = random*6364136223846793005 + 1442695040888963407
			key := random >> 32 * there >> 32
			begin := time.Now()
			value, _ := m.get(key)
			reads = append(reads, uint32(time.Since(begin)))
			sink.Store(value)
		}
		return 0
	})
	return answer{Writes: quantiles(writes), Reads: quantiles(reads)}
}

// p50, p99, p99.9 and the longest, in microseconds.
func quantiles(nanoseconds []uint32) []float64 {
	if len(nanoseconds) == 0 {
		return nil
	}
	slices.Sort(nanoseconds)
	result := make([]float64, 0, 4)
	for _, part := range []float64{0.5, 0.99, 0.999, 1} {
		result = append(result, float64(nanoseconds[int(part*float64(len(nanoseconds)-1))])/1e3)
	}
	return result
}

// Millions of new keys a second: each thread inserts its own.
func newKeys(m measured, one request) float64 {
	runtime.GC()
	return together(one.Cores, func(thread int) float64 {
		begin := time.Now()
		for number := uint64(0); number < uint64(one.Keys); number++ {
			key := number*uint64(len(one.Cores)) + uint64(thread)
			m.put(key, key)
		}
		return float64(one.Keys) / time.Since(begin).Seconds() / 1e6
	})
}

// Millions of critical sections a second under a Mutex or an RWMutex, of which a percentage only reads and each lasts
// for the given number of nanoseconds.
func locks(one request) float64 {
	var exclusive sync.Mutex
	var shared sync.RWMutex
	return together(one.Cores, func(thread int) float64 {
		random := uint64(thread) + 1
		var done uint64
		begin := time.Now()
		limit := time.Duration(one.Seconds * float64(time.Second))
		for time.Since(begin) < limit {
			for range 64 {
				random = random*6364136223846793005 + 1442695040888963407
				reads := random>>32*100>>32 < one.Percent
				switch {
				case !one.RW:
					exclusive.Lock()
					hold(one.Hold)
					exclusive.Unlock()
				case reads:
					shared.RLock()
					hold(one.Hold)
					shared.RUnlock()
				default:
					shared.Lock()
					hold(one.Hold)
					shared.Unlock()
				}
			}
			done += 64
		}
		return float64(done) / time.Since(begin).Seconds() / 1e6
	})
}

// Keeps the processor busy for a number of nanoseconds.
func hold(nanoseconds uint64) {
	if nanoseconds == 0 {
		return
	}
	for begin := time.Now(); time.Since(begin) < time.Duration(nanoseconds); {
	}
}
