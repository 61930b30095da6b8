package analysis

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Factorial is a 2x2 of MIG and MPS: four configurations that differ in
// whether every device is a MIG instance, in whether every device is shared
// through MPS, and in nothing else. One of the four may be missing.
type Factorial struct {
	Layouts    [2]string `json:"layouts"`    // without MIG, with it; sharings left out
	Placements [2]string `json:"placements"` // without MIG, with it
	Sharings   [2]string `json:"sharings"`   // without MPS, with it
	// Others tells, of what else varies among the configurations compared,
	// where this 2x2 stands: "routing sticky". Empty if nothing does.
	Others  string            `json:"others,omitempty"`
	Configs Corners[string]   `json:"configs"` // names; empty if missing
	Metrics []FactorialMetric `json:"metrics"` // that apply to any of the four
}

// Corners holds one thing for each corner of a 2x2.
type Corners[T any] struct {
	Neither T `json:"neither"`
	MIG     T `json:"mig"`
	MPS     T `json:"mps"`
	Both    T `json:"both"`
}

// A FactorialMetric is what a 2x2 tells of one figure.
type FactorialMetric struct {
	Name  string         `json:"name"` // "VLM latency"; of a vision model, "Vision owl-v2"
	Unit  string         `json:"unit"` // for people: "1/h", "s", "req/min", "req/s"
	Means Corners[Value] `json:"means"`
	// With the means n (neither), g (MIG), p (MPS) and b (both), the effects
	// are ratios less 1:
	//
	//	MIG        g/n - 1      without MPS
	//	MIGWithMPS b/p - 1
	//	MPS        p/n - 1      without MIG
	//	MPSWithMIG b/g - 1
	//	Both       b/n - 1
	//
	// and the interaction is multiplicative,
	//
	//	Interaction (b/p) / (g/n) - 1 = b·n / (g·p) - 1
	//
	// which is 0 where MIG changes the figure by one factor whether or not
	// there is MPS, and the other way round.
	MIG         Effect `json:"mig_without_mps"`
	MIGWithMPS  Effect `json:"mig_with_mps"`
	MPS         Effect `json:"mps_without_mig"`
	MPSWithMIG  Effect `json:"mps_with_mig"`
	Both        Effect `json:"both"`
	Interaction Effect `json:"interaction"`
}

// A point says where a row stands in the matrix.
type point struct {
	layout, placement string
	sharing           string            // of its devices, sorted
	factors           map[string]string // what else may vary
}

// sharingText is a sharing within a layout's text: "4x1g.24gb(mps)".
var sharingText = regexp.MustCompile(`\([^)]*\)`)

func pointOf(c Cell) point {
	config := c.Cell.Config
	p := point{
		layout: sharingText.ReplaceAllString(config.Layout, ""), placement: config.Placement,
		factors: map[string]string{"routing": config.Routing},
	}
	for model, n := range config.Workers {
		p.factors["workers of "+model] = strconv.Itoa(n)
	}
	maps.Copy(p.factors, config.Params)
	var sharings []string
	for _, d := range c.Layout.Devices {
		sharings = append(sharings, d.Sharing.String())
	}
	slices.Sort(sharings)
	p.sharing = strings.Join(slices.Compact(sharings), "+")
	return p
}

// A shape is what MIG is: a layout, and what sits where in it.
type shape struct{ layout, placement string }

func (p point) shape() shape { return shape{p.layout, p.placement} }

// factorials finds each 2x2 of which three corners or four are among the rows.
// Rows that use MIG or MPS on some devices only are in none.
func factorials(rows []Row) []Factorial {
	var list []Factorial
	vary := varying(rows)
	for len(rows) > 0 {
		first := rows[0].point.factors
		same := func(r Row) bool { return maps.Equal(r.point.factors, first) }
		var group, others []Row
		for _, r := range rows {
			if same(r) {
				group = append(group, r)
			} else {
				others = append(others, r)
			}
		}
		for _, f := range factorialsOf(group) {
			var told []string
			for _, factor := range vary {
				told = append(told, factor+" "+cmp.Or(first[factor], "not given"))
			}
			f.Others = strings.Join(told, ", ")
			list = append(list, f)
		}
		rows = others
	}
	return list
}

// varying lists the factors, sorted, of which the rows have different values.
func varying(rows []Row) []string {
	seen := map[string]bool{}
	for _, r := range rows {
		for factor := range r.point.factors {
			seen[factor] = true
		}
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(seen)), func(factor string) bool {
		return !slices.ContainsFunc(rows, func(r Row) bool { return r.point.factors[factor] != rows[0].point.factors[factor] })
	})
}

