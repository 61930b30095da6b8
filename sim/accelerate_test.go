package sim

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
)

func TestCheckScale(t *testing.T) {
	for k, good := range map[float64]bool{
		1: true, 1000: true, 2.5: true, 0.999: false, 1000.001: false, 0: false, -1: false,
		math.NaN(): false, math.Inf(1): false,
	} {
		if err := CheckScale(k); (err == nil) != good {
			t.Errorf("scale %v: %v, want good %v", k, err, good)
		}
	}
}

// kept takes what a bench writes.
type kept struct {
	steps        []results.Step
	samples      []results.Sample
	observations []results.Observation
	cell         results.Cell
	followed     followed
}

func (k *kept) Cell(string) (runner.CellWriter, error) { return k, nil }
func (k *kept) LogDir() string                         { return "logs" }
func (k *kept) Layout(results.Layout) error            { return nil }
func (k *kept) Step(s results.Step, samples []results.Sample) error {
	k.steps, k.samples = append(k.steps, s), append(k.samples, samples...)
	return nil
}
func (k *kept) Observations(o []results.Observation) error {
	k.observations = append(k.observations, o...)
	return nil
}
func (k *kept) Close(c results.Cell) error { k.cell = c; return nil }

// planned is a chooser with a list.
type planned struct {
	plans []results.StepPlan
	given int
	seen  *results.StepResult
}

func (p *planned) Next(last *results.StepResult) (results.StepPlan, bool) {
	p.seen = last
	if p.given == len(p.plans) {
		return results.StepPlan{}, false
	}
	p.given++
	return p.plans[p.given-1], true
}

// fill sets every moment and span below v to a number of its own, which it
// gives to each, and rates to 100; NoOffset stands in for none. It follows
// everything that a record holds.
func fill(v reflect.Value, next *int64) {
	switch v.Type() {
	case reflect.TypeFor[results.Offset](), reflect.TypeFor[time.Duration]():
		*next++
		v.SetInt(*next * 1e6)
		return
	case reflect.TypeFor[time.Time]():
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); strings.HasSuffix(jsonName(f), "_per_second") {
				rate := 100.0
				v.Field(i).Set(reflect.ValueOf(&rate))
				continue
			}
			fill(v.Field(i), next)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), next)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), next)
		fill(v.Index(1), next)
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// scaled compares every moment and span of got with want times k, and rates
// with want over k. It gives how many it compared.
func scaled(t *testing.T, path string, got, want reflect.Value, k float64) (n int) {
	t.Helper()
	switch got.Type() {
	case reflect.TypeFor[results.StepPlan]():
		return 0 // compared by itself: a record has the plan as it was asked for
	case reflect.TypeFor[results.Client]():
		if !reflect.DeepEqual(got.Interface(), want.Interface()) {
			t.Errorf("%s is %+v, want it as it was: it is of the clock", path, got)
		}
		return 0
	case reflect.TypeFor[results.Offset](), reflect.TypeFor[time.Duration]():
		if g, w := got.Int(), int64(float64(want.Int())*k); g != w {
			t.Errorf("%s is %d ns, want %d x %v = %d", path, g, want.Int(), k, w)
		}
		return 1
	case reflect.TypeFor[time.Time]():
		return 0
	}
	switch got.Kind() {
	case reflect.Struct:
		for i := range got.NumField() {
			f := got.Type().Field(i)
			if strings.HasSuffix(jsonName(f), "_per_second") {
				if g := got.Field(i).Elem().Float(); g != 100/k {
					t.Errorf("%s.%s is %v a second, want 100 / %v", path, f.Name, g, k)
				}
				n++
				continue
			}
			n += scaled(t, path+"."+f.Name, got.Field(i), want.Field(i), k)
		}
	case reflect.Pointer:
		n += scaled(t, path, got.Elem(), want.Elem(), k)
	case reflect.Slice:
		for i := range got.Len() {
			n += scaled(t, fmt.Sprintf("%s[%d]", path, i), got.Index(i), want.Index(i), k)
		}
	}
	return n
}

