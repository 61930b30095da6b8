package main

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
)

// searching is a bench of two services with a search.
func searching(s *scenarios.Search) *bench {
	return &bench{scenario: &scenarios.Scenario{
		Warmup: 5 * time.Second, Window: time.Minute, Search: s,
		Services: []scenarios.Service{
			{Name: "vision", Load: scenarios.Load{Arrivals: scenarios.Poisson, Levels: []float64{4}}},
			{Name: "agent", Load: scenarios.Load{Arrivals: scenarios.Closed, Levels: []float64{3}}},
		},
	}}
}

// What is known of a search's steps is its first load and its last, as long as the
// longest of them; users stay whole.
func TestKnownStepsOfSearch(t *testing.T) {
	for _, c := range []struct {
		search scenarios.Search
		want   [][2]float64 // vision, agent
		window time.Duration
	}{
		{scenarios.Search{Raise: "vision", From: 2.5}, [][2]float64{{2.5, 3}}, time.Minute},
		{scenarios.Search{Raise: "vision", From: 4, Most: 100, Confirm: 10 * time.Minute}, [][2]float64{{4, 3}, {100, 3}}, 10 * time.Minute},
		{scenarios.Search{Raise: "agent", From: 6, Most: 9}, [][2]float64{{4, 6}, {4, 9}}, time.Minute},
		// 0.1 x 3 users is one, 1.5 x 3 is 5.
		{scenarios.Search{From: 0.1, Most: 1.5}, [][2]float64{{0.4, 1}, {6, 5}}, time.Minute},
		{scenarios.Search{Kind: scenarios.SearchFrontier, From: 1, Most: 2, Mixes: [][]float64{{1, 1}, {0.5, 2}}},
			[][2]float64{{4, 3}, {8, 6}, {2, 6}, {4, 12}}, time.Minute},
	} {
		b := searching(&c.search)
		var got [][2]float64
		for _, p := range b.knownSteps() {
			got = append(got, [2]float64{p.Levels[0].Value, p.Levels[1].Value})
			if p.Window != c.window || p.Warmup != 5*time.Second {
				t.Errorf("%+v: %v warm-up, %v window", c.search, p.Warmup, p.Window)
			}
		}
		if len(got) != len(c.want) {
			t.Fatalf("%+v: %v, want %v", c.search, got, c.want)
		}
		for i := range got {
			for j := range got[i] {
				if d := got[i][j] - c.want[i][j]; d > 1e-9 || d < -1e-9 {
					t.Errorf("%+v: %v, want %v", c.search, got, c.want)
				}
			}
		}
	}
	// A step that cannot be held in memory is refused before anything is done.
	if err := searching(&scenarios.Search{Raise: "vision", From: 4, Most: 1e6}).checkSteps(); err == nil {
		t.Error("a search up to a million a second was accepted")
	}
	if err := searching(&scenarios.Search{Raise: "vision", From: 4, Most: 1e4}).checkSteps(); err != nil {
		t.Error(err)
	}
}

// All steps of interference are known: the neighbour stands still where its load is 0, and
// its users are whole.
func TestKnownStepsOfInterference(t *testing.T) {
	b := searching(&scenarios.Search{Kind: scenarios.SearchInterference, Raise: "agent", Loads: []float64{0, 0.1, 0.5, 1.5}})
	var got []string
	for _, p := range b.knownSteps() {
		text := ""
		for _, l := range p.Levels {
			text += fmt.Sprintf("%s %g ", l.Service, l.Value)
		}
		got = append(got, text)
	}
	// 0.1 x 3 users is one at least, 0.5 x 3 is 2, 1.5 x 3 is 5.
	want := []string{"vision 4 ", "vision 4 agent 1 ", "vision 4 agent 2 ", "vision 4 agent 5 "}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	b.cells = make([]scenarios.Cell, 2)
	const extent = "2 cells, each 4 steps that hold the others beside 0, 0.1, 0.5, 1.5 of agent's level: 5 load-minutes a cell, 9 load-minutes in all"
	if got := b.extent(); got != extent {
		t.Errorf("%s, want %s", got, extent)
	}
}

// All that a scenario asks of a search is recorded.
func TestSearchIsRecordedAsAsked(t *testing.T) {
	asked := scenarios.Search{
		Kind: "capacity", Raise: "vision", From: 1, Grow: 2, Most: 3, Tolerance: 4, Budget: 5, Confirm: 6, Heavy: true,
		Mode: scenarios.ModeRace, Loads: []float64{0, 7}, Mixes: [][]float64{{8, 9}},
	}
	got := reflect.ValueOf(*searching(&asked).searchAsked())
	from := reflect.ValueOf(asked)
	for i := range from.NumField() {
		name := from.Type().Field(i).Name
		if from.Field(i).IsZero() {
			t.Fatalf("the test asks for no %s", name)
		}
		if name == "Mode" {
			if !got.FieldByName("Race").Bool() {
				t.Error("a race is not recorded")
			}
			continue
		}
		if v := got.FieldByName(name); !v.IsValid() || !reflect.DeepEqual(v.Interface(), from.Field(i).Interface()) {
			t.Errorf("%s is recorded as %v", name, v)
		}
	}
	if r := searching(&asked).searchAsked(); r.Warmup != 5*time.Second || r.Window != time.Minute {
		t.Errorf("recorded %+v", r)
	}
	if r := searching(nil).searchAsked(); r != (*results.Search)(nil) {
		t.Errorf("without a search there is %+v", r)
	}
}
