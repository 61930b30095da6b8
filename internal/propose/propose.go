// Package propose writes a first scenario for a server: which GPUs, which layouts
// make sense on them, which services, which load and which conditions, each with
// the reason beside it. It reads facts and answers, and touches nothing.
package propose

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evabench/evabench/partition"
)

// Facts are what was found.
type Facts struct {
	// Name is the machine's, or the simulated server's.
	Name string
	// Simulated is the simulated server, empty for this machine.
	Simulated string
	// GPUs is what was read of them, empty where there are none to ask.
	GPUs partition.State
	// MPS says that the programs of MPS are there.
	MPS bool
	// Servers are inference servers that run already.
	Servers []Server
	// Programs are those that are in PATH, of vllm, torchserve and docker.
	Programs []string
}

// Goals are what a sweep is to tell.
const (
	Table    = "table"    // the same loads for every configuration
	Capacity = "capacity" // the largest load that each takes
)

// Answers are what a person may say otherwise. [Defaults] gives good ones.
type Answers struct {
	Name string
	// GPUs are the indices of those that may be changed; nil means none.
	GPUs []int
	Goal string
	// VisionModels and AgentModel are the models to be served, where the services
	// are started; those of servers that run are what these tell.
	VisionModels []string
	AgentModel   string
	// VisionUsers and AgentUsers are the most clients in closed loops: with Goal Table a
	// quarter and half of them come before. With Goal Capacity VisionRate is the rate in
	// requests a second that the search begins with.
	VisionUsers, AgentUsers int
	VisionRate              float64
	// VisionLatency is the limit of the 95th percentile, AgentLatency of the 90th.
	VisionLatency, AgentLatency time.Duration
	// Window is the span of a step that counts.
	Window     time.Duration
	Replicates int
}

// ErrNothing is what Defaults' error wraps if there is nothing to measure.
var ErrNothing = errors.New("there is nothing to measure here")

// The conditions and loads of a first look: those of EVA's published servers, in
// their order of size (Vision under some seconds, Agents under a minute).
const (
	visionUsers   = 32
	visionRate    = 2
	agentUsers    = 8
	visionLatency = 2 * time.Second
	agentLatency  = 30 * time.Second
	window        = 3 * time.Minute
)

// The models that EVA's guide serves.
const agentModel = "Qwen/Qwen3-VL-8B-Instruct"

var visionModels = []string{"rt-detrv2", "owl-v2", "omdet", "llmdet"}

// simulatedAgent is the simulated servers' name of the model.
const simulatedAgent = "qwen3-vl-8b"

// Defaults gives the answers that follow from the facts. Its error says that there
// is neither a GPU nor a server to measure, and wraps [ErrNothing].
func Defaults(f Facts) (Answers, error) {
	a := Answers{
		Name: safeName(f.Name), Goal: Table, VisionModels: visionModels, AgentModel: agentModel,
		VisionUsers: visionUsers, VisionRate: visionRate, AgentUsers: agentUsers,
		VisionLatency: visionLatency, AgentLatency: agentLatency, Window: window, Replicates: 1,
	}
	if f.Simulated != "" {
		a.AgentModel = simulatedAgent
	}
	if len(f.usable()) > 0 {
		return a, nil
	}
	if len(f.GPUs.GPUs) == 0 {
		return a, fmt.Errorf("%w: neither a GPU nor a server that runs and tells its models", ErrNothing)
	}
	chosen, _ := chooseGPUs(f.GPUs)
	for _, g := range chosen {
		a.GPUs = append(a.GPUs, g.Index)
	}
	return a, nil
}

// unsafe is what a folder's name has not.
var unsafe = regexp.MustCompile(`[^a-z0-9._]+`)

// safeName makes a scenario's name of a machine's.
func safeName(text string) string {
	name := strings.Trim(unsafe.ReplaceAllString(strings.ToLower(text), "-"), "-._")
	if len(name) > 40 {
		name = strings.TrimRight(name[:40], "-._")
	}
	if name == "" {
		return "first"
	}
	return name
}

// A Proposal is a scenario to be written, with its reasons.
type Proposal struct {
	Facts   Facts
	Answers Answers
	// Chosen are the GPUs to be changed; LeftOut tells of the others, a line each.
	Chosen  []partition.GPU
	LeftOut []string
	// Layouts are those of the matrix, and Passed those that are not in it, with why.
	Layouts []Layout
	Passed  []string
	Sharing []string
	// Allow are the permissions that the layouts need.
	Allow []partition.Permission
	// Services are those under load.
	Services []Service
	// Notes tell what a person should look at before the sweep, a line each.
	Notes []string
}

// A Layout is one of the matrix, with its reason.
type Layout struct{ Text, Why string }

// A Service is one under load.
type Service struct {
	Name, Role string
	Models     []string
	// Servers run already; none means that it is to be started.
	Servers []Server
}

