package openaichat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/results"
)

// A chunk costs no allocation, but for what its text makes a stream grow.
func BenchmarkChunk(b *testing.B) {
	var stream strings.Builder
	const chunks = 1000
	for i := range chunks {
		fmt.Fprintf(&stream, `data: {"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1764000000,"model":"vlm",`+
			`"choices":[{"index":0,"delta":{"content":" word%d"},"logprobs":null,"finish_reason":null,"token_ids":null}]}`+"\n\n", i)
	}
	stream.WriteString("data: [DONE]\n\n")
	events := strings.SplitAfter(stream.String(), "\n\n")
	pieces := make([][]byte, len(events))
	for i := range events {
		pieces[i] = []byte(events[i])
	}
	r, x := streamReader(), &loadgen.Exchange{}
	b.ReportAllocs()
	for b.Loop() {
		x.Begin()
		r.Begin(&httpx.Request{}, header(""), x)
		for i, p := range pieces {
			if r.Body(p, results.Offset(i)) {
				break
			}
		}
		if x.Answer.Outcome != 0 || x.Answer.Chunks != chunks {
			b.Fatalf("%+v", x.Answer)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*chunks), "ns/chunk")
}

func BenchmarkPrepare(b *testing.B) {
	d, err := New(Default, nil)
	if err != nil {
		b.Fatal(err)
	}
	e, err := d.Dial("http://a:1")
	if err != nil {
		b.Fatal(err)
	}
	r := &loadgen.Request{Model: "m", Messages: []loadgen.Message{{Role: "user", Text: "what is this?", Images: [][]byte{make([]byte, 100_000)}}}}
	b.SetBytes(100_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Prepare(r); err != nil {
			b.Fatal(err)
		}
	}
}
