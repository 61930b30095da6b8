package analysis

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/internal/device"
	"github.com/evabench/evabench/results"
)

// A corner is what a made-up configuration shows in one replicate, in a window
// of an hour.
type corner struct {
	config    results.Config
	mig, mps  bool
	replicate int
	answers   int64            // VLM responses
	latency   float64          // their mean in seconds
	models    map[string]int64 // vision requests
}

func (c corner) cell() Cell {
	vision := Service{Name: "vision", Role: results.RoleVision, Verdict: Verdict{Is: Valid}}
	for _, name := range slices.Sorted(maps.Keys(c.models)) {
		vision.Models = append(vision.Models, Group{Name: name, Completed: c.models[name]})
		vision.Total.Completed += c.models[name]
	}
	agent := Service{Name: "agent", Role: results.RoleAgent, Verdict: Verdict{Is: Valid}}
	agent.Total = Group{Completed: c.answers, Latency: Distribution{N: c.answers, Mean: known(c.latency, "s")}}
	cell := Cell{
		Cell: results.Cell{Config: c.config, Status: results.CellDone, Replicate: c.replicate},
		MIG:  UseNone, MPS: UseNone,
		Steps: []Step{{Name: "8 users", Window: 3600, Services: []Service{vision, agent}}},
	}
	d := device.Device{UUID: "GPU-1", Name: "gpu0", Model: "card", SMs: 188, MemoryBytes: 96 << 30}
	if c.mig {
		cell.MIG = UseAll
		d = device.Device{UUID: "MIG-1", Name: "gpu0/1g.24gb@0", Model: "card", SMs: 46, MemoryBytes: 24 << 30, Instance: &device.Instance{Profile: "1g.24gb"}}
	}
	if c.mps {
		cell.MPS = UseAll
		d.Sharing.Mode = device.MPS
	}
	cell.Layout = results.Layout{Verified: true, Devices: []device.Device{d}}
	return cell
}

// square makes the four corners of one replicate; values are responses, of
// neither, MIG, MPS and both.
func square(replicate int, values [4]int64) []corner {
	var list []corner
	for i, v := range values {
		c := corner{
			mig: i%2 == 1, mps: i >= 2, replicate: replicate, answers: v, latency: 3600 * 9 / float64(max(v, 1)),
			models: map[string]int64{"omdet": 2 * v, "owl-v2": 3 * v},
		}
		c.config = results.Config{Layout: "off", Sharing: "ts", Placement: "auto", Routing: "round-robin"}
		if c.mig {
			c.config.Layout = "4x1g.24gb"
		}
		if c.mps {
			c.config.Sharing = "mps"
		}
		c.config.Name = c.config.Layout + "-" + c.config.Sharing
		list = append(list, c)
	}
	return list
}

func compared(corners []corner) Comparison {
	var cells []Cell
	for _, c := range corners {
		cells = append(cells, c.cell())
	}
	return compareCells(cells)[0]
}

func metricOf(t testing.TB, f Factorial, name string) FactorialMetric {
	t.Helper()
	i := slices.IndexFunc(f.Metrics, func(m FactorialMetric) bool { return m.Name == name })
	if i < 0 {
		t.Fatalf("no metric %s in %+v", name, f.Metrics)
	}
	return f.Metrics[i]
}

