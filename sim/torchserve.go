package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/sim/model"
	"github.com/evabench/evabench/sim/parameters"
)

// torchServeBody is TorchServe's default max_request_size in bytes.
const torchServeBody = 6_553_500

// torchVersion is the only version of each model.
const torchVersion = "1.0"

// A torchServe answers as TorchServe 0.12 does: requests, management and
// metrics on three addresses.
type torchServe struct {
	driver  *driver
	options torchServeOptions
	models  []*torchModel
	host    string
	gone    chan struct{} // closed when the instance ends
	// resize takes device memory for more workers, or gives it back; nil if
	// memory is without limit.
	resize func(workers int, m *torchModel) error
	leak   *leak         // nil if requests leave no memory behind
	hold   time.Duration // for which answers are held back on their way

	scaling sync.Mutex       // one change of workers at a time
	answers [6]atomic.Int64  // Requests2XX and so on, by the first digit
	gauges  torchServeGauges // of the driver
	served  served           // of the driver
}

// torchServeOptions are launch parameters, named as in config.properties and
// a model's configuration.
type torchServeOptions struct {
	queue       int // job_queue_size
	batch       int // batch_size
	delay       int // max_batch_delay, ms
	metricsMode string
}

// defaultTorchServe are TorchServe's defaults, but for metrics_mode, which is
// "log" there.
func defaultTorchServe() torchServeOptions {
	return torchServeOptions{queue: parameters.JobQueue, batch: 1, delay: 100, metricsMode: "prometheus"}
}

// parameters are the options that a start request can set.
func (o *torchServeOptions) parameters() map[string]any {
	return map[string]any{
		"job_queue_size": &o.queue, "batch_size": &o.batch, "max_batch_delay": &o.delay, "metrics_mode": &o.metricsMode,
	}
}

func (o *torchServeOptions) check() error {
	if o.metricsMode != "prometheus" && o.metricsMode != "log" {
		return fmt.Errorf("parameter metrics_mode: %q is neither prometheus nor log", o.metricsMode)
	}
	return nil
}

// apply writes the options into a detector's configuration.
func (o *torchServeOptions) apply(cfg *model.DetectorConfig) {
	cfg.Queue, cfg.BatchSize, cfg.BatchDelay = o.queue, o.batch, time.Duration(o.delay)*time.Millisecond
}

// A torchModel is one model; all but its name belongs to the driver.
type torchModel struct {
	name                   string
	minWorkers, maxWorkers int
	detector               *model.Detector
	series                 []*torchSeries // by the version that requests named, in order of coming
	started                time.Time      // of the workers, by the clock
	workerBytes            uint64         // device memory
}

// A torchSeries is what is counted of the requests that named the model in one
// way: with a version, or without ("default").
type torchSeries struct {
	version          string
	requests         int64 // all that came, refused ones too
	queued, inferred time.Duration
	answered         bool
}

func (m *torchModel) count(version string) *torchSeries {
	for _, s := range m.series {
		if s.version == version {
			return s
		}
	}
	s := &torchSeries{version: version}
	m.series = append(m.series, s)
	return s
}

func (t *torchServe) find(name string) *torchModel {
	for _, m := range t.models {
		if m.name == name {
			return m
		}
	}
	return nil
}

// inference is the handler of the request address.
func (t *torchServe) inference() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) {
		t.json(w, http.StatusOK, map[string]string{"status": "Healthy"})
	})
	mux.HandleFunc("/predictions/{model}", t.predict)
	mux.HandleFunc("/predictions/{model}/{version}", t.predict)
	mux.HandleFunc("/", t.notFound)
	return mux
}

func (t *torchServe) predict(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(w, r, torchServeBody)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge) // netty's, before TorchServe counts it
		return
	}
	if err != nil {
		return // the client is gone
	}
	frame, err := requestFrame(r.Header.Get("Content-Type"), body)
	if err != nil {
		t.fault(w, http.StatusInternalServerError, "ErrorDataDecoderException", "%v", err)
		return
	}
	name, version := r.PathValue("model"), r.PathValue("version")
	m := t.find(name)
	if m == nil {
		t.fault(w, http.StatusNotFound, "ModelNotFoundException", "Model not found: %s", name)
		return
	}
	if version != "" && version != torchVersion {
		t.fault(w, http.StatusNotFound, "ModelVersionNotFoundException", "Model version: %s does not exist for model: %s", version, name)
		return
	}
	t.infer(w, r, prediction{m, version, frame})
}

// A prediction is what a request asks for.
type prediction struct {
	model   *torchModel
	version string // as it was named, or empty
	frame   []byte
}

