package analysis

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/results"
)

// drawnStep draws a step and its samples, of which none is due after the window.
func drawnStep(t *rapid.T) (results.Step, []results.Sample) {
	span := func(name string, most time.Duration) time.Duration {
		return time.Duration(rapid.Int64Range(0, int64(most)).Draw(t, name))
	}
	var step results.Step
	step.Start = results.Offset(span("start", time.Hour)) - results.Offset(10*time.Minute)
	step.WindowStart = step.Start
	if rapid.Bool().Draw(t, "warm") {
		step.WindowStart = step.Start.Add(span("warm-up", 5*time.Minute))
	}
	step.WindowEnd = step.WindowStart.Add(rapid.SampledFrom([]time.Duration{0, 1, 7, time.Millisecond, time.Second, time.Minute, time.Hour}).Draw(t, "window"))
	var samples []results.Sample
	if step.WindowEnd == step.Start {
		return step, nil
	}
	for range rapid.IntRange(0, 200).Draw(t, "n") {
		s := results.Sample{Due: step.Start.Add(span("due", step.WindowEnd.Sub(step.Start)-1)), Sent: results.NoOffset, First: results.NoOffset, Outcome: results.OK}
		if rapid.IntRange(0, 5).Draw(t, "edge") == 0 {
			s.Due = rapid.SampledFrom([]results.Offset{step.Start, step.WindowStart, step.WindowEnd - 1}).Draw(t, "at")
			s.Due = min(s.Due, step.WindowEnd-1)
		}
		took := rapid.SampledFrom([]time.Duration{0, 1, time.Microsecond, time.Second, time.Hour}).Draw(t, "about")
		s.Done = s.Due.Add(took + span("latency", took))
		if rapid.IntRange(0, 9).Draw(t, "fails") == 0 {
			s.Outcome = results.Timeout
		}
		samples = append(samples, s)
	}
	return step, samples
}

func sumOf(list []int64) int64 {
	var sum int64
	for _, n := range list {
		sum += n
	}
	return sum
}

// However a step is cut, its window's parts add up to what is told of the window, all of
// them to all that was due, and each bin holds what belongs to it.
func TestCourseAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step, samples := drawnStep(t)
		c, total, w := courseOf(step), &tally{}, window{step.WindowStart, step.WindowEnd}
		var latencies []time.Duration
		for _, s := range samples {
			c.add(&s)
			total.add(&s, w)
			if s.Outcome == results.OK {
				latencies = append(latencies, s.Done.Sub(s.Due))
			}
		}
		course := c.course()
		if course == nil {
			if step.WindowEnd > step.Start {
				t.Fatal("no course of a step that took time")
			}
			return
		}
		n := len(course.Due)
		if n < 1 || n > 60 || len(course.OK) != n || len(course.Failed) != n || len(course.Done) != n || course.Warmup > n {
			t.Fatalf("%d parts, %d of the warm-up", n, course.Warmup)
		}
		of := func(list []int64) int64 { return sumOf(list[course.Warmup:]) }
		var inWindow, inAll int64
		last := [3]int64{-1, 0, 0}
		for _, h := range course.Heat {
			if h[0] < last[0] || h[0] == last[0] && h[1] <= last[1] || h[2] < 1 || h[1] < 0 || h[1]+1 >= int64(len(course.Bounds)) {
				t.Fatalf("heat has %v after %v, with %d bounds", h, last, len(course.Bounds))
			}
			last = h
			inAll += h[2]
			if h[0] >= int64(course.Warmup) {
				inWindow += h[2]
			}
		}
		for _, x := range []struct {
			what      string
			got, want int64
		}{
			{"due", of(course.Due), total.due},
			{"ok", of(course.OK), total.due - total.failed()},
			{"failed", of(course.Failed), total.failed()},
			{"done", of(course.Done), total.completed},
			{"heat", inWindow, total.due - total.failed()},
			{"all due", sumOf(course.Due), int64(len(samples))},
			{"all ok", inAll, int64(len(latencies))},
		} {
			if x.got != x.want {
				t.Fatalf("%s: %d, want %d", x.what, x.got, x.want)
			}
		}
		for bin := 0; bin+1 < len(course.Bounds); bin++ {
			var got, want int64
			for _, h := range course.Heat {
				if h[1] == int64(bin) {
					got += h[2]
				}
			}
			for _, d := range latencies {
				at := max(d, 1).Seconds()
				if at >= course.Bounds[bin]*(1-1e-12) && at < course.Bounds[bin+1]*(1-1e-12) {
					want++
				}
			}
			if got != want {
				t.Fatalf("bin %d from %g s: %d, want %d of %v", bin, course.Bounds[bin], got, want, latencies)
			}
		}
	})
}

