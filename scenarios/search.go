package scenarios

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/results"
)

// The kinds of search.
const (
	// SearchCapacity finds the largest load that meets every objective, with an
	// interval.
	SearchCapacity = "capacity"
	// SearchLadder adds a share of load a step until throughput no longer grows, a
	// queue no longer returns to zero, or an objective is missed.
	SearchLadder = "ladder"
	// SearchInterference holds all services but the raised one, whose load grows from
	// nothing over fixed factors of its level.
	SearchInterference = "interference"
	// SearchFrontier finds the capacity along several mixes of all services' loads.
	SearchFrontier = "frontier"
)

// The ways in which the cells of a search are gone through.
const (
	ModeGrid = "grid" // every one
	ModeRace = "race" // those of configurations that can still win
)

// A Search lets every cell look for the largest load that meets all clauses of all
// services, where the scenario otherwise runs the ladder of its levels. The other
// loads of the scenario are held at their levels.
type Search struct {
	Kind string // one of the Search constants
	Mode string // ModeGrid or ModeRace, the latter of SearchCapacity only
	// Loads are, of SearchInterference, the factors of the raised service's level,
	// ascending, 0 for none. Mixes are, of SearchFrontier, the factors of the services'
	// levels, by ray and then by service in the file's order, each above 0.
	Loads []float64
	Mixes [][]float64
	// Raise is the service whose load is raised; empty raises all services by one
	// factor, which From and Most are of then.
	Raise string
	// From is the first load, above 0, in the raised service's unit; 0 of
	// SearchInterference, which has Loads.
	From float64
	// Grow is by which share SearchLadder lets the load grow from step to step, 0.01
	// to 1; SearchCapacity has no use for it.
	Grow float64
	Most float64 // the largest load that is tried; 0 sets no bound
	// Tolerance is how near, as a share of the load, the capacity is to be told,
	// 0.005 to 0.5; 0 leaves it to the search.
	Tolerance float64
	// Budget bounds the time under load of one cell; 0 leaves it to the search,
	// and so does Confirm's 0: the window of the steps at the load that is told.
	Budget, Confirm time.Duration
	// Heavy confirms that load once more with the heavy variant of every request
	// that has one.
	Heavy bool
}

// RaiseAll is what a file may say to raise all services.
const RaiseAll = "all"

// What a file may leave out.
const (
	defaultSearchGrow = 0.15
	defaultSearchFrom = 1 // a factor of all services' levels
)

// The bounds of a search's shares.
const (
	minGrow, maxGrow           = 0.01, 1
	minTolerance, maxTolerance = 0.005, 0.5
)

// Ray gives what a search raises: the level of each service where it begins, in the
// file's order, and which service's is raised; empty for all of them by one factor.
// It is for a scenario that has a Search.
func (s *Scenario) Ray() (levels []results.Level, raise string) {
	for _, v := range s.Services {
		if len(v.Load.Levels) > 0 {
			levels = append(levels, v.level(0))
		}
	}
	return levels, s.Search.Raise
}

// level gives one of the service's levels.
func (v *Service) level(i int) results.Level {
	return results.Level{Service: v.Name, Arrivals: v.Load.Arrivals, Value: v.Load.Levels[i], Unit: v.Load.Unit()}
}

// search reads how capacity is looked for.
func (b *builder) search() {
	r := b.raw.Search
	if r.N == nil {
		return
	}
	v := r.V
	s := &Search{
		Kind: or(v.Kind, SearchCapacity), Raise: or(v.Raise, RaiseAll), Grow: or(v.Grow, defaultSearchGrow).value(),
		Most: or(v.Most, 0), Tolerance: or(v.Tolerance, 0).value(), Budget: or(v.Budget, 0), Confirm: or(v.Confirm, 0), Heavy: or(v.Heavy, false),
		Mode: or(v.Mode, ModeGrid),
	}
	if modes := []string{ModeGrid, ModeRace}; !slices.Contains(modes, s.Mode) {
		b.fault(v.Mode.N, fmt.Sprintf("search.mode %q is not known", cut(s.Mode)), kind.Known(s.Mode, modes))
	}
	if s.Raise == RaiseAll {
		s.Raise = ""
	}
	b.s.Search = s
	kinds := []string{SearchCapacity, SearchLadder, SearchInterference, SearchFrontier}
	if !slices.Contains(kinds, s.Kind) {
		b.fault(v.Kind.N, fmt.Sprintf("search.kind %q is not known", cut(s.Kind)), kind.Known(s.Kind, kinds))
	}
	b.searchKeys(s)
	for _, x := range []struct {
		key       string
		told      at[share]
		low, high float64
	}{{"grow", v.Grow, minGrow, maxGrow}, {"tolerance", v.Tolerance, minTolerance, maxTolerance}} {
		if x.told.OK && !(x.told.V.value() >= x.low && x.told.V.value() <= x.high) {
			b.fault(x.told.N, fmt.Sprintf("search.%s is %s to %s, not %s", x.key, percent(x.low), percent(x.high), percent(x.told.V.value())), "")
		}
	}
	for _, x := range []struct {
		key  string
		told at[time.Duration]
	}{{"budget", v.Budget}, {"confirm", v.Confirm}} {
		if x.told.OK && x.told.V <= 0 {
			b.fault(x.told.N, fmt.Sprintf("search.%s is above 0s, not %v", x.key, x.told.V), "leave it out and the search says what it needs")
		}
	}
	switch s.Kind {
	case SearchInterference:
		b.interference(s)
	case SearchFrontier:
		b.frontier(s)
		b.searchLoads(s)
	default:
		b.searchLoads(s)
	}
	b.searchFits(s)
}

