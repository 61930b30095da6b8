package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/evabench/evabench/runner"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
)

// leftover is a launcher that an earlier run left something of.
type leftover struct {
	services.Launcher
	ended []string
	fault error
}

func (l leftover) EndOrphans(context.Context) ([]string, error) { return l.ended, l.fault }

// Each launcher is asked, also after one that fails, and what was ended is told.
func TestEndOrphans(t *testing.T) {
	fault := errors.New("it holds on")
	var talk bytes.Buffer
	err := endOrphans(t.Context(), []runner.Service{
		{Service: scenarios.Service{Name: "eyes"}, Launcher: leftover{ended: []string{"container a"}, fault: fault}},
		{Service: scenarios.Service{Name: "other"}},
		{Service: scenarios.Service{Name: "agent"}, Launcher: leftover{ended: []string{"container b"}}},
	}, &talk)
	if !errors.Is(err, fault) || !strings.Contains(err.Error(), "service eyes") {
		t.Errorf("endOrphans() = %v", err)
	}
	for _, want := range []string{"left container a; it was ended\n", "left container b; it was ended\n"} {
		if !strings.Contains(talk.String(), want) {
			t.Errorf("it tells %q, want %q", talk.String(), want)
		}
	}
}
