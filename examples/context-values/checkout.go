package scope

import (
	"context"
	"time"
)

// Authorize asks the identity service who the caller is.
func Authorize(ctx context.Context) {
	Tag(ctx, "user", "u-1842")
}

// Price asks the pricing service, which answers a little later.
func Price(ctx context.Context) {
	time.Sleep(50 * time.Millisecond)
	Tag(ctx, "tier", "gold")
}

// Recommend fills a side bar. The response does not wait for it.
func Recommend(ctx context.Context) {
	time.Sleep(100 * time.Millisecond)
	Tag(ctx, "slot", "side")
}
