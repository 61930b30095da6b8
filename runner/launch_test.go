package runner

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
)

// A rack is a world with several devices and launchers whose instances take
// their time. It notes when each was launched and up, since its start.
type rack struct {
	*world
	devices []device.Device
	start   time.Time
	load    map[string]time.Duration // until an instance is up, by name; a second if not told
	fails   map[string]error         // of Launch, by name

	noting sync.Mutex
	times  map[string]time.Duration // of Launch, by name
	adapts []services.Configuration
	odd    func(asked int) error // what Identify says; nil: no instance can tell
	asked  map[string]int        // Identify, by name
}

func (k *rack) Apply(ctx context.Context, p partition.Plan) ([]device.Device, error) {
	_, err := k.world.Apply(ctx, p)
	return k.devices, err
}

// onDevices is a launcher of a rack that the placement uses.
type onDevices struct{ k *rack }

func (l onDevices) Launch(ctx context.Context, i services.Instance) (services.Service, error) {
	k := l.k
	k.noting.Lock()
	defer k.noting.Unlock()
	k.times[i.Name] = time.Since(k.start)
	if err := k.fails[i.Name]; err != nil {
		return nil, err
	}
	s, err := k.world.Launch(ctx, i)
	if err != nil {
		return nil, err
	}
	takes, told := k.load[i.Name]
	if !told {
		takes = time.Second
	}
	up := &racked{Service: s, k: k, at: time.Now().Add(takes)}
	if k.odd != nil {
		return &telling{up}, nil
	}
	return up, nil
}

// A racked instance says that it is up after a while.
type racked struct {
	services.Service
	k  *rack
	at time.Time
}

func (s *racked) Check(context.Context) error {
	if time.Now().Before(s.at) {
		return errors.New("loading")
	}
	return nil
}

// A telling instance says whether it is what was asked for.
type telling struct{ *racked }

func (s *telling) Identify(context.Context) error {
	s.k.noting.Lock()
	defer s.k.noting.Unlock()
	name := s.Info().Name
	s.k.asked[name]++
	return s.k.odd(s.k.asked[name])
}

// counted is a launcher of a rack with a number of instances of its own, which
// are made to fit each configuration.
type counted struct {
	onDevices
	n     int
	fault error
}

func (l counted) Instances() int { return l.n }
func (l counted) Adapt(_ context.Context, service string, c services.Configuration) error {
	l.k.noting.Lock()
	defer l.k.noting.Unlock()
	l.k.adapts = append(l.k.adapts, c)
	l.k.log = append(l.k.log, "adapt "+service)
	return l.fault
}

// bench makes a bench of one cell with a service on devices and one beside them.
func (k *rack) bench(t *testing.T, placement string, beside int) (*Bench, string) {
	t.Helper()
	k.start, k.times, k.asked = time.Now(), map[string]time.Duration{}, map[string]int{}
	b, dir := k.world.bench(t)
	b.Backend, b.Cells = k, b.Cells[:1]
	b.Cells[0].Config.Placement = placement
	b.NewChooser = func(scenarios.Cell) Chooser { return none{} }
	b.Services = []Service{
		{Service: scenarios.Service{Name: "vision", Role: results.RoleVision, Timeout: time.Second, Models: []scenarios.Model{{Name: "m", Workers: 2}}}, Launcher: onDevices{k}, Dialer: k.world, Workload: k.world},
		{Service: scenarios.Service{Name: "agent", Role: results.RoleAgent, Timeout: time.Second}, Launcher: onDevices{k}, Dialer: k.world, Workload: k.world},
	}
	if beside > 0 {
		b.Services = append(b.Services, b.Services[0])
		s := &b.Services[2]
		s.Name, s.Launcher = "beside", counted{onDevices: onDevices{k}, n: beside}
	}
	return b, dir
}

// slices2 are two MIG devices of one GPU, the first cut into two compute
// instances.
func slices2() []device.Device {
	d := func(uuid string, gi int) device.Device {
		return device.Device{UUID: uuid, GPU: "GPU-0", Name: uuid, MemoryBytes: 24 << 30, Instance: &device.Instance{GI: gi}}
	}
	return []device.Device{d("MIG-1a", 1), d("MIG-1b", 1), d("MIG-2", 2)}
}

