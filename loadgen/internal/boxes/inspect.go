package boxes

import (
	"fmt"

	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/loadgen/internal/jsonscan"
	"github.com/evabench/evabench/results"
)

// Inspect looks at the whole body of an answer with status 200. It gives 0 for a
// JSON object or list, unless it is an object that tells an error: with a member
// "error" that is more than null, false, 0 or "", or with a code, a type and a
// message, as TorchServe's. An error is HTTP5xx, or OOM where its words say so.
func Inspect(body []byte) (results.Outcome, string) {
	var s jsonscan.Scanner
	s.Reset(body)
	fault, ok := false, true
	if s.Object() {
		fault = tellsError(&s)
	} else if ok = s.Array(); ok {
		for s.Element() {
			s.Skip()
		}
	}
	switch {
	case !ok || !s.End():
		return results.Malformed, fmt.Sprintf("the body is no JSON object or list: %.256s", body)
	case !fault:
		return 0, ""
	case httpx.OutOfMemory(body):
		return results.OOM, fmt.Sprintf("the answer tells an error: %.256s", body)
	}
	return results.HTTP5xx, fmt.Sprintf("the answer tells an error: %.256s", body)
}

// tellsError reads the members of an object that was entered.
func tellsError(s *jsonscan.Scanner) bool {
	fault, code, kind, message := false, false, false, false
	for s.Key() {
		switch {
		case s.Is("error"):
			text := string(s.Raw())
			fault = fault || text != "" && text != "null" && text != "false" && text != "0" && text != `""`
		case s.Is("code"):
			if _, code = s.Number(); !code {
				s.Skip()
			}
		case s.Is("type"):
			if _, kind = s.String(); !kind {
				s.Skip()
			}
		case s.Is("message"):
			if _, message = s.String(); !message {
				s.Skip()
			}
		default:
			s.Skip()
		}
	}
	return fault || code && kind && message
}