// Every moment, span and rate of a record is turned, those too that a record
// will have one day: the test finds them by their types.
func TestEveryFieldIsTurned(t *testing.T) {
	const k = 8
	a := Accelerate(k)
	var next int64
	one := func(name string, in, out any, atLeast int) {
		t.Helper()
		if n := scaled(t, name, reflect.ValueOf(out), reflect.ValueOf(in), k); n < atLeast {
			t.Errorf("%s has %d moments and spans, want at least the %d that it had", name, n, atLeast)
		}
	}
	var sample results.Sample
	fill(reflect.ValueOf(&sample).Elem(), &next)
	sample.ServerQueue, sample.ServerWork = 0, 0 // of the server's time already
	one("Sample", sample, a.sample(sample), 7)
	var step results.Step
	fill(reflect.ValueOf(&step).Elem(), &next)
	plan := results.StepPlan{Name: "asked", Window: time.Minute}
	turned := a.step(step, plan)
	one("Step", step, turned, 4+2*(5+1+2+4))
	if step.Client == nil || turned.Client.CPU != step.Client.CPU || step.Client.CPU == 0 {
		t.Errorf("the client's use is %+v, want %+v", turned.Client, step.Client)
	}
	if !reflect.DeepEqual(turned.Plan, plan) {
		t.Errorf("the step's plan is %+v, want what was asked for, %+v", turned.Plan, plan)
	}
	var cell results.Cell
	fill(reflect.ValueOf(&cell).Elem(), &next)
	one("Cell", cell, a.cell(cell), 2*2+2*2)
	var observation results.Observation
	fill(reflect.ValueOf(&observation).Elem(), &next)
	one("Observation", observation, a.observation(observation), 1)
	// What is passed on as it is must have nothing to turn.
	for _, kind := range []any{results.Layout{}, results.Warning{}, results.Subject{}} {
		v := reflect.New(reflect.TypeOf(kind)).Elem()
		before := next
		if fill(v, &next); next != before {
			t.Errorf("%T has moments or spans, and nothing turns them", kind)
		}
	}
}

// What is no moment stays none.
func TestNoOffsetStays(t *testing.T) {
	s := Accelerate(60).sample(results.Sample{Due: -5, Sent: results.NoOffset, First: results.NoOffset, Final: results.NoOffset, Done: 7, ServerQueue: results.Untold, ServerWork: 9})
	if s.ServerQueue != results.Untold || s.ServerWork != 9 {
		t.Errorf("what the server told became %v and %v", s.ServerQueue, s.ServerWork)
	}
	if s.Due != -300 || s.Sent != results.NoOffset || s.First != results.NoOffset || s.Final != results.NoOffset || s.Done != 420 {
		t.Errorf("got %+v", s)
	}
}

// The client's seconds are turned, so that its shares stay true; what a server
// tells is server time already.
func TestObservationValues(t *testing.T) {
	client, server := results.Subject{Kind: results.SubjectClient}, results.Subject{Kind: results.SubjectEndpoint}
	for _, c := range []struct {
		o    results.Observation
		want float64
	}{
		{results.Observation{Subject: client, Series: "client:cpu_seconds_total", Value: 3, Unit: "s"}, 30},
		{results.Observation{Subject: client, Series: "client:goroutines", Value: 3, Unit: "1"}, 3},
		{results.Observation{Subject: client, Series: "client:resident_memory_bytes", Value: 3, Unit: "B"}, 3},
		{results.Observation{Subject: client, Series: "client:sent", Value: 3, Unit: "B/s"}, 0.3},
		{results.Observation{Subject: server, Series: results.SeriesReadSeconds, Value: 3, Unit: "s"}, 30},
		{results.Observation{Subject: server, Series: results.SeriesReadOK, Value: 1, Unit: "1"}, 1},
		{results.Observation{Subject: server, Series: "dcgm:unchanged_seconds", Value: 3, Unit: "s"}, 30},
		{results.Observation{Subject: server, Series: "DCGM_FI_PROF_PCIE_TX_BYTES", Value: 3, Unit: "B/s"}, 3},
		{results.Observation{Subject: server, Series: "vllm:e2e_request_latency_seconds_sum", Value: 3, Unit: "s"}, 3},
		{results.Observation{Subject: results.Subject{Kind: results.SubjectHost}, Series: results.SeriesServerLate, Value: 3, Unit: "s"}, 3},
	} {
		if got := Accelerate(10).observation(c.o).Value; math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s of %s: %v, want %v", c.o.Series, c.o.Subject.Kind, got, c.want)
		}
	}
}

