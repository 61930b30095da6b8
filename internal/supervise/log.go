package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
)

// Limits of what is kept of a log in memory.
const (
	maxLine   = 64 << 10 // a longer line is cut into several
	tailLines = 20
	tailBytes = 4 << 10
)

// A logWriter writes whole lines into a [Log], and remembers the last of them and
// what they say of memory. A file that cannot be written stops nothing: the
// program's output is read on.
type logWriter struct {
	log  Log
	hide *strings.Replacer
	more chan struct{} // holds one when there are more lines that tell of memory; may be nil

	mu    sync.Mutex // guards the rest
	file  *os.File
	size  int64
	tail  []string
	oom   string // the last line that tells of too little memory
	ooms  int64  // how many such lines came
	fault error  // the first
}

// openLog begins a new log; files of an earlier one at this path are rotated.
func openLog(l Log) (*logWriter, error) {
	if l.MaxBytes < 1 || l.Keep < 0 {
		return nil, fmt.Errorf("log %s: max_bytes is at least 1 and keep not negative", l.Path)
	}
	var pairs []string
	// The longer first: one value may hold another.
	values := slices.SortedFunc(maps.Keys(l.Hide), func(a, b string) int { return len(b) - len(a) })
	for _, v := range values {
		pairs = append(pairs, v, l.Hide[v])
	}
	w := &logWriter{log: l, hide: strings.NewReplacer(pairs...), more: make(chan struct{}, 1)}
	if _, err := os.Stat(l.Path); err == nil {
		if err := w.shift(); err != nil {
			return nil, err
		}
	}
	return w, w.open()
}

func (w *logWriter) open() error {
	f, err := os.OpenFile(w.log.Path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	w.file, w.size = f, 0
	return nil
}

// shift makes room for a new file at Path.
func (w *logWriter) shift() error {
	name := func(n int) string {
		if n == 0 {
			return w.log.Path
		}
		return fmt.Sprintf("%s.%d", w.log.Path, n)
	}
	for n := w.log.Keep; n >= 0; n-- {
		var err error
		if n == w.log.Keep {
			err = os.Remove(name(n))
		} else {
			err = os.Rename(name(n), name(n+1))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rotate log: %w", err)
		}
	}
	return nil
}

// copyFrom takes all that r gives, until its end.
func (w *logWriter) copyFrom(r io.Reader) {
	buf := make([]byte, 0, maxLine)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		for {
			at := bytes.IndexByte(buf, '\n')
			if at < 0 {
				break
			}
			w.line(string(buf[:at]))
			buf = buf[:copy(buf, buf[at+1:])]
		}
		if len(buf) == cap(buf) || err != nil && len(buf) > 0 {
			w.line(string(buf))
			buf = buf[:0]
		}
		if err != nil {
			return
		}
	}
}

// line writes one line, without its end.
func (w *logWriter) line(text string) {
	text = w.hide.Replace(strings.TrimSuffix(text, "\r"))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remember(text)
	if w.file == nil {
		return
	}
	if w.size > 0 && w.size+int64(len(text))+1 > w.log.MaxBytes {
		err := errors.Join(w.file.Close(), w.shift())
		if err == nil {
			err = w.open()
		}
		if err != nil {
			w.file = nil
			w.failed(err)
			return
		}
	}
	n, err := w.file.WriteString(text + "\n")
	w.size += int64(n)
	if err != nil {
		w.failed(err) // and tried again at the next line: a disk may be freed
	}
}

// outOfMemory is how many lines told of too little memory so far.
func (w *logWriter) outOfMemory() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ooms
}

func (w *logWriter) failed(err error) {
	if w.fault == nil {
		w.fault = err
	}
}

// remember keeps the log's end, and what it says of memory.
func (w *logWriter) remember(text string) {
	if why := ToldOOM(text); why != "" {
		w.oom, w.ooms = why, w.ooms+1
		select {
		case w.more <- struct{}{}:
		default: // it is to be told already, or to nobody
		}
	}
	if strings.TrimSpace(text) == "" {
		return
	}
	// Of a progress bar that goes back to the line's start, the last state.
	text = text[strings.LastIndexByte(text, '\r')+1:]
	w.tail = append(w.tail, strings.ToValidUTF8(text[:min(len(text), tailBytes/4)], "?"))
	total := 0
	for _, line := range w.tail {
		total += len(line)
	}
	for len(w.tail) > tailLines || total > tailBytes {
		total -= len(w.tail[0])
		w.tail = w.tail[1:]
	}
}

// close ends the log and adds what it knows to an exit.
func (w *logWriter) close(e *Exit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file != nil {
		if err := w.file.Close(); err != nil {
			w.failed(err)
		}
		w.file = nil
	}
	e.Tail, e.OOMs = slices.Clone(w.tail), e.OOMs+w.ooms
	if e.OOM == "" {
		e.OOM = w.oom
	}
	if w.fault != nil {
		e.LogFault = w.fault.Error()
	}
}

// Tail gives the last lines of a log that may still grow: at most 20 lines and 4
// KiB. A log that cannot be read has none.
func Tail(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	from := max(info.Size()-tailBytes, 0)
	data, err := io.ReadAll(io.NewSectionReader(f, from, info.Size()-from))
	if err != nil {
		return nil
	}
	text := string(data)
	if from > 0 { // it begins within a line
		text = text[strings.IndexByte(text, '\n')+1:]
	}
	w := &logWriter{}
	for line := range strings.Lines(text) {
		w.remember(strings.TrimRight(line, "\r\n"))
	}
	return w.tail
}
