// Package client opens the connection to the rates service when it is first
// needed. Each connection has its own Once; a reset swaps the pair.
package client

import (
	"sync"
	"sync/atomic"
)

// Conn is a connection to the rates service.
type Conn struct {
	Address string
	healthy bool
}

// Healthy says whether the connection was set up completely.
func (c *Conn) Healthy() bool { return c.healthy }

// Client owns the one connection of the process.
type Client struct {
	address string
	connect atomic.Pointer[func() *Conn]
}

// NewClient does not connect yet.
func NewClient(address string) *Client {
	client := &Client{address: address}
	client.Reset()
	return client
}

// Conn is the connection, opened by the first caller.
func (c *Client) Conn() *Conn {
	return (*c.connect.Load())()
}

// Reset makes the next caller connect again.
func (c *Client) Reset() {
	connect := sync.OnceValue(func() *Conn {
		return &Conn{Address: c.address, healthy: true}
	})
	c.connect.Store(&connect)
}
