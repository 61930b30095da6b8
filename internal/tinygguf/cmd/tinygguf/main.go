// Command tinygguf writes a small text model and its vision projector, both
// with random weights, for tests against a real model server.
//
//	tinygguf [-size small|medium|large] DIR
//
// It writes DIR/text.gguf and DIR/mmproj.gguf.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/evabench/evabench/internal/tinygguf"
)

func main() {
	size := flag.String("size", "small", "`size` of the models: small, medium or large")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: tinygguf [-size small|medium|large] DIR")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*size, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "tinygguf:", err)
		os.Exit(1)
	}
}

func run(size, dir string) error {
	text, projector := tinygguf.SmallText(), tinygguf.SmallProjector()
	switch size {
	case "small":
	case "medium":
		text, projector = tinygguf.MediumText(), tinygguf.MediumProjector()
	case "large":
		text, projector = tinygguf.LargeText(), tinygguf.LargeProjector()
	default:
		return fmt.Errorf("size %q is none of small, medium and large", size)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return errors.Join(
		create(filepath.Join(dir, "text.gguf"), func(w io.Writer) error { return tinygguf.WriteText(w, text) }),
		create(filepath.Join(dir, "mmproj.gguf"), func(w io.Writer) error { return tinygguf.WriteProjector(w, projector) }),
	)
}

func create(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
