package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/sim/model"
)

// vllmVersion is what the simulated engine says of itself; its pages have some of
// the names of that version.
const vllmVersion = "0.11.0-simulated"

// chatBody bounds a request body in bytes: some ten frames in base64.
const chatBody = 64 << 20

// A vllmServer answers as vLLM's OpenAI server does.
type vllmServer struct {
	driver    *driver
	name      string // served model name
	maxTokens int    // max_model_len
	answer    float64
	started   time.Time
	gone      chan struct{} // closed when the instance ends
	load      atomic.Int64  // calls within the HTTP server
	calls     atomic.Int64

	// These belong to the driver.
	engine  *model.Engine
	metrics *vllmMetrics
}

func (v *vllmServer) handler() http.Handler {
	mux := http.NewServeMux()
	healthy := func(http.ResponseWriter, *http.Request) {}
	mux.HandleFunc("GET /health", healthy)
	mux.HandleFunc("GET /ping", healthy)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"version": vllmVersion})
	})
	mux.HandleFunc("GET /load", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]int64{"server_load": v.load.Load()})
	})
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": []any{map[string]any{
			"id": v.name, "object": "model", "created": v.started.Unix(), "owned_by": "vllm", "root": v.name,
			"parent": nil, "max_model_len": v.maxTokens,
		}}})
	})
	mux.HandleFunc("GET /metrics", v.page)
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		v.load.Add(1)
		defer v.load.Add(-1)
		v.chat(w, r)
	})
	return mux
}

// apiFault answers with an error as vLLM words it.
func apiFault(w http.ResponseWriter, code int, kind, format string, args ...any) {
	writeJSON(w, code, map[string]any{"error": map[string]any{
		"message": fmt.Sprintf(format, args...), "type": kind, "param": nil, "code": code,
	}})
}

func (v *vllmServer) chat(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, chatBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		apiFault(w, http.StatusBadRequest, "BadRequestError", "the body is larger than %d bytes", chatBody)
		return
	}
	if err != nil {
		return // the client is gone
	}
	var req chatRequest
	if err := json.Unmarshal(body, &req); err != nil {
		apiFault(w, http.StatusBadRequest, "BadRequestError", "%v", err)
		return
	}
	if req.Model != v.name {
		apiFault(w, http.StatusNotFound, "NotFoundError", "The model `%s` does not exist.", req.Model)
		return
	}
	p, err := req.measure(v.maxTokens)
	if err != nil {
		apiFault(w, http.StatusBadRequest, "BadRequestError", "%v", err)
		return
	}
	a := v.compose(p, req.IgnoreEOS)
	if v.submit(a) != nil {
		panic(http.ErrAbortHandler)
	}
	a.id = fmt.Sprintf("chatcmpl-%s", r.Header.Get("X-Request-Id"))
	if r.Header.Get("X-Request-Id") == "" {
		a.id = fmt.Sprintf("chatcmpl-sim-%d", v.calls.Add(1))
	}
	if req.Stream {
		v.stream(w, r, a, req.StreamOptions.IncludeUsage)
	} else {
		v.whole(w, r, a)
	}
}

// An answer is a call that was accepted.
type answer struct {
	id      string
	created int64
	prompt  prompt
	words   []string // one a token
	reason  string   // "stop" or "length"
	tokens  chan struct{}
	seq     *model.Sequence
}

// compose draws the answer from the prompt's seed: how long the model would
// speak (log-normal about its median), cut at what was allowed.
func (v *vllmServer) compose(p prompt, ignoreEnd bool) *answer {
	r := rand.New(rand.NewPCG(p.seed, 3))
	n := max(1, int(v.answer*math.Exp(0.5*r.NormFloat64())))
	a := &answer{created: time.Now().Unix(), prompt: p, reason: "stop"}
	if n >= p.maxOutput || ignoreEnd {
		n, a.reason = p.maxOutput, "length"
	}
	for i := range n {
		word := vocabulary[r.IntN(len(vocabulary))]
		if i > 0 {
			word = " " + word
		}
		a.words = append(a.words, word)
	}
	a.tokens = make(chan struct{}, n) // the engine never waits for a reader
	return a
}

// vocabulary is what a simulated model speaks with.
var vocabulary = [...]string{"the", "camera", "shows", "a", "person", "near", "door", "no", "smoke", "is", "visible",
	"and", "yes", "worker", "helmet", "vehicle", "stands", "moves", "left", "right", "scene", "calm", "alarm", "not", "met"}

func (v *vllmServer) submit(a *answer) error {
	return v.driver.do(func(w *model.World) {
		last := time.Duration(0)
		a.seq = v.engine.Submit(model.Call{
			PromptTokens: a.prompt.tokens, ImageTokens: a.prompt.imageTokens, Images: a.prompt.images, OutputTokens: len(a.words),
			Token: func() {
				v.metrics.token(a.seq, w.Now(), last)
				last = w.Now()
				a.tokens <- struct{}{}
			},
			Done: func() { v.metrics.finished(a.seq, a.reason) },
		})
	})
}

// next waits for the answer's next token. False means that the client or the
// instance is gone.
func (v *vllmServer) next(r *http.Request, a *answer) bool {
	select {
	case <-a.tokens:
		return true
	case <-r.Context().Done():
		v.driver.do(func(*model.World) {
			if v.engine.Abort(a.seq) {
				v.metrics.success["abort"]++
			}
		})
		return false
	case <-v.gone:
		panic(http.ErrAbortHandler)
	}
}
