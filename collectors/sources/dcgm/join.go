package dcgm

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/internal/page"
	"github.com/evabench/evabench/results"
)

// A gpu is one GPU of the layout.
type gpu struct {
	uuid      string
	instances map[string]instance // by the GPU instance's id; none for a whole GPU
}

type instance struct {
	profile string
	subject results.Subject
}

// layout sorts devices by GPU. A GPU instance with several compute instances is a
// subject of its own, "<GPU's UUID>/gi<id>": DCGM tells of it as one.
func layout(devices []Device) []gpu {
	byUUID := make(map[string]gpu)
	for _, d := range devices {
		g, ok := byUUID[d.GPU]
		if !ok {
			g = gpu{d.GPU, make(map[string]instance)}
			byUUID[d.GPU] = g
		}
		if !d.MIG {
			continue
		}
		id := strconv.Itoa(d.GI)
		subject := results.Subject{Kind: results.SubjectInstance, ID: d.UUID, GPU: d.GPU, Detail: d.Profile}
		if _, ok := g.instances[id]; ok {
			subject.ID = d.GPU + "/gi" + id
		}
		g.instances[id] = instance{d.Profile, subject}
	}
	var all []gpu
	for _, uuid := range slices.Sorted(maps.Keys(byUUID)) {
		all = append(all, byUUID[uuid])
	}
	return all
}

// A joined is what a page tells of the layout's GPUs.
type joined struct {
	readings []collectors.Reading
	energy   bool // energy counters are among them
	faults   []error
}

// A line is one sample of a field with what its labels name.
type line struct {
	field
	gpu, gi string // gi is empty for a line of a whole GPU
	profile string
	value   float64
}

// join takes what is told of the layout's GPUs.
func join(p page.Page, fields []field, gpus []gpu) (j joined) {
	lines := make(map[string][]line) // by GPU
	for _, f := range fields {
		for _, s := range p[f.name] {
			uuid := s.Labels["UUID"]
			if uuid == "" {
				uuid = s.Labels["uuid"] // dcgm-exporter --use-old-namespace
			}
			if _, process := s.Labels["pid"]; process || uuid == "" {
				continue // of a process; of a link or a switch
			}
			lines[uuid] = append(lines[uuid], line{f, uuid, s.Labels["GPU_I_ID"], s.Labels["GPU_I_PROFILE"], s.Value})
		}
	}
	if len(lines) == 0 {
		j.faults = append(j.faults, errors.New("the page has no DCGM_FI_ series of a GPU that is taken: it is not dcgm-exporter's, or its counters file names none"))
		return j
	}
	for _, g := range gpus {
		fault, usable := g.check(lines[g.uuid])
		if fault != nil {
			j.faults = append(j.faults, fault)
		}
		if usable {
			j.add(g, lines[g.uuid])
		}
	}
	if len(j.readings) == 0 && len(j.faults) == 0 {
		j.faults = append(j.faults, errors.New("DCGM has no value for any series of the layout's GPUs that the page names"))
	}
	return j
}

// restart is what helps a page of another layout than the present one.
const restart = "dcgm-exporter reads the layout when it starts: start it anew after each change of the layout"

// check says what is wrong with a GPU's lines, and whether they can be used all the same.
func (g gpu) check(lines []line) (fault error, usable bool) {
	told := make(map[string]string) // profiles by instance
	for _, l := range lines {
		if l.gi != "" {
			told[l.gi] = l.profile
		}
	}
	switch {
	case len(lines) == 0:
		return fmt.Errorf("the page tells nothing of %s; see dcgm-exporter's --devices", g.uuid), false
	case len(g.instances) == 0 && len(told) > 0:
		return fmt.Errorf("the page tells of %d instances of %s, which is not cut up now: nothing of it was taken; %s", len(told), g.uuid, restart), false
	case len(g.instances) > 0 && len(told) == 0:
		return fmt.Errorf("the page tells of %s as a whole, which is cut into %d instances: nothing of it was taken; "+
			"start dcgm-exporter with --devices=f (all instances), and anew after each change of the layout", g.uuid, len(g.instances)), false
	}
	for _, gi := range slices.Sorted(maps.Keys(told)) {
		i, ok := g.instances[gi]
		// Only the slices are compared: the memory in the name was seen wrong
		// (NVIDIA/dcgm-exporter#544: 1g.11gb for 1g.12gb).
		if !ok || computeSlices(told[gi]) != computeSlices(i.profile) {
			return fmt.Errorf("the page tells of instance %s (%s) of %s, which is not the present layout's: nothing of it was taken; %s", gi, told[gi], g.uuid, restart), false
		}
	}
	var missing []string
	for _, gi := range slices.Sorted(maps.Keys(g.instances)) {
		if _, ok := told[gi]; !ok {
			missing = append(missing, gi)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the page does not tell of instance %s of %s; %s", strings.Join(missing, ", "), g.uuid, restart), true
	}
	return nil, true
}

// computeSlices gives the compute slices of a profile's name: "1g" of "1g.10gb+me".
func computeSlices(profile string) string {
	head, _, _ := strings.Cut(profile, ".")
	return head
}

// mostRatio is up to where a ratio is taken, as it is told: DCGM divides two counters that
// it does not read at one moment, so that what is always busy may come out a hair above 1.
const mostRatio = 1.01

// add takes the readings of a GPU's lines, in their order.
func (j *joined) add(g gpu, lines []line) {
	type key struct {
		results.Subject
		series string
	}
	place := make(map[key]int)   // in j.readings
	whole := make(map[key]bool)  // the value there is a whole GPU's line
	broken := make(map[key]bool) // two lines contradict each other
	for _, l := range lines {
		if math.IsNaN(l.value) || math.IsInf(l.value, 0) || blank(l.value) || l.gi != "" && l.scope == wholeOnly {
			continue
		}
		subject := results.Subject{Kind: results.SubjectGPU, ID: g.uuid}
		if l.gi != "" && l.scope == perInstance {
			subject = g.instances[l.gi].subject
		}
		k, value := key{subject, l.name}, l.value*l.scale
		if value < 0 && l.unit != "°C" || l.unit == "ratio" && value > mostRatio {
			j.faults = append(j.faults, fmt.Errorf("%s of %s is %v, which it cannot be", l.name, subject.ID, l.value))
			continue
		}
		at, again := place[k]
		switch {
		case !again:
			place[k], whole[k] = len(j.readings), l.gi == ""
			j.readings = append(j.readings, collectors.Reading{Subject: subject, Series: l.name, Value: value, Unit: l.unit})
			j.energy = j.energy || l.name == energy
		case l.scope == ofParent:
			// Instances repeat their GPU's value, read one after the other: the whole
			// GPU's own line is the one, else the largest, which is a counter's latest.
			if l.gi == "" || !whole[k] && value > j.readings[at].Value {
				j.readings[at].Value, whole[k] = value, l.gi == ""
			}
		case j.readings[at].Value != value && !broken[k]: // pods that share a device have a line each
			broken[k] = true
			j.faults = append(j.faults, fmt.Errorf("%s of %s is told twice, as %v and as %v", l.name, subject.ID, j.readings[at].Value/l.scale, l.value))
		}
	}
	j.readings = slices.DeleteFunc(j.readings, func(r collectors.Reading) bool { return broken[key{r.Subject, r.Series}] })
}