// Instances that share memory start one after another, each when the one before
// it is ready; others start at once, those on no device too. An answer takes
// 100 ms, and what is up after n s is asked again each 200 ms.
func TestLaunchOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &rack{world: &world{}, devices: slices2(), load: map[string]time.Duration{"vision-0": 3 * time.Second, "agent-1": 2 * time.Second}}
		b, dir := k.bench(t, "vision=0 agent=0,1,2,2", 2)
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		k.undone(t)
		want := map[string]time.Duration{
			"vision-0": 0,
			"agent-0":  3100 * time.Millisecond, // on the same device
			"agent-1":  4200 * time.Millisecond, // on the other compute instance: the same memory
			"agent-2":  0,
			"agent-3":  1100 * time.Millisecond,
			"beside-0": 0,
			"beside-1": 0,
		}
		if !reflect.DeepEqual(k.times, want) {
			t.Errorf("launched at %v, want %v", k.times, want)
		}
		run, err := results.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, i := range run.Cells[0].Cell.Instances {
			names = append(names, i.Name)
		}
		if got := strings.Join(names, " "); got != "vision-0 agent-0 agent-1 agent-2 agent-3 beside-0 beside-1" {
			t.Errorf("recorded in the order %s", got)
		}
		stops := slices.DeleteFunc(slices.Clone(k.log), func(s string) bool { return !strings.HasPrefix(s, "stop") })
		slices.Sort(stops)
		if got := strings.Join(stops, ", "); got != "stop agent-0, stop agent-1, stop agent-2, stop agent-3, stop beside-0, stop beside-1, stop vision-0" {
			t.Errorf("stopped: %s", got)
		}
		for _, p := range run.Cells[0].Cell.Phases {
			if p.Name == "launch" && p.End.Sub(p.Start) != 4200*time.Millisecond || p.Name == "ready" && p.End.Sub(p.Start) != 2100*time.Millisecond {
				t.Errorf("phase %s took %s", p.Name, p.End.Sub(p.Start))
			}
		}
	})
}

// The first fault ends the other launches: what waits for its turn is not
// launched, what was launched is stopped, and only that fault is told.
func TestLaunchFaultCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &rack{world: &world{}, devices: slices2(), load: map[string]time.Duration{"vision-0": time.Hour}, fails: map[string]error{"agent-2": errors.New("no such program")}}
		b, dir := k.bench(t, "vision=0 agent=0,2,2", 0)
		err := b.Run(t.Context())
		want := "cell 000-a-r1: launch agent-2 on MIG-2 (MIG-2): no such program\nno cell was measured"
		if err == nil || err.Error() != want {
			t.Errorf("Run() = %v, want %s", err, want)
		}
		k.undone(t)
		if took := time.Since(k.start); took > 3*time.Second {
			t.Errorf("it took %s; the fault came after 1.1 s", took)
		}
		if _, launched := k.times["agent-0"]; launched {
			t.Error("agent-0 was launched, though vision-0 on its device was not ready")
		}
		run, err := results.Read(dir)
		if err != nil || run.Cells[0].Cell.Status != results.CellFailed {
			t.Errorf("%v", err)
		}
	})
}

// No more than so many are waited for at once.
func TestLaunchIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &rack{world: &world{}, devices: slices2()}
		b, _ := k.bench(t, "auto", sideBySide+3)
		b.Services = b.Services[2:]
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		at := map[time.Duration]int{}
		for _, when := range k.times {
			at[when]++
		}
		if want := map[time.Duration]int{0: sideBySide, 1100 * time.Millisecond: 3}; !reflect.DeepEqual(at, want) {
			t.Errorf("launched at %v, want %v", at, want)
		}
	})
}