func TestFactorial(t *testing.T) {
	// Two replicates: means 100, 120, 150 and 240.
	c := compared(append(square(1, [4]int64{100, 110, 160, 230}), square(2, [4]int64{100, 130, 140, 250})...))
	if len(c.Factorials) != 1 {
		t.Fatalf("factorials %+v", c.Factorials)
	}
	f := c.Factorials[0]
	if f.Configs != (Corners[string]{"off-ts", "4x1g.24gb-ts", "off-mps", "4x1g.24gb-mps"}) || f.Others != "" {
		t.Errorf("corners %+v, others %q", f.Configs, f.Others)
	}
	var names []string
	for _, m := range f.Metrics {
		names = append(names, m.Name)
	}
	want := []string{"VLM responses", "VLM latency", "Vision", "Agent", "Vision omdet", "Vision owl-v2"}
	if !slices.Equal(names, want) {
		t.Errorf("metrics %q, want %q", names, want)
	}
	m := metricOf(t, f, "VLM responses")
	for _, one := range []struct {
		name             string
		got              Effect
		want, least, max float64
	}{
		{"MIG", m.MIG, 120.0/100 - 1, 110.0/100 - 1, 130.0/100 - 1},
		{"MIG with MPS", m.MIGWithMPS, 240.0/150 - 1, 230.0/160 - 1, 250.0/140 - 1},
		{"MPS", m.MPS, 150.0/100 - 1, 140.0/100 - 1, 160.0/100 - 1},
		{"MPS with MIG", m.MPSWithMIG, 240.0/120 - 1, 250.0/130 - 1, 230.0/110 - 1},
		{"both", m.Both, 240.0/100 - 1, 230.0/100 - 1, 250.0/100 - 1},
		// (240/150) / (120/100) - 1, and of the replicates likewise.
		{"interaction", m.Interaction, 240.0*100/(150*120) - 1, 230.0*100/(160*110) - 1, 250.0*100/(140*130) - 1},
	} {
		if one.got.N != 2 {
			t.Errorf("%s: n = %d, want 2", one.name, one.got.N)
		}
		near(t, one.name, one.got.Value, one.want)
		near(t, one.name+" min", one.got.Min, one.least)
		near(t, one.name+" max", one.got.Max, one.max)
	}
}

func near(t interface {
	Helper()
	Errorf(string, ...any)
}, what string, v Value, want float64) {
	t.Helper()
	if !v.Known() || math.Abs(*v.Number-want) > 1e-9*math.Max(1, math.Abs(want)) {
		t.Errorf("%s is %+v, want %v", what, v, want)
	}
}

// With one replicate no spread is claimed.
func TestFactorialOfOneReplicate(t *testing.T) {
	m := metricOf(t, compared(square(1, [4]int64{100, 120, 150, 240})).Factorials[0], "Vision")
	near(t, "both", m.Both.Value, 1.4)
	if m.Both.N != 1 || m.Both.Min.Known() || !m.Both.Min.Inapplicable {
		t.Errorf("both %+v", m.Both)
	}
}

// A replicate counts where all that the effect needs was measured in it, in
// the effect as in its range.
func TestFactorialOfUnevenReplicates(t *testing.T) {
	all := append(square(1, [4]int64{100, 110, 160, 230}), square(2, [4]int64{100, 130, 140, 250})...)
	m := compared(slices.Delete(all, 6, 7)).Factorials[0].Metrics[0] // MPS alone has one
	if m.MIG.N != 2 || m.MPS.N != 1 || m.MIGWithMPS.N != 1 || m.Both.N != 2 || m.Interaction.N != 1 {
		t.Errorf("metric %+v", m)
	}
	near(t, "MIG with MPS", m.MIGWithMPS.Value, 230.0/160-1) // of replicate 1, not 240/160
	near(t, "both", m.Both.Value, 240.0/100-1)

	// Of three replicates neither has the first two, MIG the last two and a
	// fourth: in the second alone MIG is +10 %, and of all means it would be
	// (110 + 300 + 300) / 3 / 100 - 1.
	var uneven []corner
	for r, v := range [][4]int64{{100, 0, 100, 100}, {100, 110, 100, 100}, {0, 300, 100, 100}, {0, 300, 100, 100}} {
		for _, c := range square(r+1, v) {
			if c.answers > 0 {
				uneven = append(uneven, c)
			}
		}
	}
	near(t, "MIG", metricOf(t, compared(uneven).Factorials[0], "VLM responses").MIG.Value, 0.1)
}

// Corners that were measured in different replicates have an effect of their
// means, of which nothing is known but that.
func TestFactorialWithoutACommonReplicate(t *testing.T) {
	first, second := square(1, [4]int64{100, 120, 150, 240}), square(2, [4]int64{100, 120, 150, 240})
	m := compared([]corner{first[0], second[1], second[2], second[3]}).Factorials[0].Metrics[0]
	near(t, "MIG", m.MIG.Value, 0.2)
	if m.MIG.N != 0 || m.MIG.Min.Known() || m.MIG.Max.Known() || m.MIG.Min.Inapplicable {
		t.Errorf("MIG without a common replicate: %+v", m.MIG)
	}
	if m.MIGWithMPS.N != 1 {
		t.Errorf("MIG with MPS: %+v", m.MIGWithMPS)
	}
}