// factorialsOf finds them among rows that differ in layout, placement and
// sharing only.
func factorialsOf(rows []Row) []Factorial {
	var list []Factorial
	find := func(shape shape, sharing string) *Row {
		i := slices.IndexFunc(rows, func(r Row) bool { return r.point.shape() == shape && r.point.sharing == sharing })
		if i < 0 {
			return nil
		}
		return &rows[i]
	}
	shapes := [2][]shape{
		distinct(rows, func(r Row) (shape, bool) { return r.point.shape(), r.MIG == UseNone }),
		distinct(rows, func(r Row) (shape, bool) { return r.point.shape(), r.MIG == UseAll }),
	}
	sharings := [2][]string{
		distinct(rows, func(r Row) (string, bool) { return r.point.sharing, r.MPS == UseNone }),
		distinct(rows, func(r Row) (string, bool) { return r.point.sharing, r.MPS == UseAll }),
	}
	for _, whole := range shapes[0] {
		for _, sliced := range shapes[1] {
			if !placedAlike(whole, sliced, shapes) {
				continue
			}
			for _, ts := range sharings[0] {
				for _, mps := range sharings[1] {
					f := Factorial{
						Layouts:    [2]string{whole.layout, sliced.layout},
						Placements: [2]string{whole.placement, sliced.placement},
						Sharings:   [2]string{ts, mps},
					}
					corners := Corners[*Row]{find(whole, ts), find(sliced, ts), find(whole, mps), find(sliced, mps)}
					if f.fill(corners) {
						list = append(list, f)
					}
				}
			}
		}
	}
	return list
}

// distinct lists, in order, what key gives of the rows that it takes.
func distinct[K comparable](rows []Row, key func(Row) (K, bool)) []K {
	var list []K
	for _, r := range rows {
		if k, ok := key(r); ok && !slices.Contains(list, k) {
			list = append(list, k)
		}
	}
	return list
}

// placedAlike reports whether two shapes differ in MIG and not in a choice of
// placement: the placement is the same, or neither could be on the other's
// side, since devices are others with MIG.
func placedAlike(whole, sliced shape, all [2][]shape) bool {
	if whole.placement == sliced.placement {
		return true
	}
	has := func(side []shape, placement string) bool {
		return slices.ContainsFunc(side, func(s shape) bool { return s.placement == placement })
	}
	return !has(all[1], whole.placement) && !has(all[0], sliced.placement)
}

// fill reckons a 2x2 of its corners, or gives false if fewer than three of
// them are there.
func (f *Factorial) fill(rows Corners[*Row]) bool {
	corners := []struct {
		row  *Row
		name *string
		what string
	}{
		{rows.Neither, &f.Configs.Neither, "without MIG and without MPS"},
		{rows.MIG, &f.Configs.MIG, "with MIG and without MPS"},
		{rows.MPS, &f.Configs.MPS, "without MIG and with MPS"},
		{rows.Both, &f.Configs.Both, "with MIG and with MPS"},
	}
	var quantities [4][]quantity
	var names []quantity // that apply, in order
	there := 0
	for i, c := range corners {
		if c.row == nil {
			continue
		}
		there++
		*c.name = c.row.Config
		quantities[i] = c.row.quantities()
		for _, q := range quantities[i] {
			if !q.Mean.Inapplicable && !slices.ContainsFunc(names, q.is) {
				names = append(names, q)
			}
		}
	}
	if there < 3 {
		return false
	}
	slices.SortStableFunc(names, func(a, b quantity) int { return cmp.Compare(a.rank, b.rank) })
	f.Metrics = []FactorialMetric{}
	for _, q := range names {
		var a [4]Aggregate
		for i, c := range corners {
			j := slices.IndexFunc(quantities[i], q.is)
			switch {
			case c.row == nil:
				a[i].Mean = unknown(q.Mean.Unit, "no configuration "+c.what+" was measured")
			case j < 0:
				a[i].Mean = unknown(q.Mean.Unit, "not measured in "+c.row.Config)
			default:
				a[i] = quantities[i][j].Aggregate
			}
		}
		f.Metrics = append(f.Metrics, factorialMetric(q, Corners[Aggregate]{a[0], a[1], a[2], a[3]}))
	}
	return true
}

func factorialMetric(q quantity, c Corners[Aggregate]) FactorialMetric {
	return FactorialMetric{
		Name: q.name, Unit: q.unit,
		Means:       Corners[Value]{c.Neither.Mean, c.MIG.Mean, c.MPS.Mean, c.Both.Mean},
		MIG:         effect(c.MIG, c.Neither),
		MIGWithMPS:  effect(c.Both, c.MPS),
		MPS:         effect(c.MPS, c.Neither),
		MPSWithMIG:  effect(c.Both, c.MIG),
		Both:        effect(c.Both, c.Neither),
		Interaction: interaction(c),
	}
}

// A quantity is one figure of a row, with its name in the published tables.
type quantity struct {
	name, unit string
	rank       string // sorts
	Aggregate
}

func (q quantity) is(other quantity) bool { return q.name == other.name }

// quantities lists a row's figures, always in one order.
func (r *Row) quantities() []quantity {
	list := []quantity{
		{"VLM responses", "1/h", "1", r.VLMResponses},
		{"VLM latency", "s", "2", r.VLMLatency},
		{"Vision", "req/s", "3", r.Vision},
		{"Agent", "req/min", "4", r.Agent},
	}
	for _, m := range r.Models {
		list = append(list, quantity{"Vision " + m.Model, "req/s", "5" + m.Model, m.Rate})
	}
	return list
}
