package render

import (
	"fmt"
	"sync"
	"testing"
)

// Each receipt is checksummed in the background while the next one is rendered
// into the same buffer. Customers see each other's receipts when this goes
// wrong. (The pool drops some buffers on purpose under a race detector, hence
// more than two receipts.)
func TestAuditDuringRender(t *testing.T) {
	var audits sync.WaitGroup
	for customer := range 100 {
		receipt := Receipt(fmt.Sprintf("c-%03d", customer), int64(customer)*199)
		audits.Add(1)
		go func() {
			defer audits.Done()
			Checksum(receipt)
		}()
	}
	audits.Wait()
}