// A corner that is missing, or has no such figure, leaves unknown what needs
// it, with the reason, and nothing else.
func TestFactorialWithAHole(t *testing.T) {
	all := square(1, [4]int64{100, 120, 150, 240})
	for _, c := range []struct {
		name    string
		corners []corner
		why     string
	}{
		{"missing", slices.Delete(slices.Clone(all), 2, 3), "no configuration without MIG and with MPS"},
		{"not measured", func() []corner {
			list := slices.Clone(all)
			list[2].models = map[string]int64{"omdet": 4}
			return list
		}(), "not measured in off-mps"},
	} {
		f := compared(c.corners).Factorials
		if len(f) != 1 {
			t.Fatalf("%s: factorials %+v", c.name, f)
		}
		m := metricOf(t, f[0], "Vision owl-v2")
		near(t, c.name+": MIG", m.MIG.Value, 0.2)
		near(t, c.name+": both", m.Both.Value, 1.4)
		for _, e := range []Effect{m.MPS, m.MIGWithMPS, m.Interaction} {
			if e.Value.Known() || e.N != 0 || !strings.Contains(e.Value.Why, c.why) {
				t.Errorf("%s: effect %+v, want unknown: %s", c.name, e, c.why)
			}
		}
	}
	if f := compared([]corner{all[0], all[3]}).Factorials; len(f) != 0 {
		t.Errorf("two corners give %+v", f)
	}
	zero := metricOf(t, compared(square(1, [4]int64{0, 120, 150, 240})).Factorials[0], "VLM responses")
	near(t, "MIG with MPS", zero.MIGWithMPS.Value, 0.6)
	for _, e := range []Effect{zero.MIG, zero.MPS, zero.Both, zero.Interaction} {
		if e.Value.Known() || !strings.Contains(e.Value.Why, "zero") {
			t.Errorf("effect against zero %+v", e)
		}
	}
}

// Each layout, each sharing and each of the other factors has a 2x2 of its own.
func TestFactorialsOfLargerMatrices(t *testing.T) {
	matrix := func(change ...func(*corner)) []corner {
		var list []corner
		for _, f := range change {
			for _, c := range square(1, [4]int64{100, 120, 150, 240}) {
				f(&c)
				c.config.Name = fmt.Sprint(c.config)
				list = append(list, c)
			}
		}
		return list
	}
	nothing := func(*corner) {}
	for _, c := range []struct {
		name    string
		corners []corner
		others  []string
	}{
		{"two layouts", matrix(nothing, func(c *corner) {
			if c.mig {
				c.config.Layout = "2x2g.48gb"
			}
		}), []string{"", ""}},
		{"two routings", matrix(nothing, func(c *corner) { c.config.Routing = "sticky" }), []string{"routing round-robin", "routing sticky"}},
		{"two worker sets", matrix(nothing, func(c *corner) { c.config.Workers = map[string]int{"omdet": 2} }),
			[]string{"workers of omdet not given", "workers of omdet 2"}},
		{"a parameter", matrix(nothing, func(c *corner) { c.config.Params = map[string]string{"agent.max_num_seqs": "8"} }),
			[]string{"agent.max_num_seqs not given", "agent.max_num_seqs 8"}},
		{"two placements", matrix(nothing, func(c *corner) { c.config.Placement = "vision@0" }), []string{"", ""}},
		{"a placement for each side", matrix(func(c *corner) { c.config.Placement = fmt.Sprint("mig ", c.mig) }), []string{""}},
		{"sharing within the layout's text", matrix(func(c *corner) {
			c.config.Layout += map[bool]string{true: "(mps)", false: "(ts)"}[c.mps]
			c.config.Sharing = "ts"
		}), []string{""}},
	} {
		var others []string
		for _, f := range compared(c.corners).Factorials {
			others = append(others, f.Others)
			near(t, c.name, f.Metrics[0].Interaction.Value, 240.0*100/(120*150)-1)
			if strings.Contains(strings.Join(f.Layouts[:], ""), "(") {
				t.Errorf("%s: layouts %q", c.name, f.Layouts)
			}
		}
		if !slices.Equal(others, c.others) {
			t.Errorf("%s: 2x2s of %q, want %q", c.name, others, c.others)
		}
	}
	some := square(1, [4]int64{100, 120, 150, 240})
	rows := compared(some).Rows
	for i := range rows {
		if rows[i].MIG == UseAll {
			rows[i].MIG = UseSome
		}
	}
	if f := factorials(rows); len(f) != 0 {
		t.Errorf("MIG on some devices gives %+v", f)
	}
}

