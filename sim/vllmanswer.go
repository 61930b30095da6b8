package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// Answers are put together by hand: an accelerated server gives tens of
// thousands of events a second, and reflection costs more than the model.

// quoted is a string in JSON.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("sim: answer: %v", err)) // a string always encodes
	}
	return string(b)
}

// usage adds the usage after so many tokens; details is what follows its
// last field.
func (a *answer) usage(to []byte, tokens int, details string) []byte {
	to = append(to, `"usage":{"prompt_tokens":`...)
	to = strconv.AppendInt(to, int64(a.prompt.tokens), 10)
	to = append(to, `,"total_tokens":`...)
	to = strconv.AppendInt(to, int64(a.prompt.tokens+tokens), 10)
	to = append(to, `,"completion_tokens":`...)
	to = strconv.AppendInt(to, int64(tokens), 10)
	to = append(to, details...)
	return append(to, '}')
}

// details are prompt_tokens_details, "" if there are none: without the flag,
// and when no token was cached. The first token must be there.
func (v *vllmServer) details(a *answer) string {
	if !v.options.tokenDetails || a.seq.Cached == 0 {
		return ""
	}
	return fmt.Sprintf(`,"prompt_tokens_details":{"cached_tokens":%d}`, a.seq.Cached)
}

// whole answers when all tokens are there. What is unknown is null here, as
// vLLM dumps the whole object.
func (v *vllmServer) whole(w http.ResponseWriter, r *http.Request, a *answer) {
	if _, ok := v.next(r, a, len(a.words)-1); !ok {
		return
	}
	details := v.details(a)
	if details == "" {
		details = `,"prompt_tokens_details":null`
	}
	b := make([]byte, 0, 1024+8*len(a.words))
	b = fmt.Appendf(b, `{"id":%s,"object":"chat.completion","created":%d,"model":%s,"choices":[{"index":0,"message":`+
		`{"role":"assistant","content":"`, quoted(a.id), a.created, quoted(v.name))
	for i := range a.words {
		b = a.text(b, i)
	}
	b = fmt.Appendf(b, `","refusal":null,"annotations":null,"audio":null,"function_call":null,"tool_calls":[],"reasoning":null},`+
		`"logprobs":null,"finish_reason":%q,"stop_reason":null,"token_ids":null}],"service_tier":null,"system_fingerprint":null,`, a.reason)
	b = a.usage(b, len(a.words), details)
	b = append(b, `,"prompt_logprobs":null,"prompt_token_ids":null,"kv_transfer_params":null}`...)
	w.Header().Set("Content-Type", "application/json")
	w.Write(b)
}

// stream answers token by token. As in vLLM the headers go out before the
// first token is there, and the role's event comes just before it. Usage is
// not in the ordinary events at all (they are dumped with exclude_unset, see
// vllm/entrypoints/openai/chat_completion/serving.py) unless
// continuous_usage_stats asks for it.
func (v *vllmServer) stream(w http.ResponseWriter, r *http.Request, a *answer, req *chatRequest) {
	usage, running := false, false
	if req.StreamOptions != nil {
		usage = req.StreamOptions.IncludeUsage
		running = usage && req.StreamOptions.Continuous
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	control := http.NewResponseController(w)
	control.Flush()
	e := events{answer: a, running: running, head: fmt.Sprintf(
		`data: {"id":%s,"object":"chat.completion.chunk","created":%d,"model":%s,"choices":[`, quoted(a.id), a.created, quoted(v.name))}
	for seen := 0; seen < len(a.words); {
		ready, ok := v.next(r, a, seen)
		if !ok {
			return
		}
		e.buffer = e.buffer[:0]
		if seen == 0 {
			e.role()
		}
		for ; seen < ready; seen++ {
			e.token(seen)
		}
		if seen == len(a.words) {
			if usage {
				e.last(v.details(a))
			}
			e.buffer = append(e.buffer, "data: [DONE]\n\n"...)
		}
		w.Write(e.buffer) // what is ready goes out at once
		control.Flush()
	}
}

// events writes server-sent events of one answer.
type events struct {
	answer  *answer
	head    string // of each event
	running bool   // usage in each event
	buffer  []byte
}

func (e *events) role() {
	e.buffer = append(e.buffer, e.head...)
	e.buffer = append(e.buffer, `{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]`...)
	e.usageSoFar(0)
	e.buffer = append(e.buffer, `,"prompt_token_ids":null`...)
	e.buffer = append(e.buffer, "}\n\n"...)
}

func (e *events) token(i int) {
	e.buffer = append(e.buffer, e.head...)
	e.buffer = append(e.buffer, `{"index":0,"delta":{"content":"`...)
	e.buffer = e.answer.text(e.buffer, i)
	e.buffer = append(e.buffer, `"},"logprobs":null,"finish_reason":`...)
	if i == len(e.answer.words)-1 {
		e.buffer = append(e.buffer, '"')
		e.buffer = append(e.buffer, e.answer.reason...)
		e.buffer = append(e.buffer, `","stop_reason":null`...)
	} else {
		e.buffer = append(e.buffer, "null"...)
	}
	e.buffer = append(e.buffer, `,"token_ids":null}]`...)
	e.usageSoFar(i + 1)
	e.buffer = append(e.buffer, "}\n\n"...)
}

func (e *events) usageSoFar(tokens int) {
	if e.running {
		e.buffer = append(e.buffer, ',')
		e.buffer = e.answer.usage(e.buffer, tokens, "")
	}
}

// last is the event that has the usage and no choice.
func (e *events) last(details string) {
	e.buffer = append(e.buffer, e.head...)
	e.buffer = append(e.buffer, "],"...)
	e.buffer = e.answer.usage(e.buffer, len(e.answer.words), details)
	e.buffer = append(e.buffer, "}\n\n"...)
}
