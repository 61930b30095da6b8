package propose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/partition"
)

// kindsOf lists the product names of GPUs, each once.
func kindsOf(all []partition.GPU) []string {
	var names []string
	for _, g := range all {
		if !slices.Contains(names, g.Name) {
			names = append(names, g.Name)
		}
	}
	return names
}

func indices(all []partition.GPU) string {
	var texts []string
	for _, g := range all {
		texts = append(texts, fmt.Sprint(g.Index))
	}
	return strings.Join(texts, ", ")
}

// chooseGPUs takes those of one kind, of which there are most, that nobody uses; all
// of the kind if somebody uses every one. It tells, by UUID, what speaks against a
// GPU.
func chooseGPUs(s partition.State) (chosen []partition.GPU, why map[string]string) {
	why = map[string]string{}
	for _, g := range s.GPUs {
		switch {
		case g.MIG.Current != g.MIG.Pending:
			why[g.UUID] = "has a change of its MIG mode pending"
		case len(g.Processes) > 0:
			p := g.Processes[0]
			why[g.UUID] = fmt.Sprintf("is in use by %s (pid %d%s)", cmp.Or(p.Name, "a process"), p.PID, others(len(g.Processes)-1))
		case g.DisplayActive != nil && *g.DisplayActive:
			why[g.UUID] = "drives a display"
		}
	}
	free := func(name string) (n int) {
		for _, g := range s.GPUs {
			if g.Name == name && why[g.UUID] == "" {
				n++
			}
		}
		return n
	}
	count := func(name string) (n int) {
		for _, g := range s.GPUs {
			if g.Name == name {
				n++
			}
		}
		return n
	}
	kind := ""
	for _, name := range kindsOf(s.GPUs) {
		if kind == "" || cmp.Or(cmp.Compare(free(name), free(kind)), cmp.Compare(count(name), count(kind))) > 0 {
			kind = name
		}
	}
	for _, g := range s.GPUs {
		switch {
		case g.Name != kind:
			why[g.UUID] = cmp.Or(why[g.UUID], "is of another kind, on which a layout means another thing: "+g.Name)
		case why[g.UUID] == "" || free(kind) == 0:
			chosen = append(chosen, g)
		}
	}
	return chosen, why
}

func others(n int) string {
	if n < 1 {
		return ""
	}
	return " and " + units.Plural(n, "other")
}

// agentBytes is the least memory of a device for a vision-language model of 8
// billion parameters in 16 bits: 16 GiB of weights, and some for its cache.
const agentBytes = 18 << 30

// layouts chooses those of the matrix: the whole GPU, and even cuts of which every
// instance holds the Agent's model; and says why others are not in it.
func (p *Proposal) layouts() {
	p.Sharing = []string{"ts"}
	if len(p.found()) > 0 {
		p.Layouts = []Layout{{"off", "as the servers are"}}
		return
	}
	p.Layouts = []Layout{{"off", "the whole GPU"}}
	if p.Facts.MPS {
		p.Sharing = append(p.Sharing, "mps")
	} else {
		p.Passed = append(p.Passed, "sharing mps: the programs of MPS are not on this machine")
	}
	cuts, passed := evenCuts(p.Chosen[0])
	p.Passed = append(p.Passed, passed...)
	most := 2
	if len(p.Chosen) > 1 {
		most = 1 // GPUs part the services already
	}
	for i, c := range cuts {
		if i >= most {
			p.Passed = append(p.Passed, fmt.Sprintf("%s: left for later, as each layout takes time", c.text()))
			continue
		}
		why := fmt.Sprintf("%d MIG instances a GPU, %s and %s each", c.n, units.Format(float64(c.profile.MemoryBytes), units.Bytes), sms(c.profile))
		if c.profile.Assumed {
			why += " (of this simulated card nobody published that)"
		}
		p.Layouts = append(p.Layouts, Layout{c.text(), why})
	}
	p.allow()
}

func sms(p partition.Profile) string {
	if p.SMs == 0 {
		return "SMs unknown"
	}
	return fmt.Sprintf("%d SMs", p.SMs)
}

// A cut is as many instances of one profile as a card holds.
type cut struct {
	profile partition.Profile
	n       int
}

func (c cut) text() string { return fmt.Sprintf("%dx%s", c.n, c.profile.Name) }

// evenCuts lists those of which every instance holds the model, most instances first
// and of those with as many instances the one with most SMs and memory; and why
// others do not count.
func evenCuts(g partition.GPU) (cuts []cut, passed []string) {
	if len(g.Profiles) == 0 {
		return nil, []string{fmt.Sprintf("MIG: %s offers no profiles%s", g.Name, because(g.NoProfiles))}
	}
	var small []string
	for _, profile := range g.Profiles {
		if len(profile.Attributes) > 0 {
			continue // media engines and graphics are another's question
		}
		n := holds(g, profile.Name)
		c := cut{profile, n}
		switch {
		case n < 2:
		case profile.MemoryBytes < agentBytes:
			small = append(small, c.text())
		default:
			k := slices.IndexFunc(cuts, func(o cut) bool { return o.n == n })
			switch {
			case k < 0:
				cuts = append(cuts, c)
			case cmp.Or(cmp.Compare(profile.SMs, cuts[k].profile.SMs), cmp.Compare(profile.MemoryBytes, cuts[k].profile.MemoryBytes)) > 0:
				cuts[k] = c
			}
		}
	}
	slices.SortFunc(cuts, func(a, b cut) int { return b.n - a.n })
	if len(small) > 0 {
		passed = append(passed, fmt.Sprintf("%s: an instance is smaller than the %s that the Agent's model takes", strings.Join(small, ", "), units.Format(agentBytes, units.Bytes)))
	}
	return cuts, passed
}

func because(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

// holds is how many instances of a profile the empty card holds.
func holds(g partition.GPU, profile string) int {
	plan, err := planOf(partition.State{GPUs: []partition.GPU{g}}, "all-"+profile)
	if err != nil {
		return 0
	}
	return len(plan.Targets[0].Slots)
}

// planOf plans a layout on GPUs as if nobody were on them, and none of them cut.
func planOf(s partition.State, text string) (partition.Plan, error) {
	layout, err := partition.ParseLayout(text)
	if err != nil {
		return partition.Plan{}, err
	}
	s = s.Idle()
	for i := range s.GPUs {
		s.GPUs[i].Instances = nil
	}
	return partition.MakePlan(s, layout)
}

// allow collects what the layouts need, from the GPUs as they are.
func (p *Proposal) allow() {
	now := partition.State{System: p.Facts.GPUs.System, GPUs: p.Chosen}.Idle()
	needs := map[partition.Permission]bool{}
	for _, l := range p.Layouts {
		for _, sharing := range p.Sharing {
			text := l.Text + "(" + sharing + ")"
			layout, err := partition.ParseLayout(text)
			if err != nil {
				continue // MIG terms take the sharing as well
			}
			plan, err := partition.MakePlan(now, layout)
			if err != nil {
				p.Notes = append(p.Notes, fmt.Sprintf("Layout %s cannot be planned now: %v.", text, err))
				continue
			}
			for _, need := range plan.Needs() {
				needs[need] = true
			}
		}
	}
	p.Allow = slices.DeleteFunc(partition.Permissions(), func(n partition.Permission) bool { return !needs[n] })
	if needs[partition.AllowReset] {
		p.Notes = append(p.Notes, "A change of the MIG mode resets these GPUs: take \"reset\" out of allow if that must not be.")
	}
}
