package page

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/results"
)

// reader gives a collector of one needed series, whose page handler serves.
func reader(t testing.TB, handler http.HandlerFunc) *Collector {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := NewCollector(collectors.Target{URL: server.URL, Subject: results.Subject{Kind: results.SubjectEndpoint, ID: "a"}},
		trust.Access{}, []Series{{Names: []string{"q"}, Unit: "1", Needed: true}}, RefuseRouter)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Each kind of router is refused for what it is, and no page of an engine is.
func TestRouters(t *testing.T) {
	routers, _ := filepath.Glob("testdata/*.txt")
	engines, _ := filepath.Glob("../../sources/*/testdata/*.txt")
	if len(routers) < 5 || len(engines) < 10 {
		t.Fatalf("%d routers' pages and %d engines': too few to tell anything", len(routers), len(engines))
	}
	classes := map[string]int{}
	for _, file := range append(routers, engines...) {
		router := !strings.Contains(file, "sources")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) == 0 {
			continue // TorchServe in log mode
		}
		p, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if err := RefuseRouter(p); errors.Is(err, ErrRouter) != router {
			t.Errorf("%s: got %v", file, err)
		}
		if router {
			class, _, _ := strings.Cut(filepath.Base(file), "-")
			classes[class]++
		}
	}
	t.Logf("routers' pages: %d recorded, %d transcribed; no router among %d engines' pages", classes["recorded"], classes["transcribed"], len(engines))
}

// An idle production-stack router tells no running requests, but its pods.
func TestIdleRouter(t *testing.T) {
	text, err := os.ReadFile("testdata/transcribed-production-stack.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`vllm:num_requests_running{server="http://engine-0:8000"} 6.0` + "\n", `vllm:healthy_pods_total{server="http://engine-0:8000"} 1.0` + "\n"} {
		less := strings.ReplaceAll(string(text), line, "")
		if less == string(text) {
			t.Fatalf("the page does not have %s", line)
		}
		p, err := Parse([]byte(less))
		if err != nil {
			t.Fatal(err)
		}
		if err := RefuseRouter(p); !errors.Is(err, ErrRouter) {
			t.Errorf("without %s: %v", line, err)
		}
	}
}

// The label by which production-stack's router tells engines apart is enough, on whatever
// it has of theirs.
func TestServerLabel(t *testing.T) {
	for text, router := range map[string]bool{
		"vllm:num_requests_waiting{server=\"http://engine-0:8000\"} 0\n":    true,
		"vllm:num_requests_waiting{model_name=\"server\",engine=\"0\"} 0\n": false,
	} {
		p, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := RefuseRouter(p); errors.Is(err, ErrRouter) != router {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

// Where ranks disagree for a moment, the lowest tells, by number and not by letter.
func TestLowestRank(t *testing.T) {
	p, err := Parse([]byte("q{tp=\"10\"} 1\nq{tp=\"2\"} 2\nq{tp=\"x\"} 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, samples := Series{Names: []string{"q"}, Repeated: []string{"tp"}}.found(p)
	if len(samples) != 1 || samples[0].Value != 2 {
		t.Errorf("got %v, want the line of rank 2", samples)
	}
}

// What a page's moments make of its age, at the edges: by the server's clock where it is
// told, unknown where the clocks differ, stale just above MaxAge.
func TestAge(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		answer Answer
		at     time.Time
		want   time.Duration
		known  bool
	}{
		{"nothing told", Answer{Date: now}, time.Time{}, 0, false},
		{"by our clock", Answer{}, now.Add(-3 * time.Second), 3 * time.Second, true},
		{"by the server's clock", Answer{Date: now.Add(-time.Minute)}, now.Add(-61 * time.Second), time.Second, true},
		{"within the Date's second", Answer{Date: now}, now.Add(999 * time.Millisecond), 0, true},
		{"a second ahead of the Date", Answer{Date: now}, now.Add(time.Second), 0, false},
		{"ahead of our clock", Answer{}, now.Add(time.Millisecond), 0, false},
		{"held by a cache", Answer{Held: 7 * time.Second, Cached: true}, time.Time{}, 7 * time.Second, true},
		{"held longer than it is old", Answer{Date: now, Held: 9 * time.Second, Cached: true}, now.Add(-time.Second), 9 * time.Second, true},
	} {
		if got, known := c.answer.age(c.at, now); got != c.want || known != c.known {
			t.Errorf("%s: got %v, %v, want %v, %v", c.name, got, known, c.want, c.known)
		}
	}
}

// A stale page gives its age and nothing else; the same page a little younger is read.
func TestStale(t *testing.T) {
	for _, c := range []struct {
		age   time.Duration
		stale bool
	}{{MaxAge - time.Second, false}, {MaxAge + time.Second, true}} {
		date := time.Now().Truncate(time.Second)
		reading := reader(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
			fmt.Fprintf(w, "q 5 %d\nq2 1\n", date.Add(-c.age).UnixMilli())
		})
		readings, err := reading.Read(t.Context())
		if errors.Is(err, ErrStale) != c.stale || (err != nil) != c.stale {
			t.Errorf("%v old: %v", c.age, err)
		}
		told := map[string]float64{}
		for _, r := range readings {
			told[r.Series] = r.Value
		}
		_, q := told["q"]
		if told[SeriesAge] != c.age.Seconds() || q == c.stale {
			t.Errorf("%v old: got %v", c.age, told)
		}
	}
}

// endless writes until the reader goes, and says how much it could write.
func endless(line string, written chan<- int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		n := 0
		for {
			m, err := io.WriteString(w, line)
			n += m
			if err != nil {
				written <- n
				return
			}
		}
	}
}

// A page of 50 MB and one without end are given up at the Limit: the server could not write much
// more than that, and what was read before is no evidence.
func TestTooLarge(t *testing.T) {
	long := strings.Repeat("q{a=\"b\"} 1\n", 1000)
	written := make(chan int, 1)
	for name, handler := range map[string]http.HandlerFunc{
		"50 MB": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(50<<20))
			n := 0
			for n < 50<<20 {
				m, err := io.WriteString(w, long[:min(len(long), 50<<20-n)])
				n += m
				if err != nil {
					break
				}
			}
			written <- n
		},
		"without end":         endless(long, written),
		"one line, no end":    endless(strings.Repeat("a", 1<<16), written),
		"one comment, no end": endless("#"+strings.Repeat("a", 1<<16), written),
	} {
		readings, err := reader(t, handler).Read(t.Context())
		if err == nil || len(readings) > 0 || !strings.Contains(err.Error(), "larger than 16 MiB") {
			t.Errorf("%s: got %d readings and %v, want that it is too large", name, len(readings), err)
		}
		// Sockets hold some megabytes of what nobody read.
		if n := <-written; n > Limit+(16<<20) {
			t.Errorf("%s: %d MiB were read", name, n>>20)
		}
	}
}

