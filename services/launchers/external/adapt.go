package external

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/services"
)

// adapting is a launcher whose servers a command makes fit each configuration.
type adapting struct{ *launcher }

// Adapt runs the command for a configuration.
func (l adapting) Adapt(ctx context.Context, service string, c services.Configuration) error {
	about, err := callFor(service, c)
	if err != nil {
		return err
	}
	l.last.set(about)
	return l.adapt.run(ctx, about)
}

// Releases reports whether there is a command that makes the servers let their
// devices go.
func (l adapting) Releases() bool { return l.release != nil }

// Release runs that command, if Adapt was called since. It is told the last
// configuration.
func (l adapting) Release(ctx context.Context) error {
	about, holds := l.last.letGo()
	if l.release == nil || !holds {
		return nil
	}
	return l.release.run(ctx, about)
}

// restoring is one that also has a command that puts its servers back.
type restoring struct{ adapting }

// Restore runs that command, if Adapt was called. It is told the last
// configuration, and its log stands beside that one's.
func (l restoring) Restore(ctx context.Context) error {
	about, ok := l.last.take()
	if !ok {
		return nil
	}
	return l.restore.run(ctx, about)
}

// last is the last configuration that the servers were made to fit.
type last struct {
	mu    sync.Mutex
	about call
	ok    bool // not put back since
	holds bool // not released since
}

func (l *last) set(c call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.about, l.ok, l.holds = c, true, true
}

func (l *last) letGo() (call, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	holds := l.holds
	l.holds = false
	return l.about, holds
}

func (l *last) take() (call, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ok := l.ok
	l.ok = false
	return l.about, ok
}

// told is a configuration as EVABENCH_CONFIGURATION holds it, in JSON.
type told struct {
	Config    string            `json:"config"`
	Service   string            `json:"service"`
	Layout    string            `json:"layout"`
	Sharing   string            `json:"sharing"`
	Placement string            `json:"placement"`
	Workers   map[string]int    `json:"workers"`
	Params    map[string]string `json:"params"`
	Devices   []device.Device   `json:"devices"`
}

// callFor tells a command the configuration: by environment variables, and by
// the names in braces.
func callFor(service string, c services.Configuration) (call, error) {
	all, err := json.Marshal(told{
		Config: c.Name, Service: service, Layout: c.Layout, Sharing: c.Sharing, Placement: c.Placement,
		Workers: c.Workers, Params: c.Params, Devices: c.Devices,
	})
	if err != nil {
		return call{}, fmt.Errorf("tell the configuration: %w", err)
	}
	var uuids []string
	for _, d := range c.Devices {
		uuids = append(uuids, d.UUID)
	}
	variables := map[string]string{
		"EVABENCH_CONFIG": c.Name, "EVABENCH_SERVICE": service, "EVABENCH_LAYOUT": c.Layout, "EVABENCH_SHARING": c.Sharing,
		"EVABENCH_PLACEMENT": c.Placement, "EVABENCH_DEVICES": strings.Join(uuids, ","), "EVABENCH_CONFIGURATION": string(all),
	}
	workers := map[string]string{}
	i := services.Instance{Service: service, Name: service, Params: c.Params}
	for _, model := range slices.Sorted(maps.Keys(c.Workers)) {
		workers[model] = strconv.Itoa(c.Workers[model])
		i.Models = append(i.Models, services.Model{Name: model, Workers: c.Workers[model]})
	}
	addVariables(variables, "EVABENCH_WORKERS_", workers)
	addVariables(variables, "EVABENCH_PARAMS_", c.Params)
	return call{about: service, instance: i, variables: variables, logDir: c.LogDir}, nil
}

// addVariables adds a variable for each value: its name in capitals, with _ for
// all that is neither letter nor digit. Two names that would be one variable are
// in EVABENCH_CONFIGURATION only.
func addVariables(variables map[string]string, prefix string, values map[string]string) {
	count := map[string]int{}
	for name := range values {
		count[variable(name)]++
	}
	for name, value := range values {
		if v := variable(name); count[v] == 1 {
			variables[prefix+v] = value
		}
	}
}

// variable makes a name such as may stand in a variable's: rt-detrv2 is RT_DETRV2.
func variable(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		default:
			return '_'
		}
	}, name)
}
