// Measures maps of Go for maps-bench, which runs this program and its own maps in turn: one request a line on stdin, one
// answer a line on stdout, JSON both. Between requests the program sleeps.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
)

type request struct {
	Do      string   `json:"do"`
	Map     string   `json:"map"`
	Keys    uint32   `json:"keys"`
	Files   []string `json:"files"`
	Cores   []int    `json:"cores"`
	Seconds float64  `json:"seconds"`
	Percent uint64   `json:"percent"`
	Hold    uint64   `json:"hold"`
	RW      bool     `json:"rw"`
}

type answer struct {
	Error  string    `json:"error,omitempty"`
	Text   string    `json:"text,omitempty"`
	Figure float64   `json:"figure"`
	Writes []float64 `json:"writes,omitempty"`
	Reads  []float64 `json:"reads,omitempty"`
}

// What requests work on.
type state struct {
	maps      map[string]measured
	sequences [][]uint32
}

func main() {
	requests := bufio.NewScanner(os.Stdin)
	requests.Buffer(nil, 1<<20)
	answers := json.NewEncoder(os.Stdout)
	current := &state{maps: map[string]measured{}}
	for requests.Scan() {
		var one request
		var reply answer
		if err := json.Unmarshal(requests.Bytes(), &one); err != nil {
			reply = failed(err)
		} else {
			reply = current.serve(one)
		}
		if err := answers.Encode(reply); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func failed(err error) answer { return answer{Error: err.Error()} }

func (s *state) serve(one request) answer {
	switch one.Do {
	case "version":
		return answer{Text: runtime.Version()}
	case "fill":
		m := empty(one.Map)
		if m == nil {
			return failed(fmt.Errorf("there is no map %q", one.Map))
		}
		for index := uint32(0); index < one.Keys; index++ {
			m.put(uint64(index), uint64(index))
		}
		s.maps[one.Map] = m
		return answer{}
	case "drop":
		delete(s.maps, one.Map)
		return answer{}
	case "sequences":
		sequences, err := readAll(one.Files)
		if err != nil {
			return failed(err)
		}
		s.sequences = sequences
		// What fills and earlier cells left is collected now, not while the next cell is measured.
		runtime.GC()
		return answer{}
	case "mixed":
		return answer{Figure: mixed(s.maps[one.Map], s.sequences, one)}
	case "iterate":
		return answer{Figure: iterate(s.maps[one.Map], one)}
	case "growth":
		return growth(empty(one.Map), one)
	case "new-keys":
		return answer{Figure: newKeys(empty(one.Map), one)}
	case "lock":
		return answer{Figure: locks(one)}
	}
	return failed(fmt.Errorf("there is no request %q", one.Do))
}
