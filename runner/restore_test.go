package runner

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
)

// restoringWorld is a world whose servers can be put back.
type restoringWorld struct{ *world }

func (w restoringWorld) Restore(ctx context.Context) error {
	return errors.Join(ctx.Err(), w.do("put servers back"))
}

func (restoringWorld) Releases() bool { return true }

func (w restoringWorld) Release(ctx context.Context) error {
	return errors.Join(ctx.Err(), w.do("release"))
}

// TestRunPutsServersBack asks that servers let their devices go before each layout
// is put back, and that they are put back last, also when the run is interrupted,
// and that faults of both are told.
func TestRunPutsServersBack(t *testing.T) {
	check := func(w *world, end error, want string, is ...error) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			b, _ := w.bench(t)
			b.Services[0].Launcher = restoringWorld{w}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if end != nil {
				w.answer = func(int64) loadgen.Answer {
					time.AfterFunc(2*time.Second, func() { cancel(end) })
					return loadgen.Answer{Outcome: results.OK}
				}
			}
			err := b.Run(ctx)
			if got := strings.Join(w.log, ", "); got != want {
				t.Errorf("order of work:\n got %s\nwant %s", got, want)
			}
			for _, e := range is {
				if !errors.Is(err, e) {
					t.Errorf("Run() = %v, want %v", err, e)
				}
			}
			if w.failAt == "" && errors.Is(err, ErrNotRestored) {
				t.Errorf("Run() = %v, though the servers were put back", err)
			}
			if len(is) == 0 && w.failAt == "" && err != nil {
				t.Error(err)
			}
			if told := map[string]string{
				"":                 "",
				"put servers back": "the servers of vision were not put back as they were; do it by hand: put servers back: injected",
				"release":          "make the servers of vision let their devices go: release: injected",
			}[w.failAt]; w.failAt != "" && (err == nil || !strings.Contains(err.Error(), told)) {
				t.Errorf("Run() = %v", err)
			}
		})
	}
	cell := "apply, launch vision-0, stop vision-0, release, restore, "
	enough := errors.New("enough")
	check(&world{}, nil, cell+cell+"put servers back")
	check(&world{}, enough, cell+"put servers back", enough)
	check(&world{failAt: "put servers back"}, nil, cell+cell+"put servers back", ErrNotRestored)
	check(&world{failAt: "release"}, nil, cell+cell+"put servers back")
}
