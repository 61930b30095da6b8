// Package prometheus reads series that the scenario names from any page in the
// Prometheus text format. It knows no server: what a series means, its unit and
// whether it counts is the scenario's word, held against the page's own.
package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/internal/page"
	"github.com/evabench/evabench/internal/kind"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/results"
)

// Config is the page and what is taken from it.
type Config struct {
	// Path is the page's below the target's URL.
	Path string `yaml:"path"`
	// Series are what is taken, at least one.
	Series []Series `yaml:"series"`
	// Access says how the page is reached.
	trust.Access `yaml:",inline"`
}

// A Series is one series of the page.
type Series struct {
	// Name is the page's, exactly. Of a histogram or summary, its _sum and _count.
	Name string `yaml:"name"`
	// As is what it is recorded as; empty means Name.
	As string `yaml:"as"`
	// Unit is what the page's numbers are in: 1, ratio, percent, s, ms, us, ns, B, KiB,
	// MiB, GiB, B/s, W, mW, J, mJ, Hz, MHz or °C. Base units are recorded.
	Unit string `yaml:"unit"`
	// Type is counter or gauge. A page that declares another is refused.
	Type string `yaml:"type"`
	// Labels are the values that a line's labels must have to be taken.
	Labels map[string]string `yaml:"labels"`
	// By is the label whose values are kept apart, each as a subject's detail. Over all
	// other labels lines add up, or are averaged if Mean.
	By   string `yaml:"by"`
	Mean bool   `yaml:"mean"`
	// Optional makes a page without the series no fault.
	Optional bool `yaml:"optional"`
}

// The types of series.
const (
	counter = "counter"
	gauge   = "gauge"
)

// Kind is the source "prometheus".
var Kind = kind.New("prometheus", "named series of any page in the Prometheus text format", Config{Path: "/metrics"}, build)

func build(c Config) (collectors.Source, error) {
	faults := []error{c.Check()}
	if u, err := url.Parse(c.Path); err != nil || !strings.HasPrefix(c.Path, "/") || u.Host != "" || u.Fragment != "" {
		faults = append(faults, fmt.Errorf("path %q is no path of a page; it begins with /", c.Path))
	}
	if len(c.Series) == 0 {
		faults = append(faults, errors.New("series names nothing to take, such as series: [{name: queue_depth, unit: \"1\", type: gauge}]"))
	}
	seen := make(map[string]bool)
	for i, s := range c.Series {
		if err := s.check(); err != nil {
			faults = append(faults, fmt.Errorf("series[%d]: %w", i, err))
		}
		if seen[s.as()] {
			faults = append(faults, fmt.Errorf("series[%d]: %s is recorded already; give one of the two another name with as", i, s.as()))
		}
		seen[s.as()] = true
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return source{c}, nil
}

func (s Series) as() string {
	if s.As != "" {
		return s.As
	}
	return s.Name
}

func (s Series) check() error {
	switch {
	case s.Name == "":
		return errors.New("it has no name")
	case s.Type != counter && s.Type != gauge:
		return fmt.Errorf("%s: type is counter or gauge, not %q", s.Name, s.Type)
	case s.Type == counter && s.Mean:
		return fmt.Errorf("%s: the mean of counters means nothing; leave mean out", s.Name)
	case strings.HasSuffix(s.Name, "_bucket"):
		return fmt.Errorf("%s: buckets are not read; take the histogram's _sum and _count", s.Name)
	}
	if _, ok := units()[s.Unit]; !ok {
		return fmt.Errorf("%s: unit %q is not known; known: %s", s.Name, s.Unit, strings.Join(unitNames(), ", "))
	}
	if _, both := s.Labels[s.By]; both {
		return fmt.Errorf("%s: by %s keeps nothing apart, as labels allows it one value", s.Name, s.By)
	}
	return nil
}

type source struct{ config Config }

// Collector reads the page at target's URL and Config's path. A target's URL that ends
// in "/metrics" or "/v1" is taken without it.
func (s source) Collector(target collectors.Target) (collectors.Collector, error) {
	base := strings.TrimRight(target.URL, "/")
	base = strings.TrimSuffix(strings.TrimSuffix(base, "/metrics"), "/v1")
	getter, err := page.NewGetter(base, s.config.Access)
	if err != nil {
		return nil, err
	}
	return &collector{getter: getter, url: base + s.config.Path, target: target, config: s.config}, nil
}

type collector struct {
	getter *page.Getter
	url    string
	target collectors.Target
	config Config
}

// textFormat asks for the format that page.Parse reads.
const textFormat = "text/plain;version=0.0.4"

// Read gets the page once. A series that it does not tell, or tells as what it cannot
// be, is an error and gives nothing; the others stand. Where the page tells the moments of
// the values, page.SeriesAge is how old the oldest that was taken is, and of a page older
// than page.MaxAge nothing else is given (page.ErrStale).
func (c *collector) Read(ctx context.Context) ([]collectors.Reading, error) {
	answer, err := c.getter.Answer(ctx, c.config.Path, textFormat)
	if err != nil {
		return nil, err
	}
	now := answer.Date // the server's clock, if it tells it
	if now.IsZero() {
		now = time.Now()
	}
	readings, err := c.read(answer.Body, now)
	if err != nil {
		return readings, fmt.Errorf("%s: %w", c.url, err)
	}
	return readings, nil
}

// Warnings gives what is to be told of the way to the server.
func (c *collector) Warnings() []results.Warning { return c.getter.Warnings(c.target.Subject.ID) }

// Close closes the connection.
func (c *collector) Close() error { return c.getter.Close() }

// read takes the readings from a page that was got at a moment.
func (c *collector) read(text []byte, now time.Time) ([]collectors.Reading, error) {
	p, err := page.Parse(text)
	if err != nil {
		return nil, err
	}
	declared := declarations(text)
	var readings []collectors.Reading
	var faults []error
	var oldest time.Time
	for _, s := range c.config.Series {
		for _, one := range p[s.Name] {
			if s.matches(one) && !one.At.IsZero() && (oldest.IsZero() || one.At.Before(oldest)) {
				oldest = one.At
			}
		}
		found, err := s.take(p, declared, c.target.Subject)
		if err != nil {
			faults = append(faults, err)
		}
		readings = append(readings, found...)
	}
	if age := now.Sub(oldest); !oldest.IsZero() && age > -time.Second { // a Date has whole seconds; else the clocks differ
		age = max(age, 0)
		about := collectors.Reading{Subject: c.target.Subject, Series: page.SeriesAge, Value: age.Seconds(), Unit: "s"}
		if age > page.MaxAge {
			return []collectors.Reading{about}, fmt.Errorf("%w: its values are %v old, %v is the most: unknown", page.ErrStale, age.Round(time.Second), page.MaxAge)
		}
		readings = append(readings, about)
	}
	return readings, errors.Join(faults...)
}
