package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/results"
)

// late is how late requests may begin to arrive, at the 99th percentile of an open
// loop at up to usualRate, before that is worth a warning: a few percent of the
// latencies of a detector.
const (
	late      = time.Millisecond
	usualRate = 1000.0
)

// again measures at full length.
const again = "evabench selftest   # half a minute, on an idle machine"

func client(_ context.Context, m Machine) []Finding {
	t := m.SelfTest
	switch {
	case m.SelfTestFault != nil:
		return []Finding{warn(again, "what the load generator can do could not be measured: %v", m.SelfTestFault)}
	case t == nil:
		return []Finding{unknown("not measured")}
	}
	all := []Finding{roof(t)}
	for _, r := range t.Rates {
		if r.Rate > usualRate || r.N == 0 {
			continue
		}
		if r.P99 > late {
			all = append(all, warn("evabench run --vision-url http://SERVER:8080 …   # on another machine; or see cpu above",
				"at %s requests a second one in a hundred leaves more than %s late (limit %s): latencies hold that", units.Number(r.Rate), span(r.P99), span(late)))
		}
	}
	for _, w := range t.Warnings {
		all = append(all, warn(again, "%s", w.Text))
	}
	return all
}

// roof tells the most that the client does.
func roof(t *results.SelfTest) Finding {
	var texts []string
	if p := t.Images; p != nil {
		texts = append(texts, fmt.Sprintf("%s requests of %s a second", units.Number(p.PerSecond), units.Format(float64(p.BodyBytes), units.Bytes)))
	}
	if p := t.Small; p != nil {
		texts = append(texts, units.Number(p.PerSecond)+" small ones")
	}
	if p := t.Streams; p != nil {
		texts = append(texts, units.Number(p.PerSecondAt85)+" tokens a second at 85 % of its processor")
	}
	for _, r := range t.Rates {
		if r.N > 0 && r.Rate <= usualRate {
			texts = append(texts, fmt.Sprintf("late by %s at p99 of %s/s", span(r.P99), units.Number(r.Rate)))
		}
	}
	return ok("over loopback: %s", strings.Join(texts, ", "))
}

// span writes a duration.
func span(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }
