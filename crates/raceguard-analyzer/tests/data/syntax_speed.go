// Parses all Go files under a folder with go/parser, from memory, once for each line on its standard input, and prints
// the nanoseconds each pass took. The lines say what to parse: "comments" or "plain".
package main

import (
	"bufio"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	var sources [][]byte
	err := filepath.WalkDir(os.Args[1], func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && strings.HasSuffix(path, ".go") {
			source, err := os.ReadFile(path)
			sources = append(sources, source)
			return err
		}
		return err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	passes := bufio.NewScanner(os.Stdin)
	for passes.Scan() {
		mode := parser.SkipObjectResolution
		if passes.Text() == "comments" {
			mode |= parser.ParseComments
		}
		start := time.Now()
		for _, source := range sources {
			// Files that are wrong on purpose are among them; what they cost counts too.
			parser.ParseFile(token.NewFileSet(), "", source, mode)
		}
		fmt.Println(time.Since(start).Nanoseconds())
	}
}
