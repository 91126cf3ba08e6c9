// Package scope carries facts about a request through its context.
package scope

import "context"

type key struct{}

// Tags are written to the access log when the request ends.
type Tags map[string]string

// WithTags gives a request its tags. A context is safe to share between
// goroutines; what lies in it is only as safe as it is itself, and this is a map.
func WithTags(ctx context.Context) context.Context {
	return context.WithValue(ctx, key{}, make(Tags))
}

// Tag notes one fact about the request.
func Tag(ctx context.Context, name, value string) {
	ctx.Value(key{}).(Tags)[name] = value
}

// LogLine renders the tags for the access log.
func LogLine(ctx context.Context) string {
	line := ""
	for name, value := range ctx.Value(key{}).(Tags) {
		line += name + "=" + value + " "
	}
	return line
}
