package sim

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/evabench/evabench/sim/model"
	"github.com/evabench/evabench/sim/parameters"
)

// vllmVersion is what the simulated engine says of itself. Names, labels and
// answers are those of vLLM 0.17.1.
const vllmVersion = "0.17.1-simulated"

// chatBody bounds a request body in bytes: some hundred frames in base64.
const chatBody = 64 << 20

// vllmImages is how many images the processor's cache holds: 4 GiB, vLLM's
// default of mm_processor_cache_gb, of the 21 MiB that Qwen3-VL's processor
// makes of 1280 x 720 pixels (3,520 patches of 1,536 numbers of 4 bytes).
const vllmImages = 190

// A vllmServer answers as vLLM's OpenAI server does.
type vllmServer struct {
	driver    *driver
	name      string // served model name
	maxTokens int    // max_model_len
	answer    float64
	started   time.Time
	gone      chan struct{} // closed when the instance ends
	options   vllmOptions
	load      atomic.Int64 // calls within the HTTP server
	calls     atomic.Int64
	hold      time.Duration // for which tokens are held back on their way

	// These belong to the driver.
	engine  *model.Engine
	metrics *vllmMetrics
	served  served
}

// vllmOptions are launch parameters, named as vLLM's flags.
type vllmOptions struct {
	trackLoad, tokenDetails, idHeaders bool
	blockTokens                        int // of the KV cache
}

// parameters are the options that a start request can set.
func (o *vllmOptions) parameters() map[string]any {
	return map[string]any{
		"enable_server_load_tracking":  &o.trackLoad,
		"enable_prompt_tokens_details": &o.tokenDetails,
		"enable_request_id_headers":    &o.idHeaders,
	}
}

// use tells the server how its engine is configured.
func (v *vllmServer) use(cfg model.EngineConfig, memoryShare float64) {
	v.options.blockTokens = cfg.BlockTokens
	caching := "False"
	if cfg.PrefixCache {
		caching = "True"
	}
	v.metrics.config = fmt.Sprintf("block_size=\"%d\",cache_dtype=\"auto\",enable_prefix_caching=%q,engine=\"0\","+
		"gpu_memory_utilization=\"%v\",num_gpu_blocks=\"%d\"", cfg.BlockTokens, caching, memoryShare, cfg.KVBlocks)
}

func (v *vllmServer) handler() http.Handler {
	mux := http.NewServeMux()
	healthy := func(http.ResponseWriter, *http.Request) {}
	mux.HandleFunc("GET /health", healthy)
	mux.HandleFunc("GET /ping", healthy)
	mux.HandleFunc("POST /ping", healthy)
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
	mux.HandleFunc("POST /v1/chat/completions", v.chat)
	mux.HandleFunc("/v1/chat/completions", func(w http.ResponseWriter, _ *http.Request) {
		apiFault(w, &chatFault{http.StatusMethodNotAllowed, "Method Not Allowed", "Method Not Allowed"})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		apiFault(w, &chatFault{http.StatusNotFound, "Not Found", "Not Found"})
	})
	return v.tagged(mux)
}

// tagged echoes the caller's request id, if vLLM were told to.
func (v *vllmServer) tagged(h http.Handler) http.Handler {
	if !v.options.idHeaders {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if id == "" {
			id = strings.ReplaceAll(newUUID(), "-", "")
		}
		w.Header().Set("X-Request-Id", id)
		h.ServeHTTP(w, r)
	})
}

// apiFault answers with an error as vLLM words it.
func apiFault(w http.ResponseWriter, f *chatFault) {
	writeJSON(w, f.code, map[string]any{"error": map[string]any{
		"message": f.message, "type": f.kind, "param": nil, "code": f.code,
	}})
}

func (v *vllmServer) chat(w http.ResponseWriter, r *http.Request) {
	if v.options.trackLoad {
		v.load.Add(1)
		defer v.load.Add(-1)
	}
	body, err := readBody(w, r, chatBody)
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		apiFault(w, badRequest("the body is larger than %d bytes", chatBody))
		return
	}
	if err != nil {
		return // the client is gone
	}
	req, fault := parseChat(r.Header.Get("Content-Type"), body)
	if fault == nil && req.Model != "" && req.Model != v.name {
		fault = &chatFault{http.StatusNotFound, "NotFoundError", fmt.Sprintf("The model `%s` does not exist.", req.Model)}
	}
	var p prompt
	if fault == nil {
		p, fault = req.measure(v.maxTokens, v.options.blockTokens)
	}
	if fault != nil {
		apiFault(w, fault)
		return
	}
	a := v.compose(p, &req)
	if id := r.Header.Get("X-Request-Id"); id != "" {
		a.id = "chatcmpl-" + id
	} else {
		a.id = fmt.Sprintf("chatcmpl-sim-%d", v.calls.Add(1))
	}
	if v.submit(a) != nil {
		panic(http.ErrAbortHandler)
	}
	if req.Stream {
		v.stream(w, r, a, &req)
	} else {
		v.whole(w, r, a)
	}
}

