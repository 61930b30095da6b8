package openaichat

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/endpointtest"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/results"
)

// What servers put beside the usage, and what is to be taken of it. The first is
// llama-server's, from vllm-project/vllm#40076, the second vLLM's, from its
// docs/features/per_request_metrics.md, with all of whose fields null as the tests of
// vllm-project/vllm#46768 have it.
var toldBeside = map[string]struct {
	text        string
	queue, work time.Duration
	refused     bool
}{
	"llama-server": {`"timings":{"cache_n":60,"prompt_n":8,"prompt_ms":43.237,"prompt_per_token_ms":5.404625,"prompt_per_second":185.02671323172282,` +
		`"predicted_n":25,"predicted_ms":238.74,"predicted_per_token_ms":9.5496,"predicted_per_second":104.71642791321104}`, results.Untold, 281977 * time.Microsecond, false},
	"vLLM": {`"metrics":{"time_to_first_token_ms":85.2,"generation_time_ms":1240.5,"queue_time_ms":12.3,"mean_itl_ms":9.1,"tokens_per_second":103.2}`,
		12300 * time.Microsecond, 1325700 * time.Microsecond, false},
	"vLLM, nested": {`"metrics":{"queue_time_ms":0,"time_to_first_token_ms":1,"generation_time_ms":0,` +
		`"output_token_metrics":{"reasoning":{"generation_time_ms":160.0}}}`, 0, time.Millisecond, false},
	"vLLM, unknown":     {`"metrics":{"time_to_first_token_ms":null,"generation_time_ms":null,"queue_time_ms":null,"mean_itl_ms":null,"tokens_per_second":null}`, results.Untold, results.Untold, false},
	"vLLM, half":        {`"metrics":{"time_to_first_token_ms":85.2,"generation_time_ms":null,"queue_time_ms":12}`, 12 * time.Millisecond, results.Untold, false},
	"vLLM, n > 1":       {`"metrics":null`, results.Untold, results.Untold, false},
	"another's":         {`"metrics":[1,2],"timings":"slow"`, results.Untold, results.Untold, false},
	"another's object":  {`"metrics":{"a":{"queue_time_ms":-1}},"timings":{}`, results.Untold, results.Untold, false},
	"negative":          {`"metrics":{"queue_time_ms":-0.5,"time_to_first_token_ms":1,"generation_time_ms":1}`, results.Untold, results.Untold, true},
	"negative part":     {`"timings":{"prompt_ms":-1,"predicted_ms":5}`, results.Untold, results.Untold, true},
	"negative alone":    {`"timings":{"prompt_ms":-1}`, results.Untold, results.Untold, true},
	"above any float":   {`"timings":{"prompt_ms":1e999,"predicted_ms":5}`, results.Untold, results.Untold, true},
	"above any time":    {`"metrics":{"queue_time_ms":86400001}`, results.Untold, results.Untold, true},
	"sum above a time":  {`"timings":{"prompt_ms":86400000,"predicted_ms":86400000}`, results.Untold, results.Untold, true},
	"text for a number": {`"metrics":{"queue_time_ms":"NaN"}`, results.Untold, results.Untold, true},
}

// toldAs puts them into answers: of a stream into the chunk of the usage.
func toldAs(stream bool) map[string]endpointtest.Told {
	out := map[string]endpointtest.Told{}
	for name, c := range toldBeside {
		one := endpointtest.Told{
			Queue: c.queue, Work: c.work, Refused: c.refused, Header: http.Header{"Content-Type": {"application/json"}},
			Body: strings.TrimSuffix(goodBody, "}") + "," + c.text + "}",
		}
		if stream {
			one.Header = http.Header{"Content-Type": {"text/event-stream"}}
			one.Body = strings.Replace(goodStream, `"choices":[],`, `"choices":[],`+c.text+",", 1)
		}
		out[name] = one
	}
	return out
}

// Of a server that tells times with every token the last count, and one that told what
// is no time is not believed again.
func TestLastTimesCount(t *testing.T) {
	tell := func(text string) string { return `data: {"choices":[],` + text + "}\n\n" }
	first, last := tell(`"timings":{"prompt_ms":1,"predicted_ms":2}`), tell(`"timings":{"prompt_ms":1,"predicted_ms":30}`)
	none := tell(`"timings":{"prompt_ms":1,"predicted_ms":-30}`)
	for _, c := range []struct {
		text    string
		work    time.Duration
		refused bool
	}{
		{first + last, 31 * time.Millisecond, false},
		{last + tell(`"timings":null`), 31 * time.Millisecond, false},
		{first + none, results.Untold, true},
		{none + first, results.Untold, true},
	} {
		a, _ := read(streamReader(), "", c.text+goodStream)
		if a.Outcome != 0 || a.ServerQueue != results.Untold || a.ServerWork != c.work || a.ServerRefused != c.refused {
			t.Errorf("%s: %+v", c.text, a)
		}
	}
}

// Neither a chunk that tells times nor one that does not costs an allocation.
func TestTimesCostNoAllocation(t *testing.T) {
	r := &reader{}
	x := &loadgen.Exchange{}
	for _, told := range []string{"", `"timings":{"prompt_ms":43.237,"predicted_ms":238.74},`} {
		chunk := []byte(`{` + told + `"choices":[{"index":0,"delta":{"content":""},"finish_reason":null}]}`)
		x.Begin()
		r.Begin(&httpx.Request{}, header(""), x)
		if n := testing.AllocsPerRun(100, func() { r.take(chunk) }); n != 0 {
			t.Errorf("a chunk that tells %q costs %v allocations", told, n)
		}
	}
}