// infer puts a job into the model's queue and answers when it is done.
func (t *torchServe) infer(w http.ResponseWriter, r *http.Request, p prediction) {
	width, height, bad := jpegSize(p.frame)
	seed, m := contentHash(p.frame), p.model
	accepted, full, done := false, false, make(chan struct{})
	if err := t.driver.do(func(world *model.World) {
		s := m.count(p.version)
		s.requests++
		accepted = m.detector.Target() > 0 && m.detector.Submit(seed, bad != nil, func(d model.Detection) {
			full = bad == nil && !t.leak.take()
			t.finished(m, s, d, bad != nil || full)
			if t.hold == 0 {
				close(done)
				return
			}
			world.At(world.Now()+t.hold, func() { close(done) })
		})
	}); err != nil {
		panic(http.ErrAbortHandler)
	}
	if !accepted {
		t.fault(w, http.StatusServiceUnavailable, "ServiceUnavailableException",
			"Model \"%s\" has no worker to serve inference request. Please use scale workers API to add workers. "+
				"If this is a sequence inference, please check if it is closed, or expired; or exceeds maxSequenceJobQueueSize",
			modelAndVersion(m.name, p.version))
		return
	}
	select {
	case <-done:
	case <-r.Context().Done():
		return // the worker goes on: TorchServe does not take a job back
	case <-t.gone:
		panic(http.ErrAbortHandler)
	}
	if bad != nil {
		t.write(w, http.StatusServiceUnavailable, faultJSON(http.StatusServiceUnavailable, "InternalServerException", "Prediction failed"))
		return
	}
	if full { // a CUDA error of the handler, ts/service.py (predict)
		t.write(w, http.StatusInsufficientStorage, faultJSON(http.StatusInsufficientStorage, "InternalServerException", "Out of resources"))
		return
	}
	// TorchServe names no content type for a list.
	w.Header()["Content-Type"] = nil
	t.head(w, http.StatusOK)
	w.Write(appendBoxes(nil, seed, width, height))
}

// modelAndVersion is how the refusal names a model, quotation marks misplaced
// as in ApiUtils.java.
func modelAndVersion(name, version string) string {
	if version == "" {
		return name
	}
	return name + "\" Version " + version
}

// finished counts a job that a worker has done, whether or not its client
// still waits. Sums and gauges are of answers only; errors have none.
func (t *torchServe) finished(m *torchModel, s *torchSeries, d model.Detection, failed bool) {
	if failed {
		t.answers[5].Add(1)
		return
	}
	t.answers[2].Add(1)
	s.answered = true
	s.queued += d.Started - d.Arrived
	s.inferred += d.Done - d.Arrived
	t.served.add(d.Done - d.Arrived)
	t.gauges.last(m.name, d)
}

// head writes status and headers as NettyUtils.sendHttpResponse does: a
// request id of its own, and an end of the connection after an error.
func (t *torchServe) head(w http.ResponseWriter, status int) {
	h := w.Header()
	h.Set("X-Request-Id", newUUID())
	h.Set("Pragma", "no-cache")
	h.Set("Cache-Control", "no-cache; no-store, must-revalidate, private")
	h.Set("Expires", "Thu, 01 Jan 1970 00:00:00 UTC")
	if status >= 400 {
		h.Set("Connection", "close")
	}
	w.WriteHeader(status)
}

// fault answers with an error and counts it.
func (t *torchServe) fault(w http.ResponseWriter, code int, kind, format string, args ...any) {
	t.answers[code/100].Add(1)
	t.write(w, code, faultJSON(code, kind, fmt.Sprintf(format, args...)))
}

func (t *torchServe) write(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	t.head(w, code)
	w.Write(body)
}

func (t *torchServe) notFound(w http.ResponseWriter, _ *http.Request) {
	t.fault(w, http.StatusNotFound, "ResourceNotFoundException", "Requested resource is not found, please refer to API document.")
}

// newUUID is a random UUID, version 4.
func newUUID() string {
	hi, lo := rand.Uint64()&^0xf000|0x4000, rand.Uint64()&^(3<<62)|2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&(1<<48-1))
}

// boxLabels are what a simulated detector finds.
var boxLabels = [...]string{"person", "car", "helmet", "forklift", "smoke"}

// appendBoxes draws boxes from the frame, left, top, right and bottom in
// pixels: the same frame has the same boxes, whatever the load.
func appendBoxes(to []byte, seed uint64, width, height int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	number := func(v float64) { to = strconv.AppendFloat(to, v, 'f', 3, 64) }
	n := 1 + r.IntN(6)
	for i := range n {
		if i == 0 {
			to = append(to, '[')
		} else {
			to = append(to, ',')
		}
		w, h := (0.05+0.25*r.Float64())*float64(width), (0.05+0.25*r.Float64())*float64(height)
		x, y := r.Float64()*(float64(width)-w), r.Float64()*(float64(height)-h)
		to = append(to, `{"label":"`...)
		to = append(to, boxLabels[r.IntN(len(boxLabels))]...)
		to = append(to, `","box":[`...)
		for k, v := range [...]float64{x, y, x + w, y + h} {
			if k > 0 {
				to = append(to, ',')
			}
			number(v)
		}
		to = append(to, `],"score":`...)
		number(0.5 + 0.5*r.Float64())
		to = append(to, '}')
	}
	return append(to, ']')
}

// faultJSON is an error in TorchServe's form.
func faultJSON(code int, kind, message string) []byte {
	return pretty(struct {
		Code    int    `json:"code"`
		Type    string `json:"type"`
		Message string `json:"message"`
	}{code, kind, message})
}

func (t *torchServe) json(w http.ResponseWriter, status int, v any) {
	t.answers[status/100].Add(1)
	t.write(w, status, pretty(v))
}

// isForm reports whether a body is read as an HTML form: netty looks at the
// type before the first semicolon.
func isForm(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded")
}
