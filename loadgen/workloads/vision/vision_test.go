package vision

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/images"
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
	fast, frames := 0, map[string]bool{}
	for i := range int64(n) {
		s := w.Session(5, i)
		r, more := s.Next(nil)
		if !more {
			t.Fatal("a session without a request")
		}
		if _, more := s.Next(&loadgen.Answer{}); more {
			t.Fatal("a session of two requests")
		}
		again, _ := w.Session(5, i).Next(nil)
		if again.Class != r.Class || !bytes.Equal(again.Image, r.Image) {
			t.Fatalf("session %d differs when made again", i)
		}
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
}

func TestNewRefuses(t *testing.T) {
	_, err := New(Config{Images: small, Classes: []Class{
		{Name: "a"}, {Name: "a", Model: "m"}, {Model: "n", Weight: -1}, {Model: "o", Weight: math.NaN()},
	}})
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("four faults gave %v", err)
	}
	if _, err := New(Config{Images: images.Config{Folder: t.TempDir()}, Classes: []Class{{Model: "m"}}}); err == nil {
		t.Error("an empty folder was accepted")
	}
}