// Recording any step through an Acceleration and dividing gives the step, and
// orders and differences hold: Due ≤ Sent ≤ First ≤ Final ≤ Done, and what was due in
// the window still is.
func TestRecordedStepIsTheStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.OneOf(rapid.Float64Range(1, 1000), rapid.SampledFrom([]float64{1, 2, 20, 60, 1000})).Draw(t, "k")
		a := Accelerate(k)
		moment := rapid.Int64Range(-1e12, 1e13)
		plan := results.StepPlan{
			Name: "p", Warmup: time.Duration(rapid.Int64Range(0, 1e13).Draw(t, "warmup")), Window: time.Duration(rapid.Int64Range(1, 1e13).Draw(t, "window")),
			Levels: []results.Level{
				{Service: "v", Arrivals: scenarios.Poisson, Value: rapid.Float64Range(0.001, 1e4).Draw(t, "rate"), Unit: "req/s"},
				{Service: "a", Arrivals: scenarios.Closed, Value: 3, Unit: "users"}, {Service: "c", Arrivals: scenarios.Cameras, Value: 9, Unit: "cameras"},
			},
		}
		plan.Failover = &results.Failover{Service: "a", At: 1 + plan.Window/3, Eject: time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "eject"))}
		inner, out := &planned{plans: []results.StepPlan{plan}}, &kept{}
		bench := a.Bench(runner.Bench{Writer: out, NewChooser: func(scenarios.Cell) runner.Chooser { return inner }})
		choose := bench.NewChooser(scenarios.Cell{Folder: "f"})
		clock, _ := choose.Next(nil)
		near := func(what string, got, want float64) {
			if math.Abs(got-want) > 1+1e-12*math.Abs(want) {
				t.Fatalf("%s is %v, want %v", what, got, want)
			}
		}
		near("clock's warm-up", float64(clock.Warmup), float64(plan.Warmup)/k)
		near("clock's window", float64(clock.Window), float64(plan.Window)/k)
		near("clock's failover", float64(clock.Failover.At), float64(plan.Failover.At)/k)
		near("clock's ejection", float64(clock.Failover.Eject), float64(plan.Failover.Eject)/k)
		if v := clock.Levels; math.Abs(v[0].Value/plan.Levels[0].Value/k-1) > 1e-12 || v[1].Value != 3 || v[2].Value != 9 {
			t.Fatalf("clock's levels %+v of %+v", v, plan.Levels)
		}

		w, err := bench.Writer.Cell("f")
		if err != nil {
			t.Fatal(err)
		}
		start := moment.Draw(t, "start")
		step := results.Step{Plan: clock, Start: results.Offset(start)}
		step.WindowStart = step.Start.Add(clock.Warmup)
		step.WindowEnd = step.WindowStart.Add(clock.Window)
		step.End = step.WindowEnd.Add(1e9)
		samples := rapid.SliceOf(rapid.Custom(func(t *rapid.T) results.Sample {
			at := rapid.SliceOfN(rapid.Int64Range(start, int64(step.End)), 5, 5).Draw(t, "moments")
			slices.Sort(at)
			return results.Sample{Due: results.Offset(at[0]), Sent: results.Offset(at[1]), First: results.Offset(at[2]), Final: results.Offset(at[3]), Done: results.Offset(at[4]), Seq: 7, Outcome: results.OK}
		})).Draw(t, "samples")
		if err := w.Step(step, slices.Clone(samples)); err != nil {
			t.Fatal(err)
		}
		got := out.steps[0]
		if !reflect.DeepEqual(got.Plan, plan) {
			t.Fatalf("recorded plan %+v, want %+v", got.Plan, plan)
		}
		near("start", float64(got.Start)/k, float64(step.Start))
		for i, s := range out.samples {
			near("due", float64(s.Due)/k, float64(samples[i].Due))
			near("done", float64(s.Done)/k, float64(samples[i].Done))
			if s.Due > s.Sent || s.Sent > s.First || s.First > s.Final || s.Final > s.Done {
				t.Fatalf("order of %+v", s)
			}
			within := func(s results.Sample, step results.Step) bool {
				return s.Due >= step.WindowStart && s.Due < step.WindowEnd
			}
			if within(s, got) != within(samples[i], step) {
				t.Fatalf("sample %d: in the window %v on the clock, %v in server time", i, within(samples[i], step), within(s, got))
			}
		}
		read := results.Observation{Subject: results.Subject{Kind: results.SubjectClient}, Series: "s", Unit: "s", At: step.End, Value: 3}
		_, more := choose.Next(&results.StepResult{Step: step, Samples: slices.Values(samples), Observations: []results.Observation{read}, Instances: []results.Instance{{Name: "a-0"}}})
		if more || !reflect.DeepEqual(inner.seen.Step, got) {
			t.Fatalf("the chooser saw %+v, want the record %+v", inner.seen.Step, got)
		}
		if i := inner.seen.Instances; len(i) != 1 || i[0].Name != "a-0" {
			t.Fatalf("the chooser saw the instances %+v", i)
		}
		if seen := slices.Collect(inner.seen.Samples); !slices.Equal(seen, out.samples) {
			t.Fatalf("the chooser saw samples %+v, want those of the record %+v", seen, out.samples)
		}
		if o := inner.seen.Observations; len(o) != 1 || o[0].At != got.End || o[0].Value != 3*k || read.At != step.End {
			t.Fatalf("the chooser saw observations %+v; the step ended at %v", o, got.End)
		}
	})
}

