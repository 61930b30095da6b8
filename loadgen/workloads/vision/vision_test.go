package vision

import (
	"bytes"
	"image/jpeg"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/images"
	"github.com/evabench/evabench/results"
)

var small = images.Config{Width: 64, Height: 48, Kilobytes: 2, Count: 3, Seed: 1}

func TestSessions(t *testing.T) {
	w, err := New(Config{Images: small, Classes: []Class{
		{Name: "fast", Model: "rt-detr", Weight: 3},
		{Model: "owl", Weight: 1, Labels: []string{"cat"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	const n = 4000
	fast, frames, requests := 0, map[string]bool{}, map[*loadgen.Request]bool{}
	for i := range int64(n) {
		r := only(t, w.Session(5, i))
		if again := only(t, w.Session(5, i)); again != r {
			t.Fatalf("session %d differs when made again", i)
		}
		requests[r] = true
		frames[string(r.Image)] = true
		switch r.Class {
		case "fast":
			fast++
		case "owl":
			if r.Model != "owl" || len(r.Labels) != 1 {
				t.Fatalf("class owl is %+v", r)
			}
		default:
			t.Fatalf("class %q", r.Class)
		}
	}
	// 3 of 4; the standard deviation of the share is sqrt(0.75·0.25/4000) = 0.007.
	if share := float64(fast) / n; math.Abs(share-0.75) > 0.04 {
		t.Errorf("class of weight 3 against 1 has a share of %.3f", share)
	}
	if len(frames) != 3 {
		t.Errorf("%d frames were sent, want 3", len(frames))
	}
	// A fixed set: two classes with three frames.
	quick, ok := w.(loadgen.Quick)
	if !ok || len(quick.Requests()) != 6 || len(requests) != 6 {
		t.Fatalf("quick is %v, %d requests, want 6", ok, len(requests))
	}
	for _, r := range quick.Requests() {
		if !requests[r] {
			t.Errorf("request of %s is listed and never given", r.Class)
		}
	}
}

// only plays a session, which must be of one request.
func only(t testing.TB, s loadgen.Session) *loadgen.Request {
	t.Helper()
	first := s.Next(-1, nil)
	if len(first) != 1 {
		t.Fatalf("a session begins with %d requests", len(first))
	}
	r := first[0]
	if more := s.Next(0, &loadgen.Answer{Outcome: results.OK}); len(more) != 0 {
		t.Fatal("a session of two requests")
	}
	return r
}

// Heavy requests have their share, their images and a class of their own, and
// change nothing about the others.
func TestHeavy(t *testing.T) {
	plain := Config{Images: small, Classes: []Class{{Model: "a"}, {Model: "b"}}}
	mixed := Config{Images: small, Classes: []Class{
		{Model: "a", Heavy: &Heavy{Share: 0.25, Images: images.Config{Width: 128, Kilobytes: 4}}}, {Model: "b"},
	}}
	w, err := New(plain)
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(mixed)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	const n = 4000
	for i := range int64(n) {
		before, r := only(t, w.Session(5, i)), only(t, m.Session(5, i))
		counts[r.Class]++
		if r.Class != "a/heavy" {
			if r.Class != before.Class || &r.Image[0] != &before.Image[0] {
				t.Fatalf("session %d is %s, without heavy ones %s", i, r.Class, before.Class)
			}
			continue
		}
		if size, err := jpeg.DecodeConfig(bytes.NewReader(r.Image)); err != nil || size.Width != 128 || size.Height != 48 || r.Model != "a" || before.Class != "a" {
			t.Fatalf("a heavy request for %s, %v, before %s with %v", r.Model, size, before.Class, err)
		}
	}
	// A quarter of half; the deviation of the share of a is 0.25·0.75/2000, root 0.0097.
	if share := counts["a/heavy"] / (counts["a"] + counts["a/heavy"]); math.Abs(share-0.25) > 0.05 {
		t.Errorf("heavy requests have a share of %.3f, want 0.25", share)
	}
	if got := m.(loadgen.Classed).Classes(); !slices.Equal(got, []string{"a", "a/heavy", "b"}) {
		t.Errorf("classes %v", got)
	}
	checkAllHeavy(t, w, m)
	mixed.Classes[0].Heavy.Share = 0 // only steps that are heavy have any
	if m, err = New(mixed); err != nil {
		t.Fatal(err)
	}
	if got := m.(loadgen.Classed).Classes(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("classes %v, the share of heavy ones is 0", got)
	}
	checkAllHeavy(t, w, m)
}

// checkAllHeavy checks the heavy workload of one whose class a has a variant: it is
// that class alone that is heavier. Plain has none.
func checkAllHeavy(t *testing.T, plain, mixed loadgen.Workload) {
	t.Helper()
	if _, ok := plain.(loadgen.Weighted).Heavy(); ok {
		t.Error("a workload without variants has a heavy one")
	}
	h, ok := mixed.(loadgen.Weighted).Heavy()
	if !ok {
		t.Fatal("there is no heavy workload")
	}
	listed := map[*loadgen.Request]bool{}
	for _, r := range h.(loadgen.Quick).Requests() {
		listed[r] = true
	}
	for i := range int64(1000) {
		before, r := only(t, plain.Session(5, i)), only(t, h.Session(5, i))
		size, err := jpeg.DecodeConfig(bytes.NewReader(r.Image))
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]string{"a": "a/heavy", "b": "b"}[before.Class]; r.Class != want || (size.Width == 128) != (want == "a/heavy") || !listed[r] {
			t.Fatalf("session %d is %s of %v, listed %v; before %s", i, r.Class, size.Width, listed[r], before.Class)
		}
	}
	if got := h.(loadgen.Classed).Classes(); !slices.Equal(got, []string{"a/heavy", "b"}) {
		t.Errorf("classes of the heavy workload: %v", got)
	}
}

// Sessions are made where they are sent, so that making one costs no memory.
func TestSessionAllocatesNothing(t *testing.T) {
	w, err := New(Config{Images: small, Classes: []Class{{Model: "m", Heavy: &Heavy{Share: 0.5, Images: images.Config{Width: 128}}}, {Model: "n"}}})
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	if allocs := testing.AllocsPerRun(1000, func() {
		n++
		if s := w.Session(1, n); len(s.Next(-1, nil)) != 1 {
			t.Error("a session without a request")
		}
	}); allocs != 0 {
		t.Errorf("a session allocates %v times", allocs)
	}
}

func BenchmarkSession(b *testing.B) {
	w, err := New(Config{Images: small, Classes: []Class{{Model: "m"}, {Model: "n"}, {Model: "o"}, {Model: "p"}}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n++ {
		w.Session(1, n).Next(-1, nil)
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := New(Config{Images: small, Classes: []Class{
		{Name: "a"}, {Name: "a", Model: "m"}, {Model: "n", Weight: -1}, {Model: "o", Weight: math.NaN()},
	}})
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("four faults gave %v", err)
	}
	_, err = New(Config{Images: small, Classes: []Class{
		{Model: "a", Heavy: &Heavy{Share: 1, Images: images.Config{Width: 100}}}, {Model: "a/heavy"},
		{Model: "b", Heavy: &Heavy{Share: 0.1, Images: images.Config{Width: small.Width}}},
	}})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("three faults of heavy gave %v", err)
	}
	if _, err := New(Config{Images: images.Config{Folder: t.TempDir()}, Classes: []Class{{Model: "m"}}}); err == nil {
		t.Error("an empty folder was accepted")
	}
}
