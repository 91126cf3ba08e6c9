// Package render builds responses in pooled buffers.
package render

import (
	"bytes"
	"fmt"
	"sync"
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Receipt renders a receipt. The bytes it returns belong to a buffer that is
// back in the pool: the next caller gets the same memory.
func Receipt(customer string, cents int64) []byte {
	buffer := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buffer)
	buffer.Reset()
	fmt.Fprintf(buffer, "customer=%s total=%d.%02d", customer, cents/100, cents%100)
	return buffer.Bytes()
}

// Checksum is what the audit trail keeps of a receipt.
func Checksum(receipt []byte) (sum uint32) {
	for _, b := range receipt {
		sum = sum*31 + uint32(b)
	}
	return sum
}
