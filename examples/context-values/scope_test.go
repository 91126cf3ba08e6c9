package scope

import (
	"context"
	"sync"
	"testing"
	"time"
)

// A checkout asks two services at once; both tag the request.
func TestParallelCallsTagTheRequest(t *testing.T) {
	ctx := WithTags(context.Background())

	var calls sync.WaitGroup
	calls.Add(2)
	go func() {
		defer calls.Done()
		Authorize(ctx)
	}()
	go func() {
		defer calls.Done()
		Price(ctx)
	}()
	calls.Wait()

	if line := LogLine(ctx); line == "" {
		t.Error("the access log line is empty")
	}
}

// A background call outlives its request and tags it while it is logged.
func TestStragglerTagsDuringLogging(t *testing.T) {
	ctx := WithTags(context.Background())
	Authorize(ctx)

	var straggler sync.WaitGroup
	straggler.Add(1)
	go func() {
		defer straggler.Done()
		Recommend(ctx)
	}()
	time.Sleep(10 * time.Millisecond)
	if line := LogLine(ctx); line == "" {
		t.Error("the access log line is empty")
	}
	straggler.Wait()
}
