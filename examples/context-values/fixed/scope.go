// Package scope carries facts about a request through its context, in a value
// that brings its own lock along.
package scope

import (
	"context"
	"sync"
)

type key struct{}

type tags struct {
	mu     sync.Mutex
	byName map[string]string
}

// WithTags gives a request its tags.
func WithTags(ctx context.Context) context.Context {
	return context.WithValue(ctx, key{}, &tags{byName: make(map[string]string)})
}

// Tag notes one fact about the request.
func Tag(ctx context.Context, name, value string) {
	tags := ctx.Value(key{}).(*tags)
	tags.mu.Lock()
	defer tags.mu.Unlock()
	tags.byName[name] = value
}

// LogLine renders the tags for the access log.
func LogLine(ctx context.Context) string {
	tags := ctx.Value(key{}).(*tags)
	tags.mu.Lock()
	defer tags.mu.Unlock()
	line := ""
	for name, value := range tags.byName {
		line += name + "=" + value + " "
	}
	return line
}
