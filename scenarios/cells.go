package scenarios

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/results"
)

// A Cell is one configuration and one replicate, to be run.
type Cell struct {
	Index     int    // order of running, from 0
	Folder    string // "000-off-ts-r1": index, configuration, replicate
	Config    results.Config
	Replicate int // from 1
	// Seed is the same for all configurations of one replicate, so that they
	// meet the same arrivals and can be compared in pairs.
	Seed uint64
}

// maxName bounds a configuration's name, in bytes.
const maxName = 60

// Cells gives what is to be run, in order: replicates outermost; inside one,
// configurations grouped by layout and then sharing, as listed; every second
// replicate in reverse. A point for which possible returns an error is listed
// with its reason instead, once. A nil possible allows every point. The
// configurations' maps are the caller's and shared between replicates.
func (s *Scenario) Cells(possible func(results.Config) error) ([]Cell, []results.Impossible) {
	var configs []results.Config
	var impossible []results.Impossible
	for _, c := range s.Configs() {
		if possible != nil {
			if err := possible(c); err != nil {
				impossible = append(impossible, results.Impossible{Config: c, Reason: err.Error()})
				continue
			}
		}
		configs = append(configs, c)
	}
	var cells []Cell
	for r := 1; r <= s.Replicates; r++ {
		for _, c := range configs {
			i := len(cells)
			cells = append(cells, Cell{
				Index: i, Folder: fmt.Sprintf("%03d-%s-r%d", i, c.Name, r),
				Config: c, Replicate: r, Seed: mix(s.Seed, uint64(r)),
			})
		}
		slices.Reverse(configs)
	}
	return cells, impossible
}

// Configs gives every point of the matrix, named, in the order in which the
// first replicate takes them.
func (s *Scenario) Configs() []results.Config {
	configs := s.kept()
	for _, p := range s.Matrix.Include {
		configs = append(configs, s.complete(p))
	}
	// Included points join their layout's group; new layouts come last.
	layouts, sharings := slices.Clone(s.Matrix.Layouts), slices.Clone(s.Matrix.Sharings)
	for _, p := range s.Matrix.Include {
		layouts, sharings = append(layouts, p.Layout), append(sharings, p.Sharing)
	}
	slices.SortStableFunc(configs, func(a, b results.Config) int {
		return cmp.Or(
			cmp.Compare(slices.Index(layouts, a.Layout), slices.Index(layouts, b.Layout)),
			cmp.Compare(slices.Index(sharings, a.Sharing), slices.Index(sharings, b.Sharing)))
	})
	name(configs, len(s.Server.GPUs) == 0)
	return configs
}

// points counts the cells that the matrix can make, or gives -1 if they are
// more than maxCells.
func (s *Scenario) points() int {
	m := s.Matrix
	n := 1
	factors := []int{len(m.Layouts), len(m.Sharings), len(m.Placements), len(m.Routings), len(m.Workers)}
	for _, p := range m.Params {
		factors = append(factors, len(p.Values))
	}
	for _, f := range factors {
		if n *= f; n > maxCells {
			return -1
		}
	}
	if n = (n + len(m.Include)) * max(s.Replicates, 1); n > maxCells {
		return -1
	}
	return n
}

// product gives every combination, the first dimension slowest.
func (s *Scenario) product() []results.Config {
	m, base := s.Matrix, s.workers()
	all := []results.Config{{}}
	all = expand(all, m.Layouts, func(c *results.Config, v string) { c.Layout = v })
	all = expand(all, m.Sharings, func(c *results.Config, v string) { c.Sharing = v })
	all = expand(all, m.Placements, func(c *results.Config, v string) { c.Placement = v })
	all = expand(all, m.Routings, func(c *results.Config, v string) { c.Routing = v })
	all = expand(all, m.Workers, func(c *results.Config, v map[string]int) { c.Workers = overlay(base, v) })
	for _, p := range m.Params {
		all = expand(all, p.Values, func(c *results.Config, v string) {
			c.Params = overlay(c.Params, map[string]string{p.Name: v})
		})
	}
	return all
}

func expand[V any](all []results.Config, values []V, set func(*results.Config, V)) []results.Config {
	var more []results.Config
	for _, c := range all {
		for _, v := range values {
			next := c
			set(&next, v)
			more = append(more, next)
		}
	}
	return more
}

// kept is the product less what Exclude matches.
func (s *Scenario) kept() []results.Config {
	return slices.DeleteFunc(s.product(), func(c results.Config) bool {
		return slices.ContainsFunc(s.Matrix.Exclude, func(p Point) bool { return p.matches(c) })
	})
}

