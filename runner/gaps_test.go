package runner

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// gapped launches instances whose logs turn out to have gaps when they were stopped.
type gapped struct{ *world }

func (g gapped) Launch(ctx context.Context, i services.Instance) (services.Service, error) {
	s, err := g.world.Launch(ctx, i)
	return &gappedService{Service: s}, err
}

type gappedService struct {
	services.Service
	stopped bool
}

func (s *gappedService) Stop(ctx context.Context) error {
	s.stopped = true
	return s.Service.Stop(ctx)
}

func (s *gappedService) LogFault() string {
	if !s.stopped {
		return ""
	}
	return "no space left"
}

// A log with gaps is a warning of the cell.
func TestLogGapsAreWarnedOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		b, dir := w.bench(t)
		for i := range b.Services {
			b.Services[i].Launcher = gapped{w}
		}
		if err := b.Run(t.Context()); err != nil {
			t.Error(err)
		}
		run, err := results.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		want := results.Warning{Code: "log-gaps", Subject: "vision-0", Text: "its log has gaps: no space left", Count: 1}
		for _, c := range run.Cells {
			if !slices.Contains(c.Cell.Warnings, want) {
				t.Errorf("cell %s warns %+v, want %+v", c.Cell.Folder, c.Cell.Warnings, want)
			}
		}
		if len(run.Cells) == 0 {
			t.Error("no cell")
		}
	})
}
