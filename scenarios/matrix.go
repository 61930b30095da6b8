package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/results"
)

// maxCells bounds the cells of a scenario: beyond it a matrix is a mistake.
const maxCells = 10000

// A Matrix spans the configurations: every combination of its values, less
// Exclude, plus Include. Each list of values has at least one and none twice.
type Matrix struct {
	Layouts    []string // canonical; default "off"
	Sharings   []string // default "ts"
	Placements []string // default "auto"
	Routings   []string // as [ParseRouting] reads them, without spaces; default "round-robin"
	// Workers are overrides by model; an empty map is as in the services.
	Workers []map[string]int
	Params  []Param // in the file's order
	Exclude []Point // each matches at least one combination
	Include []Point
}

// A Param is a service's parameter that varies.
type Param struct {
	Name   string // "service.name"
	Values []string
}

// A Point is a part of a configuration. What is empty is not told: it matches
// everything in Exclude, and takes the first value in Include.
type Point struct {
	Layout, Sharing, Placement, Routing string
	Workers                             map[string]int
	Params                              map[string]string
}

// matches reports whether a configuration has all that the point tells.
func (p Point) matches(c results.Config) bool {
	same := func(told, is string) bool { return told == "" || told == is }
	ok := same(p.Layout, c.Layout) && same(p.Sharing, c.Sharing) && same(p.Placement, c.Placement) && same(p.Routing, c.Routing)
	for model, n := range p.Workers {
		ok = ok && c.Workers[model] == n
	}
	for name, value := range p.Params {
		ok = ok && c.Params[name] == value
	}
	return ok
}

// nodes holds where the matrix' values stand; nil for a default.
type nodes struct {
	layout, sharing, placement, routing []*node
	workers                             []*node
	exclude, include                    []*node
	params                              map[string][]*node
	before, after                       int // faults, when the matrix was decoded
}

// matrix decodes; what needs the caller's checks is left to points.
func (b *builder) matrix() {
	b.where.before = len(b.faults)
	m, r := &b.s.Matrix, b.raw.Matrix.V
	b.where.params = map[string][]*node{}
	m.Layouts, b.where.layout = values(r.Layout, "off")
	m.Sharings, b.where.sharing = values(r.Sharing, "ts")
	m.Placements, b.where.placement = values(r.Placement, "auto")
	m.Routings, b.where.routing = values(r.Routing, "round-robin")
	for key, list := range map[string]at[[]at[scalar]]{"layout": r.Layout, "sharing": r.Sharing, "placement": r.Placement, "routing": r.Routing} {
		b.notEmpty(list.N, "matrix."+key)
	}
	b.notEmpty(r.Workers.N, "matrix.workers")
	for _, w := range r.Workers.V {
		m.Workers = append(m.Workers, b.workers(w.V, "matrix.workers"))
		b.where.workers = append(b.where.workers, w.N)
	}
	if len(m.Workers) == 0 {
		m.Workers, b.where.workers = []map[string]int{{}}, []*node{nil}
	}
	for _, p := range r.Params.V {
		b.paramName(p.Key)
		b.notEmpty(p.V.N, "matrix.params."+p.Name)
		list, where := values(p.V, "")
		m.Params = append(m.Params, Param{p.Name, list})
		b.where.params[p.Name] = where
	}
	for _, p := range r.Exclude.V {
		m.Exclude = append(m.Exclude, b.point(p.V, "matrix.exclude"))
		b.where.exclude = append(b.where.exclude, p.N)
		if p.OK && len(p.N.keys) == 0 {
			b.fault(p.N, "matrix.exclude has a point that tells nothing", "it would leave out everything")
		}
	}
	for _, p := range r.Include.V {
		m.Include = append(m.Include, b.point(p.V, "matrix.include"))
		b.where.include = append(b.where.include, p.N)
	}
	b.where.after = len(b.faults)
}

