// Package dcgm reads what a dcgm-exporter page tells of a layout's devices, each line
// joined to its device by the GPU's UUID and the GPU instance's id: pages name no MIG
// device. What belongs to the whole GPU is told of the GPU once, whichever instance's
// labels it stands under. The program passes the devices in, so this source is no kind
// that a service's scrape can name.
package dcgm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"time"

	"github.com/evabench/evabench/collectors"
	"github.com/evabench/evabench/collectors/internal/page"
	"github.com/evabench/evabench/internal/trust"
	"github.com/evabench/evabench/results"
)

// Name is the source's name in Observations. Series have DCGM's own names, such as
// "DCGM_FI_PROF_SM_ACTIVE", with values in base units.
const Name = "dcgm"

// The series about the page, of the target's subject.
const (
	// SeriesUnchanged is how long the page's values have stood, as far as was seen: they
	// are at least so old, s.
	SeriesUnchanged = "dcgm:unchanged_seconds"
	// SeriesInterval is the time between the last two changes of the values, s: the
	// exporter's interval, as finely as the page is read. Unknown until then.
	SeriesInterval = "dcgm:interval_seconds"
)

// A Device is one whole GPU or MIG instance of the layout.
type Device struct {
	UUID    string
	GPU     string // the parent's UUID; equal to UUID for a whole GPU
	MIG     bool
	GI      int    // of a MIG instance: the GPU instance's id
	Profile string // of a MIG instance: its GPU instance's, such as "1g.10gb"
}

// New gives the source of these devices, which must be all of each of their GPUs. It
// refuses a page of simulated ones.
func New(devices []Device, access trust.Access) collectors.Source {
	return source{devices: devices, access: access}
}

// NewSimulated is New for simulated devices, and refuses a page of real ones.
func NewSimulated(devices []Device) collectors.Source {
	return source{devices: devices, simulated: true}
}

type source struct {
	devices   []Device
	access    trust.Access
	simulated bool
}

// Collector reads the exporter's page at target's URL, to which "/metrics" is added if
// it does not end so. Target's Subject is that of the series about the page.
func (s source) Collector(target collectors.Target) (collectors.Collector, error) {
	if len(s.devices) == 0 {
		return nil, errors.New("there are no devices to read")
	}
	getter, err := page.NewGetter(strings.TrimSuffix(strings.TrimRight(target.URL, "/"), "/metrics"), s.access)
	if err != nil {
		return nil, err
	}
	return &collector{getter: getter, url: target.URL, subject: target.Subject, gpus: layout(s.devices), fields: fields(), simulated: s.simulated}, nil
}

type collector struct {
	getter  *page.Getter
	url     string
	subject results.Subject
	gpus    []gpu
	fields  []field
	age     age
	// simulated says that the devices are.
	simulated bool
}

// textFormat asks for the format that page.Parse reads.
const textFormat = "text/plain;version=0.0.4"

// Read gets the page once. What it tells of GPUs that are not the layout's is left out.
// GPUs that it tells of as something else than they are now, whole for cut up or the
// other way round, are an error and give nothing; so does a page that cannot be as
// old as it is.
func (c *collector) Read(ctx context.Context) ([]collectors.Reading, error) {
	text, err := c.getter.Get(ctx, "/metrics", textFormat)
	if err != nil {
		return nil, err
	}
	readings, err := c.read(text, time.Now())
	if err != nil {
		return readings, fmt.Errorf("%s: %w", c.url, err)
	}
	return readings, nil
}

// Warnings gives what is to be told of the way to the server.
func (c *collector) Warnings() []results.Warning { return c.getter.Warnings(c.subject.ID) }

// Close closes the connection.
func (c *collector) Close() error { return c.getter.Close() }

// read takes the readings from a page that was got at a moment.
func (c *collector) read(text []byte, at time.Time) ([]collectors.Reading, error) {
	p, err := page.Parse(text)
	if err != nil {
		return nil, err
	}
	switch _, simulated := p["evabench_simulated_info"]; {
	case simulated && !c.simulated:
		return nil, errors.New("the page is a simulated server's, and the layout's devices are real: nothing of it was taken")
	case c.simulated && !simulated:
		return nil, errors.New("the page is of real GPUs, and the layout's devices are simulated: nothing of it was taken")
	}
	j := join(p, c.fields, c.gpus)
	if len(j.readings) == 0 {
		return nil, errors.Join(j.faults...)
	}
	stood := c.age.see(fingerprint(j.readings), at)
	about := []collectors.Reading{{Subject: c.subject, Series: SeriesUnchanged, Value: stood.Seconds(), Unit: "s"}}
	if c.age.interval > 0 {
		about = append(about, collectors.Reading{Subject: c.subject, Series: SeriesInterval, Value: c.age.interval.Seconds(), Unit: "s"})
	}
	if err := stale(stood, j.energy); err != nil {
		return about, errors.Join(append(j.faults, err)...)
	}
	return append(j.readings, about...), errors.Join(j.faults...)
}

// fingerprint is the same for the same values of the same series.
func fingerprint(readings []collectors.Reading) uint64 {
	h := fnv.New64a()
	var line []byte
	for _, r := range readings {
		line = append(append(append(line[:0], r.Subject.ID...), ' '), r.Series...)
		line = binary.LittleEndian.AppendUint64(append(line, ' '), math.Float64bits(r.Value))
		_, _ = h.Write(line) // a hash takes everything
	}
	return h.Sum64()
}
