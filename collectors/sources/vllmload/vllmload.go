// Package vllmload reads how many requests are in the HTTP part of one vLLM server: also
// those that its engine does not have yet, of which the metrics page knows nothing. It is a
// source of its own, beside "vllm", as servers tell it only if they are started with
// --enable-server-load-tracking.
package vllmload

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/internal/page"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/results"
)

// SeriesLoad is how many requests the server has, from when their body has been read until
// their answer has been sent. Unit "1".
//
// It is 0 at every moment where the server does not count: GET /load answers all the same,
// so that nothing on the page says so. Whoever uses it has to hold it against requests of his
// own. A server of several API processes (--api-server-count) tells that of the one which
// answers. (vllm/entrypoints/serve/instrumentator and load_aware_call in
// vllm/entrypoints/utils.py of vllm-project/vllm.)
const SeriesLoad = "vllm:server_load"

// Config says how the page is reached.
type Config struct {
	trust.Access `yaml:",inline"`
}

// Kind is the source "vllm-load".
var Kind = kind.New("vllm-load", "requests in the HTTP part of a vLLM server (/load; needs --enable-server-load-tracking)", Config{},
	func(c Config) (collectors.Source, error) { return source(c), c.Check() })

type source Config

// Collector reads /load at target's URL, the server's base URL. A request URL that ends in
// "/v1" and one that ends in "/load" are taken as well.
func (s source) Collector(target collectors.Target) (collectors.Collector, error) {
	base := strings.TrimRight(target.URL, "/")
	getter, err := page.NewGetter(strings.TrimSuffix(strings.TrimSuffix(base, "/load"), "/v1"), s.Access)
	if err != nil {
		return nil, err
	}
	return &collector{getter: getter, target: target}, nil
}

type collector struct {
	getter *page.Getter
	target collectors.Target
}

// hint says why a server may not tell.
const hint = "vLLM counts the requests in its HTTP part only with --enable-server-load-tracking; older versions, other servers and routers have no /load"

// Read asks once. An answer that is not a count is an error, and no reading: requests
// whose clients left may have been taken off twice, and a negative count is none.
func (c *collector) Read(ctx context.Context) ([]collectors.Reading, error) {
	text, err := c.getter.Get(ctx, "/load", "application/json")
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, hint)
	}
	var answer struct {
		Load *int64 `json:"server_load"`
	}
	switch err := json.Unmarshal(text, &answer); {
	case err != nil:
		return nil, fmt.Errorf("/load: %w (%s)", err, hint)
	case answer.Load == nil:
		return nil, fmt.Errorf("/load: the answer does not tell server_load (%s)", hint)
	case *answer.Load < 0:
		return nil, fmt.Errorf("/load: server_load is %d: the server has taken requests off twice, and does not know any more how many it has", *answer.Load)
	}
	return []collectors.Reading{{Subject: c.target.Subject, Series: SeriesLoad, Value: float64(*answer.Load), Unit: "1"}}, nil
}

// Warnings gives what is to be told of the way to the server.
func (c *collector) Warnings() []results.Warning { return c.getter.Warnings(c.target.Subject.ID) }

// Close closes the connection.
func (c *collector) Close() error { return c.getter.Close() }
