// Package torchservemetrics reads the metrics page of a TorchServe (port 8082), which
// tells anything only in its prometheus mode. The queue's depth is not there: see the
// source "torchserve", which reads the management page.
package torchservemetrics

import (
	"context"
	"errors"
	"fmt"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/internal/page"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/results"
)

// The series that a read gives, each per model, whose name is the subject's Detail.
// All are sums since the server's start.
const (
	// SeriesRequests counts requests as they arrive, those refused later with 503
	// among them: it is no divisor for the other two. Unit "1".
	SeriesRequests = "torchserve:inference_requests_total"
	// SeriesQueueSeconds adds up the time in the queue, the wait for a batch among it, of
	// requests that were answered well, when they are answered. Unit "s"; the page tells
	// microseconds.
	SeriesQueueSeconds = "torchserve:queue_seconds_total"
	// SeriesInferenceSeconds adds up the time from arrival to answer of the same
	// requests, so the queue is in it. Unit "s"; the page tells microseconds.
	SeriesInferenceSeconds = "torchserve:inference_seconds_total"
)

// Config says how the page is reached.
type Config struct {
	trust.Access `yaml:",inline"`
}

// Kind is the source "torchserve-metrics".
var Kind = kind.New("torchserve-metrics", "metrics page of a TorchServe (port 8082, metrics_mode=prometheus): sums of queue time per model", Config{},
	func(c Config) (collectors.Source, error) { return source(c), c.Check() })

type source Config

// ErrLogMode is an empty page: what a TorchServe answers unless it is in prometheus mode.
var ErrLogMode = errors.New("a TorchServe writes its metrics to its log unless metrics_mode=prometheus (TS_METRICS_MODE) is set; metrics_format is no key of its")

// Collector reads the page at target's URL, the base URL of the server's metrics
// address.
func (s source) Collector(target collectors.Target) (collectors.Collector, error) {
	c, err := page.NewCollector(target, s.Access, series(), page.RefuseRouter)
	if err != nil {
		return nil, err
	}
	c.Hint = "a TorchServe tells a model only after its first request"
	return &collector{c}, nil
}

// series is the frontend's counters in ts/configs/metrics.yaml of pytorch/serve. The
// gauges beside them (QueueTime, PredictionTime and others) tell the last request
// only, and Requests2XX counts management calls too: they are left alone.
//
// The page has a model's counters only after its first request: until then its sums are
// unknown.
func series() []page.Series {
	sum := func(as, name string) page.Series {
		return page.Series{Names: []string{name, name + "_total"}, As: as, Unit: "s", Scale: 1e-6, By: "model_name"}
	}
	return []page.Series{
		{Names: []string{"ts_inference_requests_total"}, As: SeriesRequests, Unit: "1", By: "model_name", Needed: true},
		sum(SeriesQueueSeconds, "ts_queue_latency_microseconds"),
		sum(SeriesInferenceSeconds, "ts_inference_latency_microseconds"),
	}
}

type collector struct{ page *page.Collector }

// Read reads the page.
func (c *collector) Read(ctx context.Context) ([]collectors.Reading, error) {
	readings, err := c.page.Read(ctx)
	if errors.Is(err, page.ErrEmpty) {
		err = fmt.Errorf("%w: %w", err, ErrLogMode)
	}
	return readings, err
}

// Warnings gives what is to be told of the page.
func (c *collector) Warnings() []results.Warning { return c.page.Warnings() }

// Close closes the connection.
func (c *collector) Close() error { return c.page.Close() }
