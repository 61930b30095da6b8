package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// consent asks whether the server may be changed.
func consent(ctx context.Context, s streams, question string) error {
	if f, ok := s.in.(*os.File); !ok || !isTerminal(f) {
		return &usageError{errors.New("the server would be changed, and there is no terminal to ask at; say --yes, or look with --dry-run")}
	}
	fmt.Fprint(s.err, question+" [y/N] ")
	answered := make(chan string, 1)
	go func() { // it may never be answered: the process ends then
		answer, _ := bufio.NewReader(s.in).ReadString('\n') // an end without a line is no
		answered <- strings.ToLower(strings.TrimSpace(answer))
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case a := <-answered:
		if a != "y" && a != "yes" {
			return errors.New("not agreed; nothing was changed")
		}
		return nil
	}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
