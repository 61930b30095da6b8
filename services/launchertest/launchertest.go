// Package launchertest holds what every launcher must do: callers rely on the
// cases here.
package launchertest

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// A Subject is a launcher under test.
type Subject struct {
	// New makes the launcher anew; its instances answer at their URL.
	New func(t *testing.T) services.Launcher
	// Instances is how many can run at once, at least 2.
	Instances int
	// Reach gives nil if the server at a URL answers; it waits for one that has
	// just been launched until ctx ends.
	Reach func(ctx context.Context, url string) error
	// Owned says that the launcher starts the servers, and so has to end them.
	Owned bool
	// Die makes the server at a URL end by itself; nil if it cannot be asked to.
	Die func(t *testing.T, url string)
	// Model is what its instances are told to serve; empty means any name does.
	Model string
	// Crashes are the ways in which its instances can be made to end, sorted;
	// none if they are not [services.Mortal], or know none.
	Crashes []string
}

// within bounds every wait; only what is broken takes so long.
const within = 2 * time.Minute

// Run tests a launcher.
func Run(t *testing.T, s Subject) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Subject)
	}{
		{"probe", probe}, {"addresses", addresses}, {"stop", stop}, {"stop at once", stopAtOnce},
		{"too many", tooMany}, {"context has ended", contextEnded}, {"own end", ownEnd}, {"relaunch", relaunch}, {"crashes", crashes},
		{"all at once", allAtOnce},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, s) })
	}
}

// RunCrashes tests only how the launcher's instances can be made to end.
func RunCrashes(t *testing.T, s Subject) { crashes(t, s) }

// instance describes the n-th instance of a service.
func (s Subject) instance(t *testing.T, n int) services.Instance {
	t.Helper()
	return services.Instance{
		Service: "eyes", Role: results.RoleVision, Name: "eyes-" + strconv.Itoa(n), Index: n,
		Models: []services.Model{{Name: cmp.Or(s.Model, "detector"), Workers: 2}}, Params: map[string]string{}, LogDir: t.TempDir(),
	}
}

func (s Subject) launch(t *testing.T, l services.Launcher, n int) services.Service {
	t.Helper()
	x, err := l.Launch(t.Context(), s.instance(t, n))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		if err := x.Stop(ctx); err != nil {
			t.Errorf("stop at the end: %v", err)
		}
	})
	return x
}

func (s Subject) answers(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := s.Reach(ctx, url); err != nil {
		t.Errorf("%s does not answer: %v", url, err)
	}
}

// gone asks that nothing answers at a URL.
func (s Subject) gone(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if s.Reach(ctx, url) == nil {
		t.Errorf("%s answers still", url)
	}
}

func probe(t *testing.T, s Subject) {
	if p, ok := s.New(t).(services.Probed); ok {
		if err := p.Probe(t.Context()); err != nil {
			t.Errorf("Probe() of a launcher that can launch: %v", err)
		}
	}
}

func addresses(t *testing.T, s Subject) {
	l := s.New(t)
	seen := map[string]bool{}
	for n := range s.Instances {
		x := s.launch(t, l, n)
		info := x.Info()
		if want := "eyes-" + strconv.Itoa(n); info.Service != "eyes" || info.Name != want {
			t.Errorf("Info() is of %s of service %s, want %s of eyes", info.Name, info.Service, want)
		}
		if seen[info.URL] {
			t.Errorf("%s is the address of two instances", info.URL)
		}
		seen[info.URL] = true
		s.answers(t, info.URL)
		if again := x.Info(); again.URL != info.URL {
			t.Errorf("Info() has changed: %+v, then %+v", info, again)
		}
		if err := x.Err(); err != nil {
			t.Errorf("Err() while it runs: %v", err)
		}
		if w, ok := x.(services.Checked); ok {
			if err := w.Check(t.Context()); err != nil {
				t.Errorf("Check() of an instance that answers: %v", err)
			}
		}
	}
}

func stop(t *testing.T, s Subject) {
	x := s.launch(t, s.New(t), 0)
	url := x.Info().URL
	s.answers(t, url)
	var stopping sync.WaitGroup
	for range 3 { // at once, and again
		stopping.Go(func() {
			if err := x.Stop(t.Context()); err != nil {
				t.Errorf("Stop() = %v", err)
			}
		})
	}
	stopping.Wait()
	if s.Owned {
		s.gone(t, url)
	} else {
		s.answers(t, url)
	}
	if err := x.Err(); err != nil {
		t.Errorf("Err() after a stop that we asked for: %v", err)
	}
	if err := x.Stop(t.Context()); err != nil {
		t.Errorf("a further stop: %v", err)
	}
}

// stopAtOnce stops an instance that may not have begun to answer, with a context
// that has ended.
func stopAtOnce(t *testing.T, s Subject) {
	x, err := s.New(t).Launch(t.Context(), s.instance(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = x.Stop(over) // it may say that it could not wait
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := x.Stop(ctx); err != nil {
		t.Errorf("Stop() after one that was cut short: %v", err)
	}
	if s.Owned {
		s.gone(t, x.Info().URL)
	}
}

func tooMany(t *testing.T, s Subject) {
	l := s.New(t)
	fixed, ok := l.(services.Fixed)
	if !ok {
		return
	}
	if _, err := l.Launch(t.Context(), s.instance(t, fixed.Instances())); err == nil {
		t.Errorf("instance %d of %d was launched", fixed.Instances()+1, fixed.Instances())
	}
}

// contextEnded asks that a launch whose context has ended leaves nothing.
func contextEnded(t *testing.T, s Subject) {
	if !s.Owned {
		return
	}
	enough := errors.New("enough")
	over, cancel := context.WithCancelCause(context.Background())
	cancel(enough)
	x, err := s.New(t).Launch(over, s.instance(t, 0))
	if err == nil {
		t.Errorf("launched at %s", x.Info().URL)
	} else if !errors.Is(err, enough) {
		t.Errorf("Launch() = %v, want the context's cause", err)
	}
}

func ownEnd(t *testing.T, s Subject) {
	if s.Die == nil {
		return
	}
	x := s.launch(t, s.New(t), 0)
	url := x.Info().URL
	s.answers(t, url)
	s.Die(t, url)
	limit := time.Now().Add(within)
	for x.Err() == nil && time.Now().Before(limit) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		<-ctx.Done() // nobody tells of an end but Err
		cancel()
	}
	exit, ok := errors.AsType[*services.ExitError](x.Err())
	if !ok {
		t.Fatalf("Err() = %v, want an ExitError", x.Err())
	}
	if exit.LogFile == "" || len(exit.Log) == 0 {
		t.Errorf("%+v has no log", exit)
	}
	if err := x.Stop(t.Context()); err != nil {
		t.Errorf("Stop() after its own end: %v", err)
	}
	if x.Err() == nil {
		t.Error("Err() has forgotten the end")
	}
}

// relaunch launches the same instance again, as the next cell does: into another
// folder for logs, of which each keeps its own.
func relaunch(t *testing.T, s Subject) {
	l := s.New(t)
	for range 2 {
		i := s.instance(t, 0)
		x, err := l.Launch(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		s.answers(t, x.Info().URL)
		if err := x.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		logs, err := os.ReadDir(i.LogDir)
		if err != nil {
			t.Fatal(err)
		}
		ours := func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), i.Name) }
		if !slices.ContainsFunc(logs, ours) && s.Owned {
			t.Errorf("no log of %s in %s", i.Name, filepath.Base(i.LogDir))
		}
	}
}
