package propose

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/partition"
)

// card gives a card of the table as GPU i of a server.
func card(t testing.TB, name string, i int) partition.GPU {
	t.Helper()
	d, profiles, err := nvml.TableCard(name)
	if err != nil {
		t.Fatal(err)
	}
	g := partition.GPU{
		Index: i, UUID: fmt.Sprintf("GPU-%d", i), Name: d.Name, MemoryBytes: d.Memory.TotalBytes, SMs: d.SMs,
		MIG: partition.Mode(d.MIG), ComputeCapability: d.ComputeCapability,
	}
	places := func(all []nvml.Placement) (out []partition.Placement) {
		for _, p := range all {
			out = append(out, partition.Placement(p))
		}
		return out
	}
	for _, p := range profiles {
		own := partition.Profile{ID: p.ID, Name: p.Name, MemoryBytes: p.MemoryBytes, SMs: p.SMs, Slices: p.Slices, Placements: places(p.Placements), Attributes: p.Attributes, Assumed: p.Assumed}
		for _, c := range p.Compute {
			own.Compute = append(own.Compute, partition.ComputeProfile{Slices: c.Slices, SMs: c.SMs, Placements: places(c.Placements)})
		}
		g.Profiles = append(g.Profiles, own)
	}
	return g
}

// server is one with so many of a card.
func server(t testing.TB, name string, n int) Facts {
	f := Facts{Name: "bench", MPS: true}
	for i := range n {
		f.GPUs.GPUs = append(f.GPUs.GPUs, card(t, name, i))
	}
	return f
}

