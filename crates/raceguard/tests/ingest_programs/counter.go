package counter

import "sync"

type Counter struct{ m map[string]int }

func New() *Counter { return &Counter{m: map[string]int{}} }

func (c *Counter) Add(k string)     { c.m[k]++ }
func (c *Counter) Get(k string) int { return c.m[k] }

func Unused(k string) string {
	if k == "" {
		return "none"
	}
	return k
}

type guarded struct{ mu sync.Mutex }

func Copied(g guarded) { _ = g }
