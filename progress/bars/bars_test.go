package bars

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mattn/go-runewidth"
	"pgregory.net/rapid"

	"github.com/evabench/evabench/progress"
	"github.com/evabench/evabench/results"
)

// A terminal is as much of one as bars need: lines, the way up, erasing below, and
// wrapping lines to its width, also those that it shows already.
type terminal struct {
	mu            sync.Mutex
	width, height int
	lines         []string // whole ones, as they were written; the cursor is below the last
	stale         int      // lines of the screen at the cursor and below that were not overwritten yet
	fault         string
}

var up = regexp.MustCompile(`^\x1b\[([0-9]+)A\r`)

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := string(p)
	for text != "" {
		if m := up.FindStringSubmatchIndex(text); m != nil {
			n, _ := strconv.Atoi(text[m[2]:m[3]])
			t.stale += n
			for n > 0 && len(t.lines) > 0 {
				n -= t.takes(t.lines[len(t.lines)-1])
				t.lines = t.lines[:len(t.lines)-1]
			}
			if n < 0 {
				t.fault = "it went up into the midst of a line"
			}
			text = text[m[1]:]
			continue
		}
		if after, ok := strings.CutPrefix(text, eraseBelow); ok {
			t.stale, text = 0, after
			continue
		}
		line, rest, ended := strings.Cut(text, "\n")
		line, erased := strings.CutSuffix(line, eraseLine)
		if full := line != "" && runewidth.StringWidth(line)%t.width == 0; erased == full {
			t.fault = fmt.Sprintf("the line of %q is erased after it: %v", line, erased)
		}
		t.stale = max(0, t.stale-t.takes(line))
		if strings.ContainsRune(line, 0x1b) || strings.ContainsRune(line, rowMark) || !ended {
			t.fault = fmt.Sprintf("%q was written", line)
		}
		t.lines, text = append(t.lines, line), rest
	}
	if t.stale > 0 {
		t.fault = fmt.Sprintf("%d lines of the frame before were left", t.stale)
	}
	return len(p), nil
}

// takes is how many lines of the screen a line takes.
func (t *terminal) takes(line string) int {
	return max(1, (runewidth.StringWidth(line)+t.width-1)/t.width)
}

func (t *terminal) size() (int, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.width, t.height
}

// Whatever is said while bars are drawn on a terminal that is resized meanwhile, every
// line stands once, in order, and of the bars only the last frame.
func TestScreenLeavesNothingBehind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		term := &terminal{width: 80, height: 24}
		s := &screen{out: term, size: term.size}
		var said, want []string
		for i := range rapid.IntRange(1, 30).Draw(t, "frames") {
			// A frame of up to 6 rows fits; wrapped by a narrower terminal it takes up
			// to 18 lines, which stay in sight.
			term.width = rapid.SampledFrom([]int{40, 80, 120}).Draw(t, "width")
			var frame bytes.Buffer
			if i > 0 {
				fmt.Fprintf(&frame, "\x1b[%dA\x1b[J", len(want)) // as mpb goes up
			}
			for j := range rapid.IntRange(0, 3).Draw(t, "lines") {
				line := fmt.Sprintf("said %d.%d %s", i, j, strings.Repeat("x", rapid.IntRange(0, 200).Draw(t, "long")))
				said = append(said, line)
				frame.WriteString(line + "\n")
			}
			want = nil
			for j := range rapid.IntRange(0, 6).Draw(t, "rows") {
				row := fmt.Sprintf("row %d.%d ", i, j)
				row += strings.Repeat("=", rapid.IntRange(0, term.width-1-len(row)).Draw(t, "row"))
				want = append(want, row)
				fmt.Fprintf(&frame, "%c%s\n", rowMark, row)
			}
			if _, err := s.Write(frame.Bytes()); err != nil {
				t.Fatal(err)
			}
		}
		if all := slices.Concat(said, want); !slices.Equal(term.lines, all) || term.fault != "" {
			t.Fatalf("%s: the terminal shows\n%s\nwant\n%s", term.fault, strings.Join(term.lines, "\n"), strings.Join(all, "\n"))
		}
	})
}

