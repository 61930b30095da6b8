package openaichat

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/results"
)

// A fault is what an error body says: OpenAI's form nests it under "error",
// older vLLM puts the same fields at the top with object "error".
type fault struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	// Code and Status are a number, the same as text, or words.
	Code   json.RawMessage `json:"code"`
	Status json.RawMessage `json:"status"`
}

// maxFault bounds what is looked at for a fault, in bytes: to decode ten megabytes holds
// up all else of the step for 40 ms.
const maxFault = 1 << 20

// faultOf reads an error body and reports whether it is one, of at most maxFault.
func faultOf(body []byte) (fault, bool) {
	if len(body) > maxFault {
		return fault{}, false
	}
	var outer struct {
		Error  json.RawMessage `json:"error"`
		Object string          `json:"object"`
		fault
	}
	if err := json.Unmarshal(body, &outer); err != nil {
		return fault{}, false
	}
	if len(outer.Error) > 0 && string(outer.Error) != "null" {
		var inner fault
		if err := json.Unmarshal(outer.Error, &inner); err != nil || inner.Message == "" {
			inner.Message = string(outer.Error) // {"error": "text"}, or a form of its own
		}
		if inner.Code == nil && inner.Status == nil {
			inner.Code, inner.Status = outer.Code, outer.Status
		}
		return inner, true
	}
	if outer.Object == "error" && outer.Message == "" {
		outer.Message = string(body) // a fault without a word of its own
	}
	return outer.fault, outer.Message != ""
}

// detail puts it into words.
func (f fault) detail() string {
	if f.Type == "" {
		return f.Message
	}
	return f.Type + ": " + f.Message
}

// outcome says what a fault means that body tells with status 200: what it would
// mean with the status that it tells itself, as httpx has it.
func (f fault) outcome(body []byte) results.Outcome {
	switch status := f.status(); {
	case status == http.StatusTooManyRequests:
		return results.Shed
	case httpx.OutOfMemory(body):
		return results.OOM
	case status == http.StatusServiceUnavailable && f.speaksOfQueue():
		return results.Shed
	case status >= 400 && status < 500:
		return results.HTTP4xx
	}
	return results.HTTP5xx
}

// words are parts of types and codes that stand for a status, in lower case
// without what parts words.
var words = [...]struct {
	part   string
	status int
}{
	{"ratelimit", http.StatusTooManyRequests}, {"toomanyrequests", http.StatusTooManyRequests},
	{"serviceunavailable", http.StatusServiceUnavailable}, {"overloaded", http.StatusServiceUnavailable},
	{"badrequest", http.StatusBadRequest}, {"invalidrequest", http.StatusBadRequest}, {"contextlength", http.StatusBadRequest},
	{"exceedcontextsize", http.StatusBadRequest}, {"notfound", http.StatusNotFound},
	{"authentication", http.StatusUnauthorized}, {"permission", http.StatusForbidden},
}

// status gives the HTTP status that the fault tells: the number of its code or
// status, else by its words; 0 if it tells none.
func (f fault) status() int {
	text := f.Type
	for _, raw := range []json.RawMessage{f.Code, f.Status} {
		said := strings.Trim(string(raw), `"`)
		if n, err := strconv.ParseFloat(said, 64); err == nil && n >= 400 && n < 600 {
			return int(n)
		}
		text += " " + said
	}
	text = strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(text))
	for _, w := range words {
		if strings.Contains(text, w.part) {
			return w.status
		}
	}
	return 0
}

// speaksOfQueue reports whether it speaks of a full queue or of admission.
func (f fault) speaksOfQueue() bool {
	text := strings.ToLower(f.Type + " " + f.Message)
	return strings.Contains(text, "queue") || strings.Contains(text, "admission")
}

// sheds reports whether a 503 speaks of a full queue or of admission.
func sheds(body []byte) bool {
	f, _ := faultOf(body)
	return f.speaksOfQueue()
}