// What goes into the bench is of the clock, and is told as server time.
func TestBenchIsOfTheClock(t *testing.T) {
	given := runner.Bench{CollectEvery: time.Second, NewChooser: func(scenarios.Cell) runner.Chooser { return &planned{} }}
	if b := Accelerate(60).Bench(given); b.CollectEvery != 100*time.Millisecond || Accelerate(60).CollectEvery(time.Second) != 6*time.Second {
		t.Errorf("readings each %v of the clock, told as %v", b.CollectEvery, Accelerate(60).CollectEvery(time.Second))
	}
	text := Accelerate(60).Bench(given).Describe(results.StepPlan{Warmup: 2 * time.Second, Window: 20 * time.Second, Levels: []results.Level{
		{Service: "v", Arrivals: scenarios.Constant, Value: 0.1 * 60, Unit: "req/s"}, {Service: "a", Arrivals: scenarios.Closed, Value: 4, Unit: "users"},
	}})
	if want := "v 0.1 req/s, a 4 users: 2m0s warm-up, 20m0s window of server time (22s on the clock)"; text != want {
		t.Errorf("told %q, want %q", text, want)
	}
}

// Spans in texts of our own are marked, and only those.
func TestTextsAreMarked(t *testing.T) {
	i := Accelerate(60).integrity(results.Integrity{FirstErrors: map[string]string{
		"not_sent": "no slot was free within 500ms; 10 in flight", "http_5xx": "took 3 s", "reset": "connection reset",
	}})
	if !strings.Contains(i.FirstErrors["not_sent"], "60 times as slow") || i.FirstErrors["http_5xx"] != "took 3 s" || i.FirstErrors["reset"] != "connection reset" {
		t.Errorf("got %q", i.FirstErrors)
	}
	for fault, marked := range map[string]bool{"vllm-0: no answer within 30s": true, "vllm-0 ended by itself": false, "": false} {
		c := Accelerate(60).cell(results.Cell{Fault: fault, Warnings: []results.Warning{{Text: fault}}})
		want := fault
		if marked {
			want += " (spans in this text are of the clock, which is 60 times as slow)"
		}
		if c.Fault != want || c.Warnings[0].Text != want {
			t.Errorf("fault %q became %q, as a warning %q", fault, c.Fault, c.Warnings[0].Text)
		}
	}
}
