// Package bars shows a run on a terminal: a bar for the sweep, the cell and the step,
// lines for what each service and device does, and above them, to stay, the lines that
// are worth it.
package bars

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/evabench/evabench/progress"
)

// refresh is how often the terminal is drawn.
const refresh = 250 * time.Millisecond

// Bars is a [progress.Consumer] that draws on a terminal.
type Bars struct {
	out    io.Writer
	size   func() (width, height int)
	draws  *mpb.Progress
	bars   []*mpb.Bar
	lines  *progress.Lines
	filler mpb.BarFiller

	mu    sync.Mutex // guards state
	state progress.State
}

// New makes Bars on a terminal whose size is asked for whenever it is drawn.
func New(out io.Writer, size func() (width, height int)) *Bars {
	b := &Bars{out: out, size: func() (int, int) {
		w, h := size()
		if w <= 0 || h <= 0 {
			return 80, 24 // it does not tell
		}
		return w, h
	}}
	b.filler = mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]").Build()
	// Rows are drawn by us to the terminal's width; mpb takes the screen for a file.
	b.draws = mpb.New(mpb.WithOutput(&screen{out: out, size: b.size}), mpb.WithAutoRefresh(), mpb.WithRefreshRate(refresh))
	b.lines = progress.NewLines(b, 0)
	rows := func(f func(*frame)) mpb.BarFillerFunc {
		return func(w io.Writer, stat decor.Statistics) error { return b.fill(w, stat, f) }
	}
	row := func(f func(*frame)) mpb.BarFillerFunc { // mpb ends it
		return func(w io.Writer, stat decor.Statistics) error {
			var text bytes.Buffer
			err := b.fill(&text, stat, f)
			w.Write(bytes.TrimSuffix(text.Bytes(), []byte("\n"))) // into memory
			return err
		}
	}
	for _, f := range []func(*frame){(*frame).sweep, (*frame).cell} {
		b.bars = append(b.bars, b.draws.MustAdd(0, row(f), mpb.BarFillerTrim()))
	}
	b.bars = append(b.bars, b.draws.MustAdd(0, row((*frame).step), mpb.BarFillerTrim(), mpb.BarExtender(rows((*frame).figures), false)))
	return b
}

// Take takes an event; the next frame shows it.
func (b *Bars) Take(e progress.Event) {
	b.mu.Lock()
	b.state.Take(e)
	b.mu.Unlock()
	b.lines.Take(e)
}

// Write puts whole lines above the bars, to stay. It is safe for concurrent use, also
// after Close.
func (b *Bars) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	text := p
	if text[len(text)-1] != '\n' {
		text = append(append([]byte{}, text...), '\n')
	}
	if _, err := b.draws.Write(text); err != nil { // it is closed
		return b.out.Write(p)
	}
	return len(p), nil
}

// Close takes the bars away. What stands above them stays.
func (b *Bars) Close() error {
	for _, bar := range b.bars {
		bar.Abort(true)
	}
	b.draws.Wait()
	return nil
}

// fill draws what f adds to a frame, each row with its end.
func (b *Bars) fill(w io.Writer, stat decor.Statistics, f func(*frame)) error {
	width, _ := b.size()
	b.mu.Lock()
	defer b.mu.Unlock()
	fr := &frame{state: &b.state, now: time.Now(), width: width, filler: b.filler, stat: stat}
	f(fr)
	for _, row := range fr.rows {
		if _, err := fmt.Fprintf(w, "%c%s\n", rowMark, row); err != nil {
			return err
		}
	}
	return nil
}

// A frame is what is drawn of a state.
type frame struct {
	state  *progress.State
	now    time.Time
	width  int
	filler mpb.BarFiller
	stat   decor.Statistics
	rows   []string
}

// add adds a row, cut to the width: a row that the terminal wraps would be two.
func (f *frame) add(text string) {
	text = strings.ReplaceAll(progress.Clean(text), "\n", " ")
	f.rows = append(f.rows, runewidth.Truncate(text, f.width-1, "…"))
}

// bar adds a row with a bar, of part of whole; without a whole the bar is left out.
func (f *frame) bar(name string, part, whole float64, text string) {
	var bar strings.Builder
	stat := f.stat
	stat.AvailableWidth, stat.RequestedWidth = min(30, max(10, f.width/4)), 0
	stat.Total, stat.Current = 1000, 0
	if whole > 0 {
		stat.Current = int64(1000 * min(1, max(0, part/whole)))
	}
	stat.Completed, stat.Aborted = false, false
	if err := f.filler.Fill(&bar, stat); err != nil {
		bar.Reset()
	}
	f.add(fmt.Sprintf("%-6s%s %s", name, bar.String(), text))
}

func (f *frame) sweep() {
	s := f.state
	text := s.Words(f.now)
	if s.Sweep.Simulated != "" {
		text += ", SIMULATED"
	}
	f.bar("sweep", s.Share(f.now), 1, text)
}

func (f *frame) cell() {
	c := f.state.Cell
	if c == nil {
		f.bar("cell", 0, 0, f.state.Doing())
		return
	}
	text := c.Cell
	if c.Step != nil {
		text += fmt.Sprintf(", step %d", c.Step.Step+1)
		if n := f.state.Sweep.Steps; n > 0 {
			text += fmt.Sprintf(" of %d", n)
		}
	}
	f.bar("cell", f.state.CellShare(f.now), 1, text+", "+f.state.Doing()+" for "+progress.Span(f.now.Sub(c.Since)))
}

func (f *frame) step() {
	c := f.state.Cell
	if c == nil || c.Step == nil || c.Step.Figures == nil {
		f.bar("step", 0, 0, "")
		return
	}
	g := c.Step.Figures
	var levels []string
	for _, l := range c.Step.Plan.Levels {
		levels = append(levels, fmt.Sprintf("%s %.5g %s", l.Service, l.Value, l.Unit))
	}
	where := g.Where()
	if c.Step.Over {
		where = "over"
	}
	if p := c.Step.Plan.Purpose; p != "" {
		where += ", " + p
	}
	f.bar("step", g.IntoSeconds, g.WarmupSeconds+g.WindowSeconds, where+": "+strings.Join(levels, ", "))
}

// figures adds a line or more for each service, and for the devices.
func (f *frame) figures() {
	c := f.state.Cell
	if c == nil || c.Step == nil || c.Step.Figures == nil {
		return
	}
	name := 6
	for _, s := range c.Step.Figures.Services {
		name = max(name, runewidth.StringWidth(s.Service))
	}
	for _, s := range c.Step.Figures.Services {
		f.wrap(runewidth.FillRight(s.Service, name), s.Words(), ", ")
	}
	var devices []string
	for _, d := range c.Step.Figures.Devices {
		if text := d.Words(); text != "" {
			devices = append(devices, text)
		}
	}
	if len(devices) > 0 {
		f.wrap(runewidth.FillRight("GPU", name), devices, "   ")
	}
}

// mostLines is how many lines one service takes at most, or the devices.
const mostLines = 4

// wrap adds parts on as many lines as they take, the name in front of the first.
func (f *frame) wrap(name string, parts []string, between string) {
	head := "  " + name + "  "
	line, lines := head, 1
	for i, part := range parts {
		next := line + part
		if line != head {
			next = line + between + part
		}
		if line == head || runewidth.StringWidth(next) < f.width {
			line = next
			continue
		}
		if lines == mostLines {
			f.add(fmt.Sprintf("%s, and %d more", line, len(parts)-i))
			return
		}
		f.add(line)
		lines++
		head = strings.Repeat(" ", runewidth.StringWidth(head))
		line = head + part
	}
	f.add(line)
}
