// A program with maps that are dropped at once, a map that only grows, and maps kept by requests that are over. It
// writes three heap profiles into the folder given.
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

var seen = map[string]int{}

//go:noinline
func remember(n int) {
	for i := 0; i < 40000; i++ {
		seen[fmt.Sprint("request ", n, " ", i)] = i
	}
}

var sink int

//go:noinline
func count(words []string) {
	for i := 0; i < 30; i++ {
		counts := make(map[string]int)
		for n := 0; n < 2000; n++ {
			counts[words[n]] = n
		}
		sink += len(counts)
	}
}

type sessions struct{ open []map[string]string }

func (s *sessions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	session := map[string]string{}
	for i := 0; i < 3000; i++ {
		session[fmt.Sprint(i)] = r.URL.Path
	}
	s.open = append(s.open, session)
	io.WriteString(w, "ok")
}

func main() {
	runtime.MemProfileRate = 4096
	words := make([]string, 2000)
	for i := range words {
		words[i] = fmt.Sprint("word ", i)
	}
	server := httptest.NewServer(&sessions{})
	for round := 0; round < 3; round++ {
		remember(round)
		count(words)
		for i := 0; i < 10; i++ {
			response, err := http.Get(server.URL)
			if err != nil {
				panic(err)
			}
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		runtime.GC()
		runtime.GC()
		file, err := os.Create(fmt.Sprintf("%s/heap%d.pb.gz", os.Args[1], round))
		if err != nil {
			panic(err)
		}
		pprof.Lookup("heap").WriteTo(file, 0)
		file.Close()
		time.Sleep(5 * time.Millisecond)
	}
	server.Close()
	fmt.Println(sink)
}
