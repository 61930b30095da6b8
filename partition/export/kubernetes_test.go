package export

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	noteRE  = regexp.MustCompile(`^kubectl get .* -o jsonpath='.*'    # (OLD_[A-Z_]+)$`)
	oldRE   = regexp.MustCompile(`OLD_[A-Z_]+`)
	labelRE = regexp.MustCompile(`^kubectl label node NODE (nvidia\.com/[a-z.-]+)=`)
	patchRE = regexp.MustCompile(`^kubectl patch .* -p '(.*)'$`)
)

// commands gives what lines note, and the labels and fields that they set.
func commands(t *testing.T, lines []string) (noted, used, sets []string) {
	t.Helper()
	for _, line := range lines {
		if m := noteRE.FindStringSubmatch(line); m != nil {
			noted = append(noted, m[1])
			continue
		}
		if strings.HasPrefix(line, "kubectl ") {
			used = append(used, oldRE.FindAllString(line, -1)...)
		}
		if m := labelRE.FindStringSubmatch(line); m != nil {
			sets = append(sets, m[1])
		}
		if m := patchRE.FindStringSubmatch(line); m != nil {
			var tree any
			if err := json.Unmarshal([]byte(m[1]), &tree); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			sets = append(sets, fields("", tree)...)
		}
	}
	unique := func(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
	return unique(noted), unique(used), unique(sets)
}

// fields lists the paths of a tree's values.
func fields(path string, tree any) []string {
	m, ok := tree.(map[string]any)
	if !ok {
		return []string{path}
	}
	var list []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		list = append(list, fields(path+"."+key, m[key])...)
	}
	return list
}

// TestKubernetesUndo: all that the instructions set is noted first and put back by
// undo; the whole cluster is warned of before the patch, and what removes every
// instance says so.
func TestKubernetesUndo(t *testing.T) {
	cases := append(slices.Clone(goldens), golden{name: "replicas", card: "rtx-pro-6000-96gb", layout: "4x1g.24gb"})
	for _, c := range cases {
		in := input(t, c)
		if c.name == "replicas" {
			in.Replicas = 2
		}
		files, _, err := Export(Kubernetes, in)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]int{"replicas": 2}[c.name]; want != 0 && len(files) != want {
			t.Fatalf("%s: %d files, want %d", c.name, len(files), want)
		}
		for _, f := range files {
			use, undo := headerLines(f.Data, "Use:"), headerLines(f.Data, "Undo:")
			if !noteRE.MatchString(use[0]) || !strings.Contains(use[0], "get node NODE") {
				t.Errorf("%s: %s begins with %q, not with what stands now", c.name, f.Name, use[0])
			}
			noted, _, sets := commands(t, use)
			_, used, back := commands(t, undo)
			if fmt.Sprint(noted) != fmt.Sprint(used) || len(noted) < 2 {
				t.Errorf("%s: %s notes %v and puts back %v", c.name, f.Name, noted, used)
			}
			if fmt.Sprint(sets) != fmt.Sprint(back) || len(sets) < 2 {
				t.Errorf("%s: %s sets %v and puts back %v", c.name, f.Name, sets, back)
			}
			text := strings.Join(use, "\n")
			if w, p := strings.Index(text, "for the whole cluster"), strings.Index(text, "kubectl patch"); w < 0 || w > p {
				t.Errorf("%s: %s does not warn of the whole cluster before the patch", c.name, f.Name)
			}
			for _, line := range append(use, undo...) {
				if strings.Contains(line, "all-disabled") && !strings.Contains(line, "removes every instance on the node") {
					t.Errorf("%s: %s does not say what %q does", c.name, f.Name, line)
				}
			}
			for _, line := range undo {
				if strings.Contains(line, "all-disabled") && !strings.Contains(line, "if OLD_MIG_CONFIG was empty") {
					t.Errorf("%s: %s undoes by %q whatever stood before", c.name, f.Name, line)
				}
			}
		}
	}
}