// Figures that are products of a factor of MIG and one of MPS have no
// interaction, in the means as in each replicate.
func TestMultiplicativeHasNoInteraction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var corners []corner
		mig, mps := rapid.Int64Range(1, 50).Draw(t, "mig"), rapid.Int64Range(1, 50).Draw(t, "mps")
		for r := range rapid.IntRange(1, 4).Draw(t, "replicates") {
			base := rapid.Int64Range(1, 1000).Draw(t, "base")
			corners = append(corners, square(r+1, [4]int64{base, base * mig, base * mps, base * mig * mps})...)
		}
		m := compared(corners).Factorials[0].Metrics[0]
		for _, one := range []struct {
			name string
			got  Effect
			want float64
		}{
			{"interaction", m.Interaction, 0},
			{"MIG", m.MIG, float64(mig - 1)}, {"MIG with MPS", m.MIGWithMPS, float64(mig - 1)},
			{"MPS", m.MPS, float64(mps - 1)}, {"MPS with MIG", m.MPSWithMIG, float64(mps - 1)},
			{"both", m.Both, float64(mig*mps - 1)},
		} {
			for _, v := range []Value{one.got.Value, one.got.Min, one.got.Max} {
				if v.Known() && math.Abs(*v.Number-one.want) > 1e-9*float64(mig*mps) {
					t.Fatalf("%s is %v, want %v", one.name, *v.Number, one.want)
				}
			}
			if one.got.N != len(corners)/4 || !one.got.Value.Known() {
				t.Fatalf("%s: %+v", one.name, one.got)
			}
		}
	})
}

// What is called MIG and what MPS makes no difference but to the names; each
// path to both has the same end; an effect lies within its replicates' range.
func TestFactorialLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Int64Range(1, 1000)
		var straight, turned []corner
		for r := range rapid.IntRange(1, 4).Draw(t, "replicates") {
			v := [4]int64{value.Draw(t, "n"), value.Draw(t, "g"), value.Draw(t, "p"), value.Draw(t, "b")}
			straight = append(straight, square(r+1, v)...)
			turned = append(turned, square(r+1, [4]int64{v[0], v[2], v[1], v[3]})...)
		}
		a, b := compared(straight).Factorials[0], compared(turned).Factorials[0]
		for i, m := range a.Metrics {
			o := b.Metrics[i]
			for _, pair := range [][2]Effect{{m.MIG, o.MPS}, {m.MPS, o.MIG}, {m.MIGWithMPS, o.MPSWithMIG}, {m.Both, o.Both}, {m.Interaction, o.Interaction}} {
				if math.Abs(*pair[0].Value.Number-*pair[1].Value.Number) > 1e-9*(1+math.Abs(*pair[0].Value.Number)) || pair[0].N != pair[1].N {
					t.Fatalf("%s: %+v turned is %+v", m.Name, pair[0], pair[1])
				}
			}
			whole := 1 + *m.Both.Value.Number
			for _, path := range []float64{
				(1 + *m.MIG.Value.Number) * (1 + *m.MPSWithMIG.Value.Number),
				(1 + *m.MPS.Value.Number) * (1 + *m.MIGWithMPS.Value.Number),
				(1 + *m.MIG.Value.Number) * (1 + *m.MPS.Value.Number) * (1 + *m.Interaction.Value.Number),
			} {
				if math.Abs(path-whole) > 1e-9*whole {
					t.Fatalf("%s: paths give %v, both %v", m.Name, path, whole)
				}
			}
			if e := m.MIG; e.Min.Known() && (*e.Value.Number < *e.Min.Number-1e-9 || *e.Value.Number > *e.Max.Number+1e-9) {
				t.Fatalf("%s: effect outside of its range: %+v", m.Name, e)
			}
		}
	})
}
