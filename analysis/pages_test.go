package analysis

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
)

// spoil changes the first cell's observations, one by one.
func spoil(f *facts, change func(o results.Observation, add func(results.Observation))) {
	var list []results.Observation
	for o := range f.cells[0].observations {
		change(o, func(o results.Observation) { list = append(list, o) })
	}
	f.cells[0].observations = all(list)
}

// Two models of one server wait in turn: 3 and 1, then 1 and 3. Four wait at
// any moment, and a moment that tells of one model alone does not count.
func TestQueueAddsModelsUp(t *testing.T) {
	f := madeRun()
	n := 0
	spoil(&f, func(o results.Observation, add func(results.Observation)) {
		if o.Source != "torchserve" {
			add(o)
			return
		}
		n++
		o.Value = float64(1 + 2*(n%2))
		add(o)
		if n != 100 {
			o.Subject.Detail, o.Value = "rt-detrv2", 4-o.Value
			add(o)
		}
	})
	q := summarized(t, f).Cells[0].Steps[0].Services[0].Queue
	number(t, "mean", q.Mean, 4)
	number(t, "max", q.Max, 4)
	if q.Readings != 199 { // of 200 within the window
		t.Errorf("%d readings, want 199", q.Readings)
	}
}

// Observations that cannot be read, told by Read or found only now, leave what
// samples tell.
func TestDamagedObservations(t *testing.T) {
	f := madeRun()
	for i := range f.cells {
		f.cells[i].cell.Folder = strings.ReplaceAll(f.cells[i].cell.Folder, "|", "-")
	}
	f.environment.Planned = []string{f.cells[0].cell.Folder, f.cells[1].cell.Folder}
	dir := filepath.Join(t.TempDir(), "run")
	writeRun(t, dir, f)
	file := filepath.Join(dir, "cells", f.cells[0].cell.Folder, "observations.parquet")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wrong := slices.Clone(whole)
	for i := range len(wrong) / 2 { // the frame is at the end
		wrong[4+i] ^= 0x55
	}
	for name, content := range map[string][]byte{"half": whole[:len(whole)/2], "wrong rows": wrong} {
		if err := os.WriteFile(file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		sound, err := results.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		run, err := results.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if name == "wrong rows" {
			run = sound // they came after the checksum was taken
		}
		s, err := Summarize(run)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		a := s.Cells[0].Steps[0].Services[1]
		number(t, name+": responses an hour", a.Total.PerHour, 67*36)
		why(t, name+": queue", a.Queue.Mean, "no readings")
		if told := fmt.Sprint(s.Warnings); !strings.Contains(told, Damaged) {
			t.Errorf("%s: warnings %s", name, told)
		}
		if len(s.Comparison[0].Rows) != 2 || s.Cells[1].Steps[0].Services[1].ServerInFlight.Result != Pass {
			t.Errorf("%s: the other cell suffers", name)
		}
	}
}

// Readings at both ends of a window say nothing of what lies between.
func TestHoleIsNotCovered(t *testing.T) {
	f := madeRun()
	spoil(&f, func(o results.Observation, add func(results.Observation)) {
		if o.At < at0(madeWarmup+10*time.Second) || o.At > at0(madeWarmup+90*time.Second) {
			add(o)
		}
	})
	s := summarized(t, f).Cells[0].Steps[0].Services
	why(t, "queue", s[0].Queue.Mean, "of the window, need 80 %")
	if s[1].ServerInFlight.Result != NotJudged {
		t.Errorf("%+v", s[1].ServerInFlight)
	}
}

// The check of requests in flight: a frontend that holds each call for a tenth
// of its second fails it and is told; a difference that chance could explain
// is not judged, whichever way it lies.
func TestInFlightOfServers(t *testing.T) {
	random := func(i int, share float64) bool { // a fixed pattern without a beat
		x := uint64(i/10) * 0x9e3779b97f4a7c15 >> 40
		return float64(x)/(1<<24) < share
	}
	for _, c := range []struct {
		name      string
		value     func(i int, running float64) float64 // of the i-th reading
		want, why string
	}{
		{"same", func(_ int, v float64) float64 { return v }, Pass, ""},
		{"a tenth is elsewhere", func(_ int, v float64) float64 { return v * 0.9 }, Fail, "for 99.8 ms of each call they were in a server's frontend"},
		{"others use it", func(_ int, v float64) float64 { return v * 1.1 }, Fail, "more than we had in flight"},
		{"long swings", func(i int, v float64) float64 {
			if random(i, 0.1) {
				return v + 0.5
			}
			return v
		}, NotJudged, "two standard errors"},
	} {
		f := madeRun()
		i := 0
		spoil(&f, func(o results.Observation, add func(results.Observation)) {
			if o.Series == "vllm:num_requests_running" {
				i++
				o.Value = c.value(i, o.Value)
			}
			add(o)
		})
		got := summarized(t, f).Cells[0].Steps[0].Services[1].ServerInFlight
		if got.Result != c.want || !strings.Contains(got.Why, c.why) {
			t.Errorf("%s: %+v, want %s because %q", c.name, got, c.want, c.why)
		}
	}
}

// From few readings the check is not judged.
func TestInFlightOfFewReadings(t *testing.T) {
	f := madeRun()
	spoil(&f, func(o results.Observation, add func(results.Observation)) {
		if o.At%at0(5*time.Second) == at0(time.Millisecond) {
			add(o)
		}
	})
	got := summarized(t, f).Cells[0].Steps[0].Services[1].ServerInFlight
	if got.Result != NotJudged || !strings.Contains(got.Why, "fewer than 40 readings") {
		t.Errorf("%+v", got)
	}
}
