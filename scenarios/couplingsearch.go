package scenarios

import (
	"fmt"
	"math"
	"slices"

	"github.com/evabench/evabench/internal/kind"
)

// maxSearchFactor bounds the factors of levels in a search's loads and mixes.
const maxSearchFactor = 1000

// searchKeys refuses keys that mean nothing for the kind of search.
func (b *builder) searchKeys(s *Search) {
	v := b.raw.Search.V
	not := func(kinds ...string) bool { return slices.Contains(kinds, s.Kind) }
	for _, k := range []struct {
		key     string
		n       *node
		refused bool
		hint    string
	}{
		{"loads", v.Loads.N, not(SearchCapacity, SearchLadder, SearchFrontier), "they are of kind: interference"},
		{"mixes", v.Mixes.N, not(SearchCapacity, SearchLadder, SearchInterference), "they are of kind: frontier"},
		{"from", v.From.N, not(SearchInterference), "its loads are search.loads, factors of the neighbour's level"},
		{"most", v.Most.N, not(SearchInterference), "its loads are search.loads, factors of the neighbour's level"},
		{"grow", v.Grow.N, not(SearchInterference, SearchFrontier), "it is of kind: ladder"},
		{"tolerance", v.Tolerance.N, not(SearchInterference), "it looks for no capacity: longer windows and more replicates tell more"},
		{"budget", v.Budget.N, not(SearchInterference), "it takes as many steps as search.loads has"},
		{"confirm", v.Confirm.N, not(SearchInterference), "it has no load to confirm: steps.window is the length of each step"},
		{"heavy", v.Heavy.N, not(SearchInterference), "it has no load to confirm"},
	} {
		if k.n != nil && k.refused {
			b.fault(k.n, fmt.Sprintf("search.%s means nothing with kind: %s", k.key, s.Kind), k.hint)
		}
	}
	if s.Mode == ModeRace && not(SearchLadder, SearchInterference, SearchFrontier) {
		b.fault(v.Mode.N, fmt.Sprintf("search.mode race goes with kind: capacity, not %s", s.Kind), "a race compares one figure, the capacity")
	}
	if s.Kind == SearchFrontier && s.Raise != "" {
		b.fault(v.Raise.N, "search.raise means nothing with kind: frontier, which raises all services, in each mix by one factor", "kind: capacity raises one service beside the others")
	}
}

// interference checks the neighbour and its loads.
func (b *builder) interference(s *Search) {
	v := b.raw.Search.V
	of := b.raised(s)
	if s.Raise == "" {
		n := v.Raise.N
		if n == nil {
			n = b.raw.Search.N
		}
		b.fault(n, "interference raises one service, the neighbour of the others, and none is named", "write raise: NAME")
	}
	b.several("interference is what one service feels of another")
	s.From, s.Loads = 0, []float64{0, 0.5, 1, 1.5}
	if v.Loads.N != nil {
		s.Loads = nil
		for i, l := range v.Loads.V {
			if l.OK && !(l.V >= 0 && l.V <= maxSearchFactor) {
				b.fault(l.N, fmt.Sprintf("search.loads are factors of 0 to %d of the neighbour's level, not %s", maxSearchFactor, number(l.V)), "0 lets it stand still")
			} else if i > 0 && l.OK && v.Loads.V[i-1].OK && l.V <= v.Loads.V[i-1].V {
				b.fault(l.N, fmt.Sprintf("search.loads ascend: %s is not above %s", number(l.V), number(v.Loads.V[i-1].V)), "the first is what the others are compared with")
			}
			s.Loads = append(s.Loads, l.V)
		}
	}
	if v.Loads.OK && len(s.Loads) < 2 {
		b.fault(v.Loads.N, "search.loads needs two loads or more", "the first is what the others are compared with: loads: [0, 1]")
	}
	if of != nil && len(of.Load.Levels) == 1 && (of.Load.Arrivals == Closed || of.Load.Arrivals == Cameras) {
		b.wholeLoads(s, of)
	}
}

// wholeLoads checks that no two loads are the same number of users or cameras.
func (b *builder) wholeLoads(s *Search, of *Service) {
	whole := func(factor float64) float64 {
		if factor == 0 {
			return 0
		}
		return math.Max(1, math.Round(factor*of.Load.Levels[0]))
	}
	n := b.raw.Search.V.Loads.N
	if n == nil {
		n = b.raw.Search.N
	}
	for i := 1; i < len(s.Loads); i++ {
		if a, c := s.Loads[i-1], s.Loads[i]; a < c && whole(a) == whole(c) {
			b.fault(n, fmt.Sprintf("search.loads %s and %s are both %s %s of %s", number(a), number(c), number(whole(c)), of.Load.Unit(), of.Name),
				"give it a higher level, or loads that lie further apart")
		}
	}
}

// frontier checks the mixes, and makes those that are not told.
func (b *builder) frontier(s *Search) {
	v := b.raw.Search.V
	b.several("a frontier is of two services or more")
	even := func() []float64 { return slices.Repeat([]float64{1}, len(b.s.Services)) }
	if v.Mixes.N == nil {
		for _, first := range []float64{0.5, 1, 2} {
			mix := even()
			if len(mix) > 0 {
				mix[0] = first
			}
			s.Mixes = append(s.Mixes, mix)
		}
		return
	}
	if v.Mixes.OK && len(v.Mixes.V) == 0 {
		b.fault(v.Mixes.N, "search.mixes names no mix", "leave it out, or write such as mixes: [{vision: 1, agent: 0.25}]")
	}
	for i, told := range v.Mixes.V {
		mix, good := even(), told.OK
		for _, p := range told.V {
			at := slices.IndexFunc(b.s.Services, func(s Service) bool { return s.Name == p.Name })
			switch {
			case at < 0:
				var names []string
				for _, s := range b.s.Services {
					names = append(names, s.Name)
				}
				b.fault(p.Key, fmt.Sprintf("search.mixes[%d] names %q, which is no service", i, cut(p.Name)), kind.Known(p.Name, names))
				good = false
			case p.V.OK && !(p.V.V > 0 && p.V.V <= maxSearchFactor):
				b.fault(p.V.N, fmt.Sprintf("search.mixes[%d].%s is above 0 and at most %d, not %s", i, p.Name, maxSearchFactor, number(p.V.V)), "what one service does to another while it stands still, kind: interference tells")
				good = false
			case p.V.OK:
				mix[at] = p.V.V
			}
		}
		if same := slices.IndexFunc(s.Mixes, func(other []float64) bool { return sameRay(mix, other) }); good && same >= 0 {
			b.fault(told.N, fmt.Sprintf("search.mixes[%d] is the same ray as mixes[%d]: one is the other by a factor, which is what is searched for", i, same), "")
		}
		s.Mixes = append(s.Mixes, mix)
	}
}

// sameRay reports whether one mix is the other by a factor.
func sameRay(a, b []float64) bool {
	for i := range a {
		if math.Abs(a[i]*b[0]-b[i]*a[0]) > 1e-9*a[i]*b[0] {
			return false
		}
	}
	return true
}

// several checks that there are two services, which why says.
func (b *builder) several(why string) {
	if len(b.s.Services) == 1 {
		b.fault(b.raw.Search.N, why+", and the scenario has one service", "name two under services")
	}
}
