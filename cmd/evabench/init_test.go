package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/internal/propose"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/sim"
)

// TestInitEveryCard proposes for one and three of every card of the table, with and
// without MPS, for either goal and whatever programs are there: what is written is
// accepted as "scenario check" accepts it on a machine with such cards.
func TestInitEveryCard(t *testing.T) {
	names, err := nvml.CardNames()
	if err != nil || len(names) == 0 {
		t.Fatalf("%d cards, %v", len(names), err)
	}
	k := knownKinds(sim.NewHost("", "", nil))
	tried := 0
	for i, name := range names {
		for _, n := range []int{1, 3} {
			f := propose.Facts{Name: "Node-" + name, MPS: (i+n)%2 == 0, Programs: [][]string{nil, {"vllm"}, {"vllm", "torchserve"}}[(i+n)%3]}
			for g := range n {
				card, err := tableGPU(name)
				if err != nil {
					t.Fatal(err)
				}
				card.Index, card.UUID = g, fmt.Sprintf("GPU-%d", g)
				f.GPUs.GPUs = append(f.GPUs.GPUs, card.GPU)
			}
			for _, goal := range []string{propose.Table, propose.Capacity} {
				a, err := propose.Defaults(f)
				if err != nil {
					t.Fatal(err)
				}
				a.Goal, a.AgentModel = goal, "org/a \"model\" # of: {braces}"
				p, err := propose.Make(f, a)
				if err != nil {
					t.Fatal(err)
				}
				text, err := p.Write("x.yaml")
				if err != nil {
					t.Fatal(err)
				}
				state := partition.State{GPUs: p.Chosen}
				s, err := scenarios.Read("x.yaml", text, k.checks(simOptions{}, &state))
				if err != nil {
					t.Errorf("%d x %s, %s: %v\n%s", n, name, goal, err, text)
					continue
				}
				tried++
				if len(s.Services) != 2 || len(s.Server.GPUs) != n || (s.Search != nil) != (goal == propose.Capacity) {
					t.Errorf("%d x %s, %s: read back with %d services, %d GPUs, search %v", n, name, goal, len(s.Services), len(s.Server.GPUs), s.Search)
				}
				if got := s.Services[1].Models[0].Name; got != a.AgentModel {
					t.Errorf("the model is read back as %q", got)
				}
				// In a cell: three steps of 210 s and at most 30 s more (a search at most 12 of 60 s), 90 s of
				// warm-up in which all and then each are asked, 180 s of starts, 40 s of layouts.
				b := bench{scenario: s, kinds: k, cells: make([]scenarios.Cell, 4)}
				q, want := b.quote(), quote{load: 4 * 630 * time.Second, most: 4 * 1030 * time.Second, starts: true, gpus: n, known: true}
				if goal == propose.Capacity {
					want.load, want.most, want.bound = 4*12*time.Minute, 4*(12*time.Minute+310*time.Second), true
				}
				if q != want {
					t.Errorf("%d x %s, %s: it is quoted at %+v, want %+v", n, name, goal, q, want)
				}
			}
		}
	}
	if tried == 0 {
		t.Fatal("nothing was tried")
	}
}

// pages answers as a server of some kind does: paths and what they say.
func pages(t *testing.T, all map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		text, ok := all[q.URL.Path]
		if !ok || q.Method != http.MethodGet {
			http.NotFound(w, q)
			return
		}
		fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestInitAsks asks servers that run what they are, and writes a scenario that
// drives them, with one service for those of one model.
func TestInitAsks(t *testing.T) {
	const list = `{"object":"list","data":[{"id":"qwen3-vl-8b","object":"model","owned_by":"vllm","max_model_len":32768}]}`
	one, two := pages(t, map[string]string{"/v1/models": list}), pages(t, map[string]string{"/v1/models": list})
	eyes := pages(t, map[string]string{"/ping": `{"status": "Healthy"}`})
	page := pages(t, map[string]string{"/models": `{"models":[{"modelName":"rt-detrv2","modelUrl":"x.mar"},{"modelName":"omdet","modelUrl":"y.mar"}]}`})
	other := pages(t, map[string]string{"/ping": `{"status": "pong"}`, "/v2": `{"name":"other"}`})

	file := filepath.Join(t.TempDir(), "asked.yaml")
	var out, talk strings.Builder
	err := run(t.Context(), []string{"init", "--yes", "--out", file, "--server", one, "--server", two, "--server", eyes + "," + page}, strings.NewReader(""), &out, &talk)
	if err != nil {
		t.Fatalf("%v\n%s", err, talk.String())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenarios.Read(file, data, knownKinds(sim.NewHost("", "", nil)).checks(simOptions{}, nil))
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	if len(s.Services) != 2 || s.Services[0].Name != "agent" || s.Services[1].Name != "vision" || len(s.Services[1].Models) != 2 || s.Server.Backend.Name != "none" {
		t.Errorf("the scenario has %+v\n%s", s.Services, data)
	}
	for _, want := range []string{one, two, eyes, page} {
		if strings.Count(string(data), `"`+want+`"`) != 1 {
			t.Errorf("%s does not stand once in\n%s", want, data)
		}
	}
	if !strings.Contains(out.String(), "1 cell of 3 steps") || !strings.Contains(out.String(), "evabench doctor "+file) {
		t.Errorf("it said:\n%s", out.String())
	}

	err = run(t.Context(), []string{"init", "--yes", "--out", file + "2", "--server", other}, strings.NewReader(""), &out, &talk)
	if err == nil || !strings.Contains(err.Error(), "it is no server that evabench knows") || !strings.Contains(err.Error(), `"pong"`) {
		t.Errorf("another server: %v", err)
	}
}

// TestQuestions: an empty line takes what is, a wrong one is asked again, the end of
// the input and of the context end it.
func TestQuestions(t *testing.T) {
	var talk strings.Builder
	q := newQuestions(t.Context(), strings.NewReader("\nno\n0\n7\n"), &talk)
	n, d := 3, time.Second
	if err := q.ask("How many", "3", count(&n)); err != nil || n != 3 {
		t.Errorf("empty: %d, %v", n, err)
	}
	if err := q.ask("How many", "3", count(&n)); err != nil || n != 7 {
		t.Errorf("third try: %d, %v", n, err)
	}
	if got := strings.Count(talk.String(), "is no whole number from 1 on"); got != 2 {
		t.Errorf("it complained %d times, want 2:\n%s", got, talk.String())
	}
	if err := q.ask("Within", "1s", span(&d)); err == nil || !strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("at the end: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupted)
	in, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := newQuestions(ctx, in, &talk).ask("Within", "1s", span(&d)); err != errInterrupted {
		t.Errorf("interrupted: %v", err)
	}
}

func TestLoadSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{119 * time.Second: "119 s", 2 * time.Minute: "2 min", 119*time.Minute + 29*time.Second: "119 min", 2*time.Hour + 90*time.Second: "2 h 02 min"} {
		if got := loadSpan(d); got != want {
			t.Errorf("loadSpan(%v) = %s, want %s", d, got, want)
		}
	}
}
