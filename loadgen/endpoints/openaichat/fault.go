package openaichat

import "encoding/json"

// A fault is what an error body says: OpenAI's form nests it under "error",
// older vLLM puts the same fields at the top with object "error".
type fault struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// faultOf reads an error body and reports whether it is one.
func faultOf(body []byte) (fault, bool) {
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
		return inner, true
	}
	return outer.fault, outer.Object == "error" || outer.Message != ""
}