// complete makes a configuration of an included point.
func (s *Scenario) complete(p Point) results.Config {
	m := s.Matrix
	c := results.Config{
		Layout: cmp.Or(p.Layout, m.Layouts[0]), Sharing: cmp.Or(p.Sharing, m.Sharings[0]),
		Placement: cmp.Or(p.Placement, m.Placements[0]), Routing: cmp.Or(p.Routing, m.Routings[0]),
		Workers: overlay(overlay(s.workers(), m.Workers[0]), p.Workers),
	}
	for _, q := range m.Params {
		c.Params = overlay(c.Params, map[string]string{q.Name: q.Values[0]})
	}
	c.Params = overlay(c.Params, p.Params)
	return c
}

// workers gives the services' worker counts by model.
func (s *Scenario) workers() map[string]int {
	all := map[string]int{}
	for _, v := range s.Services {
		for _, m := range v.Models {
			all[m.Name] = m.Workers
		}
	}
	return all
}

// overlay gives a new map with over's values on top; nil if there are none.
func overlay[V any](base, over map[string]V) map[string]V {
	if len(base)+len(over) == 0 {
		return nil
	}
	all := maps.Clone(base)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, over)
	return all
}

// identity is equal for equal configurations only, whatever their names.
func identity(c results.Config) string {
	c.Name = ""
	text, err := json.Marshal(c) // sorts the maps
	if err != nil {
		panic(err) // a Config is strings and numbers
	}
	return string(text)
}

// name gives each configuration its name: layout and sharing, then whatever
// else varies. A name that is too long or not unique ends in a hash. Without
// GPUs that the scenario names, the server is as it was found.
func name(configs []results.Config, asFound bool) {
	seen := map[string]int{}
	for i := range configs {
		configs[i].Name = plainName(configs, configs[i], asFound)
		seen[configs[i].Name]++
	}
	taken := map[string]bool{}
	for i := range configs {
		c := &configs[i]
		if len(c.Name) <= maxName && seen[c.Name] == 1 {
			continue
		}
		short, id := c.Name, identity(*c)
		for n := 0; c.Name == short || taken[c.Name] || seen[c.Name] > 0; n++ {
			sum := sha256.Sum256([]byte(strconv.Itoa(n) + id))
			c.Name = short[:min(len(short), maxName-9)] + "-" + hex.EncodeToString(sum[:4])
		}
		taken[c.Name] = true
	}
}

func plainName(configs []results.Config, c results.Config, asFound bool) string {
	varies := func(get func(results.Config) string) bool {
		return slices.ContainsFunc(configs, func(o results.Config) bool { return get(o) != get(c) })
	}
	parts := []string{c.Layout, c.Sharing}
	if asFound && c.Layout == "off" && c.Sharing == "ts" {
		parts = []string{"as-found"}
	}
	for _, get := range []func(results.Config) string{
		func(c results.Config) string { return c.Placement },
		func(c results.Config) string { return c.Routing },
	} {
		if varies(get) {
			parts = append(parts, get(c))
		}
	}
	for _, model := range slices.Sorted(maps.Keys(c.Workers)) {
		if varies(func(c results.Config) string { return strconv.Itoa(c.Workers[model]) }) {
			parts = append(parts, model+"="+strconv.Itoa(c.Workers[model]))
		}
	}
	for _, p := range slices.Sorted(maps.Keys(c.Params)) {
		if varies(func(c results.Config) string { return c.Params[p] }) {
			parts = append(parts, p+"="+c.Params[p])
		}
	}
	for i, p := range parts {
		parts[i] = slug(p)
	}
	return strings.Join(parts, "-")
}

// slug keeps what a cell's folder may have: a-z, 0-9 and . _ +.
func slug(text string) string {
	var b strings.Builder
	dash := false
	for _, r := range strings.ToLower(text) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._+", r) {
			if dash && b.Len() > 0 {
				b.WriteByte('-')
			}
			dash = false
			b.WriteRune(r)
		} else {
			dash = true
		}
	}
	return cmp.Or(strings.TrimLeft(b.String(), "."), "x")
}

// mix is SplitMix64's output function on seed + n·γ (Steele, Lea and Flood,
// OOPSLA 2014): for one seed no two n give the same.
func mix(seed, n uint64) uint64 {
	z := seed + n*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// number writes a number as people do: 8, 0.5.
func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
