package runner

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/results"
	"github.com/evabench/evabench/scenarios"
	"github.com/evabench/evabench/services"
)

// texts is a launcher with names in its arguments, on devices.
type texts struct {
	names  []string
	reachs bool // all values, or none but the names
}

func (x texts) Launch(context.Context, services.Instance) (services.Service, error) { return nil, nil }
func (x texts) Names() []string                                                     { return x.names }
func (x texts) Reaches(name string) bool                                            { return x.reachs || slices.Contains(x.names, name) }

// standingTexts counts its instances itself.
type standingTexts struct{ texts }

func (standingTexts) Instances() int { return 1 }

type adaptingTexts struct{ standingTexts }

func (adaptingTexts) Adapt(context.Context, string, services.Configuration) error { return nil }

type restoringTexts struct{ adaptingTexts }

func (restoringTexts) Restore(context.Context) error { return nil }

func TestCheckReach(t *testing.T) {
	service := func(l services.Launcher) Service {
		return Service{Launcher: l, Service: scenarios.Service{Name: "eyes", Models: []scenarios.Model{{Name: "rt-detr", Workers: 1}}}}
	}
	configs := func(change ...func(*results.Config)) []results.Config {
		var all []results.Config
		for _, f := range append(change, func(*results.Config) {}) {
			c := results.Config{Name: "a", Layout: "off", Sharing: "ts", Placement: "auto", Params: map[string]string{"eyes.batch": "1", "ears.x": "1"}, Workers: map[string]int{}}
			f(&c)
			all = append(all, c)
		}
		return all
	}
	workers := func(c *results.Config) { c.Workers["rt-detr"] = 2 }
	batch := func(c *results.Config) { c.Params["eyes.batch"] = "2" }
	others := func(c *results.Config) { c.Params["ears.x"] = "2"; c.Workers["owl"] = 2 }
	placement := func(c *results.Config) { c.Placement = "eyes=0" }
	layout := func(c *results.Config) { c.Layout = "2x2g.48gb" }
	none, both := texts{}, texts{names: []string{"params.batch", "workers.rt-detr"}}
	check := func(l services.Launcher, all []results.Config, codes string, faults ...string) {
		t.Helper()
		warnings, err := CheckReach([]Service{service(l)}, all)
		var got []string
		for _, w := range warnings {
			got = append(got, w.Code)
		}
		if strings.Join(got, " ") != codes {
			t.Errorf("%+v: warnings %v, want %q", l, warnings, codes)
		}
		if err == nil && len(faults) > 0 {
			t.Errorf("%+v: no fault, want %q", l, faults)
		} else if err != nil && strings.Count(err.Error(), "\n")+1 != len(faults) {
			t.Errorf("%+v: got %v, want %q", l, err, faults)
		}
		for _, want := range faults {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: got %v, want %q", l, err, want)
			}
		}
	}
	// What is named or not varied is well.
	check(both, configs(workers, batch), "")
	check(standingTexts{both}, configs(workers, batch), "")
	check(none, configs(others), "")
	check(none, configs(placement, layout), "")
	check(restoringTexts{adaptingTexts{standingTexts{texts{reachs: true}}}}, configs(workers, batch, placement), "")
	check(restoringTexts{adaptingTexts{standingTexts{texts{reachs: true}}}}, configs(workers, batch, placement, layout), "not-released")
	// What is varied and does not reach.
	check(none, configs(workers), "", "service eyes: the matrix varies {workers.rt-detr} (2, 1), of which its servers do not learn: every cell would measure the same; name {workers.rt-detr}")
	check(standingTexts{none}, configs(workers, batch), "", "the matrix varies {workers.rt-detr} (2, 1)", "the matrix varies {params.batch} (1, 2), of which its servers do not learn: every cell would measure the same; give its launcher what makes")
	check(standingTexts{none}, configs(placement), "", "placement varies (eyes=0; auto), and no service is placed")
	check(standingTexts{none}, configs(layout), "not-adapted")
	check(adaptingTexts{standingTexts{texts{reachs: true}}}, configs(workers), "not-restored")
	// Names that are none: each told once.
	check(texts{names: []string{"params.bach", "workers.rt-detr2"}}, configs(others), "",
		"service eyes: {params.bach}: configuration a has no parameter eyes.bach; give it in matrix: params",
		`service eyes: {workers.rt-detr2}: it has no model "rt-detr2"; its models: rt-detr`)
}

// A service's name may hold dots: its parameters are known by the whole of it.
func TestParamsOfDottedName(t *testing.T) {
	c := results.Config{Params: map[string]string{"qwen2.5.util": "0.9", "qwen2.batch": "8"}}
	if got := paramsOf("qwen2.5", c); len(got) != 1 || got["util"] != "0.9" {
		t.Errorf("paramsOf(qwen2.5) = %v, want util 0.9", got)
	}
	if got := paramsOf("qwen2.", c); len(got) != 0 {
		t.Errorf("paramsOf(qwen2.) = %v, want none", got)
	}
}

// paged is a launcher that tells the pages of kinds of source.
type paged struct {
	texts
	kinds []string
}

func (p paged) Scrapes() []string { return p.kinds }

