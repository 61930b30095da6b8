package scenarios

import (
	"reflect"
	"strings"
	"time"

	"github.com/evabench/evabench/internal/trust"
)

// The structs below are the table of keys. The decoder and the schema are both
// made from it, so they know the same keys.

type rawScenario struct {
	Version    at[int]                     `yaml:"version" doc:"format of the file; 1" need:"write version: 1"`
	Name       at[string]                  `yaml:"name" doc:"names the run's folder: lower-case letters, digits, dots, dashes" need:"it names the run's folder"`
	About      at[string]                  `yaml:"about" doc:"one line for people"`
	Server     at[rawServer]               `yaml:"server" doc:"the machine under test and what may be changed on it"`
	Services   at[ordered[at[rawService]]] `yaml:"services" doc:"what is put under load, by name" need:"name at least one service"`
	Steps      at[rawSteps]                `yaml:"steps" doc:"the length of every step"`
	Search     at[rawSearch]               `yaml:"search" doc:"look in every cell for the largest load that meets every slo, instead of a ladder of levels"`
	Spike      at[[]at[rawSpike]]          `yaml:"spike" doc:"steps after the ladder in which a service's load rises for a while"`
	Compare    at[rawCompare]              `yaml:"compare" doc:"how configurations are compared"`
	Failover   at[[]at[rawFailover]]       `yaml:"failover" doc:"steps after the ladder in which an instance ends under load"`
	Collect    at[rawCollect]              `yaml:"collect" doc:"how collectors read"`
	Replicates at[int]                     `yaml:"replicates" doc:"how often the whole matrix is run; default 1"`
	Seed       at[uint64]                  `yaml:"seed" doc:"every random choice comes from it; default 1"`
	Matrix     at[rawMatrix]               `yaml:"matrix" doc:"the configurations: every combination of these values"`
}

type rawServer struct {
	Backend at[spec]         `yaml:"backend" doc:"how GPUs are shared out: nvidia, none, sim; default none"`
	GPUs    at[[]at[scalar]] `yaml:"gpus" doc:"indices or UUIDs; a GPU that is not named is not touched"`
	Allow   at[[]at[string]] `yaml:"allow" doc:"what may be changed: layout, mode, reset, time-slice, mps, drain"`
	Cost    at[price]        `yaml:"cost_per_hour" doc:"what an hour of the server costs, with its currency: 12.50 EUR"`
}

type rawCompare struct {
	Zone at[share] `yaml:"zone" doc:"the indifference zone: configurations whose figures differ by less are as good as each other, and the simpler one is recommended, 0.5% to 50%; default 3%"`
}

type rawSpike struct {
	Service at[string]        `yaml:"service" doc:"whose load rises; an open loop" need:"name a service"`
	Factor  at[float64]       `yaml:"factor" doc:"of its level, above 1 and at most 100; default 3"`
	Step    at[int]           `yaml:"step" doc:"the step of the ladder whose levels are driven, from 0; default 0"`
	At      at[time.Duration] `yaml:"at" doc:"when, since the window's start; default a third of the window"`
	For     at[time.Duration] `yaml:"for" doc:"how long; default a sixth of the window"`
}

type rawService struct {
	Role        at[string]                `yaml:"role" doc:"vision or agent: the column of the tables" need:"vision or agent"`
	Launcher    at[spec]                  `yaml:"launcher" doc:"how instances are started" need:"such as launcher: {kind: external, instances: [{url: URL}]}"`
	Endpoint    at[spec]                  `yaml:"endpoint" doc:"the protocol of requests" need:"such as endpoint: {kind: openai-chat}"`
	Models      at[ordered[at[rawModel]]] `yaml:"models" doc:"the models it serves, by name" need:"such as models: {NAME: {workers: 1}}, the name that the server knows"`
	Workload    at[spec]                  `yaml:"workload" doc:"what is asked" need:"such as workload: {kind: agent}"`
	Scrape      at[[]at[spec]]            `yaml:"scrape" doc:"pages of the server that collectors read"`
	Load        at[rawLoad]               `yaml:"load" doc:"how often it is asked" need:"such as load: {arrivals: closed, levels: [4]}"`
	Retry       at[rawRetry]              `yaml:"retry" doc:"ask again after a failure; each time is an arrival of its own; default never"`
	Timeout     at[time.Duration]         `yaml:"timeout" doc:"of one request, at most 24h; default 30s for vision, 5m for agent"`
	Warm        at[time.Duration]         `yaml:"warm" doc:"before the first step requests are sent until service time no longer falls, at most for so long, and then each instance in its turn, one request at a time, at most for half of that; 0s sends none; default 1m"`
	MaxInFlight at[int]                   `yaml:"max_in_flight" doc:"most requests in flight at once; 0 leaves it to the load generator"`
	Percentiles at[[]at[float64]]         `yaml:"percentiles" doc:"which to tell, between 0 and 1; default 0.5, 0.95, 0.99 for vision and 0.5, 0.9 for agent"`
	SLO         at[[]at[string]]          `yaml:"slo" doc:"conditions that must all hold, such as p95 < 300 ms; each about something that the service tells"`
}

