package collectors_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/sources"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/arrivals"
	"github.com/evabench/evabench/loadgen/endpoints"
	"github.com/evabench/evabench/loadgen/routers"
	"github.com/evabench/evabench/loadgen/stub"
	"github.com/evabench/evabench/results"
)

// facts keeps a step's samples, and what was read by source.
type facts struct {
	mu           sync.Mutex
	samples      []results.Sample
	observations map[string][]results.Observation
}

func (f *facts) Sample(s results.Sample) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.samples = append(f.samples, s)
}

func (f *facts) Observation(o results.Observation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.observations == nil {
		f.observations = make(map[string][]results.Observation)
	}
	f.observations[o.Source] = append(f.observations[o.Source], o)
}

// frame is a workload of one request, ever again.
type frame struct{ request []*loadgen.Request }

func (f frame) Requests() []*loadgen.Request              { return f.request }
func (f frame) Session(_ uint64, _ int64) loadgen.Session { return single(f) }

type single frame

func (s single) Next(call int, _ *loadgen.Answer) []*loadgen.Request {
	if call >= 0 {
		return nil
	}
	return s.request
}

// collect is a Collector made of a function.
type collect func(context.Context) ([]collectors.Reading, error)

func (c collect) Read(ctx context.Context) ([]collectors.Reading, error) { return c(ctx) }

const (
	line        = "vllm:num_requests_running{model_name=\"m\",engine=\"0\"} 1\n"
	floodBytes  = 50 << 20
	hostileRate = 500 // requests a second
)

// hostile are pages that do harm; those of 16 MiB are legal. Each ends when its server's
// client goes, or when the channel is closed.
func hostile(over <-chan struct{}) map[string]http.HandlerFunc {
	many := []byte(strings.Repeat(line, 1<<14))
	var samples []byte
	labels := []byte("a{")
	for i := 0; len(samples) < 16<<20-50; i++ {
		samples = fmt.Appendf(samples, "a{b=\"%07d\"} 1\n", i)
	}
	for i := 0; len(labels) < 16<<20-50; i++ {
		labels = fmt.Appendf(labels, "l%07d=\"\",", i)
	}
	labels = append(labels, "} 1\n"...)
	write := func(w io.Writer, most int) {
		for n := 0; n < most; n += len(many) {
			if _, err := w.Write(many); err != nil {
				return
			}
		}
	}
	return map[string]http.HandlerFunc{
		"hangs": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-over:
			}
		},
		"hangs in the middle": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, line)
			_ = http.NewResponseController(w).Flush() // a fault shows at the reader
			select {
			case <-r.Context().Done():
			case <-over:
			}
		},
		"dies in the middle": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, line)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"nonsense": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte{0, 0xff, '{', '\n'}, 1<<16))
		},
		"empty":             func(http.ResponseWriter, *http.Request) {},
		"16 MiB of samples": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(samples) },
		"16 MiB of labels":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(labels) },
		"50 MB":             func(w http.ResponseWriter, _ *http.Request) { write(w, floodBytes) },
		"never ends":        func(w http.ResponseWriter, _ *http.Request) { write(w, math.MaxInt) },
		"redirects":         func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
	}
}

// flooding are the hostile sources whose harm is how much they give.
var flooding = []string{"16 MiB of samples", "16 MiB of labels", "50 MB", "never ends", "floods"}

// hostileJobs are the hostile sources, with the code of the warning that each gets.
func hostileJobs(t *testing.T, over <-chan struct{}) (all []collectors.Job, want map[string]string) {
	want = make(map[string]string)
	add := func(name, code string, c collectors.Collector) {
		want[name] = code
		all = append(all, collectors.Job{
			Name: name, Collector: c, Subject: results.Subject{Kind: results.SubjectEndpoint, ID: name},
			Every: collectors.ShortestEvery, Timeout: 500 * time.Millisecond,
		})
	}
	for name, page := range hostile(over) {
		server := httptest.NewServer(page)
		t.Cleanup(server.Close)
		add(name, collectors.WarnFailed, reader(t, server.URL))
	}
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close() // nobody listens there now
	add("is gone", collectors.WarnFailed, reader(t, "http://"+gone.Addr().String()))
	add("is deaf", collectors.WarnGivenUp, collect(func(context.Context) ([]collectors.Reading, error) { <-over; return nil, nil }))
	add("panics", collectors.WarnPanicked, collect(func(context.Context) ([]collectors.Reading, error) { panic("index out of range") }))
	add("floods", collectors.WarnFlood, collect(func(context.Context) ([]collectors.Reading, error) {
		return make([]collectors.Reading, 2*collectors.MostReadings), errors.New("and fails")
	}))
	return all, want
}