func proposal(t testing.TB, f Facts) Proposal {
	t.Helper()
	a, err := Defaults(f)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Make(f, a)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func texts(p Proposal) (all []string) {
	for _, l := range p.Layouts {
		all = append(all, l.Text)
	}
	return all
}

// TestLayouts holds what is proposed for cards whose profiles are known: even cuts
// of which each instance has 18 GiB, at most two of them on one GPU and one on
// several. (profiles.json has the memory of each.)
func TestLayouts(t *testing.T) {
	for _, c := range []struct {
		card string
		n    int
		want string
	}{
		{"NVIDIA RTX PRO 6000 Blackwell Server Edition", 1, "off 4x1g.24gb 2x2g.48gb"},
		{"NVIDIA RTX PRO 5000 Blackwell 48GB", 3, "off 2x1g.24gb"},
		{"NVIDIA A100 40GB", 1, "off 2x3g.20gb"}, // 3x2g.10gb and 7x1g.5gb are too small
		{"NVIDIA A100 80GB", 1, "off 4x1g.20gb 3x2g.20gb"},
		{"NVIDIA A100 80GB", 2, "off 4x1g.20gb"},
		{"NVIDIA A30", 1, "off"}, // half of it is 12 GB
	} {
		p := proposal(t, server(t, c.card, c.n))
		if got := strings.Join(texts(p), " "); got != c.want {
			t.Errorf("%d x %s: got %s, want %s", c.n, c.card, got, c.want)
		}
		if p.Passed == nil && c.want == "off" {
			t.Errorf("%s: nothing says why MIG is not in it", c.card)
		}
	}
}

// TestPlainProfiles: one with media engines or graphics is not taken, be it larger.
func TestPlainProfiles(t *testing.T) {
	f := server(t, "NVIDIA RTX PRO 6000 Blackwell Server Edition", 1)
	for i, p := range f.GPUs.GPUs[0].Profiles {
		if len(p.Attributes) > 0 {
			f.GPUs.GPUs[0].Profiles[i].SMs += 100
		}
	}
	if got := strings.Join(texts(proposal(t, f)), " "); got != "off 4x1g.24gb 2x2g.48gb" {
		t.Errorf("got %s", got)
	}
}

// TestLayoutsCanBe plans every layout that is proposed, for every card of the table
// and one to three of it: it can be, its needs are allowed, and no instance is too
// small.
func TestLayoutsCanBe(t *testing.T) {
	names, err := nvml.CardNames()
	if err != nil || len(names) < 8 {
		t.Fatalf("the table has %d cards, %v", len(names), err)
	}
	cut := 0
	for _, name := range names {
		for n := range 3 {
			f := server(t, name, n+1)
			p := proposal(t, f)
			for _, l := range p.Layouts {
				for _, sharing := range p.Sharing {
					layout, err := partition.ParseLayout(l.Text + "(" + sharing + ")")
					if err != nil {
						t.Fatal(err)
					}
					plan, err := partition.MakePlan(partition.State{GPUs: p.Chosen}, layout)
					if err != nil {
						t.Errorf("%d x %s: %s: %v", n+1, name, l.Text, err)
						continue
					}
					if err := plan.Allowed(p.Allow); err != nil {
						t.Errorf("%d x %s: %v", n+1, name, err)
					}
					for _, slot := range plan.Targets[0].Slots {
						cut++
						if slot.Profile.MemoryBytes < 18<<30 || len(slot.Profile.Attributes) > 0 {
							t.Errorf("%s: %s has an instance %s of %d bytes", name, l.Text, slot.Profile.Name, slot.Profile.MemoryBytes)
						}
					}
				}
			}
		}
	}
	if cut == 0 {
		t.Fatal("no instance was looked at")
	}
}

// TestAllowNoMore: without MPS and MIG nothing need be allowed, and a card that
// resets for MIG says so.
func TestAllowNoMore(t *testing.T) {
	f := server(t, "NVIDIA A30", 1)
	f.MPS = false
	if p := proposal(t, f); len(p.Allow) != 0 || !slices.Equal(p.Sharing, []string{"ts"}) {
		t.Errorf("allow %v, sharing %v", p.Allow, p.Sharing)
	}
	p := proposal(t, server(t, "NVIDIA A100 40GB", 1))
	if !slices.Contains(p.Allow, partition.AllowReset) || !strings.Contains(strings.Join(p.Notes, "\n"), "resets these GPUs") {
		t.Errorf("allow %v, notes %q", p.Allow, p.Notes)
	}
}

// TestChoosesGPUs: those of the kind with most free ones, and each other with why
// not.
func TestChoosesGPUs(t *testing.T) {
	const small, large = "NVIDIA A30", "NVIDIA A100 40GB"
	on := true
	f := Facts{Name: "bench"}
	for i, name := range []string{small, large, large, large, large} {
		f.GPUs.GPUs = append(f.GPUs.GPUs, card(t, name, i))
	}
	f.GPUs.GPUs[2].Processes = []partition.Process{{PID: 7, Name: "vllm"}, {PID: 8}}
	f.GPUs.GPUs[3].DisplayActive = &on
	p := proposal(t, f)
	if got := indices(p.Chosen); got != "1, 4" {
		t.Errorf("chosen: %s, want 1, 4", got)
	}
	left := strings.Join(p.LeftOut, "\n")
	for _, want := range []string{"gpu0: is of another kind", "gpu2: is in use by vllm (pid 7 and 1 other)", "gpu3: drives a display"} {
		if !strings.Contains(left, want) {
			t.Errorf("left out:\n%s\nlacks %q", left, want)
		}
	}
	// If all are in use, all are proposed, and it is said.
	for i := range f.GPUs.GPUs {
		f.GPUs.GPUs[i].Processes = []partition.Process{{PID: 7, Name: "vllm"}}
	}
	p = proposal(t, f)
	if got := indices(p.Chosen); got != "1, 2, 3, 4" || !strings.Contains(strings.Join(p.Notes, "\n"), "gpu1 is in use by vllm (pid 7): a sweep refuses") {
		t.Errorf("all in use: chosen %s, notes %q", got, p.Notes)
	}
	// Those that a person names, and no others; never of two kinds.
	a, err := Defaults(f)
	if err != nil {
		t.Fatal(err)
	}
	a.GPUs = []int{1}
	if p, err = Make(f, a); err != nil || indices(p.Chosen) != "1" {
		t.Errorf("named 1: %v, %v", p.Chosen, err)
	}
	a.GPUs = []int{0, 1}
	if _, err = Make(f, a); err == nil || !strings.Contains(err.Error(), "of several kinds") {
		t.Errorf("two kinds: %v", err)
	}
}

func TestNothing(t *testing.T) {
	if _, err := Defaults(Facts{Name: "laptop"}); !errors.Is(err, ErrNothing) {
		t.Errorf("no GPU, no server: %v", err)
	}
	unknown := Facts{Servers: []Server{{URL: "http://127.0.0.1:8000", Kind: vllm}}}
	if _, err := Defaults(unknown); !errors.Is(err, ErrNothing) {
		t.Errorf("a server of unknown models: %v", err)
	}
}

// TestMakeRefuses tells all that is wrong at once.
func TestMakeRefuses(t *testing.T) {
	f := server(t, "NVIDIA A30", 1)
	_, err := Make(f, Answers{Name: "A B", Goal: "x", GPUs: []int{3}})
	for _, want := range []string{`the name "A B" does not fit a folder's; "a-b" does`, `not "x"`, "users", "limits", "window", "there is no GPU 3; GPUs here: 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}

// TestLevels: each service has a ladder of as many steps, which rises.
func TestLevels(t *testing.T) {
	for _, c := range []struct {
		goal           string
		vision, agents int
		want           string
	}{
		{Table, 32, 8, "8, 16, 32; 2, 4, 8"},
		{Table, 7, 4, "1, 3, 7; 1, 2, 4"},
		{Table, 32, 3, "16, 32; 1, 3"},
		{Table, 1, 8, "1; 8"},
		{Capacity, 32, 8, "32; 8"},
	} {
		p := sheet{Proposal: Proposal{Answers: Answers{Goal: c.goal, VisionUsers: c.vision, AgentUsers: c.agents}}}
		if got := p.Levels(c.vision) + "; " + p.Levels(c.agents); got != c.want {
			t.Errorf("%d Vision clients and %d agents for a %s: %s, want %s", c.vision, c.agents, c.goal, got, c.want)
		}
	}
}

func TestSafeName(t *testing.T) {
	for in, want := range map[string]string{"GPU-Node 7.Example.com": "gpu-node-7.example.com", "": "first", "--": "first", "serveur-été": "serveur-t", strings.Repeat("a", 39) + "-b": strings.Repeat("a", 39)} {
		if got := safeName(in); got != want {
			t.Errorf("safeName(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestServices: instances of one model are one service, each other has a name of
// its own, and what cannot be driven is told.
func TestServices(t *testing.T) {
	f := server(t, "NVIDIA A30", 1)
	f.Servers = []Server{
		{URL: "http://127.0.0.1:8000", Kind: vllm, Models: []string{"m"}},
		{URL: "http://127.0.0.1:8001", Kind: vllm, Models: []string{"m"}},
		{URL: "http://127.0.0.1:8002", Kind: vllm, Models: []string{"other"}},
		{URL: "http://127.0.0.1:8080", Kind: torchserve, Models: []string{"a", "b"}},
		{URL: "http://127.0.0.1:9000", Kind: triton},
		{URL: "http://127.0.0.1:9001", Kind: sglang},
	}
	p := proposal(t, f)
	var got []string
	for _, s := range p.Services {
		got = append(got, fmt.Sprintf("%s/%s/%d/%s", s.Name, s.Role, len(s.Servers), strings.Join(s.Models, "+")))
	}
	want := []string{"agent/agent/2/m", "agent-2/agent/1/other", "vision/vision/1/a+b"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(p.Chosen) != 0 || !slices.Equal(texts(p), []string{"off"}) {
		t.Errorf("servers run, and %v with %v is to be changed", p.Chosen, texts(p))
	}
	notes := strings.Join(p.Notes, "\n")
	for _, want := range []string{"triton at http://127.0.0.1:9000", "which models it serves is not known; --probe asks it"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes %q lack %q", notes, want)
		}
	}
}

// TestTextsStayInLine: no text leaves its line or is read as something else (what is
// written is read back in cmd/evabench).
func TestTextsStayInLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.String().Draw(t, "text")
		out, err := quote(in)
		if err != nil || strings.ContainsAny(out, "\n\r") {
			t.Errorf("quote(%q) = %q, %v", in, out, err)
		}
		if c := comment(in); strings.ContainsAny(c, "\n\r\u0085\u2028\u2029") {
			t.Errorf("comment(%q) = %q", in, c)
		}
	})
	for _, word := range []string{"off", "on", "yes", "null", "true", "1e5", "0x10", "12:30", "~", "y", "1.5", "-", "a b", "a: b", "a #b"} {
		if out, _ := quote(word); out == word {
			t.Errorf("quote(%q) leaves it as it is, and YAML does not read it as text", word)
		}
	}
	for _, word := range []string{"rt-detrv2", "Qwen/Qwen3-VL-8B-Instruct", "4x1g.24gb", "llmdet"} {
		if out, _ := quote(word); out != word {
			t.Errorf("quote(%q) = %s, which is only harder to read", word, out)
		}
	}
}

// TestProposedForThisMachineAlone: a server that is started as a process listens on
// loopback; a container's own address is no other machine's, and it has to listen there.
func TestProposedForThisMachineAlone(t *testing.T) {
	const loopback = `--host, 127.0.0.1, --port, "{port}"`
	for _, programs := range [][]string{{"vllm"}, nil} {
		f := server(t, "NVIDIA A100 80GB", 1)
		f.Programs = programs
		text, err := proposal(t, f).Write("x.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Contains(string(text), loopback), programs != nil; got != want {
			t.Errorf("with programs %v, %q is in it: %v", programs, loopback, got)
		}
	}
}