type rawModel struct {
	Workers at[int]    `yaml:"workers" doc:"processes of the model; default 1"`
	Memory  at[memory] `yaml:"memory" doc:"device memory that one process takes, its CUDA context included: 3GiB, 900MiB, or a share of the device such as 90%"`
}

type rawFailover struct {
	Service  at[string]        `yaml:"service" doc:"whose instance ends" need:"name a service"`
	Instance at[int]           `yaml:"instance" doc:"its number among the service's instances, from 0; default 0"`
	How      at[string]        `yaml:"how" doc:"kill: its processes are killed; fault: it is asked to make a fault on its device; default kill"`
	Step     at[int]           `yaml:"step" doc:"the step of the ladder whose levels are driven, from 0; default 0"`
	At       at[time.Duration] `yaml:"at" doc:"when, since the window's start; default a third of the window"`
	Eject    at[time.Duration] `yaml:"eject" doc:"how long requests still go to it: what a balancer takes to notice; default 5s"`
	Restart  at[bool]          `yaml:"restart" doc:"start it again, and send it requests from its first right answer on; default true"`
}

type rawSearch struct {
	Kind      at[string]                     `yaml:"kind" doc:"capacity: the largest load that meets every slo, with an interval; ladder: grow a step until throughput no longer rises, a queue no longer returns to zero or an slo is missed; interference: the service that is raised is a neighbour, which stands still at first and then has more and more of its level, while the others are held; frontier: the capacity along several mixes of the services' loads; default capacity"`
	Mode      at[string]                     `yaml:"mode" doc:"of kind capacity: grid measures every configuration, race leaves out those that cannot win and measures the others more surely, up to the replicates; default grid"`
	Loads     at[[]at[float64]]              `yaml:"loads" doc:"of kind interference: the factors of the neighbour's level, 0 for none, ascending; default [0, 0.5, 1, 1.5]"`
	Mixes     at[[]at[ordered[at[float64]]]] `yaml:"mixes" doc:"of kind frontier: for each ray the factors of the services' levels, by service; one that is not told is 1; default half and twice the first service's share beside the levels themselves"`
	Raise     at[string]                     `yaml:"raise" doc:"the service whose load is raised, while the others are held at their level; all: every service's by one factor; default all"`
	From      at[float64]                    `yaml:"from" doc:"the first load: requests a second, cameras or users of the raised service, or the factor; default its level, or 1"`
	Grow      at[share]                      `yaml:"grow" doc:"with kind: ladder, by how much the load grows from step to step, 1% to 100%; default 15%"`
	Most      at[float64]                    `yaml:"most" doc:"the largest load that is tried; default none"`
	Tolerance at[share]                      `yaml:"tolerance" doc:"how near the capacity is to be told, 0.5% to 50%; default 3% where more than 50 requests a second are answered, else 10%"`
	Budget    at[time.Duration]              `yaml:"budget" doc:"the most time under load that a cell takes; default half as much again as the search quotes"`
	Confirm   at[time.Duration]              `yaml:"confirm" doc:"the least window of the steps that confirm the load that is told; default 3m, and never shorter than a probe"`
	Heavy     at[bool]                       `yaml:"heavy" doc:"confirm it once more with the heavy variant of every request that has one; default false"`
}

type rawLoad struct {
	Arrivals         at[string]        `yaml:"arrivals" doc:"constant, poisson, gamma, cameras, trace or closed" need:"known: constant, poisson, gamma, cameras, trace, closed"`
	Levels           at[[]at[float64]] `yaml:"levels" doc:"the ladder: requests a second, cameras, users, or how many times as fast a trace is played" need:"such as levels: [4, 8]"`
	FPS              at[float64]       `yaml:"fps" doc:"frames a second of each camera"`
	Burstiness       at[float64]       `yaml:"burstiness" doc:"gamma, 0.01 to 100: 1 is as poisson, less comes in bursts, more is more even"`
	File             at[string]        `yaml:"file" doc:"trace: the file of the moments at which sessions are due, in seconds or as dates: one a line, or JSON lines or CSV with a timestamp; once it ends there is no more load"`
	Shape            at[[]at[rawRate]] `yaml:"shape" doc:"open loops: how the rate rises and falls within the window, evenly between points; two points at one moment make a jump"`
	Think            at[time.Duration] `yaml:"think" doc:"closed loop: mean time between a user's sessions, at most 24h; default 0s"`
	ThinkExponential at[bool]          `yaml:"think_exponential" doc:"draw think times from an exponential distribution; default false"`
}

