package sim

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/evabench/evabench/sim/model"
)

// torchServeGauges are gauges that tell of the latest answer only, in ms.
// QueueTime is one for the whole server, whatever the model.
type torchServeGauges struct {
	queue    float64
	answered bool
	handler  map[string]float64 // by model: HandlerTime, and PredictionTime
}

func (g *torchServeGauges) last(name string, d model.Detection) {
	if g.handler == nil {
		g.handler = make(map[string]float64)
	}
	g.queue, g.answered = float64((d.Started - d.Arrived).Milliseconds()), true
	g.handler[name] = math.Round((d.Done-d.Started).Seconds()*1e5) / 100
}

// metrics is the handler of the metrics address. Unless metrics_mode is
// prometheus the page is there and empty.
func (t *torchServe) metrics() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, r *http.Request) {
		p := torchPage{host: t.host, only: r.URL.Query()["name[]"]}
		if t.options.metricsMode == "prometheus" && t.driver.do(func(*model.World) { t.page(&p) }) != nil {
			panic(http.ErrAbortHandler)
		}
		t.answers[2].Add(1)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		t.head(w, http.StatusOK)
		io.WriteString(w, p.text.String())
	})
	mux.HandleFunc("/", t.notFound)
	return mux
}

// page writes the metrics of ts/configs/metrics.yaml that the simulator knows.
// All names are there from the beginning, a series from its first event.
func (t *torchServe) page(p *torchPage) {
	for _, digit := range []int{2, 4, 5} {
		if name := fmt.Sprintf("Requests%dXX", digit); p.family(name, "counter", "Count") {
			if n := t.answers[digit].Load(); n > 0 {
				p.sample(name, `Level="Host",Hostname`, float64(n))
			}
		}
	}
	for _, c := range []struct {
		name, unit string
		value      func(*torchSeries) float64
		shown      func(*torchSeries) bool
	}{
		{"ts_inference_requests_total", "Count",
			func(s *torchSeries) float64 { return float64(s.requests) }, func(*torchSeries) bool { return true }},
		{"ts_queue_latency_microseconds", "Microseconds",
			func(s *torchSeries) float64 { return float64(s.queued) / 1e3 }, func(s *torchSeries) bool { return s.answered }},
		{"ts_inference_latency_microseconds", "Microseconds",
			func(s *torchSeries) float64 { return float64(s.inferred) / 1e3 }, func(s *torchSeries) bool { return s.answered }},
	} {
		if !p.family(c.name, "counter", c.unit) {
			continue
		}
		for _, m := range t.models {
			for _, s := range m.series {
				if c.shown(s) {
					version := s.version
					if version == "" {
						version = "default"
					}
					p.sample(c.name, fmt.Sprintf("model_name=%q,model_version=%q,hostname", m.name, version), c.value(s))
				}
			}
		}
	}
	if p.family("QueueTime", "gauge", "Milliseconds") && t.gauges.answered {
		p.sample("QueueTime", `Level="Host",Hostname`, t.gauges.queue)
	}
	for _, name := range []string{"HandlerTime", "PredictionTime"} {
		if !p.family(name, "gauge", "ms") {
			continue
		}
		for _, m := range t.models {
			if v, ok := t.gauges.handler[m.name]; ok {
				p.sample(name, fmt.Sprintf("ModelName=%q,Level=\"Model\",Hostname", m.name), v)
			}
		}
	}
}

// A torchPage writes samples as simpleclient 0.9 for Java does: a comma after
// the last label, and Java's way with numbers.
type torchPage struct {
	text strings.Builder
	host string
	only []string // names that are asked for; empty means all
}

// family begins a name; false says that it was not asked for.
func (p *torchPage) family(name, kind, unit string) bool {
	if len(p.only) > 0 && !slices.Contains(p.only, name) {
		return false
	}
	fmt.Fprintf(&p.text, "# HELP %s Torchserve prometheus %s metric with unit: %s\n# TYPE %s %s\n", name, kind, unit, name, kind)
	return true
}

// sample writes one; labels end with the name of the label for the host.
func (p *torchPage) sample(name, labels string, value float64) {
	fmt.Fprintf(&p.text, "%s{%s=%q,} %s\n", name, labels, p.host, javaDouble(value))
}

// javaDouble prints as Double.toString: from ten million on with an exponent.
func javaDouble(v float64) string {
	if a := math.Abs(v); v != 0 && (a < 1e-3 || a >= 1e7) {
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'E', -1, 64), "E")
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		n, _ := strconv.Atoi(exponent) // FormatFloat's own
		return mantissa + "E" + strconv.Itoa(n)
	}
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
