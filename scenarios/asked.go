package scenarios

import (
	"fmt"
	"slices"
	"strings"

	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/results"
)

// asked checks what services are asked: of models that they have, and to keep
// objectives that some load could meet.
func (b *builder) asked(c Checks) {
	for i, v := range b.s.Services {
		if i >= len(b.raw.Services.V) {
			break // added by Rewrite, against its word
		}
		r := b.raw.Services.V[i].V.V
		if c.Models != nil && r.Models.OK && r.Launcher.OK {
			b.outside(r.Models.N, c.Models(v))
		}
		can := able{first: true, tokens: true}
		if c.Asks != nil && r.Workload.OK {
			classes, models, err := c.Asks(v.Workload)
			if can.classes = classes; err == nil && r.Models.OK { // else it is told already
				b.served(v, models, r)
			}
		}
		if c.Tells != nil && r.Endpoint.OK {
			if first, tokens, err := c.Tells(v.Endpoint); err == nil {
				can.first, can.tokens = first, tokens
			}
		}
		can.queue = slices.ContainsFunc(v.Scrapes, func(s kind.Spec) bool {
			return c.Queues == nil || c.Queues(s) || c.Source != nil && c.Source(s) != nil // what is wrong is told already
		})
		b.meetable(v, can, r.SLO.V)
	}
}

// served checks that a service has the models that its workload asks.
func (b *builder) served(v Service, asks []string, r rawService) {
	var names []string
	for _, m := range v.Models {
		names = append(names, m.Name)
	}
	for _, model := range asks {
		if !slices.Contains(names, model) {
			b.fault(r.Workload.V.at, fmt.Sprintf("services.%s.workload asks the model %q, which services.%s.models has not", v.Name, cut(model), v.Name), kind.Known(model, names))
		}
	}
}

// An able is what can be told of a service.
type able struct {
	classes              []string // nil if not known
	first, tokens, queue bool
}

// meetable refuses clauses of which nothing will ever be told: no load meets them.
func (b *builder) meetable(v Service, can able, list []at[string]) {
	for _, t := range list {
		c, err := ParseClause(t.V)
		if !t.OK || err != nil {
			continue
		}
		start := len(t.V) - len(strings.TrimLeft(t.V, " "))
		if c.Class != "" && can.classes != nil && !slices.Contains(can.classes, c.Class) {
			b.fault(t.N.within(start), fmt.Sprintf("services.%s is sent no requests of class %q: no load can meet it", v.Name, cut(c.Class)), kind.Known(c.Class, can.classes))
		}
		if text, hint := can.untold(v, c); text != "" {
			b.fault(t.N.within(start), fmt.Sprintf("services.%s %s: no load can meet it", v.Name, text), hint)
		}
	}
}

// untold says why a clause's metric is never told, and what would tell it; empty if
// it can be.
func (a able) untold(v Service, c results.Clause) (text, hint string) {
	switch {
	case c.Metric == "ttft" && v.Role == results.RoleVision:
		return "is of role vision, of which no first token is told", "limit its latency, such as p95 < 300 ms, or give it role: agent"
	case c.Metric == "ttft" && !a.first:
		return "has an endpoint that does not stream, so that no first token is told", "limit its latency, such as p95 < 300 ms, or let it stream: endpoint: {kind: openai-chat, stream: true}"
	case c.Metric == "tokens_per_second" && !a.tokens:
		return "has an endpoint whose answers tell no tokens", "limit its latency, such as p95 < 300 ms"
	case c.Metric == "queue" && c.Class != "":
		return "tells its queue, and not by class", "leave the class out"
	case c.Metric == "queue" && !a.queue:
		return "has no page that tells its queue", "name it in scrape, such as scrape: [vllm]"
	}
	return "", ""
}
