package scenarios

import (
	"reflect"
	"strings"
	"testing"

	"github.com/evabench/evabench/internal/kind"
	"pgregory.net/rapid"
)

type weights struct {
	Weights []int   `yaml:"weights"`
	Load    float64 `yaml:"load"`
}

type chars struct {
	Chars  int     `yaml:"chars"`
	Load   float64 `yaml:"load"`
	System bool    `yaml:"system"`
}

// routerKinds stand for the load generator's, which this package does not know.
var routerKinds = kind.Set[any]{
	kind.New("prefix", "", chars{256, 1.25, true}, func(c chars) (any, error) { return c, nil }),
	kind.New("round-robin", "", struct{}{}, func(c struct{}) (any, error) { return c, nil }),
	kind.New("weighted", "", weights{}, func(c weights) (any, error) { return c, nil }),
}

func routerCheck() Checks {
	c := checks()
	c.Router = func(s kind.Spec) error { _, err := routerKinds.Build(s); return err }
	return c
}

// routed has routings with arguments in all places of a matrix.
var routed = strings.Replace(small, "  sharing:", `  routing: [round-robin, "weighted( 3, 1 )", prefix(chars=512)]
  exclude: [{routing: "weighted(3,1)", sharing: mps}]
  include: [{routing: "prefix(64, load=0)"}]
  sharing:`, 1)

func TestParseRouting(t *testing.T) {
	for _, c := range []struct {
		text string
		want any
	}{
		{"round-robin", struct{}{}},
		{"weighted(3,1)", weights{Weights: []int{3, 1}}},
		{"weighted(3)", weights{Weights: []int{3}}},
		{"weighted(weights=3)", weights{Weights: []int{3}}},
		{" weighted ( 3 , 1 , load = 2.5 ) ", weights{[]int{3, 1}, 2.5}},
		{"prefix", chars{256, 1.25, true}},
		{"prefix(512)", chars{512, 1.25, true}},
		{"prefix(system=false,chars=9)", chars{9, 1.25, false}},
	} {
		spec, err := ParseRouting(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		for range 2 { // decoding twice gives the same
			if got, err := routerKinds.Build(spec); err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%q: got %+v, %v, want %+v", c.text, got, err, c.want)
			}
		}
	}
}

func TestParseRoutingFaults(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"weighted(3", "routing:1:10: routing \"weighted(3\" has no closing bracket"},
		{"1)", "routing:1:2: routing \"1)\" has arguments without a bracket"},
		{"weighted 3", "routing:1:9: routing"},
		{"chars=3", "routing:1:6: routing"},
		{"(3)", "routing:1:1: routing \"(3)\" has no router's name"},
		{"weighted()", "routing:1:10: routing \"weighted()\" has an empty argument"},
		{"weighted(3,)", "routing:1:12: routing \"weighted(3,)\" has an empty argument"},
		{"prefix(=3)", "routing:1:8: routing \"prefix(=3)\" has an empty argument"},
		{"prefix(chars=)", "routing:1:8: routing \"prefix(chars=)\" has an empty argument"},
		{"prefix(chars=3,4)", "routing:1:16: routing \"prefix(chars=3,4)\" has a value alone after one with a name"},
		{"prefix(a=b=c)", "routing:1:8: routing \"prefix(a=b=c)\" has an argument that is not"},
		{"weighted((3))", "routing:1:10: routing"},
		{"weighted(3 1)", "routing:1:10: routing"},
		{"weighted(3, x)", `routing:1:13: weighted.weights[1] is a whole number, not the text "x"`},
		{"é, prefix(chers=4)", "routing:1:1: routing"},
		{"prefix(chers=4)", `routing:1:8: unknown key "chers" in prefix`},
		{"prefix(4, 5)", "routing:1:11: prefix has its argument chars a second time"},
		{"prefix(4, chars=5)", "routing:1:11: prefix has its argument chars a second time"},
		{"weighted(3, weights=5)", "routing:1:13: weighted has its argument weights a second time"},
		{"round-robin(3)", "routing:1:13: round-robin has no arguments"},
	} {
		spec, err := ParseRouting(c.text)
		if err == nil {
			_, err = routerKinds.Build(spec)
		}
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %s", c.text, err, c.want)
		}
	}
}

