package openaichat

import (
	"strings"
	"testing"

	"github.com/evabench/evabench/results"
)

// What is told with status 200 means what it would mean with its own status.
func TestFaults(t *testing.T) {
	for body, want := range map[string]results.Outcome{
		`{"error":{"message":"slow down","code":429}}`:                                                     results.Shed,
		`{"error":{"message":"slow down","code":"429"}}`:                                                   results.Shed,
		`{"error":{"message":"slow down","status":429}}`:                                                   results.Shed,
		`{"error":"slow down","status":"429"}`:                                                             results.Shed,
		`{"error":{"message":"slow down","type":"rate_limit_error"}}`:                                      results.Shed,
		`{"error":{"message":"slow down","type":"tokens","code":"rate_limit_exceeded"}}`:                   results.Shed,
		`{"error":{"message":"GPU out of memory","code":429}}`:                                             results.Shed, // as with status 429
		`{"error":{"message":"the queue is full","code":503}}`:                                             results.Shed,
		`{"error":{"message":"admission limit","type":"ServiceUnavailable"}}`:                              results.Shed,
		`{"error":{"message":"Loading model","type":"unavailable_error","code":503}}`:                      results.HTTP5xx,
		`{"error":{"message":"the queue broke","code":500}}`:                                               results.HTTP5xx,
		`{"error":{"message":"too long","type":"BadRequestError","code":400}}`:                             results.HTTP4xx,
		`{"object":"error","message":"too long","type":"BadRequestError","param":null,"code":400}`:         results.HTTP4xx,
		`{"error":{"message":"no such model","code":404.0}}`:                                               results.HTTP4xx,
		`{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}`: results.HTTP4xx,
		`{"error":{"message":"who?","type":"authentication_error"}}`:                                       results.HTTP4xx,
		`{"error":{"message":"CUDA out of memory","code":400}}`:                                            results.OOM,
		`{"error":{"message":"broke","code":500,"type":"BadRequestError"}}`:                                results.HTTP5xx, // the number counts
		`{"error":{"message":"broke","code":200}}`:                                                         results.HTTP5xx,
		`{"error":{"message":"broke","code":{"a":1}}}`:                                                     results.HTTP5xx,
		`{"error":{"message":"broke","code":null,"status":null}}`:                                          results.HTTP5xx,
		`{"error":{"message":"broke","type":7}}`:                                                           results.HTTP5xx,
		`{"error":"broke"}`:                                                                                results.HTTP5xx,
		`{"error":true}`:                                                                                   results.HTTP5xx,
	} {
		for _, c := range []struct {
			r    *reader
			text string
		}{{&reader{}, body}, {streamReader(), "data: " + body + "\n\ndata: [DONE]\n\n"}, {streamReader(), "error: " + body + "\n\n"}} {
			if a, _ := read(c.r, "", c.text); a.Outcome != want || a.Detail == "" {
				t.Errorf("%s: %v, %q; want %v", c.text, a.Outcome, a.Detail, want)
			}
		}
	}
}

// An answer that the engine gave up is not one, whatever it said until then.
func TestBrokenOff(t *testing.T) {
	for reason, want := range map[string]results.Outcome{"error": results.HTTP5xx, "abort": results.HTTP5xx, "stop": 0, "length": 0, "repetition": 0} {
		for _, c := range []struct {
			r    *reader
			text string
		}{
			{&reader{}, `{"choices":[{"message":{"content":"a"},"finish_reason":"` + reason + `"},{"message":{"content":"b"},"finish_reason":"stop"}]}`},
			{streamReader(), `data: {"choices":[{"delta":{"content":"a"}}]}` + "\n\n" + `data: {"choices":[{"delta":{},"finish_reason":"` + reason + `"}]}` + "\n\ndata: [DONE]\n\n"},
		} {
			a, _ := read(c.r, "", c.text)
			if a.Outcome != want || want != 0 && !strings.Contains(a.Detail, `finish_reason "`+reason+`"`) {
				t.Errorf("%s: %v, %q; want %v", c.text, a.Outcome, a.Detail, want)
			}
		}
	}
	if a, _ := read(streamReader(), "", `data: {"choices":[{"delta":{},"finish_reason":"error"}],"error":{"message":"CUDA out of memory"}}`+"\n\n"); a.Outcome != results.OOM {
		t.Errorf("with words: %v, %q; want %v", a.Outcome, a.Detail, results.OOM)
	}
}

// Events that say nothing keep a stream alive and are no more than that.
func TestHeartbeats(t *testing.T) {
	r := streamReader()
	want, _ := read(r, "", goodStream)
	for _, beat := range []string{"data:\n\n", "data: \n\n", "data\n\n", "error:\n\n", "data: \ndata:\n\n"} {
		if got, _ := read(r, "", strings.ReplaceAll(goodStream, "data: {", beat+"data: {")+beat); got != want {
			t.Errorf("with %q: %+v, want %+v", beat, got, want)
		}
	}
	if a, _ := read(r, "", "data:\n\n"); a.Outcome != results.Reset {
		t.Errorf("nothing else: %+v", a)
	}
}

// What is too long for a fault is not looked at for one.
func TestLongFaults(t *testing.T) {
	const begin, end = `{"error":{"message":"`, `"}}`
	room := maxFault - len(begin) - len(end)
	for size, want := range map[int]bool{room: true, room + 1: false} {
		if _, is := faultOf([]byte(begin + strings.Repeat("x", size) + end)); is != want {
			t.Errorf("a fault of %d bytes: %v, want %v", size+len(begin)+len(end), is, want)
		}
	}
}
