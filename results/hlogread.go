package results

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// readLatencyLog reads a histogram log of ours: one interval per service, with its tag and
// its stretch of time. A fault names its line. Lines of other tools, which may stand in such a
// log too, are no fault where they are comments.
//
// Note: the library's own reader passes over lines that it does not understand.
func readLatencyLog(text []byte) (all []*hdrhistogram.Histogram, err error) {
	if len(text) > 0 && text[len(text)-1] != '\n' {
		return nil, errors.New("its last line has no end")
	}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if line[0] == '#' || line[0] == '"' {
			continue
		}
		h, err := readInterval(strings.TrimSuffix(string(line), "\n"))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		all = append(all, h)
	}
	return all, nil
}

// readInterval reads a line "Tag=NAME,START,LENGTH,MAX,HISTOGRAM".
func readInterval(line string) (h *hdrhistogram.Histogram, err error) {
	defer recovered(&err)
	cells := strings.Split(line, ",")
	if len(cells) != 5 || !strings.HasPrefix(cells[0], "Tag=") {
		return nil, errors.New("it is no interval with a tag")
	}
	h, err = hdrhistogram.Decode([]byte(cells[4]))
	if err != nil {
		return nil, err
	}
	start, err := time.ParseDuration(cells[1] + "s")
	if err != nil {
		return nil, fmt.Errorf("its start: %w", err)
	}
	length, err := time.ParseDuration(cells[2] + "s")
	if err != nil {
		return nil, fmt.Errorf("its length: %w", err)
	}
	if want := fmt.Sprintf("%f", float64(h.Max())/hdrhistogram.MsToNsRatio); cells[3] != want {
		return nil, fmt.Errorf("its largest value is told as %.40s ms, and is %s", cells[3], want)
	}
	h.SetTag(strings.TrimPrefix(cells[0], "Tag="))
	h.SetStartTimeMs(start.Milliseconds())
	h.SetEndTimeMs((start + length).Round(time.Millisecond).Milliseconds())
	return h, nil
}

// checkLatencyLog says why a histogram log is not the one of a step.
func checkLatencyLog(text []byte, step Step) error {
	intervals, err := readLatencyLog(text)
	if err != nil {
		return err
	}
	services := servicesOf(step)
	if len(intervals) != len(services) {
		return fmt.Errorf("it has %d intervals, the step has %d services", len(intervals), len(services))
	}
	from, to := time.Duration(step.WindowStart).Milliseconds(), time.Duration(step.WindowEnd).Milliseconds()
	for i, h := range intervals {
		if h.Tag() != services[i] {
			return fmt.Errorf("interval %d is of %.100q, the step's service is %q", i+1, h.Tag(), services[i])
		}
		if h.StartTimeMs() != from || h.EndTimeMs() != to {
			return fmt.Errorf("the interval of %q is from %d to %d ms, the step's window from %d to %d", services[i], h.StartTimeMs(), h.EndTimeMs(), from, to)
		}
	}
	return nil
}
