package bars

import (
	"bytes"
	"io"
	"regexp"
	"strconv"

	"github.com/mattn/go-runewidth"
)

// A screen stands between mpb and a terminal. mpb goes up by as many lines as it wrote;
// a terminal that was made narrower since has wrapped them, and one that is lower than
// the frame has scrolled some away. The screen goes up by the lines that there are, and
// leaves out rows that do not fit. It is used by one goroutine.
//
// It overwrites what stands there and erases what is left of each line, and below. Note:
// erasing all at once, as mpb does, flickers; and tmux keeps a screen that is erased from
// its first cell, so that a terminal which shows nothing else fills its history.
//
// Note: mpb is not given the terminal itself, as later versions allow, because those
// need a runewidth that makes tables at every start.
type screen struct {
	out  io.Writer
	size func() (width, height int)
	last []int // widths of the rows that stand at the cursor
}

// rowMark stands before each row of the bars, so that the screen can tell them from
// lines that are to stay. It is not written.
const rowMark = '\x01'

const (
	eraseLine  = "\x1b[K" // from the cursor on
	eraseBelow = "\x1b[J"
)

var upAndErase = regexp.MustCompile(`^\x1b\[[0-9]+A\x1b\[J`)

// Write writes a frame: the way up, lines that stay, and the rows.
func (s *screen) Write(p []byte) (int, error) {
	width, height := s.size()
	var frame bytes.Buffer
	body := upAndErase.ReplaceAll(p, nil)
	if up := s.up(width, height); up > 0 {
		frame.WriteString("\x1b[" + strconv.Itoa(up) + "A\r")
	}
	s.last = s.last[:0]
	for line := range bytes.Lines(body) {
		row, isRow := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\n")), []byte{rowMark})
		wide := runewidth.StringWidth(string(row))
		if isRow {
			if len(s.last) >= height-1 {
				continue
			}
			s.last = append(s.last, wide)
		}
		frame.Write(row)
		if wide == 0 || wide%width != 0 { // else the cursor is still on the last cell, which would be erased
			frame.WriteString(eraseLine)
		}
		frame.WriteString("\n")
	}
	frame.WriteString(eraseBelow)
	if _, err := s.out.Write(frame.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// up is how many lines of the screen the rows take now.
func (s *screen) up(width, height int) (n int) {
	for _, w := range s.last {
		n += max(1, (w+width-1)/width)
	}
	return min(n, height-1)
}