// searchLoads checks which load is raised, and from where to where.
func (b *builder) searchLoads(s *Search) {
	v := b.raw.Search.V
	of := b.raised(s)
	if of == nil && s.Raise != "" {
		return // told already
	}
	s.From = defaultSearchFrom
	what, whole := "a factor of all services' levels", false
	if of != nil {
		what, whole = of.Load.Unit(), of.Load.Arrivals == Closed || of.Load.Arrivals == Cameras
		if len(of.Load.Levels) > 0 {
			s.From = of.Load.Levels[0]
		}
	}
	s.From = or(v.From, s.From)
	for _, x := range []struct {
		key  string
		told at[float64]
	}{{"from", v.From}, {"most", v.Most}} {
		switch {
		case !x.told.OK:
		case !(x.told.V > 0):
			b.fault(x.told.N, fmt.Sprintf("search.%s is above 0, not %s", x.key, number(x.told.V)), "it is "+what)
		case whole && (x.told.V != math.Trunc(x.told.V) || x.told.V > 1e6):
			b.fault(x.told.N, fmt.Sprintf("search.%s is a whole number of %s up to a million, not %s", x.key, what, number(x.told.V)), "")
		}
	}
	if v.Most.OK && s.Most > 0 && s.Most <= s.From {
		b.fault(v.Most.N, fmt.Sprintf("search.most, %s, is not above %s, where the search begins", number(s.Most), number(s.From)), "")
	}
}

// raised gives the service whose load is raised; nil if all are, or none is known.
func (b *builder) raised(s *Search) *Service {
	if s.Raise == "" {
		return nil
	}
	var names []string
	for i := range b.s.Services {
		if b.s.Services[i].Name == s.Raise {
			return &b.s.Services[i]
		}
		names = append(names, b.s.Services[i].Name)
	}
	b.fault(b.raw.Search.V.Raise.N, fmt.Sprintf("search.raise %q is no service", cut(s.Raise)), kind.Known(s.Raise, append(names, RaiseAll)))
	return nil
}

// searchFits checks what stands elsewhere in the file against a search.
func (b *builder) searchFits(s *Search) {
	clauses := 0
	for i, v := range b.s.Services {
		r := b.raw.Services.V[i].V.V
		clauses += len(r.SLO.V)
		if n := len(v.Load.Levels); n > 1 {
			hint := "give the one level at which it is held"
			switch {
			case s.Kind == SearchInterference && s.Raise == v.Name:
				hint = "give the one level that search.loads are factors of"
			case s.Raise == "" || s.Raise == v.Name:
				hint = "give the one level where the search begins; it finds the next ones"
			}
			b.fault(r.Load.V.Levels.N, fmt.Sprintf("services.%s has %d levels, which make a ladder, and there is a search", v.Name, n), hint)
		}
	}
	if clauses == 0 && s.Kind != SearchInterference {
		b.fault(b.raw.Search.N, "no service has an slo: there is nothing that a load could miss", `say what a service must keep, such as slo: ["p95 < 300 ms", "errors <= 1 %"]`)
	}
	if len(b.raw.Failover.V) > 0 {
		b.fault(b.raw.Failover.N, "failover goes with the levels of services, and not with a search", "search first, and write the load that is found as a level beside failover in another scenario")
	}
	if len(b.raw.Spike.V) > 0 {
		b.fault(b.raw.Spike.N, "spike goes with the levels of services, and not with a search", "search first, and write the load that is found as a level beside spike in another scenario")
	}
}

// heavyFits checks that what is raised has heavy requests to be confirmed with.
func (b *builder) heavyFits(c Checks) {
	s := b.s.Search
	if s == nil || !s.Heavy || c.Heavy == nil {
		return
	}
	var first error
	for i, v := range b.s.Services {
		if i >= len(b.raw.Services.V) || s.Raise != "" && s.Raise != v.Name || !b.raw.Services.V[i].V.V.Workload.OK {
			continue
		}
		err := c.Heavy(v.Workload)
		if err == nil {
			return
		}
		if first == nil {
			first = fmt.Errorf("search.heavy confirms with heavy requests, and services.%s has none: %w", v.Name, err)
		}
	}
	if first != nil {
		b.fault(b.raw.Search.V.Heavy.N, first.Error(), "say what makes a request heavy in its workload, or leave search.heavy out")
	}
}

// share is a part of a whole as a file writes it: 15%.
type share float64

func (s share) value() float64 { return float64(s) }

var sharePattern = regexp.MustCompile(`^(-?[0-9]+(?:\.[0-9]+)?) ?%$`)

func (s *share) decodeNode(d *decoder, n *node, where string) bool {
	if n.form != isScalar {
		return d.fault(n, fmt.Sprintf("%s is a share such as 15%%, not %v", where, n), "")
	}
	parts := sharePattern.FindStringSubmatch(strings.TrimSpace(n.text))
	if parts == nil {
		hint := ""
		if v, err := strconv.ParseFloat(n.text, 64); err == nil && v > 0 && v <= 1 {
			hint = "write " + percent(v)
		}
		return d.fault(n, fmt.Sprintf("%s is a share such as 15%%, not %s", where, cut(n.text)), hint)
	}
	// "15" and the exponent make the double nearest to 0.15; a division need not.
	v, err := strconv.ParseFloat(parts[1]+"e-2", 64)
	if err != nil {
		return d.fault(n, fmt.Sprintf("%s is too large: %s", where, cut(n.text)), "")
	}
	*s = share(v)
	return true
}

func (s *share) schema() map[string]any {
	return map[string]any{"type": "string", "pattern": sharePattern.String()}
}

// percent writes a share as files do.
func percent(v float64) string { return strconv.FormatFloat(v*100, 'g', 12, 64) + "%" }
