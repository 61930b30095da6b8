package process

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/services"
	"github.com/evabench/evabench/services/identity"
)

// TestIdentify asks a server for its arguments: those of the configuration, and
// others.
func TestIdentify(t *testing.T) {
	c := config(t, "--workers", "{workers.detector}")
	c.Identity = []identity.Question{{Page: "/args", Has: "--workers\n{params.really}"}}
	i := services.Instance{Service: "eyes", Name: "eyes-0", Models: []services.Model{{Name: "detector", Workers: 2}}, Params: map[string]string{"really": "2"}}
	for _, health := range []string{"", "/"} {
		c.Health = health
		l := build(t, c)
		i.Params["really"] = "2"
		s := launch(t, l, i)
		text(t, s.Info().URL)
		if err := s.(services.Identified).Identify(t.Context()); err != nil {
			t.Errorf("Identify() = %v", err)
		}
		i.Params["really"] = "4"
		s = launch(t, l, i)
		text(t, s.Info().URL)
		if err := s.(services.Identified).Identify(t.Context()); err == nil || !strings.Contains(err.Error(), `must hold "--workers\n4"; the answer was "--workers\n2"`) {
			t.Errorf("Identify() of another = %v", err)
		}
		if _, ok := s.(services.Checked); ok != (health != "") {
			t.Errorf("with health %q: Checked is %v", health, ok)
		}
		x := l.(services.Templated)
		if names := x.Names(); !slices.Equal(names, []string{"params.really", "workers.detector"}) {
			t.Errorf("Names() = %q", names)
		}
		if !x.Reaches("workers.detector") || x.Reaches("params.really") {
			t.Error("the server is told of the workers, and a question tells it nothing")
		}
	}
	s := launch(t, build(t, config(t)), i)
	if _, ok := s.(services.Identified); ok {
		t.Error("without questions it is identified")
	}
}

// TestOutOfMemoryAcrossStarts counts on when an instance is started again.
func TestOutOfMemoryAcrossStarts(t *testing.T) {
	s := launch(t, build(t, config(t)), services.Instance{Name: "a"})
	for round := range int64(2) {
		text(t, s.Info().URL)
		if got := s.(services.Exhausted).OutOfMemory(); got != round {
			t.Errorf("before end %d: %d", round, got)
		}
		a, err := http.Get(s.Info().URL + "/die")
		if err == nil {
			_, _ = io.Copy(io.Discard, a.Body)
			a.Body.Close()
		}
		<-s.(*service).process.Gone()
		if got := s.(services.Exhausted).OutOfMemory(); got != round+1 {
			t.Errorf("after end %d: %d", round, got)
		}
		if err := s.(services.Mortal).Revive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
