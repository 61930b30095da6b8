package scenarios

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/results"
)

// What a file may leave out.
const (
	defaultWarmup        = 5 * time.Second
	defaultWindow        = 30 * time.Second
	defaultEvery         = 500 * time.Millisecond
	defaultVisionTimeout = 30 * time.Second
	defaultAgentTimeout  = 5 * time.Minute
	defaultWarm          = time.Minute
	minEvery             = 100 * time.Millisecond
)

var folderName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,39}$`)

const folderHint = "use 1 to 40 lower-case letters, digits, dots, dashes and underscores, and begin with a letter or digit"

// Read makes a Scenario of a file's bytes; file is its name, for faults. All
// faults come at once, joined and sorted by their place: each is a *[Fault],
// and [Faults] lists them. Read has no side effect but those of c.
func Read(file string, data []byte, c Checks) (*Scenario, error) {
	root, src, faults := parse(file, data)
	if len(faults) > 0 {
		return nil, join(faults)
	}
	b := &builder{decoder: decoder{source: src}, root: root}
	raw := at[rawScenario]{}
	raw.decodeNode(&b.decoder, root, "")
	b.raw = raw.V
	b.s = &Scenario{File: file, Source: slices.Clone(data)}
	if root.form == isMap {
		b.scenario()
		if c.Rewrite != nil {
			c.Rewrite(b.s)
		}
		b.changes()
		b.kinds(c)
		b.heavyFits(c)
		b.asked(c)
		b.points(c)
	}
	if len(b.faults) > 0 {
		return nil, join(b.faults)
	}
	return b.s, nil
}

// A builder makes a Scenario of decoded keys and checks what they mean. It
// judges only what could be decoded, so that one mistake is one fault.
type builder struct {
	decoder
	root  *node
	raw   rawScenario
	s     *Scenario
	where nodes
	loads []bool // of each service: whether its load has no fault
}

// or gives the value that was told, or the default.
func or[T any](a at[T], otherwise T) T {
	if a.N == nil || !a.OK {
		return otherwise
	}
	return a.V
}

func (b *builder) scenario() {
	s, r := b.s, &b.raw
	s.Version = or(r.Version, 0)
	if r.Version.OK && s.Version != 1 {
		b.fault(r.Version.N, fmt.Sprintf("version %d is not known", s.Version), "this evabench reads version 1")
	}
	s.Name, s.About = or(r.Name, ""), or(r.About, "")
	if r.Name.OK {
		b.name(r.Name.N, "name", s.Name)
	}
	b.server()
	b.times()
	s.Replicates, s.Seed = or(r.Replicates, 1), or(r.Seed, 1)
	if s.Replicates < 1 || s.Replicates > maxCells {
		b.fault(r.Replicates.N, fmt.Sprintf("replicates is 1 to %d, not %d", maxCells, s.Replicates), "")
	}
	if r.Services.OK && len(r.Services.V) == 0 {
		b.fault(r.Services.N, "services names no service", "")
	}
	for _, p := range r.Services.V {
		b.name(p.Key, "a service's name", p.Name)
		s.Services = append(s.Services, b.service(p))
	}
	b.ladder()
	b.failovers()
	b.search()
	b.spikes()
	b.compare()
	b.cost()
	b.sameModels()
	b.matrix()
}

func (b *builder) name(n *node, what, name string) {
	if !folderName.MatchString(name) {
		b.fault(n, fmt.Sprintf("%s, %q, does not fit a folder's name", what, cut(name)), folderHint)
	}
}

func (b *builder) server() {
	r := b.raw.Server.V
	b.s.Server.Backend = r.Backend.V.Spec
	if r.Backend.N == nil {
		b.s.Server.Backend = kind.Spec{Name: "none"}
	}
	b.s.Server.GPUs = texts(r.GPUs.V)
	b.twice(r.GPUs.V, "server.gpus")
	words := AllowWords()
	for i, a := range r.Allow.V {
		switch {
		case !a.OK:
		case !slices.Contains(words, a.V):
			b.fault(a.N, fmt.Sprintf("server.allow does not know %q", cut(a.V)), kind.Known(a.V, words))
		case slices.Contains(b.s.Server.Allow, a.V):
			b.fault(a.N, fmt.Sprintf("server.allow[%d] repeats %s", i, a.V), "")
		default:
			b.s.Server.Allow = append(b.s.Server.Allow, a.V)
		}
	}
}

// changes refuses GPUs and permissions of a backend that changes nothing. It sees the
// backend that is taken, which Rewrite may have put there.
func (b *builder) changes() {
	if b.s.Server.Backend.Name != "none" {
		return
	}
	const hint = "leave it out, or name the backend: server: {backend: nvidia, gpus: [0], allow: [layout]}"
	r := b.raw.Server.V
	if len(b.s.Server.GPUs) > 0 {
		b.fault(r.GPUs.N, "server.gpus says nothing with backend none, which touches no GPU", hint)
	}
	if len(b.s.Server.Allow) > 0 {
		b.fault(r.Allow.N, "server.allow says nothing with backend none, which changes no GPU", hint)
	}
}

func (b *builder) times() {
	steps, every := b.raw.Steps.V, b.raw.Collect.V.Every
	b.s.Warmup = or(steps.Warmup, defaultWarmup)
	b.s.Window = or(steps.Window, defaultWindow)
	b.s.CollectEvery = or(every, defaultEvery)
	if b.s.Warmup < 0 {
		b.fault(steps.Warmup.N, "steps.warmup is not negative", "")
	}
	if b.s.Window <= 0 {
		b.fault(steps.Window.N, "steps.window is above 0s", "")
	}
	if b.s.CollectEvery < minEvery {
		b.fault(every.N, fmt.Sprintf("collect.every is at least %v, not %v", minEvery, b.s.CollectEvery), "faster reading would disturb what it reads")
	}
	if every.OK && b.s.Window > 0 && b.s.CollectEvery > b.s.Window {
		b.fault(every.N, fmt.Sprintf("collect.every is at most the window, %v, not %v", b.s.Window, b.s.CollectEvery), "a step would be read less than once")
	}
	b.dcgm(b.raw.Collect.V.DCGM)
	b.dcgmAccess(b.raw.Collect.V)
}

// dcgmAccess checks how dcgm-exporter's page is reached, as far as that is seen
// without its files.
func (b *builder) dcgmAccess(told rawCollect) {
	b.s.DCGMAccess = told.Access.V
	switch a := told.Access; {
	case !a.OK:
	case b.s.DCGM == "":
		b.fault(a.N, "collect.dcgm_access is there and collect.dcgm is not", "add the page: dcgm: https://127.0.0.1:9400/metrics")
	case a.V.TLS != (trust.TLS{}) && !strings.HasPrefix(b.s.DCGM, "https:"):
		b.fault(a.N, "collect.dcgm_access.tls is for an https URL, and collect.dcgm is none", "")
	default:
		if err := a.V.Check(); err != nil {
			b.fault(a.N, "collect.dcgm_access: "+strings.ReplaceAll(err.Error(), "\n", "; "), "")
		}
	}
}

// dcgm checks where dcgm-exporter's page is; its lines are joined to the named GPUs.
func (b *builder) dcgm(told at[string]) {
	if !told.OK {
		return
	}
	b.s.DCGM = told.V
	u, err := url.Parse(told.V)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		b.fault(told.N, fmt.Sprintf("collect.dcgm is the URL of a page, not %q", cut(told.V)), "such as http://127.0.0.1:9400/metrics")
	case u.User != nil:
		b.fault(told.N, "collect.dcgm holds a user name or password, which would stand in the results", "let dcgm-exporter listen on loopback without one")
	case len(b.s.Server.GPUs) == 0:
		b.fault(told.N, "collect.dcgm is there and server.gpus names none that its lines could be of", "name them: server: {backend: nvidia, gpus: [0]}")
	}
}

func (b *builder) service(p pair[at[rawService]]) Service {
	r, where := p.V.V, "services."+p.Name
	v := Service{
		Name: p.Name, Role: or(r.Role, ""),
		Launcher: r.Launcher.V.Spec, Endpoint: r.Endpoint.V.Spec, Workload: r.Workload.V.Spec,
		MaxInFlight: or(r.MaxInFlight, 0),
	}
	roles := []string{results.RoleVision, results.RoleAgent}
	if r.Role.OK && !slices.Contains(roles, v.Role) {
		b.fault(r.Role.N, fmt.Sprintf("%s.role %q is not known", where, cut(v.Role)), kind.Known(v.Role, roles))
	}
	for _, s := range r.Scrape.V {
		v.Scrapes = append(v.Scrapes, s.V.Spec)
	}
	timeout, percentiles := defaultVisionTimeout, []float64{0.5, 0.95, 0.99}
	if v.Role == results.RoleAgent {
		timeout, percentiles = defaultAgentTimeout, []float64{0.5, 0.9}
	}
	if v.Timeout = or(r.Timeout, timeout); v.Timeout <= 0 {
		b.fault(r.Timeout.N, where+".timeout is above 0s", "")
	}
	b.wait(r.Timeout, where+".timeout")
	if v.Warm = or(r.Warm, defaultWarm); v.Warm < 0 {
		b.fault(r.Warm.N, where+".warm is not negative", "0s sends no request to warm up")
	}
	if v.MaxInFlight < 0 {
		b.fault(r.MaxInFlight.N, where+".max_in_flight is not negative", "")
	}
	v.Models = b.models(r.Models, where+".models")
	before := len(b.faults)
	v.Load = b.load(r.Load, where+".load")
	b.loads = append(b.loads, r.Load.OK && len(b.faults) == before)
	v.Retry = b.retry(r.Retry, where+".retry")
	if v.Percentiles = percentiles; r.Percentiles.N != nil {
		v.Percentiles = b.percentiles(r.Percentiles.V, where+".percentiles")
	}
	v.SLO = b.slo(r.SLO.V)
	return v
}

func (b *builder) models(r at[ordered[at[rawModel]]], where string) []Model {
	if r.OK && len(r.V) == 0 {
		b.fault(r.N, where+" names no model", "")
	}
	var all []Model
	for _, p := range r.V {
		need := or(p.V.V.Memory, memory{})
		m := Model{Name: p.Name, Workers: or(p.V.V.Workers, 1), MemoryBytes: need.bytes, MemoryShare: need.share}
		if strings.TrimSpace(m.Name) == "" {
			b.fault(p.Key, where+" has a model without a name", "")
		}
		if m.Workers < 1 {
			b.fault(p.V.V.Workers.N, fmt.Sprintf("%s.%s.workers is at least 1, not %d", where, m.Name, m.Workers), "")
		}
		all = append(all, m)
	}
	return all
}

func (b *builder) percentiles(list []at[float64], where string) []float64 {
	var all []float64
	for _, q := range list {
		switch {
		case !q.OK:
		case !(q.V > 0 && q.V < 1):
			hint := ""
			if q.V > 1 && q.V < 100 {
				hint = "write " + number(q.V/100)
			}
			b.fault(q.N, fmt.Sprintf("%s are between 0 and 1, not %s", where, number(q.V)), hint)
		case slices.Contains(all, q.V):
			b.fault(q.N, fmt.Sprintf("%s repeats %s", where, number(q.V)), "")
		default:
			all = append(all, q.V)
		}
	}
	slices.Sort(all)
	return all
}

func (b *builder) slo(list []at[string]) []results.Clause {
	var all []results.Clause
	for _, t := range list {
		if !t.OK {
			continue
		}
		c, err := ParseClause(t.V)
		if e, ok := errors.AsType[*ClauseError](err); ok {
			b.fault(t.N.within(e.Column-1), e.Text, e.Hint)
			continue
		}
		all = append(all, c)
	}
	return all
}

// ladder checks that the services' levels make one ladder.
func (b *builder) ladder() {
	first := ""
	count := 0
	for i, v := range b.s.Services {
		n := len(v.Load.Levels)
		switch {
		case n <= 1 || n == count:
		case count == 0:
			first, count = v.Name, n
		default:
			b.fault(b.raw.Services.V[i].V.V.Load.V.Levels.N,
				fmt.Sprintf("%s has %d levels, but %s has %d", v.Name, n, first, count), "give both the same count, or one level to hold a service at it")
		}
	}
}

// sameModels checks that a model of several services has one worker count, as
// configurations count workers by model, and takes the same memory.
func (b *builder) sameModels() {
	type first struct {
		Model
		memory string // as it is written
	}
	seen := map[string]first{}
	for i, v := range b.s.Services {
		for j, m := range v.Models {
			told := b.raw.Services.V[i].V.V.Models.V[j]
			now := first{m, "untold memory"}
			if n := told.V.V.Memory.N; n != nil {
				now.memory = n.text
			}
			before, ok := seen[m.Name]
			seen[m.Name] = now
			if ok && before.Workers != m.Workers {
				b.fault(told.Key, fmt.Sprintf("%s has %d workers here and %d in another service", m.Name, m.Workers, before.Workers), "give both the same count")
			}
			if ok && (before.MemoryBytes != m.MemoryBytes || before.MemoryShare != m.MemoryShare) {
				b.fault(told.Key, fmt.Sprintf("a worker of %s takes %s here and %s in another service", m.Name, now.memory, before.memory), "give both the same memory")
			}
		}
	}
}
