package sim

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// management is the handler of the management address: it tells of models and
// scales their workers. Models cannot be registered or taken away, as in a
// TorchServe without --enable-model-api.
func (t *torchServe) management() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /models", t.listModels)
	mux.HandleFunc("GET /models/{model}", t.describeModel)
	mux.HandleFunc("GET /models/{model}/{version}", t.describeModel)
	mux.HandleFunc("PUT /models/{model}", t.scaleModel)
	mux.HandleFunc("PUT /models/{model}/{version}", t.scaleModel)
	for _, pattern := range []string{"/models", "/models/{model}", "/models/{model}/{version}"} {
		mux.HandleFunc(pattern, t.notAllowed)
	}
	mux.HandleFunc("/", t.notFound)
	return mux
}

func (t *torchServe) notAllowed(w http.ResponseWriter, _ *http.Request) {
	t.fault(w, http.StatusMethodNotAllowed, "MethodNotAllowedException", "Requested method is not allowed, please refer to API document.")
}

// intParameter is a number of the query; one that is none counts as missing.
func intParameter(r *http.Request, name string, otherwise int) int {
	if n, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil {
		return n
	}
	return otherwise
}

// listModels answers with at most 100 models. A page that ends with the last
// model names a next one all the same, which is empty: ApiUtils.getModelList.
func (t *torchServe) listModels(w http.ResponseWriter, r *http.Request) {
	limit, from := intParameter(r, "limit", 100), max(0, intParameter(r, "next_page_token", 0))
	if limit > 100 || limit < 0 {
		limit = 100
	}
	type named struct {
		ModelName string `json:"modelName"`
		ModelURL  string `json:"modelUrl"`
	}
	answer := struct {
		NextPageToken string  `json:"nextPageToken,omitempty"`
		Models        []named `json:"models"`
	}{Models: []named{}}
	all := slices.SortedFunc(slices.Values(t.models), func(a, b *torchModel) int { return cmp.Compare(a.name, b.name) })
	last := from + limit
	if last > len(all) {
		last = len(all)
	} else {
		answer.NextPageToken = strconv.Itoa(last)
	}
	for i := from; i < last; i++ {
		answer.Models = append(answer.Models, named{all[i].name, all[i].name + ".mar"})
	}
	t.json(w, http.StatusOK, answer)
}

// named is the model of the path, nil if it has answered that there is none.
func (t *torchServe) named(w http.ResponseWriter, r *http.Request) *torchModel {
	name, version := r.PathValue("model"), r.PathValue("version")
	m := t.find(name)
	switch {
	case m == nil:
		t.fault(w, http.StatusNotFound, "ModelNotFoundException", "Model not found: %s", name)
		return nil
	case version != "" && version != torchVersion && version != "all":
		t.fault(w, http.StatusNotFound, "ModelVersionNotFoundException", "Model version: %s does not exist for model: %s", version, name)
		return nil
	}
	return m
}

func (t *torchServe) describeModel(w http.ResponseWriter, r *http.Request) {
	m := t.named(w, r)
	if m == nil {
		return
	}
	var d torchDescription
	if t.driver.do(func(*model.World) { d = m.describe(t.options) }) != nil {
		panic(http.ErrAbortHandler)
	}
	t.json(w, http.StatusOK, []torchDescription{d})
}

// scaleModel sets the number of workers. More are there at once; those that
// are too many end after their batch.
func (t *torchServe) scaleModel(w http.ResponseWriter, r *http.Request) {
	m := t.named(w, r)
	if m == nil {
		return
	}
	least := intParameter(r, "min_worker", 1)
	most := intParameter(r, "max_worker", least)
	if most < least || least < 0 {
		t.fault(w, http.StatusBadRequest, "BadRequestException", "max_worker cannot be less than min_worker.")
		return
	}
	err := t.scale(m, least, most)
	switch {
	case r.URL.Query().Get("synchronous") != "true":
		t.json(w, http.StatusAccepted, map[string]string{"status": "Processing worker updates..."})
	case err != nil: // a worker that finds no memory does not start
		t.fault(w, http.StatusInternalServerError, "InternalServerException", "Failed to start workers for model %s version: null", m.name)
	default:
		t.json(w, http.StatusOK, map[string]string{"status": fmt.Sprintf("Workers scaled to %d for model: %s", least, m.name)})
	}
}

// scale brings the workers between least and most. Workers that are to end have
// given their memory back already: it is reckoned from those that are to be.
func (t *torchServe) scale(m *torchModel, least, most int) error {
	t.scaling.Lock()
	defer t.scaling.Unlock()
	var now, want int
	if t.driver.do(func(*model.World) {
		now = m.detector.Target()
		want = min(max(now, least), most)
	}) != nil {
		panic(http.ErrAbortHandler)
	}
	if t.resize != nil && want != now {
		if err := t.resize(want-now, m); err != nil {
			return err
		}
	}
	return t.driver.do(func(*model.World) {
		m.detector.Scale(want)
		m.minWorkers, m.maxWorkers = least, most
		m.started = time.Now()
	})
}

// A torchDescription is DescribeModelResponse.java, without what is not there
// to be told: the workers' GPU usage and Python's own memory.
type torchDescription struct {
	ModelName       string        `json:"modelName"`
	ModelVersion    string        `json:"modelVersion"`
	ModelURL        string        `json:"modelUrl"`
	Runtime         string        `json:"runtime"`
	MinWorkers      int           `json:"minWorkers"`
	MaxWorkers      int           `json:"maxWorkers"`
	BatchSize       int           `json:"batchSize"`
	MaxBatchDelay   int           `json:"maxBatchDelay"` // ms
	DeviceType      string        `json:"deviceType"`
	LoadedAtStartup bool          `json:"loadedAtStartup"`
	Workers         []torchWorker `json:"workers"`
	Queue           torchQueue    `json:"jobQueueStatus"`
}

type torchWorker struct {
	ID        string `json:"id"`
	StartTime string `json:"startTime"`
	Status    string `json:"status"`
	GPU       bool   `json:"gpu"`
}

type torchQueue struct {
	RemainingCapacity int `json:"remainingCapacity"`
	PendingRequests   int `json:"pendingRequests"`
}

func (m *torchModel) describe(o torchServeOptions) torchDescription {
	pending := m.detector.Pending()
	d := torchDescription{
		ModelName: m.name, ModelVersion: torchVersion, ModelURL: m.name + ".mar", Runtime: "python",
		MinWorkers: m.minWorkers, MaxWorkers: m.maxWorkers, BatchSize: o.batch, MaxBatchDelay: o.delay,
		DeviceType: "gpu", LoadedAtStartup: true, Workers: []torchWorker{},
		Queue: torchQueue{RemainingCapacity: max(0, o.queue-pending), PendingRequests: pending},
	}
	for i := range m.detector.Workers() {
		d.Workers = append(d.Workers, torchWorker{
			ID: strconv.Itoa(9000 + i), StartTime: m.started.UTC().Format(time.RFC3339), Status: "READY", GPU: true,
		})
	}
	return d
}