// A service that runs already is made to fit before anything is launched, and
// told what the configuration asks for.
func TestAdapt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &rack{world: &world{}, devices: slices2()}
		b, _ := k.bench(t, "vision=0 agent=1", 1)
		b.Cells[0].Config.Workers = map[string]int{"other": 9}
		b.Cells[0].Config.Params = map[string]string{"beside.batch": "4", "agent.seqs": "8"}
		if err := b.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(k.adapts) != 1 || k.log[1] != "adapt beside" {
			t.Fatalf("%d calls, in %v", len(k.adapts), k.log)
		}
		c := k.adapts[0]
		if c.LogDir == "" || len(c.Devices) != 3 {
			t.Errorf("logs %q, devices %v", c.LogDir, c.Devices)
		}
		c.LogDir, c.Devices = "", nil
		want := services.Configuration{
			Name: "a", Layout: "off", Sharing: "ts", Placement: "vision=0 agent=1",
			Workers: map[string]int{"m": 2, "other": 9}, Params: map[string]string{"batch": "4"},
		}
		if !reflect.DeepEqual(c, want) {
			t.Errorf("it was asked for %+v, want %+v", c, want)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		k := &rack{world: &world{}, devices: slices2()}
		b, _ := k.bench(t, "vision=0 agent=1", 1)
		b.Services[2].Launcher = counted{onDevices{k}, 1, errors.New("exit status 2")}
		err := b.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "make service beside fit the configuration: exit status 2") || len(k.times) != 0 {
			t.Errorf("Run() = %v, launched %v", err, k.times)
		}
		k.undone(t)
	})
}

// An instance is asked who it is until it is right, or patience ends, and once
// more after the last step.
func TestIdentified(t *testing.T) {
	run := func(odd func(int) error, launcher func(*rack) services.Launcher) (string, results.Cell, *rack) {
		var cell results.Cell
		var text string
		k := &rack{world: &world{}, devices: slices2(), odd: odd}
		synctest.Test(t, func(t *testing.T) {
			b, dir := k.bench(t, "auto", 0)
			b.Services = b.Services[:1]
			b.Services[0].Launcher = launcher(k)
			b.Cells[0].Config.Placement = "vision=0"
			b.NewChooser = func(scenarios.Cell) Chooser { return twoSteps{} }
			if err := b.Run(t.Context()); err != nil {
				text = err.Error()
			}
			k.undone(t)
			r, err := results.Read(dir)
			if err != nil {
				t.Fatal(err)
			}
			cell = r.Cells[0].Cell
			if ran := len(r.Cells[0].Steps); (ran == 2) != (len(cell.Instances) > 0) {
				t.Errorf("%d steps are kept", ran)
			}
		})
		return text, cell, k
	}
	wrong := errors.New("m has 1 worker, not 2")
	launched := func(k *rack) services.Launcher { return onDevices{k} }
	found := func(k *rack) services.Launcher { return counted{onDevices: onDevices{k}, n: 1} }

	text, cell, k := run(func(int) error { return nil }, launched)
	if text != "" || cell.Status != results.CellDone || k.asked["vision-0"] != 2 {
		t.Errorf("right: %s %s, asked %v times, want 2", cell.Status, text, k.asked)
	}
	text, cell, k = run(func(n int) error {
		if n < 4 {
			return wrong
		}
		return nil
	}, launched)
	if text != "" || cell.Status != results.CellDone || k.asked["vision-0"] != 5 {
		t.Errorf("right after a while: %s %s, asked %v times, want 5", cell.Status, text, k.asked)
	}
	text, _, k = run(func(int) error { return wrong }, launched)
	if want := "vision-0 at http://vision-0 on MIG-1a (MIG-1a) is not ready: it is not what the configuration asks for: m has 1 worker, not 2"; !strings.Contains(text, want) || k.asked["vision-0"] < 1000 {
		t.Errorf("never right: %s, asked %v times in 5 minutes", text, k.asked)
	}
	if text, _, k = run(func(int) error { return wrong }, found); !strings.Contains(text, "it is not what the configuration asks for") || k.asked["vision-0"] != 1 {
		t.Errorf("running already, and wrong: %s, asked %v times, want 1", text, k.asked)
	}
	text, cell, _ = run(func(n int) error {
		if n > 1 {
			return wrong
		}
		return nil
	}, launched)
	if want := "after the load vision-0 is not what the configuration asks for any more, so its steps may not be either: m has 1 worker, not 2"; !strings.Contains(text, want) || cell.Status != results.CellFailed || cell.Fault != want {
		t.Errorf("wrong after the load: %s: %q", cell.Status, text)
	}
}
