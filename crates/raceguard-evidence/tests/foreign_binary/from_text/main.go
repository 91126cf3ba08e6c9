// Fromtext writes recordings of execution traces, which Go's toolchain has as text, as programs write them.
//
//	fromtext RECORDINGS FOLDER
//
// The folder reader is a copy of internal/trace of the toolchain.
package main

import (
	"bytes"
	"errors"
	"io"
	"log"
	"os"
	"path/filepath"

	"fromtext/reader/raw"
)

func main() {
	recordings, err := filepath.Glob(filepath.Join(os.Args[1], "*.test"))
	if err != nil {
		log.Fatal(err)
	}
	for _, recording := range recordings {
		if err := convert(recording, filepath.Join(os.Args[2], filepath.Base(recording)+".bin")); err != nil {
			log.Fatalf("%s: %v", recording, err)
		}
	}
}

func convert(from, to string) error {
	archive, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	_, text, found := bytes.Cut(archive, []byte("-- trace --\n"))
	if !found {
		return errors.New("no trace in it")
	}
	reader, err := raw.NewTextReader(bytes.NewReader(text))
	if err != nil {
		return err
	}
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	defer file.Close()
	writer, err := raw.NewWriter(file, reader.Version())
	if err != nil {
		return err
	}
	for {
		event, err := reader.ReadEvent()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := writer.WriteEvent(event); err != nil {
			return err
		}
	}
}
