package partition

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// card reads a GPU of testdata/cards, which are cards of the table of package
// internal/nvml as Inspect tells of them, and gives it an index.
func card(t testing.TB, name string, index int) GPU {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "cards", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var g GPU
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(g.Profiles) == 0 {
		t.Fatalf("%s has no profiles", name)
	}
	g.Index, g.UUID = index, fmt.Sprintf("%s-%d", g.UUID, index)
	return g
}

// cardNames lists testdata/cards.
func cardNames(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "cards", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cards: %v", err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".json")
	}
	return files
}

// A world is what steps make of GPUs: a strict machine that knows nothing of how
// plans are made. Places are bits.
type world struct {
	gpus  []GPU
	mps   []Daemon
	uuids int // made
}

// state is what Inspect would tell now, whatever is done later.
func (w *world) state() State {
	return State{GPUs: slices.Clone(w.gpus), MPS: slices.Clone(w.mps)}
}

// bits is a place as a set of slices.
func bits(p Placement) uint64 { return (1<<p.Size - 1) << p.Start }

// do carries out a step, or says why a card would refuse it.
func (w *world) do(s Step) error {
	if s.Daemon != nil {
		return w.end(s)
	}
	var g *GPU
	for i := range w.gpus {
		if w.gpus[i].UUID == s.GPU && w.gpus[i].Index == s.Index {
			g = &w.gpus[i]
		}
	}
	switch {
	case g == nil:
		return fmt.Errorf("no GPU %s", s.GPU)
	case s.Action == SetMode:
		if len(g.Instances) > 0 || g.MIG.Current == s.On {
			return fmt.Errorf("mode %t with %d instances", g.MIG.Current, len(g.Instances))
		}
		g.MIG.Current, g.MIG.Pending = s.On, s.On
	case s.Action == SetTimeSlice:
		if g.MIG.Current {
			return fmt.Errorf("time slice with MIG on")
		}
		g.TimeSlice = s.TimeSlice
	case s.Action == Create:
		return w.create(g, *s.Slot)
	case s.Action == Destroy:
		return w.destroy(g, *s.Instance)
	case s.Action == StartMPS:
		return w.start(g, s)
	default:
		return fmt.Errorf("unknown action %s", s.Action)
	}
	return nil
}

func (w *world) end(s Step) error {
	for i, d := range w.mps {
		if d.Device == s.Daemon.Device && d.Own == (s.Action == StopMPS) {
			w.mps = append(w.mps[:i:i], w.mps[i+1:]...)
			return nil
		}
	}
	return fmt.Errorf("no such daemon: %s", s)
}

func (w *world) create(g *GPU, s Slot) error {
	var used uint64
	for _, i := range g.Instances {
		used |= bits(i.Placement)
	}
	allowed := false
	for _, p := range s.Profile.Placements {
		allowed = allowed || p == s.Placement
	}
	if !g.MIG.Current || !allowed || used&bits(s.Placement) != 0 || len(s.Compute) == 0 {
		return fmt.Errorf("cannot create %v with %b used", s, used)
	}
	made := Instance{Profile: s.Profile.Name, Placement: s.Placement}
	used = 0
	for _, at := range s.Compute {
		allowed := false
		for _, c := range s.Profile.Compute {
			for _, p := range c.Placements {
				allowed = allowed || p == at
			}
		}
		if !allowed || used&bits(at) != 0 {
			return fmt.Errorf("cannot create compute instance %v in %v", at, s)
		}
		used |= bits(at)
		w.uuids++
		made.Compute = append(made.Compute, Compute{Placement: at, UUID: fmt.Sprint("MIG-", w.uuids)})
	}
	k := 0
	for k < len(g.Instances) && g.Instances[k].Placement.Start < made.Placement.Start {
		k++
	}
	g.Instances = append(g.Instances[:k:k], append([]Instance{made}, g.Instances[k:]...)...)
	return nil
}

func (w *world) destroy(g *GPU, i Instance) error {
	for _, c := range i.Compute {
		for _, d := range w.mps {
			if d.Device == c.UUID {
				return fmt.Errorf("%s is destroyed under its MPS daemon", i)
			}
		}
	}
	for k, is := range g.Instances {
		if is.Placement == i.Placement && is.Profile == i.Profile && len(is.Compute) == len(i.Compute) {
			g.Instances = append(g.Instances[:k:k], g.Instances[k+1:]...)
			return nil
		}
	}
	return fmt.Errorf("no instance %s", i)
}

func (w *world) start(g *GPU, s Step) error {
	device := g.UUID
	if s.Slot != nil {
		device = ""
		for _, i := range g.Instances {
			for _, c := range i.Compute {
				if i.Placement == s.Slot.Placement && i.Profile == s.Slot.Profile.Name && c.Placement == *s.Compute {
					device = c.UUID
				}
			}
		}
	}
	if device == "" || (device == g.UUID) == g.MIG.Current {
		return fmt.Errorf("no device for %s", s)
	}
	for _, d := range w.mps {
		if d.Device == device {
			return fmt.Errorf("%s has a daemon already", device)
		}
	}
	w.mps = append(w.mps, Daemon{Device: device, Own: true, Clients: []int{}, Settings: map[string]string{}})
	return nil
}