type rawRate struct {
	At     at[time.Duration] `yaml:"at" doc:"time since the window's start; the warm-up has the first point's factor" need:"such as at: 10s"`
	Factor at[float64]       `yaml:"factor" doc:"what the level is multiplied by, 0 to 1000" need:"such as factor: 5"`
}

type rawRetry struct {
	Attempts at[int]           `yaml:"attempts" doc:"asked again at most so often, 1 to 100" need:"such as attempts: 2"`
	On       at[[]at[string]]  `yaml:"on" doc:"after these outcomes: http_4xx, http_5xx, shed, timeout, connect, reset, malformed, wrong_answer, oom" need:"such as on: [shed, connect]"`
	Pause    at[time.Duration] `yaml:"pause" doc:"before each, at most 24h; default 1s"`
}

type rawSteps struct {
	Warmup at[time.Duration] `yaml:"warmup" doc:"load that does not count; default 5s"`
	Window at[time.Duration] `yaml:"window" doc:"load that counts; default 30s. Load goes on after it until what fell due in it is answered, for as long as the longest latency objective at most (a tenth of the window without one)"`
}

type rawCollect struct {
	Every  at[time.Duration] `yaml:"every" doc:"time between two readings, at least 100ms and at most the window; default 500ms"`
	Access at[trust.Access]  `yaml:"dcgm_access" doc:"how dcgm's page is reached: tls, api_key_env or api_key_file, api_key_header"`
	DCGM   at[string]        `yaml:"dcgm" doc:"URL of dcgm-exporter's page of the server's GPUs, such as http://127.0.0.1:9400/metrics"`
}

type rawMatrix struct {
	Layout    at[[]at[scalar]]              `yaml:"layout" doc:"MIG layouts: off, 4x1g.24gb, 2g.48gb+2x1g.24gb"`
	Sharing   at[[]at[scalar]]              `yaml:"sharing" doc:"how processes share a device: ts, ts:short, mps, mps:50, mps:20G, mps:50:20G"`
	Placement at[[]at[scalar]]              `yaml:"placement" doc:"which instance on which device; default auto"`
	Routing   at[[]at[scalar]]              `yaml:"routing" doc:"how requests are spread over instances: round-robin, least-outstanding, sticky, prefix-hash(chars=256,load=1.25), or weighted(3,1) with a weight for each instance, which is checked when they are placed (a service of one instance needs none); in quotes where a comma is in it; default round-robin"`
	Workers   at[[]at[ordered[at[int]]]]    `yaml:"workers" doc:"workers by model; {} is as in services"`
	Params    at[ordered[at[[]at[scalar]]]] `yaml:"params" doc:"service.name: list of values for the launcher"`
	Exclude   at[[]at[rawPoint]]            `yaml:"exclude" doc:"points to leave out; a key that is not told matches all"`
	Include   at[[]at[rawPoint]]            `yaml:"include" doc:"points to add; a key that is not told takes the first value"`
}

type rawPoint struct {
	Layout    at[scalar]              `yaml:"layout" doc:"one layout"`
	Sharing   at[scalar]              `yaml:"sharing" doc:"one sharing"`
	Placement at[scalar]              `yaml:"placement" doc:"one placement"`
	Routing   at[scalar]              `yaml:"routing" doc:"one routing, such as weighted(3,1)"`
	Workers   at[ordered[at[int]]]    `yaml:"workers" doc:"workers by model"`
	Params    at[ordered[at[scalar]]] `yaml:"params" doc:"service.name: value"`
}

// A field is one key of a struct.
type field struct {
	name, doc string
	need      string // why it must be there; empty if it may be left out
	index     []int
	typ       reflect.Type
}

type fields []field

func (f fields) find(name string) (field, bool) {
	for _, x := range f {
		if x.name == name {
			return x, true
		}
	}
	return field{}, false
}

func (f fields) names() []string {
	names := make([]string, len(f))
	for i, x := range f {
		names[i] = x.name
	}
	return names
}

// fieldsOf lists the keys of a struct in its order: the yaml tag, or the lower
// case of the field's name; "-" is no key; embedded structs without a tag and
// fields tagged ",inline" give their own keys.
func fieldsOf(t reflect.Type) fields {
	var all fields
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
		case f.Type.Kind() == reflect.Struct && (f.Anonymous && name == "" || options == "inline"):
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				all = append(all, inner)
			}
		case f.IsExported():
			if name == "" {
				name = strings.ToLower(f.Name)
			}
			all = append(all, field{name, f.Tag.Get("doc"), f.Tag.Get("need"), []int{i}, f.Type})
		}
	}
	return all
}