// A page that comes a little at a time is given up when the read's time is over.
func TestTrickle(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c := reader(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "q 1\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	readings, err := c.Read(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || len(readings) > 0 {
		t.Errorf("got %v and %v, want that the time was over", readings, err)
	}
	if c.Getter.client.Timeout != Longest {
		t.Errorf("a context without a deadline leaves a page %v", c.Getter.client.Timeout)
	}
}

// Every page that is cut anywhere but behind a whole page's last line is an error or lacks
// what was cut off: it never gives another value for the series.
func TestCutAnywhere(t *testing.T) {
	whole := "# HELP q waiting\n# TYPE q gauge\nq{e=\"0\"} 25\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 12\nh_count 12\nh_sum 34.5\n"
	for i := range len(whole) {
		p, err := Parse([]byte(whole[:i]))
		if err != nil {
			continue
		}
		for name, want := range map[string]float64{"q": 25, "h_count": 12, "h_sum": 34.5} {
			if got, ok := p.Values(name, "", false)[""]; ok && got != want {
				t.Errorf("cut at %d: %s is %v, want %v or nothing", i, name, got, want)
			}
		}
	}
}

// Whatever is on a page, each series of a subject is told once and as a finite number,
// and what is told of names stays within its bound.
func FuzzTake(f *testing.F) {
	for _, file := range pages(f) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text[:min(len(text), 4000)])
	}
	f.Add([]byte("q{tp=\"1\",p=\"\"} 1\nq{tp=\"0\",p=\"2\"} 2\nold_total 1\nq_new 3\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		c := &Collector{Getter: &Getter{}, Own: "q", Ignored: []string{"_x*"}, Series: []Series{
			{Names: []string{"q", "old_total"}, Unit: "1", Repeated: []string{"tp"}, Parts: "p", Wanted: true},
			{Names: []string{"vllm:request_success_total", "q"}, As: "by", Unit: "1", By: "finished_reason"},
			{Names: []string{"vllm:kv_cache_usage_perc", "q"}, As: "mean", Unit: "ratio", Mean: true, Scale: 1e-6},
		}}
		readings, _, _ := c.take(p)
		type key struct{ series, detail string }
		seen := make(map[key]bool)
		for _, r := range append(readings, c.names(p)...) {
			k := key{r.Series, r.Subject.Detail}
			if seen[k] || math.IsNaN(r.Value) || math.IsInf(r.Value, 0) {
				t.Errorf("not a reading, or one that is there twice: %+v", r)
			}
			seen[k] = true
		}
		if len(c.told) > mostTold || len(c.names(p)) > 0 {
			t.Errorf("%d things were told, or told twice", len(c.told))
		}
	})
}
