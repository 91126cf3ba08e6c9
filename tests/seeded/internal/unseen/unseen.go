// Package unseen orders two goroutines in time through a pipe that no race
// detector knows of: raw system calls carry no happens-before annotation. So a
// seeded race always runs its accesses in the same order, and stays a race.
package unseen

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// Signal lets one goroutine wait for another without synchronising with it.
type Signal struct {
	reader, writer int
}

// New is a signal that was not sent yet.
func New() Signal {
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		fmt.Fprintln(os.Stderr, "cannot create a pipe:", err)
		os.Exit(2)
	}
	return Signal{reader: pipe[0], writer: pipe[1]}
}

// Send wakes one Wait.
func (s Signal) Send() { transfer(syscall.SYS_WRITE, s.writer) }

// Wait blocks until Send was called.
func (s Signal) Wait() { transfer(syscall.SYS_READ, s.reader) }

//go:norace
func transfer(call uintptr, file int) {
	var token [1]byte
	for {
		_, _, errno := syscall.Syscall(call, uintptr(file), uintptr(unsafe.Pointer(&token)), 1)
		switch errno {
		case 0:
			return
		case syscall.EINTR:
		default:
			fmt.Fprintln(os.Stderr, "cannot signal:", errno)
			os.Exit(2)
		}
	}
}

// Count is the program's only argument: how much happens between the two
// accesses of its race.
func Count() int {
	if len(os.Args) == 2 {
		if count, err := strconv.Atoi(os.Args[1]); err == nil && count > 0 {
			return count
		}
	}
	fmt.Fprintf(os.Stderr, "usage: %s COUNT\n", os.Args[0])
	os.Exit(2)
	return 0
}
