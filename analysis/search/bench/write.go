package main

import (
	"fmt"
	"os"
	"strings"
)

// The marks between which the tables stand in a document.
const (
	beginMark = "<!-- stats-bench: begin -->"
	endMark   = "<!-- stats-bench: end -->"
)

// writeBetween puts a text between the marks of a file.
func writeBetween(file, text string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("write the tables: %w", err)
	}
	before, rest, ok := strings.Cut(string(data), beginMark)
	_, after, closed := strings.Cut(rest, endMark)
	if !ok || !closed {
		return fmt.Errorf("write the tables: %s has no lines %q and %q", file, beginMark, endMark)
	}
	return os.WriteFile(file, []byte(before+beginMark+"\n\n"+text+"\n"+endMark+after), 0o644)
}
