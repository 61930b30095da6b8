package results

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// latencyLog writes latency.hlog: one interval per service of the step, the
// step's window, tagged with the service's name. A service without an ok
// answer in the window has an interval with nothing in it.
//
// The precision is three significant digits. The range is chosen so that the
// largest latency fits: nothing is clamped.
func latencyLog(step Step, samples []Sample) ([]byte, error) {
	var out bytes.Buffer
	log := hdrhistogram.NewHistogramLogWriter(&out)
	for _, line := range []string{
		"[Latency from Due to Done of ok answers due in the step's window, in nanoseconds]",
		"[Interval start and length in seconds since the cell's origin; Interval_Max in milliseconds]",
	} {
		if err := log.OutputComment(line); err != nil {
			return nil, err
		}
	}
	if err := log.OutputLogFormatVersion(); err != nil {
		return nil, err
	}
	if err := log.OutputLegend(); err != nil {
		return nil, err
	}
	for _, service := range servicesOf(step) {
		histogram, err := windowLatencies(step, service, samples)
		if err != nil {
			return nil, err
		}
		if err := log.OutputIntervalHistogram(histogram); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// servicesOf names the services of a step in the order of its levels.
func servicesOf(step Step) []string {
	names := make([]string, 0, len(step.Services))
	for _, s := range step.Services {
		names = append(names, s.Service)
	}
	return names
}

func windowLatencies(step Step, service string, samples []Sample) (*hdrhistogram.Histogram, error) {
	if strings.ContainsAny(service, ", \r\n") {
		return nil, fmt.Errorf("service %q: a histogram log's tag has no comma, space or line end", service)
	}
	var values []int64
	highest := int64(time.Hour)
	for _, s := range samples {
		if s.Service != service || s.Outcome != OK || s.Due < step.WindowStart || s.Due >= step.WindowEnd {
			continue
		}
		latency := int64(s.Done.Sub(s.Due))
		if latency < 0 {
			return nil, fmt.Errorf("sample %d of service %q: done %v before it was due", s.Seq, service, -s.Done.Sub(s.Due))
		}
		values = append(values, latency)
		highest = max(highest, latency)
	}
	h := hdrhistogram.New(1, highest, 3)
	h.SetTag(service)
	h.SetStartTimeMs(time.Duration(step.WindowStart).Milliseconds())
	h.SetEndTimeMs(time.Duration(step.WindowEnd).Milliseconds())
	for _, v := range values {
		if err := h.RecordValue(v); err != nil {
			return nil, fmt.Errorf("latency of service %q: %w", service, err)
		}
	}
	return h, nil
}