// readBody reads a body of at most limit bytes, into memory of its size where
// that is known.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	in := http.MaxBytesReader(w, r.Body, limit)
	if r.ContentLength < 0 || r.ContentLength > limit {
		return io.ReadAll(in)
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(in, body)
	return body, err
}

// An answer is a call that was accepted.
type answer struct {
	id      string
	created int64 // by the clock, in Unix seconds
	prompt  prompt
	words   []uint8 // of the vocabulary, one a token
	reason  string  // "stop" or "length"
	stream  bool
	seq     *model.Sequence

	ready atomic.Int64  // tokens that are there
	wake  chan struct{} // there are more; the engine never waits for a reader
}

// compose draws the answer from the prompt's seed: how long the model would
// speak, cut at what was allowed. An answer that ends by itself ends with the
// end-of-sequence token, which counts and has no text.
func (v *vllmServer) compose(p prompt, req *chatRequest) *answer {
	n := max(2, parameters.AnswerTokens(p.seed, v.answer), p.minOutput)
	a := &answer{created: time.Now().Unix(), prompt: p, reason: "stop", stream: req.Stream, wake: make(chan struct{}, 1)}
	if n > p.maxOutput || req.IgnoreEOS {
		n, a.reason = p.maxOutput, "length"
	}
	r := rand.New(rand.NewPCG(p.seed, 4))
	a.words = make([]uint8, n)
	for i := range a.words {
		a.words[i] = uint8(1 + r.IntN(len(vocabulary)-1))
	}
	if a.reason == "stop" {
		a.words[n-1] = endOfSequence
	}
	return a
}

// vocabulary is what a simulated model speaks with.
var vocabulary = [...]string{endOfSequence: "", "the", "camera", "shows", "a", "person", "near", "door", "no", "smoke", "is",
	"visible", "and", "yes", "worker", "helmet", "vehicle", "stands", "moves", "left", "right", "scene", "calm", "alarm", "not", "met"}

const endOfSequence = 0

// text adds the text of token i, which needs no escapes in JSON.
func (a *answer) text(to []byte, i int) []byte {
	if i > 0 && a.words[i] != endOfSequence {
		to = append(to, ' ')
	}
	return append(to, vocabulary[a.words[i]]...)
}

func (v *vllmServer) submit(a *answer) error {
	return v.driver.do(func(w *model.World) {
		last := time.Duration(0)
		wake := func() {
			select {
			case a.wake <- struct{}{}:
			default:
			}
		}
		a.seq = v.engine.Submit(model.Call{
			PromptTokens: a.prompt.tokens, ImageTokens: a.prompt.imageTokens, Images: a.prompt.images,
			Prefix: a.prompt.prefix, ImageKeys: a.prompt.imageKeys, OutputTokens: len(a.words),
			Token: func() {
				v.metrics.token(a.seq, w.Now(), last)
				last = w.Now()
				deliver := func() {
					if n := a.ready.Add(1); a.stream || int(n) == len(a.words) {
						wake()
					}
				}
				if v.hold == 0 {
					deliver()
					return
				}
				w.At(w.Now()+v.hold, deliver)
			},
			Done: func() {
				v.metrics.finished(a.seq, a.reason, a.prompt.maxOutput)
				v.served.add(a.seq.Finished - a.seq.Arrived)
			},
		})
	})
}

// next waits for more tokens than were seen and gives how many there are.
// False means that the client or the instance is gone. Note: vLLM counts an
// aborted call's tokens and nothing else of it: its finished_reason="abort"
// stays 0 (github.com/vllm-project/vllm/issues/31503 and 55634).
func (v *vllmServer) next(r *http.Request, a *answer, seen int) (ready int, ok bool) {
	for {
		if ready = int(a.ready.Load()); ready > seen {
			return ready, true
		}
		select {
		case <-a.wake:
		case <-r.Context().Done():
			v.driver.do(func(*model.World) { v.engine.Abort(a.seq) })
			return 0, false
		case <-v.gone:
			panic(http.ErrAbortHandler)
		}
	}
}
