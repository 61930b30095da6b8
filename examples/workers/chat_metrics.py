"""The metrics page of the reference VLM worker: vLLM's names, where what they
count is the same here. What this worker does not have, or does not know, has no
line: preemptions, prefix cache and image cache.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from chat_engine import Engine, Times

_NOT = "(evabench reference worker, not vLLM)"

# The buckets of vllm/v1/metrics/loggers.py of vllm-project/vllm.
_REQUEST = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0,
            120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0)
_FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5,
          10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0)
_BETWEEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5,
            10.0, 20.0, 40.0, 80.0)

LENGTH, ABORT, ERROR = "length", "abort", "error"  # how a request can end


class Metrics:
    """What the worker did since it started."""

    def __init__(self, engine: Engine, model: str) -> None:
        self._registry = CollectorRegistry()
        labels = {"model_name": model, "engine": "0"}
        names = list(labels)

        def gauge(name: str, doc: str) -> Gauge:
            return Gauge(name, f"{doc} {_NOT}", names, registry=self._registry).labels(**labels)

        def counter(name: str, doc: str) -> Counter:
            return Counter(name, f"{doc} {_NOT}", names, registry=self._registry).labels(**labels)

        def histogram(name: str, doc: str, buckets: tuple[float, ...] = _REQUEST) -> Histogram:
            return Histogram(f"vllm:{name}_seconds", f"{doc} {_NOT}", names,
                             buckets=buckets, registry=self._registry).labels(**labels)

        gauge("vllm:num_requests_running", "Requests that have a place: in the tower or the batch").set_function(
            lambda: engine.gate.running)
        gauge("vllm:num_requests_waiting", "Requests that wait for a place").set_function(lambda: engine.gate.waiting)
        if engine.cache_share() is not None:
            gauge("vllm:kv_cache_usage_perc", "Share of the cache's blocks in use, 0 to 1").set_function(
                lambda: engine.cache_share() or 0.0)
        self._prompt = counter("vllm:prompt_tokens", "Tokens of prompts whose first token came")
        self._generated = counter("vllm:generation_tokens", "Tokens generated")
        self._ends = Counter("vllm:request_success", f"Requests by how they ended {_NOT}",
                             [*names, "finished_reason"], registry=self._registry)
        self._ended = {r: self._ends.labels(**labels, finished_reason=r) for r in (LENGTH, ABORT, ERROR)}
        self._first = histogram("time_to_first_token", "From arrival, images' decoding included", _FIRST)
        self._between = histogram("inter_token_latency", "Between two tokens of a request", _BETWEEN)
        self._whole = histogram("e2e_request_latency", "From arrival to the last token")
        self._queue = histogram("request_queue_time", "From the end of the images' decoding to the start")
        self._prefill = histogram("request_prefill_time", "From the start, the vision tower included, to the first token")
        self._decode = histogram("request_decode_time", "From the first token to the last")
        self._inference = histogram("request_inference_time", "From the start to the last token")

    def tokens(self, prompt: int, times: Times, new: int) -> None:
        """Count tokens that have just come: the last new ones of times."""
        self._generated.inc(new)
        if len(times.tokens) == new:
            self._prompt.inc(prompt)
            self._first.observe(times.tokens[0] - times.arrived)
        for i in range(max(1, len(times.tokens) - new), len(times.tokens)):
            self._between.observe(times.tokens[i] - times.tokens[i - 1])

    def end(self, times: Times, reason: str) -> None:
        """Count a request that has ended. Times are those of whole answers."""
        self._ended[reason].inc()
        if reason != LENGTH:
            return
        start = times.scheduled + times.waited
        first, last = times.tokens[0], times.tokens[-1]
        self._queue.observe(times.queue)
        self._prefill.observe(max(0.0, first - start))
        self._decode.observe(last - first)
        self._inference.observe(max(0.0, last - start))
        self._whole.observe(last - times.arrived)

    def page(self) -> bytes:
        """Write the page in Prometheus's text form."""
        return generate_latest(self._registry)
