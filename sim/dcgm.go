package sim

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/evabench/evabench/internal/nvml"
	"github.com/evabench/evabench/sim/model"
)

// DCGMInterval is how often dcgm-exporter collects by default (its
// --collect-interval).
const DCGMInterval = 30 * time.Second

// dcgmFinest is the shortest interval over which DCGM's profiling samples.
const dcgmFinest = 100 * time.Millisecond

// CheckDCGMInterval says what is wrong with an interval of server time for the
// dcgm-exporter page.
func CheckDCGMInterval(d time.Duration) error {
	if d < dcgmFinest {
		return fmt.Errorf("interval %v: the dcgm-exporter page collects every %v at most", d, dcgmFinest)
	}
	return nil
}

// A dcgmExporter is dcgm-exporter on the simulated GPUs: a page with what each
// GPU or MIG instance did on average in the latest whole interval of server
// time. Form and labels follow NVIDIA/dcgm-exporter
// internal/pkg/rendermetrics/render_metrics.go (4.6), the fields its
// etc/default-counters.csv with SM_ACTIVE, which operators add for MIG.
//
// What is not modelled is not on the page: power, clocks, heat, PCIe, tensor
// pipes, occupancy, reserved memory. Unlike the original, which wants to be
// started anew after a change of the layout, it reads the layout at each
// collection.
type dcgmExporter struct {
	dcgmConfig
	url string // of the page

	// What follows belongs to the World.
	devices     map[string]*watchedDevice // by UUID
	collections int64                     // done so far

	mu       sync.Mutex // of what follows; held over a whole scrape
	read     int64      // collections done when entities were read
	entities []dcgmEntity
}

type dcgmConfig struct {
	server   string // name
	host     string // empty if it has no name
	interval time.Duration
	cards    *nvml.Fake
	do       func(func(*model.World)) error // runs a function on the World
}

// A watchedDevice is what the exporter knows of a device of the model.
type watchedDevice struct {
	device    *model.Device // nil if it is gone
	bandwidth float64       // bytes/s
	gone      model.Usage   // of those that had its UUID before
	last      model.Usage   // until the latest collection
	latest    model.Usage   // in the interval before it
}

// exportDCGM starts the exporter and serves its page.
func (s *server) exportDCGM(o Options) (*listener, error) {
	if o.DCGMInterval != 0 {
		if err := CheckDCGMInterval(o.DCGMInterval); err != nil {
			return nil, fmt.Errorf("dcgm-exporter page: %w", err)
		}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "" // then dcgm-exporter leaves the label out
	}
	s.dcgm = newDCGMExporter(dcgmConfig{server: s.name, host: host, interval: o.DCGMInterval, cards: s.cardsFile, do: s.driver.do})
	if err := s.driver.do(s.dcgm.start); err != nil {
		return nil, err
	}
	l, err := s.listen(o.DCGM, s.dcgm.handler())
	if err != nil {
		return nil, fmt.Errorf("dcgm-exporter page: %w", err)
	}
	s.dcgm.url = l.url + "/metrics"
	return l, nil
}

// newDCGMExporter makes an exporter; start lets it collect. An interval of 0 is
// the default.
func newDCGMExporter(c dcgmConfig) *dcgmExporter {
	c.interval = cmp.Or(c.interval, DCGMInterval)
	return &dcgmExporter{dcgmConfig: c, devices: make(map[string]*watchedDevice), read: -1}
}

// start lets the World collect, one interval from now and so on. Call it once.
func (e *dcgmExporter) start(w *model.World) { w.At(w.Now()+e.interval, func() { e.collect(w) }) }

// watch adds a device that was added to the World. It belongs to the World.
func (e *dcgmExporter) watch(uuid string, d *model.Device, cfg model.DeviceConfig) {
	if e.devices[uuid] == nil {
		e.devices[uuid] = &watchedDevice{}
	}
	e.devices[uuid].device, e.devices[uuid].bandwidth = d, cfg.Bandwidth
}

// unwatch takes a device out that is removed from the World now; what it did
// still counts. It belongs to the World.
func (e *dcgmExporter) unwatch(uuid string, now time.Duration) {
	d := e.devices[uuid]
	d.gone, d.device = d.total(now), nil
}

func (d *watchedDevice) total(now time.Duration) model.Usage {
	if d.device == nil {
		return d.gone
	}
	u := d.device.Usage(now)
	return model.Usage{
		Busy: d.gone.Busy + u.Busy, Switching: d.gone.Switching + u.Switching, Switches: d.gone.Switches + u.Switches,
		SMSeconds: d.gone.SMSeconds + u.SMSeconds, Bytes: d.gone.Bytes + u.Bytes,
	}
}

func (e *dcgmExporter) collect(w *model.World) {
	for uuid, d := range e.devices {
		total := d.total(w.Now())
		d.latest = model.Usage{
			Busy: total.Busy - d.last.Busy, SMSeconds: total.SMSeconds - d.last.SMSeconds, Bytes: total.Bytes - d.last.Bytes,
		}
		d.last = total
		if d.device == nil && d.latest == (model.Usage{}) {
			delete(e.devices, uuid)
		}
	}
	e.collections++
	e.start(w)
}

// handler serves the page at /metrics, and /health.
func (e *dcgmExporter) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		page, err := e.page()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		io.WriteString(w, page)
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "OK") })
	return mux
}

// look reads the layout if a collection was done since it was read. e.mu is held.
func (e *dcgmExporter) look(collections int64) error {
	if e.read == collections {
		return nil
	}
	entities, err := readDCGMEntities(e.cards)
	if err != nil {
		return fmt.Errorf("read cards: %w", err)
	}
	e.read, e.entities = collections, entities
	return nil
}

// page gives the text of the latest collection; before the first one, without
// what is an average over time. Memory and layout are as of the first page
// after a collection.
func (e *dcgmExporter) page() (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var collections int64
	used := make(map[string]watchedDevice)
	err := e.do(func(*model.World) {
		collections = e.collections
		for uuid, d := range e.devices {
			used[uuid] = *d
		}
	})
	if err != nil {
		return "", err
	}
	if err := e.look(collections); err != nil {
		return "", err
	}
	var page strings.Builder
	fmt.Fprintf(&page, "# Simulated server %s of evabench: a model's values, no GPU was measured.\n"+
		"# SM_ACTIVE is SM time with work alone; on a GPU, SMs that wait for memory are active too.\n"+
		"# DRAM_ACTIVE is of the bandwidth that can be reached, not of the published one.\n", e.server)
	for _, f := range dcgmFields() {
		f.write(&page, func(write func(labels, value string)) {
			for _, entity := range e.entities {
				if value, ok := f.value(entity, entity.activity(used, e.interval, collections > 0)); ok {
					write(entity.labels(e.host), value)
				}
			}
		})
	}
	fmt.Fprintf(&page, "# HELP evabench_simulated_info This page is simulated; the interval is of server time.\n"+
		"# TYPE evabench_simulated_info gauge\nevabench_simulated_info{server=%q,collect_interval=%q} 1\n", e.server, e.interval)
	return page.String(), nil
}
