package wholebody

import (
	"math"
	"strconv"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/httpx"
)

// The header fields in which a server may tell times of the very request, in
// milliseconds: the wait in its queue, the decoding of the input, and the computing of
// the batch that it was in. The workers in examples/workers send them; a server of
// one's own may. TorchServe 0.12 and Triton 2 tell no such time.
const (
	queueField   = "X-Evabench-Queue-Ms"
	decodeField  = "X-Evabench-Decode-Ms"
	computeField = "X-Evabench-Compute-Ms"
)

// readTimes puts into a what the header tells. Work is the computing, and the decoding
// where that is told beside it.
func readTimes(h httpx.Header, a *loadgen.Answer) {
	if queue := h.Field(queueField); queue != nil {
		a.ToldQueue(milliseconds(queue))
	}
	compute := h.Field(computeField)
	if compute == nil {
		return
	}
	work := milliseconds(compute)
	if decode := h.Field(decodeField); decode != nil {
		work += milliseconds(decode)
	}
	a.ToldWork(work)
}

// milliseconds reads a field's number, NaN for what is none or is below 0: the sum
// with another is none either.
func milliseconds(field []byte) float64 {
	ms, err := strconv.ParseFloat(string(field), 64)
	if err != nil || ms < 0 {
		return math.NaN()
	}
	return ms
}