func (b *builder) point(r rawPoint, where string) Point {
	p := Point{
		Layout: string(r.Layout.V), Sharing: string(r.Sharing.V), Placement: string(r.Placement.V), Routing: string(r.Routing.V),
		Workers: b.workers(r.Workers.V, where+".workers"),
	}
	for _, v := range r.Params.V {
		switch known := slices.IndexFunc(b.s.Matrix.Params, func(p Param) bool { return p.Name == v.Name }); {
		case known < 0:
			b.fault(v.Key, fmt.Sprintf("%s.params names %q, which matrix.params does not", where, cut(v.Name)), "list its values in matrix.params first")
		case v.V.OK:
			if p.Params == nil {
				p.Params = map[string]string{}
			}
			p.Params[v.Name] = string(v.V.V)
		}
	}
	return p
}

// values gives the values of a dimension and where they stand.
func values(list at[[]at[scalar]], otherwise string) (all []string, where []*node) {
	for _, v := range list.V {
		if v.OK {
			all, where = append(all, string(v.V)), append(where, v.N)
		}
	}
	if len(all) == 0 && otherwise != "" {
		return []string{otherwise}, []*node{nil}
	}
	return all, where
}

func texts(list []at[scalar]) []string {
	var all []string
	for _, v := range list {
		if v.OK {
			all = append(all, string(v.V))
		}
	}
	return all
}

func (b *builder) notEmpty(n *node, where string) {
	if n != nil && n.form == isList && len(n.items) == 0 {
		b.fault(n, where+" is empty", "leave the key out, or give it a value")
	}
}

// twice notes values that stand in a list a second time.
func (b *builder) twice(list []at[scalar], where string) {
	seen := map[scalar]bool{}
	for _, v := range list {
		if v.OK && seen[v.V] {
			b.fault(v.N, fmt.Sprintf("%s repeats %s", where, cut(string(v.V))), "")
		}
		seen[v.V] = true
	}
}

func (b *builder) workers(list ordered[at[int]], where string) map[string]int {
	all := map[string]int{}
	var models []string
	for _, s := range b.s.Services {
		for _, m := range s.Models {
			models = append(models, m.Name)
		}
	}
	for _, p := range list {
		switch {
		case !slices.Contains(models, p.Name):
			b.fault(p.Key, fmt.Sprintf("%s names the unknown model %q", where, cut(p.Name)), kind.Known(p.Name, models))
		case p.V.OK && p.V.V < 1:
			b.fault(p.V.N, fmt.Sprintf("%s.%s is at least 1, not %d", where, p.Name, p.V.V), "")
		case p.V.OK:
			all[p.Name] = p.V.V
		}
	}
	return all
}

// paramName checks "service.name", of one service alone: their names may hold dots.
func (b *builder) paramName(key *node) {
	var names, of []string
	for _, s := range b.s.Services {
		if rest, ok := strings.CutPrefix(key.text, s.Name+"."); ok && rest != "" {
			of = append(of, s.Name)
		}
		names = append(names, s.Name+".NAME")
	}
	if len(of) > 1 {
		b.fault(key, fmt.Sprintf("matrix.params: %q is a parameter of %s", cut(key.text), strings.Join(of, " and of ")), "give one of these services a name that does not begin the other's")
	}
	if len(of) > 0 {
		return
	}
	b.fault(key, fmt.Sprintf("matrix.params: %q names no parameter of a service", cut(key.text)), "known: "+strings.Join(names, ", "))
}

