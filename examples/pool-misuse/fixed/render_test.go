package render

import (
	"fmt"
	"sync"
	"testing"
)

func TestAuditDuringRender(t *testing.T) {
	var audits sync.WaitGroup
	for customer := range 200 {
		receipt := Receipt(fmt.Sprintf("c-%03d", customer), int64(customer)*199)
		want := Checksum([]byte(fmt.Sprintf("customer=c-%03d total=%d.%02d", customer, customer*199/100, customer*199%100)))
		audits.Add(1)
		go func() {
			defer audits.Done()
			if got := Checksum(receipt); got != want {
				t.Errorf("receipt changed under the audit: %q", receipt)
			}
		}()
	}
	audits.Wait()
}
