package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strconv"

	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/partition"
	"github.com/evabench/evabench/results"
)

// changed tells why a run is not to be gone on with as its directory says alone.
func (g *goingOn) changed(acceptBinary bool) []string {
	if lost := g.run.Environment.Lost; lost != "" {
		return []string{fmt.Sprintf("environment.json: %s: what its cells were measured with is not known", lost)}
	}
	var why []string
	for _, p := range g.run.Problems {
		if p.Path == "scenario.yaml" || p.Path == "environment.json" {
			why = append(why, fmt.Sprintf("%s: %s; its other cells were measured as it was before", p.Path, p.Text))
		}
	}
	env := g.run.Environment
	if env.Measurement != results.MeasurementVersion {
		why = append(why, fmt.Sprintf("its cells were measured by version %d of measuring, evabench %s, and this evabench, %s, measures by version %d: they could not be compared",
			env.Measurement, env.Evabench, buildVersion(), results.MeasurementVersion))
	}
	if !acceptBinary && !g.knows(buildVersion(), binaryHash()) {
		why = append(why, fmt.Sprintf("it was begun by another binary, evabench %s, and this is %s; --accept-binary goes on all the same if you know that both measure alike",
			g.binaries(), binary(buildVersion(), binaryHash())))
	}
	return why
}

// knows reports whether a binary measured cells of the run before.
func (g *goingOn) knows(version, hash string) bool {
	return slices.ContainsFunc(g.run.Environment.Sessions, func(s results.Session) bool {
		if s.BinarySHA256 == "" || hash == "" {
			return s.Evabench == version
		}
		return s.BinarySHA256 == hash
	})
}

// binaries names those of the sessions, each once.
func (g *goingOn) binaries() string {
	text := ""
	var named []string
	for _, s := range g.run.Environment.Sessions {
		name := binary(s.Evabench, s.BinarySHA256)
		if slices.Contains(named, name) {
			continue
		}
		if named = append(named, name); text != "" {
			text += " and "
		}
		text += name
	}
	return text
}

func binary(version, hash string) string {
	return fmt.Sprintf("%s (sha256 %.12s)", version, hash)
}

// binaryHash is the SHA-256 of this program; empty if it cannot be read.
func binaryHash() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// differs tells why the run is not to be gone on with on this server, or by what this
// program makes of its scenario.
func (g *goingOn) differs(now results.Environment) ([]string, error) {
	was := g.run.Environment
	why := cellsDiffer(was, now)
	for _, part := range []struct {
		name    string
		was, is any
	}{
		{"list of services", was.Services, now.Services}, {"search", was.Search, now.Search}, {"indifference zone", was.Zone, now.Zone},
		{"simulated server", []any{was.Simulated, was.SimulatedScale}, []any{now.Simulated, now.SimulatedScale}},
		{"simulated faults", was.SimulatedFaults, now.SimulatedFaults},
	} {
		a, err := json.Marshal(part.was)
		if err != nil {
			return nil, err
		}
		z, err := json.Marshal(part.is)
		if err != nil {
			return nil, err
		}
		if !reflect.DeepEqual(a, z) {
			why = append(why, fmt.Sprintf("this evabench reads the same scenario otherwise: its %s was %s, and is %s", part.name, a, z))
		}
	}
	machine := func(h results.Host) string {
		return fmt.Sprintf("%s %s, %s/%s", units.Plural(h.CPUs, "CPU"), strconv.Quote(h.CPUModel), h.OS, h.Arch)
	}
	if a, z := machine(was.Host), machine(now.Host); a != z {
		why = append(why, fmt.Sprintf("it was begun on another machine: %s, and this one has %s", a, z))
	}
	return why, nil
}

// cellsDiffer tells whether the cells to be run are those that were planned.
func cellsDiffer(was, now results.Environment) []string {
	var why []string
	for i := range max(len(was.Planned), len(now.Planned)) {
		a, z := "nothing", "nothing"
		if i < len(was.Planned) {
			a = was.Planned[i]
		}
		if i < len(now.Planned) {
			z = now.Planned[i]
		}
		if a != z {
			why = append(why, fmt.Sprintf("its cells would be others: number %d was planned as %s, and would be %s now", i+1, a, z))
			break
		}
	}
	reasons := map[string]string{}
	for _, i := range now.Impossible {
		reasons[i.Config.Name] = i.Reason
	}
	for _, i := range was.Impossible {
		if _, still := reasons[i.Config.Name]; !still {
			why = append(why, fmt.Sprintf("configuration %s could not be (%s), and can be now", i.Config.Name, i.Reason))
		}
	}
	return why
}

// keptState is what before.json holds of a state: what a restore brings back, and settings that
// what is measured depends on. Processes come and go, and an environment may hold secrets.
func keptState(s partition.State) partition.State {
	s.GPUs, s.MPS, s.Owners, s.Blind = slices.Clone(s.GPUs), slices.Clone(s.MPS), nil, ""
	for i := range s.GPUs {
		s.GPUs[i].Processes, s.GPUs[i].Holders, s.GPUs[i].Profiles = nil, nil, nil
	}
	for i := range s.MPS {
		s.MPS[i].Env, s.MPS[i].Clients = nil, nil
	}
	return s
}

// stateDiffers tells how the server, and the files that are measured with, differ from what
// the run found first.
func (g *goingOn) stateDiffers(now partition.State) ([]string, error) {
	var was partition.State
	inputs, err := results.ReadBefore(g.run.Dir, &was)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !slices.Contains(g.anyMeasured(), true):
		return nil, nil // it broke off before its first cell
	case err != nil:
		return nil, err
	}
	var why []string
	if inputs != nil {
		is, err := inputsOf(g.run.Scenario)
		if err != nil {
			return nil, err
		}
		why = inputsDiffer(inputs, is)
	}
	now = keptState(now)
	add := func(format string, args ...any) {
		why = append(why, "the server is another than before: "+fmt.Sprintf(format, args...))
	}
	for _, d := range slices.Concat(was.Differences(now), was.Lost(now)) {
		add("%s", d)
	}
	if was.System.Driver != now.System.Driver {
		add("its driver was %s and is %s", strconv.Quote(was.System.Driver), strconv.Quote(now.System.Driver))
	}
	for _, n := range now.GPUs {
		i := slices.IndexFunc(was.GPUs, func(g partition.GPU) bool { return g.UUID == n.UUID })
		if i < 0 {
			add("GPU %d (%s) was not among the named ones", n.Index, n.UUID)
			continue
		}
		w := was.GPUs[i]
		for _, s := range []struct {
			name    string
			was, is any
		}{{"power limit", w.PowerLimitWatts, n.PowerLimitWatts}, {"ECC", w.ECC, n.ECC}, {"VBIOS", w.VBIOS, n.VBIOS}} {
			if !reflect.DeepEqual(s.was, s.is) {
				add("the %s of GPU %d was %s and is %s", s.name, n.Index, plainly(s.was), plainly(s.is))
			}
		}
	}
	return why, nil
}

// plainly writes a setting that may be unknown.
func plainly(v any) string {
	switch v := v.(type) {
	case *float64:
		if v != nil {
			return units.Format(*v, "W")
		}
	case *bool:
		if v != nil {
			return map[bool]string{true: "on", false: "off"}[*v]
		}
	case string:
		if v != "" {
			return v
		}
	}
	return "unknown"
}

func (g *goingOn) anyMeasured() []bool {
	var all []bool
	for _, m := range g.measured {
		all = append(all, m)
	}
	return all
}