// points makes the caller's checks on the matrix, then checks it as a whole.
func (b *builder) points(c Checks) {
	m := &b.s.Matrix
	before := len(b.faults) // with those of kinds, which do not matter here
	decoded := b.where.after == b.where.before && (b.raw.Matrix.N == nil || b.raw.Matrix.OK)
	plain := func(check func(string) error) func(*node, *string) error {
		return func(_ *node, v *string) error {
			if check == nil {
				return nil
			}
			return check(*v)
		}
	}
	said := map[string]bool{} // a fault of the GPUs is every layout's, and told at the first
	layout := func(_ *node, v *string) error {
		if c.Layout == nil {
			return nil
		}
		canonical, err := c.Layout(*v)
		switch {
		case err == nil:
			*v = canonical
		case said[err.Error()]:
			return nil
		default:
			said[err.Error()] = true
		}
		return err
	}
	routing := func(n *node, v *string) error {
		spec, canonical, err := b.routing(n, *v)
		if err != nil {
			return err
		}
		if *v = canonical; c.Router == nil {
			return nil
		}
		return c.Router(spec)
	}
	b.dimension(m.Layouts, b.where.layout, "layout", layout)
	b.dimension(m.Sharings, b.where.sharing, "sharing", plain(c.Sharing))
	b.dimension(m.Placements, b.where.placement, "placement", plain(c.Placement))
	b.dimension(m.Routings, b.where.routing, "routing", routing)
	for _, p := range m.Params {
		b.dimension(p.Values, b.where.params[p.Name], "params."+p.Name, func(*node, *string) error { return nil })
	}
	check := func(points []Point, raw []at[rawPoint]) {
		for i := range min(len(points), len(raw)) {
			p, r := &points[i], raw[i].V
			b.told(r.Layout.N, &p.Layout, layout)
			b.told(r.Sharing.N, &p.Sharing, plain(c.Sharing))
			b.told(r.Placement.N, &p.Placement, plain(c.Placement))
			b.told(r.Routing.N, &p.Routing, routing)
		}
	}
	check(m.Exclude, b.raw.Matrix.V.Exclude.V)
	check(m.Include, b.raw.Matrix.V.Include.V)
	if len(b.faults) == before && decoded {
		b.whole()
	}
}

// dimension checks the values of one dimension and that none repeats.
func (b *builder) dimension(list []string, where []*node, name string, check func(*node, *string) error) {
	for i := range list {
		n := b.raw.Matrix.N
		if i < len(where) && where[i] != nil {
			n = where[i]
		}
		written := list[i]
		if err := check(n, &list[i]); err != nil {
			b.outside(n, err)
		} else if j := slices.Index(list[:i], list[i]); j >= 0 {
			text := fmt.Sprintf("matrix.%s repeats %s", name, cut(written))
			if written != list[i] {
				text += ", which is " + cut(list[i])
			}
			b.fault(n, text, "")
		}
	}
}

func (b *builder) told(n *node, value *string, check func(*node, *string) error) {
	if *value != "" {
		b.outside(n, check(n, value))
	}
}

// whole checks the matrix as a set of points.
func (b *builder) whole() {
	s := b.s
	if s.points() < 0 {
		b.fault(b.raw.Matrix.N, fmt.Sprintf("the matrix and its replicates make more than %d cells", maxCells), "list fewer values, or leave points out")
		return
	}
	base := s.workers()
	for i, w := range s.Matrix.Workers {
		for _, other := range s.Matrix.Workers[:i] {
			if maps.Equal(overlay(base, w), overlay(base, other)) {
				b.fault(b.where.workers[i], "matrix.workers repeats a value", "{} is as in services")
				break
			}
		}
	}
	product := s.product()
	for i, p := range s.Matrix.Exclude {
		if !slices.ContainsFunc(product, p.matches) && i < len(b.where.exclude) {
			b.fault(b.where.exclude[i], "matrix.exclude: this point matches no configuration", "the keys must take values that the matrix lists")
		}
	}
	seen := map[string]bool{}
	for _, c := range s.kept() {
		seen[identity(c)] = true
	}
	for i, p := range s.Matrix.Include {
		if id := identity(s.complete(p)); seen[id] && i < len(b.where.include) {
			b.fault(b.where.include[i], "matrix.include: this point is in the matrix already", "")
		} else {
			seen[id] = true
		}
	}
	if len(seen) == 0 {
		b.fault(b.raw.Matrix.N, "the matrix leaves no configuration", "matrix.exclude leaves all of them out")
	}
}
