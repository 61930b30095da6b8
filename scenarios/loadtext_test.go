package scenarios

import (
	"reflect"
	"testing"
	"time"
)

// Whatever sets the arrivals of two loads apart is in their texts; a level is not.
func TestLoadText(t *testing.T) {
	seen := map[string]Load{}
	for want, l := range map[string]Load{
		"poisson":                               {Arrivals: Poisson, Levels: []float64{4}},
		"cameras, 5 fps":                        {Arrivals: Cameras, FPS: 5},
		"gamma, burstiness 0.5":                 {Arrivals: Gamma, Burstiness: 0.5},
		"trace, day.csv":                        {Arrivals: Trace, File: "day.csv"},
		"closed, think 2s":                      {Arrivals: Closed, Think: 2 * time.Second},
		"closed, think 2s exponential":          {Arrivals: Closed, Think: 2 * time.Second, ThinkExponential: true},
		"poisson, 1 times at 0s, 3 times at 1s": {Arrivals: Poisson, Shape: []RatePoint{{0, 1}, {time.Second, 3}}},
	} {
		if got := l.Text(); got != want {
			t.Errorf("%+v is %q, want %q", l, got, want)
		}
		seen[want] = l
	}
	// No key sets FailurePause and Ramp, and Levels are what the text is not about.
	apart := map[string]bool{"Levels": true, "FailurePause": true, "Ramp": true}
	for field := range reflect.TypeFor[Load]().Fields() {
		told := apart[field.Name]
		for _, l := range seen {
			told = told || !reflect.ValueOf(l).FieldByIndex(field.Index).IsZero()
		}
		if !told {
			t.Errorf("no case has %s", field.Name)
		}
	}
}