// A page of a kind that the service does not scrape is read by nobody.
func TestUnreadPages(t *testing.T) {
	s := Service{Launcher: paged{kinds: []string{"vllm", "vlm"}}, Service: scenarios.Service{Name: "mind", Scrapes: []kind.Spec{{Name: "vllm"}}}}
	configs := []results.Config{{Name: "a", Layout: "off", Sharing: "ts", Placement: "auto"}}
	_, err := CheckReach([]Service{s}, configs)
	if want := `service mind: its launcher's scrapes tell the page of vlm, which its scrape does not name: nobody would read it; add it there, or take it out here (did you mean vllm? known: vllm)`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	s.Launcher = paged{kinds: []string{"vllm"}}
	if _, err := CheckReach([]Service{s}, configs); err != nil {
		t.Errorf("a page that is read: %v", err)
	}
}

// ported is a launcher whose instances have given ports.
type ported struct {
	texts
	first, n int
}

func (p ported) Ports() (first, n int) { return p.first, p.n }

// Two services cannot have one port.
func TestPortsOfTwoServices(t *testing.T) {
	configs := []results.Config{{Name: "a", Layout: "off", Sharing: "ts", Placement: "auto"}}
	for _, c := range []struct {
		a, b ported
		good bool
	}{
		{ported{first: 8000, n: 3}, ported{first: 8002, n: 1}, false},
		{ported{first: 8002, n: 1}, ported{first: 8000, n: 3}, false},
		{ported{first: 8000, n: 2}, ported{first: 8002, n: 1}, true},
		{ported{}, ported{}, true}, // free ones
	} {
		_, err := CheckReach([]Service{
			{Launcher: c.a, Service: scenarios.Service{Name: "eyes"}}, {Launcher: c.b, Service: scenarios.Service{Name: "mind"}},
		}, configs)
		if (err == nil) != c.good || err != nil && err.Error() != "services eyes and mind: both have port 8002; give one of them another launcher.port" {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}

// Configurations that differ in words alone are refused: each would be measured twice and
// compared with itself.
func TestCheckAlike(t *testing.T) {
	const own, open = "2x1g.24gb(mps)", "1g.24gb(mps)+1g.24gb"
	config := func(layout, sharing, placement string) results.Config {
		return results.Config{
			Name: layout + " " + sharing + " " + placement, Layout: layout, Sharing: sharing, Placement: placement,
			Routing: "round-robin", Params: map[string]string{"a.b": "1"},
		}
	}
	for _, c := range []struct {
		a, b results.Config
		same bool
	}{
		{config(own, "ts", "auto"), config(own, "mps", "auto"), true},
		{config(open, "ts", "auto"), config(open, "mps", "auto"), false},
		{config("off", "mps:2048M", "auto"), config("off", "mps:2G", "auto"), true},
		{config("off", "ts", "eyes=0  mind=1,2"), config("off", "ts", "mind=1,2 eyes=00"), true},
		{config("off", "ts", "eyes=0 mind=1,2"), config("off", "ts", "eyes=0 mind=2,1"), false},
		{config("off", "ts", "auto"), config("off", "ts:default", "auto"), false},
	} {
		other := c.b
		other.Params = map[string]string{"a.b": "2"}
		if err := CheckAlike([]results.Config{c.a, other}); err != nil {
			t.Errorf("other parameters: got %v", err)
		}
		err := CheckAlike([]results.Config{c.a, c.b, other})
		if (err != nil) != c.same {
			t.Errorf("%q and %q: got %v, want them the same: %v", c.a.Name, c.b.Name, err, c.same)
		}
		if err != nil && !strings.Contains(err.Error(), "matrix: configurations "+c.a.Name+" and "+c.b.Name+" are the same") {
			t.Errorf("got %v", err)
		}
	}
}

// Routings that differ need a service of several instances, in some configuration that
// can be placed.
func TestCheckRouting(t *testing.T) {
	configs := []results.Config{{Layout: "off", Routing: "round-robin"}, {Layout: "2x", Routing: "sticky"}, {Layout: "none", Routing: "sticky"}}
	place := func(counts map[string]int) func(results.Config) ([]services.Instance, error) {
		return func(c results.Config) (all []services.Instance, err error) {
			n, ok := counts[c.Layout]
			if !ok {
				return nil, errors.New("cannot be")
			}
			for range n {
				all = append(all, services.Instance{Service: "eyes"})
			}
			return append(all, services.Instance{Service: "ears"}), nil
		}
	}
	for _, c := range []struct {
		configs []results.Config
		counts  map[string]int
		good    bool
	}{
		{configs, map[string]int{"off": 1, "2x": 1}, false},
		{configs, map[string]int{"off": 1, "2x": 2}, true},
		{configs, nil, true}, // nothing is known
		{configs[1:], map[string]int{"off": 1, "2x": 1}, true},
	} {
		err := CheckRouting(c.configs, place(c.counts))
		if (err == nil) != c.good {
			t.Errorf("%+v: got %v, want good: %v", c, err, c.good)
		}
		if err != nil && !strings.Contains(err.Error(), "routing varies (round-robin, sticky), and each service has one instance") {
			t.Errorf("got %v", err)
		}
	}
}