// The roles.
const (
	vision = "vision"
	agent  = "agent"
)

// Make makes the proposal. All that is wrong with the answers comes at once.
func Make(f Facts, a Answers) (Proposal, error) {
	p := Proposal{Facts: f, Answers: a}
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if safeName(a.Name) != a.Name {
		bad("the name %q does not fit a folder's; %q does", a.Name, safeName(a.Name))
	}
	if a.Goal != Table && a.Goal != Capacity {
		bad("the goal is %s or %s, not %q", Table, Capacity, a.Goal)
	}
	if a.VisionUsers < 1 || a.AgentUsers < 1 || !(a.VisionRate > 0) {
		bad("users and rates are above 0")
	}
	if a.VisionLatency <= 0 || a.AgentLatency <= 0 {
		bad("the limits of latency are above 0")
	}
	if a.Window < time.Second || a.Replicates < 1 {
		bad("a window of %v and %d replicates are too few", a.Window, a.Replicates)
	}
	p.services()
	if len(p.found()) == 0 {
		for _, i := range a.GPUs {
			k := slices.IndexFunc(f.GPUs.GPUs, func(g partition.GPU) bool { return g.Index == i })
			if k < 0 {
				bad("there is no GPU %d; GPUs here: %s", i, indices(f.GPUs.GPUs))
				continue
			}
			p.Chosen = append(p.Chosen, f.GPUs.GPUs[k])
		}
		if len(a.GPUs) == 0 {
			bad("no GPU is named")
		}
		if kinds := kindsOf(p.Chosen); len(kinds) > 1 {
			bad("the GPUs are of several kinds (%s), and a layout means another thing on each: name those of one kind", strings.Join(kinds, ", "))
		}
	}
	if len(faults) > 0 {
		return p, errors.Join(faults...)
	}
	p.explain()
	p.layouts()
	return p, nil
}

// explain tells why GPUs are left out, and what is in the way on those that are not.
func (p *Proposal) explain() {
	if len(p.found()) > 0 {
		if n := len(p.Facts.GPUs.GPUs); n > 0 {
			p.Notes = append(p.Notes, "The servers hold their GPUs, so no layout is changed: this measures them as they are.")
		}
		return
	}
	_, why := chooseGPUs(p.Facts.GPUs)
	for _, g := range p.Facts.GPUs.GPUs {
		chosen := slices.ContainsFunc(p.Chosen, func(c partition.GPU) bool { return c.UUID == g.UUID })
		switch reason := why[g.UUID]; {
		case !chosen && reason == "":
			p.LeftOut = append(p.LeftOut, fmt.Sprintf("gpu%d: not asked for", g.Index))
		case !chosen:
			p.LeftOut = append(p.LeftOut, fmt.Sprintf("gpu%d: %s", g.Index, reason))
		case reason != "":
			p.Notes = append(p.Notes, fmt.Sprintf("gpu%d %s: a sweep refuses to change it until then (evabench doctor tells what to do).", g.Index, reason))
		}
	}
}

// services says which there are: those of servers that run, else Vision and Agent.
func (p *Proposal) services() {
	for _, s := range p.Facts.Servers {
		if why := s.unusable(); why != "" {
			p.Notes = append(p.Notes, fmt.Sprintf("Not in it: %s: %s.", s, why))
			continue
		}
		same := func(o Service) bool {
			return o.Role == s.role() && slices.Equal(o.Models, s.Models) && o.Servers[0].Kind == s.Kind
		}
		if k := slices.IndexFunc(p.Services, same); k >= 0 {
			p.Services[k].Servers = append(p.Services[k].Servers, s)
			continue
		}
		p.Services = append(p.Services, Service{Name: p.free(s.role()), Role: s.role(), Models: s.Models, Servers: []Server{s}})
	}
	if len(p.Services) == 0 {
		p.Services = []Service{
			{Name: vision, Role: vision, Models: p.Answers.VisionModels},
			{Name: agent, Role: agent, Models: []string{p.Answers.AgentModel}},
		}
	}
}

// free is a name that no service has.
func (p *Proposal) free(name string) string {
	taken := func(n string) bool {
		return slices.ContainsFunc(p.Services, func(s Service) bool { return s.Name == n })
	}
	for n := name; ; {
		if !taken(n) {
			return n
		}
		for i := 2; ; i++ {
			if n = name + "-" + strconv.Itoa(i); !taken(n) {
				break
			}
		}
	}
}

// found are the services of servers that run already.
func (p *Proposal) found() []Service {
	return slices.DeleteFunc(slices.Clone(p.Services), func(s Service) bool { return len(s.Servers) == 0 })
}

// usable are the servers that can be driven.
func (f Facts) usable() []Server {
	return slices.DeleteFunc(slices.Clone(f.Servers), func(s Server) bool { return s.unusable() != "" })
}