func reader(t *testing.T, url string) collectors.Collector {
	t.Helper()
	s, err := sources.Kinds.Build(kind.Spec{Name: "vllm"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Collector(collectors.Target{Subject: results.Subject{Kind: results.SubjectEndpoint, ID: "e"}, URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The series of watch.
const (
	goroutines = "goroutines"
	heapBytes  = "heap_bytes"
)

// watch reads this process: a good source beside the others.
func watch() collectors.Job {
	subject := results.Subject{Kind: results.SubjectClient, ID: "test"}
	return collectors.Job{
		Name: "good", Subject: subject, Every: collectors.ShortestEvery, Timeout: time.Minute,
		Collector: collect(func(context.Context) ([]collectors.Reading, error) {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return []collectors.Reading{
				{Subject: subject, Series: goroutines, Value: float64(runtime.NumGoroutine()), Unit: "1"},
				{Subject: subject, Series: heapBytes, Value: float64(m.HeapAlloc), Unit: "B"},
			}, nil
		}),
	}
}

// drive loads a stub with the jobs beside it, and gives what came of both.
func drive(t *testing.T, beside []collectors.Job) (*facts, results.Step, []results.Warning) {
	t.Helper()
	server, err := stub.Start(stub.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dialer, err := endpoints.Kinds.Build(kind.Spec{Name: "torchserve"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := dialer.Dial(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	router, err := routers.Kinds.Build(kind.Spec{Name: "round-robin"})
	if err != nil {
		t.Fatal(err)
	}
	constant, err := arrivals.New(arrivals.Config{Kind: "constant", Value: hostileRate})
	if err != nil {
		t.Fatal(err)
	}
	work := frame{[]*loadgen.Request{{Class: "c", Model: "m", Image: make([]byte, 20_000)}}}
	step := loadgen.Step{
		Plan: results.StepPlan{Name: "hostile", Warmup: 200 * time.Millisecond, Window: 3 * time.Second, Levels: []results.Level{
			{Service: "s", Arrivals: "constant", Value: hostileRate, Unit: "1/s"},
		}},
		Loads: []loadgen.Load{{
			Service: "s", Arrivals: constant, Workload: work, Router: router, Timeout: time.Minute,
			Targets: []loadgen.Target{{Name: "stub", Endpoint: e}},
		}},
		Seed: 1,
	}
	origin := results.NewOrigin(time.Now())
	ctx, stop := context.WithCancel(t.Context())
	sink := &facts{}
	var warnings []results.Warning
	var collecting sync.WaitGroup
	collecting.Go(func() { warnings = collectors.Run(ctx, origin, beside, sink) })
	got, err := loadgen.Drive(t.Context(), origin, step, sink)
	stop()
	collecting.Wait()
	if _, closing := server.Close(); err != nil || closing != nil {
		t.Fatal(errors.Join(err, closing))
	}
	return sink, got, warnings
}

// Sources that hang, die, talk nonsense and flood, each read ten times a second beside
// real load: every request is answered, the run ends, each source has its warning, and
// goroutines and memory stay bounded. What they do to our lateness is told: those that
// flood cost processor time, also their servers', which run in this process.
func TestHostileSourcesUnderLoad(t *testing.T) {
	over := make(chan struct{})
	bad, want := hostileJobs(t, over)
	defer close(over) // before the servers are closed
	var still, floods []collectors.Job
	for _, j := range bad {
		if slices.Contains(flooding, j.Name) {
			floods = append(floods, j)
		} else {
			still = append(still, j)
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%-45s %8s %10s %10s %10s %10s %6s\n", "lateness of the load", "requests", "p50", "p99", "max", "goroutines", "heap")
	var alone *facts
	for _, c := range []struct {
		name   string
		beside []collectors.Job
	}{
		{"alone", nil},
		{fmt.Sprintf("beside %d that hang, die or talk nonsense", len(still)), still},
		{fmt.Sprintf("beside %d that flood", len(floods)), floods},
	} {
		f, step, warnings := drive(t, append(slices.Clone(c.beside), watch()))
		if alone == nil {
			alone = f
		}
		f.answered(t, c.name)
		for _, j := range c.beside {
			// A machine that stands still for a second has a read given up before it fails.
			if !slices.ContainsFunc(warnings, func(w results.Warning) bool {
				return w.Subject == j.Name && (w.Code == want[j.Name] || w.Code == collectors.WarnGivenUp) && w.Count > 0
			}) {
				t.Errorf("%q has no warning %s", j.Name, want[j.Name])
			}
		}
		for _, w := range warnings {
			t.Logf("%s, %d times: %.160s", w.Code, w.Count, w.Text)
		}
		lag, threads, heap := step.Services[0].Lag, f.most(goroutines), f.most(heapBytes)
		fmt.Fprintf(&text, "%-45s %8d %10v %10v %10v %10.0f %3.0f MiB\n", c.name, lag.N, lag.P50, lag.P99, lag.Max, threads, heap/(1<<20))
		// A source has its reader, its read, its connection's two, and its server's.
		if most := alone.most(goroutines) + float64(8*len(bad)); threads > most {
			t.Errorf("%s: %.0f goroutines, at most %.0f wanted", c.name, threads, most)
		}
		// Four pages of 16 MiB at once, thrice while their buffers grow, what 100,000 samples
		// cost (60 MiB), and as much again of garbage and more: a collection that a busy
		// machine delays leaves it. Without their bounds the pages take gigabytes.
		if most := alone.most(heapBytes) + 1<<30; heap > most {
			t.Errorf("%s: %.0f MiB, at most %.0f wanted", c.name, heap/(1<<20), most/(1<<20))
		}
	}
	t.Log("\n" + text.String())
}

// answered wants every request answered, and nothing told by a source that is not good.
func (f *facts) answered(t *testing.T, name string) {
	t.Helper()
	for _, s := range f.samples {
		if s.Outcome != results.OK {
			t.Errorf("%s: request %d ended %s", name, s.Seq, s.Outcome)
		}
	}
	if least := 3 * hostileRate; len(f.samples) < least {
		t.Errorf("%s: %d samples, want at least %d", name, len(f.samples), least)
	}
	for source, all := range f.observations {
		for _, o := range all {
			if o.Series != results.SeriesReadOK && o.Series != results.SeriesReadSeconds && source != "good" {
				t.Errorf("%s: %q told %+v", name, source, o)
			}
		}
	}
}

// most is the good source's largest reading of a series.
func (f *facts) most(series string) (most float64) {
	for _, o := range f.observations["good"] {
		if o.Series == series {
			most = max(most, o.Value)
		}
	}
	return most
}