// A terminal that is lower than a frame shows the rows that fit, and it never goes up
// further than there is room.
func TestScreenThatIsLow(t *testing.T) {
	term := &terminal{width: 20, height: 4}
	s := &screen{out: term, size: term.size}
	frame := []byte("\x01one\n\x01two\n\x01three\n\x01four\n\x01five\n")
	for range 3 {
		if _, err := s.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"one", "two", "three"}; !slices.Equal(term.lines, want) {
		t.Errorf("it shows %q, want %q", term.lines, want)
	}
	term.width = 2 // three rows take 2, 2 and 3 lines, of which 3 and the cursor's are in sight
	if got := s.up(term.size()); got != 3 {
		t.Errorf("it goes up by %d, want 3", got)
	}
}

// Bars draw a whole run, and take themselves away: lines stay, with what was said beside
// the run and after its end.
func TestBars(t *testing.T) { synctest.Test(t, testBars) }

func testBars(t *testing.T) {
	term := &terminal{width: 100, height: 30}
	b := New(term, term.size)
	at, step := time.Now().UTC(), 0
	put := func(e progress.Event) {
		e.At = at
		b.Take(e)
	}
	value, holds := 0.0412, true
	figures := &progress.Figures{
		IntoSeconds: 30, WarmupSeconds: 10, WindowSeconds: 50, Part: progress.PartWindow,
		Services: []progress.ServiceFigures{{
			Service: "vision", Level: 20, Unit: "req/s", Offered: new(20.0), Delivered: new(19.5), Unfinished: 3, Done: 400, Failed: 1,
			Outcomes: map[string]int64{"timeout": 1}, Queue: new(2.0),
			Clauses: []progress.Clause{{Text: "p95 < 300 ms", Value: &value, Unit: "s", Limit: 0.3, Holds: &holds}},
		}},
	}
	for i := range 9 {
		figures.Devices = append(figures.Devices, progress.DeviceFigures{Device: progress.Device{Name: fmt.Sprintf("gpu0/1g@%d", i)}, Activity: new(0.5), Memory: new(float64(20 << 30))})
	}
	put(progress.Event{Kind: progress.SweepBegins, Sweep: &progress.Sweep{Scenario: "s", Simulated: "pro6000x1", Cells: []string{"000-a-r1", "001-b-r1"}, Steps: 2, LoadSeconds: 120}})
	put(progress.Event{Kind: progress.CellBegins, Cell: "000-a-r1"})
	put(progress.Event{Kind: progress.CellPhase, Cell: "000-a-r1", Phase: "steps"})
	put(progress.Event{Kind: progress.StepBegins, Cell: "000-a-r1", Step: &step, Plan: &results.StepPlan{Levels: []results.Level{{Service: "vision", Value: 20, Unit: "req/s"}}}})
	put(progress.Event{Kind: progress.StepRuns, Cell: "000-a-r1", Step: &step, Figures: figures})
	put(progress.Event{Kind: progress.Said, Text: "two lines\nof a fault \x1b[31mred"})
	fmt.Fprint(b, "from elsewhere") // no end of line
	want := []string{
		"sweep [==>                    ] 0 of 2 cells, about 3m59s left, SIMULATED", // an eighth: half of the first of two steps of one of two cells
		"cell  [=====>                 ] 000-a-r1, step 1 of 2, driving load for 1s",
		"step  [===========>           ] 30s of 1m00s, window: vision 20 req/s",
		"  vision  offered 20.00/s, delivered 19.50/s, p95 < 300 ms: 41.20 ms, 3 unfinished, queue 2",
		"          1 of 400 failed (1 timeout)",
		"  GPU     gpu0/1g@0 50 % 20 GiB   gpu0/1g@1 50 % 20 GiB   gpu0/1g@2 50 % 20 GiB",
		"          gpu0/1g@3 50 % 20 GiB   gpu0/1g@4 50 % 20 GiB   gpu0/1g@5 50 % 20 GiB",
		"          gpu0/1g@6 50 % 20 GiB   gpu0/1g@7 50 % 20 GiB   gpu0/1g@8 50 % 20 GiB",
	}
	time.Sleep(time.Second - 1) // of the bubble
	synctest.Wait()
	term.mu.Lock()
	if got := term.lines[len(term.lines)-len(want):]; !slices.Equal(got, want) {
		t.Errorf("the terminal shows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	term.mu.Unlock()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if term.fault != "" {
		t.Error(term.fault)
	}
	fmt.Fprintln(b, "after the end")
	clock := at.Local().Format("15:04:05")
	if want := []string{clock + " two lines", "of a fault \ufffd[31mred", "from elsewhere", "after the end"}; !slices.Equal(term.lines, want) {
		t.Errorf("afterwards the terminal shows %q, want %q", term.lines, want)
	}
}
