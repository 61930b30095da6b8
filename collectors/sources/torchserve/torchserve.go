// Package torchserve reads the management page of a TorchServe: the job queue
// and the workers of every model. Its metrics page, which is empty by default and has
// no queue depth, is the source "torchserve-metrics".
package torchserve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/internal/page"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/results"
)

// The series that a read gives, each per model, whose name is the subject's
// Detail.
const (
	SeriesPending   = "torchserve:pending_requests"   // jobs in the model's queue
	SeriesRemaining = "torchserve:remaining_capacity" // further jobs that the queue takes
	SeriesReady     = "torchserve:workers_ready"      // workers whose status is READY
	SeriesWorkers   = "torchserve:workers"            // workers of any status
)

// Config says how the page is reached.
type Config struct {
	trust.Access `yaml:",inline"`
}

// Kind is the source "torchserve".
var Kind = kind.New("torchserve", "management page of a TorchServe (port 8081): job queue and workers per model", Config{},
	func(c Config) (collectors.Source, error) { return source(c), c.Check() })

type source Config

// Collector reads the management API at target's URL, its base URL.
func (s source) Collector(target collectors.Target) (collectors.Collector, error) {
	getter, err := page.NewGetter(target.URL, s.Access)
	if err != nil {
		return nil, err
	}
	return &collector{getter: getter, target: target}, nil
}

type collector struct {
	getter *page.Getter
	target collectors.Target
}

// A page of the list has at most pageModels: a TorchServe gives no more, whatever
// it is asked for (ApiUtils.getModelList of pytorch/serve). mostModels is how many
// models one server may have.
const (
	pageModels = 100
	mostModels = 1000
)

// modelList is the answer of GET /models.
type modelList struct {
	NextPageToken string `json:"nextPageToken"`
	Models        []struct {
		ModelName string `json:"modelName"`
	} `json:"models"`
}

// version is one element of the answer of GET /models/{name}: TorchServe's
// DescribeModelResponse (docs/management_api.md of pytorch/serve).
type version struct {
	ModelName string `json:"modelName"`
	Workers   *[]struct {
		Status string `json:"status"`
	} `json:"workers"`
	JobQueueStatus *struct {
		RemainingCapacity *float64 `json:"remainingCapacity"`
		PendingRequests   *float64 `json:"pendingRequests"`
	} `json:"jobQueueStatus"`
}

// Read asks for the models and then for each one. What can be read of some
// models is given even if others fail.
func (c *collector) Read(ctx context.Context) ([]collectors.Reading, error) {
	names, err := c.models(ctx)
	if len(names) == 0 {
		if err == nil {
			err = errors.New("the server has no models: no evidence of a queue")
		}
		return nil, err
	}
	var readings []collectors.Reading
	faults := []error{err}
	for _, name := range names {
		of, err := c.model(ctx, name)
		readings = append(readings, of...)
		if err != nil {
			faults = append(faults, err)
		}
	}
	return readings, errors.Join(faults...)
}

// models gives the names of the models, page by page, and those that it has with
// an error. A full last page names one more, which is empty.
func (c *collector) models(ctx context.Context) (names []string, err error) {
	for token := "0"; token != ""; {
		var list modelList
		path := fmt.Sprintf("/models?limit=%d&next_page_token=%s", pageModels, url.QueryEscape(token))
		if err := c.get(ctx, path, &list); err != nil {
			return names, err
		}
		for _, m := range list.Models {
			names = append(names, m.ModelName)
		}
		if len(names) > mostModels {
			return names[:mostModels], fmt.Errorf("the server has more than %d models; only those were read", mostModels)
		}
		if len(list.Models) == 0 {
			break
		}
		token = list.NextPageToken
	}
	return names, nil
}

// model reads the default version of one model.
func (c *collector) model(ctx context.Context, name string) ([]collectors.Reading, error) {
	path := "/models/" + url.PathEscape(name)
	body, err := c.getter.Get(ctx, path, "application/json")
	if err != nil {
		return nil, err
	}
	subject := c.target.Subject
	subject.Detail = name
	return describe(body, subject)
}

// describe gives what the answer to GET /models/{name} tells of the subject, whose
// Detail is the model.
func describe(body []byte, subject results.Subject) ([]collectors.Reading, error) {
	name := subject.Detail
	var versions []version
	if err := json.Unmarshal(body, &versions); err != nil {
		return nil, fmt.Errorf("model %s: read the answer: %w", name, err)
	}
	if len(versions) != 1 || versions[0].ModelName != name {
		return nil, fmt.Errorf("model %s: the answer is not of its one default version", name)
	}
	var readings []collectors.Reading
	add := func(series string, value *float64) {
		if value != nil {
			readings = append(readings, collectors.Reading{Subject: subject, Series: series, Value: *value, Unit: "1"})
		}
	}
	v := versions[0]
	if v.Workers != nil {
		all, ready := float64(len(*v.Workers)), 0.0
		for _, w := range *v.Workers {
			if w.Status == "READY" {
				ready++
			}
		}
		add(SeriesReady, &ready)
		add(SeriesWorkers, &all)
	}
	if v.JobQueueStatus == nil || v.JobQueueStatus.PendingRequests == nil {
		return readings, fmt.Errorf("model %s: the answer tells no job queue", name)
	}
	add(SeriesPending, v.JobQueueStatus.PendingRequests)
	add(SeriesRemaining, v.JobQueueStatus.RemainingCapacity)
	return readings, nil
}

func (c *collector) get(ctx context.Context, path string, into any) error {
	body, err := c.getter.Get(ctx, path, "application/json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read answer to %s: %w", path, err)
	}
	return nil
}

// Warnings gives what is to be told of the way to the server.
func (c *collector) Warnings() []results.Warning { return c.getter.Warnings(c.target.Subject.ID) }

// Close closes the connection.
func (c *collector) Close() error { return c.getter.Close() }
