package page

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/results"
)

// The series that tell of a page itself.
const (
	// SeriesAge is how old the page's values were when they were read, where the
	// page tells it. Unit "s".
	SeriesAge = "evabench:page_age_seconds"
	// SeriesAlias is 1, given once, for a series that the page has under an older
	// name; the Detail is "NEW=OLD". Unit "1".
	SeriesAlias = "evabench:page_alias"
	// SeriesUnknownNames is how many families of the server's own names on the page are
	// not known, given when it changes. Unit "1".
	SeriesUnknownNames = "evabench:page_unknown_names"
)

// The codes of the warnings of a page's Collector.
const (
	WarnUnknownNames = "page-unknown-names" // the server's own names that nobody knows
	WarnNotTold      = "page-not-told"      // series that a page of that server should have
)

// MaxAge is how old a page may be; what an older one tells is not known of now.
const MaxAge = 10 * time.Second

// ErrStale is a page that is older than MaxAge.
var ErrStale = errors.New("the page is stale")

// A Collector takes series from a server's Prometheus page.
type Collector struct {
	Getter *Getter
	Path   string // below the Getter's base
	Target collectors.Target
	Series []Series
	// Refuse says why a page is not what it seems; it may be nil.
	Refuse func(Page) error
	// Hint says what takes the series off a page, or the page off a server; it may be
	// empty.
	Hint string
	// Own is the beginning of the server's own names, and Ignored those of
	// them that are known and not taken, where "*" at the end stands for any end.
	// Others are told once. Nothing is told if Own is empty.
	Own     string
	Ignored []string

	told    map[string]bool // aliases, names and series that were told of
	unknown []string        // names that nobody knows
	lacking []string        // Wanted series that a page lacked
}

// NewCollector gives the collector of the page of the server at the target's
// URL, to which "/metrics" is added if it does not end so. A request URL that
// ends in "/v1" is taken as well: the page is beside it.
func NewCollector(target collectors.Target, access trust.Access, series []Series, refuse func(Page) error) (*Collector, error) {
	base := strings.TrimRight(target.URL, "/")
	base = strings.TrimSuffix(strings.TrimSuffix(base, "/metrics"), "/v1")
	getter, err := NewGetter(base, access)
	if err != nil {
		return nil, err
	}
	return &Collector{Getter: getter, Path: "/metrics", Target: target, Series: series, Refuse: refuse}, nil
}

// textFormat asks for the format that Parse reads.
const textFormat = "text/plain;version=0.0.4"

// Read gets the page and gives what it has of the series.
func (c *Collector) Read(ctx context.Context) ([]collectors.Reading, error) {
	answer, err := c.Getter.Answer(ctx, c.Path, textFormat)
	now := time.Now()
	if err != nil {
		return nil, c.hint(err)
	}
	page, err := Parse(answer.Body)
	if err == nil && c.Refuse != nil {
		err = c.Refuse(page)
	}
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", c.Getter.base, c.Path, err)
	}
	readings, missing, at := c.take(page)
	age, aged := answer.age(at, now)
	if aged {
		readings = append(readings, c.fact(SeriesAge, "", age.Seconds(), "s"))
	}
	switch {
	case aged && age > MaxAge:
		return readings[len(readings)-1:], fmt.Errorf("%s%s: %w: its values are %v old, %v is the most: unknown",
			c.Getter.base, c.Path, ErrStale, age.Round(time.Second), MaxAge)
	case len(missing) > 0:
		return readings, c.hint(fmt.Errorf("%s%s: the page does not tell %s", c.Getter.base, c.Path, strings.Join(missing, ", ")))
	}
	return append(readings, c.names(page)...), nil
}

// Close closes the connection.
func (c *Collector) Close() error { return c.Getter.Close() }

// Warnings gives what is to be told of the way to the server and of the pages that were
// read, one warning per code, whose Count is how many names it tells. It is called when no Read is under
// way.
func (c *Collector) Warnings() []results.Warning {
	list := c.Getter.Warnings(c.Target.Subject.ID)
	tell := func(code, text string, names []string) {
		if len(names) > 0 {
			list = append(list, results.Warning{
				Code: code, Subject: c.Target.Subject.ID, Count: int64(len(names)),
				Text: c.Getter.base + c.Path + text + strings.Join(slices.Sorted(slices.Values(names)), ", "),
			})
		}
	}
	tell(WarnUnknownNames, ": names that are not known were not read: ", c.unknown)
	tell(WarnNotTold, ": the page did not always tell ", c.lacking)
	return list
}