// A step of 30 s of warm-up and a minute: 40·60/90 = 26.7, so 27 parts of the window,
// 2.22 s each, and 13.5 before it, so 14.
func TestCourseOfAMinute(t *testing.T) {
	step := results.Step{Start: at0(0), WindowStart: at0(30 * time.Second), WindowEnd: at0(90 * time.Second)}
	c := courseOf(step)
	for i, s := range []struct {
		due, took time.Duration
		part      int
	}{
		{0, time.Second, 0},                            // the first part began 1.1 s before the load
		{1_111_111_112, time.Second, 1},                // 30 s - 13 parts = 1.1111 s
		{30*time.Second - 1, time.Second, 13},          // the last of the warm-up
		{30 * time.Second, 100 * time.Millisecond, 14}, // the window's first
		{90*time.Second - 1, time.Minute, 40},          // its answer is in no part
	} {
		c.add(&results.Sample{Due: at0(s.due), Done: at0(s.due + s.took), Outcome: results.OK})
		if c.ok[s.part] != 1 {
			t.Errorf("sample %d is not in part %d: %v", i, s.part, c.ok)
		}
	}
	course := c.course()
	if math.Abs(course.Part-60.0/27) > 1e-12 || course.Warmup != 14 || len(course.Due) != 41 || sumOf(course.Done) != 4 {
		t.Errorf("%d parts of %g s, %d of the warm-up; %d done", len(course.Due), course.Part, course.Warmup, sumOf(course.Done))
	}
	// From 0.1 s to above 60 s: 10^(-1) to 10^(15/8) = 74.99 s, 23 bins.
	if n := len(course.Bounds); n != 24 || course.Bounds[0] != 0.1 || math.Abs(course.Bounds[23]-math.Pow(10, 15.0/8)) > 1e-9 {
		t.Errorf("bounds %v", course.Bounds)
	}
	// What was due at another time than the step's harms nothing.
	for _, due := range []results.Offset{results.NoOffset, results.NoOffset + 1, math.MaxInt64, step.WindowEnd} {
		c.add(&results.Sample{Due: due, Done: due, Outcome: results.Timeout})
	}
	if got := c.course(); got.Failed[0] != 1 || sumOf(got.Failed) != 1 {
		t.Errorf("failed %v, want one, before the begin", got.Failed)
	}
}

// A step that was stopped in its warm-up has a course all the same, of warm-up only.
func TestCourseWithoutWindow(t *testing.T) {
	end := at0(10 * time.Second)
	c := courseOf(results.Step{WindowStart: end, WindowEnd: end})
	c.add(&results.Sample{Due: at0(5 * time.Second), Done: at0(6 * time.Second), Outcome: results.OK})
	course := c.course()
	if course.Warmup != len(course.Due) || course.Part != 0.25 || course.Due[20] != 1 {
		t.Errorf("course %+v", course)
	}
	if c := courseOf(results.Step{}); c.course() != nil {
		t.Error("a course of no time")
	}
}

func TestHeatRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		heat := Heat{}
		for part := range int64(rapid.IntRange(0, 6).Draw(t, "parts")) {
			for bin := range int64(rapid.IntRange(0, 6).Draw(t, "bins")) {
				if n := rapid.Int64Range(0, 3).Draw(t, "n"); n > 0 {
					heat = append(heat, [3]int64{part, bin, n})
				}
			}
		}
		text, err := json.Marshal(heat)
		if err != nil {
			t.Fatal(err)
		}
		var got Heat
		if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, heat) {
			t.Fatalf("%v as %s is %v (%v)", heat, text, got, err)
		}
	})
	// The form that others read.
	text, err := json.Marshal(Heat{{0, 2, 5}, {2, 1, 7}, {2, 4, 1}})
	if want := "[[2,5],[],[1,7,0,0,1]]"; err != nil || string(text) != want {
		t.Errorf("%s (%v), want %s", text, err, want)
	}
	if _, err := json.Marshal(Heat{{0, 2, 5}, {0, 1, 7}}); err == nil {
		t.Error("bins out of order were written")
	}
}

// The curve is exact, ascends, and goes as far as samples do.
func TestCurve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0, 100), 1, 2000).Draw(t, "values")
		stats.Sort(values)
		curve := curveOf(values)
		first, last := curve[0], curve[len(curve)-1]
		if first != (PercentilePoint{0, values[0]}) || last != (PercentilePoint{1, values[len(values)-1]}) {
			t.Fatalf("from %v to %v", first, last)
		}
		for i, p := range curve {
			if i > 0 && (p.Share <= curve[i-1].Share || p.Seconds < curve[i-1].Seconds) {
				t.Fatalf("point %v after %v", p, curve[i-1])
			}
			if p.Seconds != stats.Quantile(values, p.Share) {
				t.Fatalf("point %v, want %g", p, stats.Quantile(values, p.Share))
			}
		}
	})
	// 1 of 200 is beyond 0.995, and none beyond 0.998: it would be the largest.
	values := make([]float64, 200)
	for i := range values {
		values[i] = float64(i)
	}
	curve := curveOf(values)
	if p := curve[len(curve)-2]; p != (PercentilePoint{0.995, 198}) {
		t.Errorf("the last before the largest is %v", p)
	}
	if curveOf(nil) != nil {
		t.Error("a curve of nothing")
	}
}

// 100 cells of 5 steps and 2 services have 1000 courses and curves: all of them in less
// than 3 MB, so that summary.json can be read and the page drawn. Latencies spread over a
// decade, as they do near capacity.
func TestCourseIsSmall(t *testing.T) {
	step := results.Step{Start: at0(0), WindowStart: at0(30 * time.Second), WindowEnd: at0(150 * time.Second)}
	c := courseOf(step)
	var values []float64
	for i := range 10_000 {
		took := time.Duration(math.Pow(10, 7+1.2*math.Mod(float64(i)*0.618, 1)))
		due := at0(time.Duration(i) * 15 * time.Millisecond)
		c.add(&results.Sample{Due: due, Done: due.Add(took), Outcome: results.OK})
		values = append(values, took.Seconds())
	}
	stats.Sort(values)
	course, err := json.Marshal(c.course())
	if err != nil {
		t.Fatal(err)
	}
	curve, err := json.Marshal(curveOf(values))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(course) + len(curve); n > 3000 {
		t.Errorf("%d B of course and %d B of curve, want 3000 B together", len(course), len(curve))
	}
}
