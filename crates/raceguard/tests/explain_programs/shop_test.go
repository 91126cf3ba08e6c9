package shop

import (
	"context"
	"os"
	"runtime/trace"
	"testing"
	"time"
)

func TestReprice(t *testing.T) {
	c := New()
	c.Reprice(context.Background(), "a", 1)
	c.Price("a")
	time.Sleep(10 * time.Millisecond)
}

func TestCrash(t *testing.T) {
	if os.Getenv("SHOP_CRASH") == "" {
		t.Skip("it ends the process")
	}
	c := New()
	for {
		c.Reprice(context.Background(), "a", 1)
		c.Reprice(context.Background(), "b", 2)
	}
}

func TestTrace(t *testing.T) {
	path := os.Getenv("SHOP_TRACE")
	if path == "" {
		t.Skip("it writes a trace")
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	trace.Start(file)
	c := New()
	for i := 0; i < 20; i++ {
		c.Reprice(context.Background(), "a", i)
		time.Sleep(time.Millisecond)
	}
	trace.Stop()
	file.Close()
}