// take gives the page's readings, the names of the Needed series that it lacks, and
// the moment of the oldest value.
func (c *Collector) take(p Page) (readings []collectors.Reading, missing []string, at time.Time) {
	for _, s := range c.Series {
		name, samples := s.found(p)
		found := s.readings(samples, c.Target)
		switch {
		case len(found) == 0 && s.Needed:
			missing = append(missing, s.Names[0])
		case len(found) == 0 && s.Wanted && c.first("series "+s.Names[0]):
			c.lacking = append(c.lacking, s.Names[0])
		}
		if len(found) > 0 && name != s.Names[0] && c.first("alias "+name) {
			readings = append(readings, c.fact(SeriesAlias, s.Names[0]+"="+name, 1, "1"))
		}
		readings = append(readings, found...)
		if moment := oldest(samples); !moment.IsZero() && (at.IsZero() || moment.Before(at)) {
			at = moment
		}
	}
	return readings, missing, at
}

// names tells of names of the server's own that nobody knows.
func (c *Collector) names(p Page) []collectors.Reading {
	if c.Own == "" {
		return nil
	}
	known := make(map[string]bool)
	for _, s := range c.Series {
		for _, name := range s.Names {
			known[family(name)] = true
		}
	}
	before := len(c.unknown)
	for name := range maps.Keys(p) {
		name = family(name)
		if strings.HasPrefix(name, c.Own) && !known[name] && !c.ignored(name) && c.first("name "+name) {
			c.unknown = append(c.unknown, strings.Clone(name))
		}
	}
	if len(c.unknown) == before {
		return nil
	}
	return []collectors.Reading{c.fact(SeriesUnknownNames, "", float64(len(c.unknown)), "1")}
}

func (c *Collector) ignored(name string) bool {
	return slices.ContainsFunc(c.Ignored, func(pattern string) bool {
		start, open := strings.CutSuffix(pattern, "*")
		return name == c.Own+start || open && strings.HasPrefix(name, c.Own+start)
	})
}

// family is a name without what a client library puts at its end.
func family(name string) string {
	for _, end := range []string{"_sum", "_count", "_created", "_total"} {
		name = strings.TrimSuffix(name, end)
	}
	return name
}

// mostTold bounds what is remembered of a page that has ever new names.
const mostTold = 1000

// first reports whether something is to be told for the first time.
func (c *Collector) first(what string) bool {
	if c.told[what] || len(c.told) >= mostTold {
		return false
	}
	if c.told == nil {
		c.told = make(map[string]bool)
	}
	c.told[strings.Clone(what)] = true
	return true
}

// fact is a reading of the page itself.
func (c *Collector) fact(series, detail string, value float64, unit string) collectors.Reading {
	subject := c.Target.Subject
	subject.Detail = detail
	return collectors.Reading{Subject: subject, Series: series, Value: value, Unit: unit}
}

// hint adds what may be done about a page or a series that is not there.
func (c *Collector) hint(err error) error {
	if c.Hint == "" || errors.Is(err, ErrEmpty) {
		return err
	}
	return fmt.Errorf("%w (%s)", err, c.Hint)
}

// age is how old values of a moment were when the answer was in, by the server's clock if
// it was told, else by ours; or how long a cache has held the page. It is not
// known if neither is told, or if the moment is yet to come: then the clocks differ.
func (a Answer) age(at, now time.Time) (time.Duration, bool) {
	if at.IsZero() {
		return a.Held, a.Cached
	}
	if !a.Date.IsZero() {
		now = a.Date
	}
	age := now.Sub(at)
	if !a.Date.IsZero() && age < 0 && age > -time.Second {
		age = 0 // Date has whole seconds
	}
	if age < 0 {
		return 0, false
	}
	return max(age, a.Held), true
}
