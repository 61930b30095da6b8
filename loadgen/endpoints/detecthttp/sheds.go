package detecthttp

import (
	"bytes"
	"encoding/json"
	"strings"
)

// shortLine bounds what is taken for a message in plain text, in bytes.
const shortLine = 256

// sheds looks for the words of full queues in what a 503 says: a queue, admission,
// or as TorchServe's no worker to serve. It looks where a fault is told, the
// members type, message, error and detail of an object or of its error, and else
// at a text of one short line: a page or a trace may speak of queues too.
func sheds(body []byte) bool {
	var outer map[string]any
	if json.Unmarshal(body, &outer) == nil {
		words := faultWords(outer)
		if inner, ok := outer["error"].(map[string]any); ok {
			words += faultWords(inner)
		}
		return outer["type"] == "ServiceUnavailableException" || speaksOfQueue(words)
	}
	text := bytes.TrimSpace(body)
	return len(text) <= shortLine && !bytes.ContainsAny(text, "\r\n") && !bytes.HasPrefix(text, []byte("<")) &&
		!bytes.HasPrefix(text, []byte("[")) && speaksOfQueue(string(text))
}

// faultWords gives the texts of an object that tell a fault.
func faultWords(object map[string]any) (words string) {
	for _, name := range []string{"type", "message", "error", "detail"} {
		if text, ok := object[name].(string); ok {
			words += text + "\n"
		}
	}
	return words
}

func speaksOfQueue(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "queue") || strings.Contains(text, "admission")
}
