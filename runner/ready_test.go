package runner

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/services"
)

// slow is a launcher whose instances have a page that says when they are up,
// after a while, a log, and a warning.
type slow struct {
	*world
	up, patience time.Duration
}

func (l slow) Patience() time.Duration { return l.patience }

func (l slow) Launch(ctx context.Context, i services.Instance) (services.Service, error) {
	s, err := l.world.Launch(ctx, i)
	if err != nil {
		return nil, err
	}
	return &slowInstance{s, l, time.Now()}, nil
}

type slowInstance struct {
	services.Service
	l     slow
	start time.Time
}

func (s *slowInstance) Check(context.Context) error {
	if time.Since(s.start) < s.l.up {
		return errors.New("still loading")
	}
	return nil
}

func (s *slowInstance) LogTail() (string, []string) {
	return "vision-0.log", []string{"reading weights"}
}

func (s *slowInstance) Warnings() []results.Warning {
	return []results.Warning{{Code: "odd", Subject: "vision-0", Text: "this is odd", Count: 1}}
}

func TestUpBeforeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, first := time.Now(), time.Duration(0)
		w := &world{}
		w.onAnswer = func(n int64) {
			if n == 0 {
				first = time.Since(start)
			}
		}
		b, dir := w.bench(t)
		b.Cells = b.Cells[:1]
		b.Services[0].Launcher = slow{w, 7 * time.Second, 10 * time.Second}
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if first < 7*time.Second || first > 8*time.Second {
			t.Errorf("the first request was sent after %s; the page says up after 7 s", first)
		}
		run, err := results.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := run.Cells[0].Cell.Warnings; len(got) != 1 || got[0].Code != "odd" {
			t.Errorf("the cell's warnings are %+v", got)
		}
	})
}

func TestPatienceEnds(t *testing.T) {
	check := func(name string, up time.Duration, w *world, want string) {
		synctest.Test(t, func(t *testing.T) {
			b, _ := w.bench(t)
			b.Cells = b.Cells[:1]
			b.Services[0].Launcher = slow{w, up, 10 * time.Second}
			start := time.Now()
			err := b.Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: Run() = %v, want %q", name, err, want)
			}
			if took := time.Since(start); took > 11*time.Second {
				t.Errorf("%s: it took %s of 10 s", name, took)
			}
			w.undone(t)
		})
	}
	const longer = "; it runs: mend what its log tells, or, if it only takes longer, set services.vision.launcher.ready: 20s (now 10s)"
	log := "; the end of its log vision-0.log:\n  | reading weights"
	check("never up", time.Hour, &world{}, "vision-0 at http://vision-0 on gpu0 (GPU-0) is not ready: still loading"+longer+log)
	unready := &world{answer: func(int64) loadgen.Answer { return loadgen.Answer{Outcome: results.HTTP5xx, Detail: "no worker"} }}
	// Six seconds until it is up: four are left for right answers.
	check("never right", 6*time.Second, unready, "vision-0 at http://vision-0 on gpu0 (GPU-0) is not ready: a request: http_5xx: no worker"+longer+log)
	check("dead", time.Hour, &world{died: errors.New("exit status 3")}, "vision-0 on gpu0 (GPU-0) ended before it was ready: exit status 3")
	check("dead, and another answers in its place", 0, &world{died: errors.New("exit status 3")}, "vision-0 on gpu0 (GPU-0) ended before it was ready: exit status 3")
}

// oneAddress is a launcher whose instances all tell one URL, and pages of their own if it
// is a router's.
type oneAddress struct {
	onDevices
	router bool
}

func (l oneAddress) Launch(ctx context.Context, i services.Instance) (services.Service, error) {
	s, err := l.onDevices.Launch(ctx, i)
	return addressed{s, l.router}, err
}

type addressed struct {
	services.Service
	router bool
}

func (s addressed) Info() results.Instance {
	info := s.Service.Info()
	info.Scrapes = nil
	if s.router {
		info.Scrapes = []results.Scrape{{Kind: "vllm", URL: info.URL + "/metrics"}}
	}
	info.URL = "http://127.0.0.1:8000"
	return info
}

// Two instances at one address are one server, unless each has a page of its own.
func TestTwoAtOneAddress(t *testing.T) {
	for _, router := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			k := &rack{world: &world{}, devices: []device.Device{{UUID: "GPU-0", Name: "gpu0"}, {UUID: "GPU-1", Name: "gpu1"}}}
			b, _ := k.bench(t, "vision=0,1 agent=0", 0)
			b.Services[0].Launcher = oneAddress{onDevices{k}, router}
			err := b.Run(t.Context())
			refused := err != nil && strings.Contains(err.Error(), "are both at http://127.0.0.1:8000") && strings.Contains(err.Error(), "vision-0")
			if refused == router {
				t.Errorf("router %t: Run() = %v", router, err)
			}
			k.undone(t)
		})
	}
}
