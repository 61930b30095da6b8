package sim

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"image"
	_ "image/jpeg" // the format of the frames
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// torchServeBody is TorchServe's default max_request_size in bytes.
const torchServeBody = 6_553_500

// A torchServe answers as TorchServe 0.12 does: requests, management and
// metrics on three addresses.
type torchServe struct {
	driver *driver
	models []*torchModel
	host   string
	gone   chan struct{} // closed when the instance ends
}

// A torchModel is one model; its fields below detector belong to the driver.
type torchModel struct {
	name     string
	workers  int
	queue    int
	detector *model.Detector

	requests             int64 // all that came, refused ones too
	queued, inferred     time.Duration
	started              time.Time
	memoryBytesPerWorker uint64
}

func (t *torchServe) find(name string) *torchModel {
	for _, m := range t.models {
		if m.name == name {
			return m
		}
	}
	return nil
}

type torchFault struct {
	Code    int    `json:"code"`
	Type    string `json:"type"`
	Message string `json:"message"`
}

func (t *torchServe) fault(w http.ResponseWriter, code int, kind, format string, args ...any) {
	writeJSON(w, code, torchFault{code, kind, fmt.Sprintf(format, args...)})
}

func (t *torchServe) notFound(w http.ResponseWriter, _ *http.Request) {
	t.fault(w, http.StatusNotFound, "ResourceNotFoundException", "Requested resource is not found, please refer to API document.")
}

// inference is the handler of the request address.
func (t *torchServe) inference() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "Healthy"})
	})
	for _, method := range []string{"POST", "PUT"} {
		mux.HandleFunc(method+" /predictions/{model}", t.predict)
		mux.HandleFunc(method+" /predictions/{model}/{version}", t.predict)
	}
	mux.HandleFunc("/", t.notFound)
	return mux
}

func (t *torchServe) predict(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, torchServeBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		return // the client is gone
	}
	frame, ok := t.frame(w, r.Header.Get("Content-Type"), body)
	if !ok {
		return
	}
	m := t.find(r.PathValue("model"))
	if m == nil {
		t.fault(w, http.StatusNotFound, "ModelNotFoundException", "Model not found: %s", r.PathValue("model"))
		return
	}
	size, _, bad := image.DecodeConfig(bytes.NewReader(frame))
	hash := fnv.New64a()
	hash.Write(frame)
	accepted, done := false, make(chan struct{})
	if err := t.driver.do(func(*model.World) {
		m.requests++
		accepted = m.detector.Submit(hash.Sum64(), bad != nil, func(d model.Detection) {
			if bad == nil {
				m.queued += d.Started - d.Arrived
				m.inferred += d.Done - d.Arrived
			}
			close(done)
		})
	}); err != nil {
		panic(http.ErrAbortHandler)
	}
	if !accepted {
		t.fault(w, http.StatusServiceUnavailable, "ServiceUnavailableException",
			"Model %q has no worker to serve inference request. Please use scale workers API to add workers.", m.name)
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
		t.fault(w, http.StatusServiceUnavailable, "InternalServerException", "Prediction failed")
		return
	}
	// TorchServe names no content type for a list.
	w.Header()["Content-Type"] = nil
	writeJSON(w, http.StatusOK, boxes(hash.Sum64(), size.Width, size.Height))
}

// frame takes the image out of the body. False means that it has answered.
func (t *torchServe) frame(w http.ResponseWriter, contentType string, body []byte) ([]byte, bool) {
	kind, params, err := mime.ParseMediaType(contentType)
	switch {
	case contentType != "" && err != nil:
		t.fault(w, http.StatusBadRequest, "BadRequestException", "Invalid content type: %s", contentType)
		return nil, false
	case kind == "application/x-www-form-urlencoded":
		t.fault(w, http.StatusInternalServerError, "ErrorDataDecoderException", "Bad string: the body is no form")
		return nil, false
	case strings.HasPrefix(kind, "multipart/"):
		frame, err := part(body, params["boundary"])
		if err != nil {
			t.fault(w, http.StatusInternalServerError, "ErrorDataDecoderException", "%v", err)
			return nil, false
		}
		return frame, true
	}
	return body, true
}

// A box is one thing that a detector found, in pixels of the frame.
type box struct {
	Label string     `json:"label"`
	Box   [4]float64 `json:"box"` // left, top, right, bottom
	Score float64    `json:"score"`
}

// boxes are drawn from the frame: the same frame has the same boxes, whatever
// the load.
func boxes(seed uint64, width, height int) []box {
	r := rand.New(rand.NewPCG(seed, 2))
	labels := [...]string{"person", "car", "helmet", "forklift", "smoke"}
	list := make([]box, 1+r.IntN(6))
	for i := range list {
		w, h := (0.05+0.25*r.Float64())*float64(width), (0.05+0.25*r.Float64())*float64(height)
		x, y := r.Float64()*(float64(width)-w), r.Float64()*(float64(height)-h)
		list[i] = box{labels[r.IntN(len(labels))], [4]float64{x, y, x + w, y + h}, 0.5 + 0.5*r.Float64()}
	}
	return list
}