// In a file the arguments keep their place, points match whatever spaces they
// are written with, and names are fit for folders.
func TestRoutingsOfAFile(t *testing.T) {
	s, err := Read("f.yaml", []byte(routed), routerCheck())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"round-robin", "weighted(3,1)", "prefix(chars=512)"}; !reflect.DeepEqual(s.Matrix.Routings, want) {
		t.Errorf("routings %q, want %q", s.Matrix.Routings, want)
	}
	if got := s.Matrix.Include[0].Routing; got != "prefix(64,load=0)" {
		t.Errorf("included routing %q", got)
	}
	names := map[string]bool{}
	for _, c := range s.Configs() {
		names[c.Routing] = true
		if !safe.MatchString(c.Name) {
			t.Errorf("name %q is not fit for a folder", c.Name)
		}
		if c.Routing == "weighted(3,1)" && !strings.Contains(c.Name, "-weighted-3-1-") {
			t.Errorf("%s is named %s", c.Routing, c.Name)
		}
		if c.Routing == "weighted(3,1)" && c.Sharing == "mps" {
			t.Errorf("an excluded point is there: %s", c.Name)
		}
	}
	if len(names) != 4 {
		t.Errorf("routings of configurations: %v", names)
	}
	for _, c := range []struct{ routing, want string }{
		{"[weighted(3,1)]", "23:22: routing \"weighted(3\" has no closing bracket"},
		{"[\"weighted(3,x)\"]", `23:25: weighted.weights[1] is a whole number, not the text "x"`},
		{"[prefix(chers=4)]", `23:20: unknown key "chers" in prefix`},
		{"[\"weighted(3,1)\", \"weighted(3, 1)\"]", "23:30: matrix.routing repeats weighted(3, 1), which is weighted(3,1)"},
		{"[wighted]", `23:13: unknown kind "wighted"`},
	} {
		_, err := Read("f.yaml", []byte(change(t, "  sharing:", "  routing: "+c.routing+"\n  sharing:")), routerCheck())
		if f := Faults(err); len(f) == 0 || !strings.HasPrefix(strings.TrimPrefix(f[0].Error(), "f.yaml:"), c.want) {
			t.Errorf("%s: got %v, want %s", c.routing, err, c.want)
		}
	}
	oneFault(t, change(t, "  sharing:", "  include: [{routing: \"prefix(1,2)\"}]\n  sharing:"), routerCheck(), "23:33: prefix has its argument chars a second time")
}

// What ParseRouting takes, it takes again without spaces, and with the same
// meaning.
func TestRoutingsAreCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		space := rapid.SampledFrom([]string{"", " ", "  "})
		word := rapid.StringMatching(`[a-z0-9.é-]{1,5}`)
		var text strings.Builder
		text.WriteString("weighted" + space.Draw(t, "space") + "(")
		named := false
		for i := range rapid.IntRange(1, 4).Draw(t, "arguments") {
			if i > 0 {
				text.WriteString(",")
			}
			text.WriteString(space.Draw(t, "before"))
			if named = named || rapid.Bool().Draw(t, "named"); named {
				text.WriteString(word.Draw(t, "name") + space.Draw(t, "space") + "=" + space.Draw(t, "space"))
			}
			text.WriteString(word.Draw(t, "value") + space.Draw(t, "after"))
		}
		written := text.String() + ")" + space.Draw(t, "end")
		_, canonical, fault := parseRouting(source{}, place{1, 1}, written)
		if fault != nil || canonical != strings.ReplaceAll(written, " ", "") {
			t.Fatalf("%q is %q, %v", written, canonical, fault)
		}
		if _, again, fault := parseRouting(source{}, place{1, 1}, canonical); fault != nil || again != canonical {
			t.Fatalf("%q is %q, %v", canonical, again, fault)
		}
	})
}

func FuzzParseRouting(f *testing.F) {
	for _, text := range []string{"sticky", "weighted(3,1)", "prefix(chars=512, load=0)", "a(", "a()", "(", "a(b=c=d)", "é(é)"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, canonical, fault := parseRouting(source{}, place{1, 1}, text)
		if fault != nil {
			return
		}
		if _, again, fault := parseRouting(source{}, place{1, 1}, canonical); fault != nil || again != canonical {
			t.Fatalf("%q is %q and then %q, %v", text, canonical, again, fault)
		}
	})
}
