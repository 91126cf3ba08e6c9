package scope

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

func TestParallelCallsTagTheRequest(t *testing.T) {
	ctx := WithTags(context.Background())

	var calls sync.WaitGroup
	for call := range 8 {
		calls.Add(1)
		go func() {
			defer calls.Done()
			Tag(ctx, fmt.Sprintf("call-%d", call), "done")
			LogLine(ctx)
		}()
	}
	calls.Wait()

	if line := LogLine(ctx); len(line) != 8*len("call-0=done ") {
		t.Errorf("access log line %q does not hold all 8 tags", line)
	}
}
