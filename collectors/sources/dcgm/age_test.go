package dcgm

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// A page that stands still is told of by its age; one that cannot stand so long is
// refused, and believed again once it moves.
func TestStale(t *testing.T) {
	const power = `DCGM_FI_DEV_POWER_USAGE{UUID="GPU-1"} 70` + "\n"
	page := func(joules int) string {
		return power + energy + `{UUID="GPU-1"} ` + strconv.Itoa(joules) + "000\n"
	}
	began := time.Now()
	c, idle := made(t, whole("GPU-1")), made(t, whole("GPU-1"))
	for _, r := range []struct {
		after    time.Duration
		joules   int
		stood    float64 // s
		interval float64 // s, 0 for unknown
		stale    bool
	}{
		{0, 1, 0, 0, false},
		{29 * time.Second, 1, 29, 0, false},
		{30 * time.Second, 2, 0, 0, false}, // since when the first stood is not known
		{59 * time.Second, 2, 29, 0, false},
		{60 * time.Second, 3, 0, 30, false},
		{125 * time.Second, 3, 65, 30, false},
		{126 * time.Second, 3, 66, 30, true},
		{127 * time.Second, 4, 0, 67, false},
	} {
		readings, err := c.read([]byte(page(r.joules)), began.Add(r.after))
		values := make(map[string]float64)
		for _, one := range readings {
			values[one.Series] = one.Value
		}
		_, told := values[energy]
		if values[SeriesUnchanged] != r.stood || values[SeriesInterval] != r.interval || told == r.stale {
			t.Errorf("after %v: got %v, want unchanged for %v s, interval %v s, stale %v", r.after, values, r.stood, r.interval, r.stale)
		}
		if (err != nil) != r.stale || r.stale && !strings.Contains(err.Error(), "same for 1m6s") {
			t.Errorf("after %v: got %v, stale %v", r.after, err, r.stale)
		}
		// Nothing says that power alone cannot stand.
		if readings, err := idle.read([]byte(power), began.Add(r.after)); err != nil || len(readings) != 2 || readings[1].Value != r.after.Seconds() {
			t.Errorf("idle after %v: got %v, %v", r.after, readings, err)
		}
	}
}
