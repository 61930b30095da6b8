//go:build real

// Package realtest drives evabench against servers that its authors did not
// write, and holds its counts against the servers' own.
//
// It stands behind the build tag real, because it needs such a server: make
// test-real fetches one, makes models with random weights for it, and names
// both, with the evabench to test, in environment variables:
//
//	EVABENCH_BIN           the evabench program
//	EVABENCH_LLAMA_SERVER  llama.cpp's llama-server
//	EVABENCH_MODELS        folder with text.gguf and mmproj.gguf
//	EVABENCH_TORCHSERVE    torchserve, beside the java and python that it needs
//	EVABENCH_PYTHON        a python with torch, transformers and aiohttp
//	EVABENCH_GPU_CHECK     the program of gpucheck/
//	EVABENCH_CHROMIUM      a Chromium without a window, for the report's page
//	EVABENCH_HDRHISTOGRAM  HdrHistogram's jar, for its reader of logs
//	EVABENCH_DOCKER        folder of install-docker.sh (make test-docker alone)
//
// A variable that is not set is a failure, not a skip. Servers listen on
// loopback, at a free port, with one thread: a shared machine slows spinning
// thread pools down by an order of magnitude.
//
// # What llama-server's counters mean
//
// Seen with version 0.7.0 (build 11669) and held by [TestLlamaServer]:
//
//   - Its page (/metrics) has no counter of requests. The server's own count of
//     completed requests is in its log: a "print_timing" line with "total time"
//     for each generation that ended by itself. A request that was refused
//     (4xx) or cut off by its client has none; the latter has a line "cancel
//     task" and, as every request that got a slot, one with "release".
//   - tokens_predicted_total is the sum of usage.completion_tokens over completed
//     requests, plus what cut-off ones had generated until then. It moves when a
//     request ends, not while it runs.
//   - prompt_tokens_total leaves out what came from the cache: with
//     prompt_tokens_cached_total it is the sum of usage.prompt_tokens. Image
//     tokens are in both.
//   - n_decode_total counts batches, shared by all slots; it is no count of
//     tokens or requests.
//   - requests_processing and requests_deferred are gauges of the moment of the
//     scrape: requests in a slot, and requests that wait for one. The page is
//     answered between two batches, so a scrape can take as long as a batch. An
//     image is decoded and cut up before its request counts as either.
//   - In a stream the first chunk has a role and no content, then come the
//     content's chunks, one with the reason for the end, one with the usage and no
//     choices, and [DONE]. usage.prompt_tokens_details.cached_tokens is always
//     there. There are fewer chunks than tokens: an incomplete UTF-8 sequence is
//     held back. If that happens to the first token, there is no chunk with the
//     role, and the first content belongs to a later token.
//
// Seen too, but held by no test of its own: a streamed answer comes with
// "Keep-Alive: timeout=5", and yet the server closes its connection 0.1 ms after
// the answer's end, without having said "Connection: close". A client that sends
// the next call of a session at once on that connection gets an EOF, though the
// server is healthy. [TestRun] fails if evabench counts that as a reset.
package realtest
