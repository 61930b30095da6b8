package scenarios

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestPresets(t *testing.T) {
	all := Presets()
	if len(all) == 0 {
		t.Fatal("no presets")
	}
	for _, p := range all {
		data, ok := Preset(p.Name)
		if !ok {
			t.Fatalf("preset %s is listed and not there", p.Name)
		}
		s, err := Read(p.Name+".yaml", data, Checks{})
		if err != nil {
			t.Errorf("preset %s: %v", p.Name, err)
			continue
		}
		if s.Name != p.Name || s.About == "" || p.About != s.About {
			t.Errorf("preset %s is named %q and about %q", p.Name, s.Name, s.About)
		}
		if cells, _ := s.Cells(nil); len(cells) == 0 || len(s.StepPlans()) == 0 {
			t.Errorf("preset %s: no cells or no steps", p.Name)
		}
		// A preset is worth copying: it says every duration and SLO itself.
		for _, v := range s.Services {
			if len(v.SLO) == 0 || len(v.Scrapes) == 0 {
				t.Errorf("preset %s: service %s has no SLO or nothing to scrape", p.Name, v.Name)
			}
		}
	}
	for _, name := range []string{"none", "../schema", ""} {
		if _, ok := Preset(name); ok {
			t.Errorf("preset %q is there", name)
		}
	}
}

// object is as much of JSON Schema as Schema uses.
type object struct {
	Type                 any
	Properties           map[string]object
	AdditionalProperties json.RawMessage
	Required             []string
	Items                *object
	AnyOf                []object
}

// inner gives the schema of a map's values, and whether the map is of free names.
func (o object) inner(t *testing.T) (object, bool) {
	t.Helper()
	var in object
	if len(o.AdditionalProperties) == 0 || string(o.AdditionalProperties) == "false" {
		return in, false
	}
	if err := json.Unmarshal(o.AdditionalProperties, &in); err != nil {
		t.Fatal(err)
	}
	return in, true
}

func readSchema(t *testing.T) object {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var root object
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	return root
}

// TestSchemaAcceptsPresets walks each preset beside the schema: every key is
// there, every required key is told, every value is of its type.
func TestSchemaAcceptsPresets(t *testing.T) {
	root := readSchema(t)
	visited := 0
	var walk func(n *node, o object, where string)
	walk = func(n *node, o object, where string) {
		visited++
		if o.AnyOf != nil { // a kind: its arguments are open
			if n.form != isScalar && n.get("kind") == nil {
				t.Errorf("%s: no kind", where)
			}
			return
		}
		want := map[form]string{isMap: "object", isList: "array"}[n.form]
		if want != "" && o.Type != want {
			t.Errorf("%s: the schema wants %v, the preset has %v", where, o.Type, n)
		}
		for _, key := range o.Required {
			if n.get(key) == nil {
				t.Errorf("%s: %s is required", where, key)
			}
		}
		for i, k := range n.keys {
			to, ok := o.Properties[k.text]
			if !ok {
				if to, ok = o.inner(t); !ok {
					t.Errorf("%s: the schema does not know %s", where, k.text)
					continue
				}
			}
			walk(n.items[i], to, where+"."+k.text)
		}
		if n.form == isList {
			for _, item := range n.items {
				walk(item, *o.Items, where+"[]")
			}
		}
	}
	for _, p := range Presets() {
		data, _ := Preset(p.Name)
		tree, _, faults := parse(p.Name, data)
		if faults != nil {
			t.Fatal(faults)
		}
		walk(tree, root, p.Name)
	}
	if visited < 50 {
		t.Errorf("only %d values were compared", visited)
	}
}

// TestSchemaKnowsWhatReadKnows asks the decoder at each map of the schema for
// its known keys, by telling it one that it cannot know.
func TestSchemaKnowsWhatReadKnows(t *testing.T) {
	root := readSchema(t)
	compared := 0
	var walk func(o object, before, after string)
	walk = func(o object, before, after string) {
		if o.Properties != nil {
			_, err := Read("f.yaml", []byte(before+"{nobody: 1}"+after), Checks{})
			var got []string
			for _, f := range Faults(err) {
				if _, list, ok := strings.Cut(f.Hint, "known: "); ok && strings.HasPrefix(f.Text, `unknown key "nobody"`) {
					got = strings.Split(list, ", ")
				}
			}
			var want []string
			for name := range o.Properties {
				want = append(want, name)
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: read knows %v, the schema %v", before, got, want)
			}
			compared++
		}
		for name, inner := range o.Properties {
			if inner.AnyOf == nil {
				walk(inner, before+"{"+name+": ", "}"+after)
			}
		}
		if in, ok := o.inner(t); ok {
			walk(in, before+"{x: ", "}"+after)
		}
		if o.Items != nil {
			walk(*o.Items, before+"[", "]"+after)
		}
	}
	walk(root, "", "")
	// scenario, server, service, model, search, failover, spike, compare, load, rate, retry, steps,
	// collect, its access and tls, matrix, two points.
	if compared != 18 {
		t.Errorf("%d maps were compared, want 18", compared)
	}
}
