package main

import (
	"io"
	"os"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/sys/unix"
)

// A talk is where the command talks to people: standard error, and while bars are drawn
// there, the lines above them. It is safe for concurrent use.
type talk struct {
	file *os.File

	mu    sync.Mutex // guards above, and is not held while writing: a terminal may be stopped
	above io.Writer  // nil while nothing is drawn
}

// Write writes whole lines.
func (t *talk) Write(p []byte) (int, error) {
	t.mu.Lock()
	w := t.above
	t.mu.Unlock()
	if w == nil {
		w = t.file
	}
	return w.Write(p)
}

// draws lets lines go above what w draws on the file; nil ends it.
func (t *talk) draws(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.above = w
}

// size is the terminal's, 0 and 0 where it does not tell.
func (t *talk) size() (width, height int) {
	ws, err := unix.IoctlGetWinsize(int(t.file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return int(ws.Col), int(ws.Row)
}

// plain puts U+FFFD for what steers a terminal or the direction of writing, in a text
// of lines that may hold words of servers or of other users.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) || unicode.Is(unicode.Zs, r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// plainLine is plain for a name, which has one line.
func plainLine(text string) string {
	return plain(strings.NewReplacer("\n", " ", "\t", " ").Replace(text))
}
