// Package queue hands jobs to one worker and refuses them once it is shut down.
package queue

import (
	"errors"
	"sync"
)

// ErrClosed says that a job came after Shutdown.
var ErrClosed = errors.New("queue is shut down")

// Queue runs jobs in the order of their submission.
type Queue struct {
	mu     sync.RWMutex // held for reading while sending, for writing while closing
	closed bool
	jobs   chan func()
	worker sync.WaitGroup
}

// NewQueue starts the worker.
func NewQueue() *Queue {
	queue := &Queue{jobs: make(chan func(), 16)}
	queue.worker.Add(1)
	go func() {
		defer queue.worker.Done()
		for job := range queue.jobs {
			job()
		}
	}()
	return queue
}

// Submit adds a job, or says that it came too late.
func (q *Queue) Submit(job func()) error {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		return ErrClosed
	}
	q.jobs <- job
	return nil
}

// Shutdown lets the worker finish what was submitted and waits for it.
func (q *Queue) Shutdown() {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.jobs)
	}
	q.mu.Unlock()
	q.worker.Wait()
}
