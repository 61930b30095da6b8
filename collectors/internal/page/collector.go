package page

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evabench/evabench/collectors"
)

// A Series is one series to take from a page.
type Series struct {
	// Names are the series' exact names on pages, newest first; the first that
	// a page has is taken, and recorded under the newest.
	Names []string
	Unit  string
	// By is the label to keep apart, told in the subject's Detail; over all
	// other labels the values are summed, or averaged if Mean.
	By   string
	Mean bool
	// Needed makes a page without the series an error.
	Needed bool
}

// A Collector takes series from a server's Prometheus page.
type Collector struct {
	Getter *Getter
	Path   string // below the Getter's base
	Target collectors.Target
	Series []Series
	// Refuse says why a page is not what it seems; it may be nil.
	Refuse func(Page) error
}

// NewCollector gives the collector of the page of the server at the target's
// URL, to which "/metrics" is added if it does not end so. A request URL that
// ends in "/v1" is taken as well: the page is beside it.
func NewCollector(target collectors.Target, series []Series, refuse func(Page) error) (*Collector, error) {
	base := strings.TrimRight(target.URL, "/")
	base = strings.TrimSuffix(strings.TrimSuffix(base, "/metrics"), "/v1")
	getter, err := NewGetter(base)
	if err != nil {
		return nil, err
	}
	return &Collector{Getter: getter, Path: "/metrics", Target: target, Series: series, Refuse: refuse}, nil
}

// textFormat asks for the format that Parse reads.
const textFormat = "text/plain;version=0.0.4"

// Read gets the page and gives what it has of the series.
func (c *Collector) Read(ctx context.Context) ([]collectors.Reading, error) {
	text, err := c.Getter.Get(ctx, c.Path, textFormat)
	if err != nil {
		return nil, err
	}
	page, err := Parse(text)
	if err == nil && c.Refuse != nil {
		err = c.Refuse(page)
	}
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", c.Getter.base, c.Path, err)
	}
	var readings []collectors.Reading
	var missing []string
	for _, s := range c.Series {
		found := s.readings(page, c.Target)
		if len(found) == 0 && s.Needed {
			missing = append(missing, s.Names[0])
		}
		readings = append(readings, found...)
	}
	if len(missing) > 0 {
		return readings, fmt.Errorf("%s%s: the page does not tell %s", c.Getter.base, c.Path, strings.Join(missing, ", "))
	}
	return readings, nil
}

// Close closes the connection.
func (c *Collector) Close() error { return c.Getter.Close() }

func (s Series) readings(p Page, target collectors.Target) []collectors.Reading {
	for _, name := range s.Names {
		if _, ok := p[name]; !ok {
			continue
		}
		values := p.Values(name, s.By, s.Mean)
		readings := make([]collectors.Reading, 0, len(values))
		for _, group := range slices.Sorted(maps.Keys(values)) {
			subject := target.Subject
			if s.By != "" {
				subject.Detail = group
			}
			readings = append(readings, collectors.Reading{Subject: subject, Series: s.Names[0], Value: values[group], Unit: s.Unit})
		}
		return readings
	}
	return nil
}

// ErrRouter is a page that tells of a router, not of an engine.
var ErrRouter = errors.New("the page is a router's: its running requests are those it passed on and it tells no queue; point the scrape at each engine")

// RefuseRouter refuses the page of a vLLM production-stack router, which
// names series as engines do, labelled with the server.
func RefuseRouter(p Page) error {
	for _, name := range []string{"vllm:num_requests_running", "vllm:healthy_pods_total"} {
		if p.Labelled(name, "server") {
			return ErrRouter
		}
	}
	return nil
}
