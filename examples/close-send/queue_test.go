package queue

import (
	"sync"
	"testing"
	"time"
)

// The last request submits its job just before the process shuts down. The
// pause lets the job win this time; nothing orders the send before the close.
func TestSubmitDuringShutdown(t *testing.T) {
	queue := NewQueue()

	var work sync.WaitGroup
	work.Add(2)
	go func() {
		defer work.Done()
		queue.Submit(func() {})
	}()
	go func() {
		defer work.Done()
		time.Sleep(50 * time.Millisecond)
		queue.Shutdown()
	}()
	work.Wait()
}
