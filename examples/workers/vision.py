#!/usr/bin/env python3
"""evabench's reference Vision worker: detectors with random weights behind
TorchServe's paths. It is not TorchServe.

The program itself only listens and queues; each worker is a process of its own,
with its own model and, on a GPU, its own CUDA context. README.md tells how to use
it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import time
from typing import Any

from aiohttp import web

import reference
from pool import MODELS, Answer, Plan, Pool, QueueFull, Worker, WorkerDied

MAX_BODY = 6_553_500  # bytes: TorchServe's max_request_size
BROKEN = 70  # the exit status after a fault that was asked for

log = reference.log


class Fault(Exception):
    """What is answered in place of boxes, in TorchServe's words."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message

    def response(self) -> web.Response:
        """Make the answer as TorchServe makes it."""
        return web.json_response(
            {"code": self.status, "type": self.kind, "message": self.message}, status=self.status)


class Counters:
    """What one model did. Times are sums in seconds over good answers."""

    def __init__(self) -> None:
        self.requests = 0  # that arrived, those that were refused too
        self.queue = 0.0
        self.inference = 0.0  # from arrival to answer, the queue included


class Server:
    """The HTTP side: inference, management and metrics."""

    def __init__(self, pools: dict[str, Pool], device: str, ending: reference.Ending) -> None:
        self.pools = pools
        self.counters = {name: Counters() for name in pools}
        self.device = device
        self.ending = ending

    def inference(self, allow_faults: bool) -> web.Application:
        """Make the application of the port for requests."""
        app = self._app()
        app.router.add_get("/ping", self.ping)
        for method in ("POST", "PUT"):
            app.router.add_route(method, "/predictions/{model}", self.predict)
        if allow_faults:
            app.router.add_post("/debug/gpu-fault", self.fault)
        return app

    def management(self) -> web.Application:
        """Make the application of the management port."""
        app = self._app()
        app.router.add_get("/models", self.list_models)
        app.router.add_get("/models/{model}", self.describe_model)
        return app

    def metrics(self) -> web.Application:
        """Make the application of the metrics port."""
        app = self._app()
        app.router.add_get("/metrics", self.page)
        return app

    def _app(self) -> web.Application:
        app = reference.new_app("vision", MAX_BODY)
        app.middlewares.append(faults)
        return app

    def _pool(self, request: web.Request) -> Pool:
        name = request.match_info["model"]
        if name not in self.pools:
            raise Fault(404, "ModelNotFoundException", f"Model not found: {name}")
        return self.pools[name]

    async def ping(self, _: web.Request) -> web.Response:
        """Tell whether every model has a worker."""
        ready = [(p.ready, len(p.workers)) for p in self.pools.values()]
        if any(r == 0 for r, _ in ready):
            return web.json_response({"status": "Unhealthy"}, status=500)
        whole = all(r == n for r, n in ready)
        return web.json_response({"status": "Healthy" if whole else "Partial Healthy"})

    async def predict(self, request: web.Request) -> web.Response:
        """Detect things in one image."""
        began = time.perf_counter()
        pool = self._pool(request)
        counters = self.counters[pool.plan.model]
        image = await read_image(request)
        counters.requests += 1
        try:
            answer = await pool.detect(image)
        except QueueFull:
            raise Fault(503, "ServiceUnavailableException",
                        f'Model "{pool.plan.model}" has no worker to serve inference request. '
                        "Please use scale workers API to add workers.") from None
        except WorkerDied as error:
            raise Fault(503, "InternalServerException", f"Worker died: {error}") from error
        if answer.detections is None:
            raise Fault(503, "InternalServerException", answer.fault)
        counters.queue += answer.queue
        counters.inference += time.perf_counter() - began
        return web.json_response(answer.detections, headers=times(answer))

    async def fault(self, request: web.Request) -> web.Response:
        """Break one worker's device context, and end with it.

        With ?scope=worker only the worker ends, and is started again.
        """
        pool = next(iter(self.pools.values()))
        log.error("POST /debug/gpu-fault: a worker of %s is broken now", pool.plan.model)
        how = await pool.fault()
        if request.query.get("scope") != "worker":
            self.ending.end(BROKEN)
        return web.json_response({"fault": how})

    async def list_models(self, request: web.Request) -> web.Response:
        """List the models, as GET /models of TorchServe without its pages."""
        return web.json_response({"models": [{"modelName": n, "modelUrl": "random weights"} for n in self.pools]})

    async def describe_model(self, request: web.Request) -> web.Response:
        """Tell of one model's workers and queue."""
        pool = self._pool(request)
        plan = pool.plan
        return web.json_response([{
            "modelName": plan.model, "modelVersion": "random-weights", "modelUrl": "random weights",
            "runtime": "python", "minWorkers": plan.workers, "maxWorkers": plan.workers,
            "batchSize": plan.batch_size, "maxBatchDelay": round(1000 * plan.max_delay),
            "loadedAtStartup": True, "workers": [self._describe(w) for w in pool.workers],
            "jobQueueStatus": {"remainingCapacity": plan.capacity - pool.pending, "pendingRequests": pool.pending},
        }])

    def _describe(self, worker: Worker) -> dict[str, Any]:
        pid = worker.process.pid if worker.process is not None else 0
        return {
            "id": str(9000 + worker.number), "pid": pid, "gpu": self.device == "cuda",
            "startTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(worker.started)),
            "status": "READY" if worker.ready else "UNLOADING", "memoryUsage": resident(pid),
        }

    async def page(self, _: web.Request) -> web.Response:
        """Write the metrics: TorchServe's names where they mean the same."""
        host = platform.node()
        lines: list[str] = []

        def family(name: str, kind: str, doc: str, values: dict[str, float]) -> None:
            lines.append(f"# HELP {name} {doc} (evabench reference worker, not TorchServe)")
            lines.append(f"# TYPE {name} {kind}")
            for model, value in values.items():
                lines.append(f'{name}{{model_name="{model}",model_version="default",hostname="{host}"}} {value}')

        c, p = self.counters, self.pools
        family("ts_inference_requests_total", "counter", "Requests that arrived, refused ones too.",
               {m: x.requests for m, x in c.items()})
        family("ts_queue_latency_microseconds", "counter", "Sum over good answers.",
               {m: 1e6 * x.queue for m, x in c.items()})
        family("ts_inference_latency_microseconds", "counter", "Sum over good answers, the queue included.",
               {m: 1e6 * x.inference for m, x in c.items()})
        family("evabench_reference_pending_requests", "gauge", "Jobs in the queue.", {m: x.pending for m, x in p.items()})
        family("evabench_reference_workers_ready", "gauge", "Worker processes.", {m: x.ready for m, x in p.items()})
        family("evabench_reference_worker_restarts_total", "counter", "Worker processes that ended and were replaced.",
               {m: x.restarts for m, x in p.items()})
        family("evabench_reference_out_of_memory_total", "counter", "Batches that failed for want of memory.",
               {m: x.out_of_memory for m, x in p.items()})
        return web.Response(text="\n".join(lines) + "\n", headers={"Content-Type": "text/plain; version=0.0.4"})


@web.middleware
async def faults(request: web.Request, handler: Any) -> web.StreamResponse:
    """Put a Fault into TorchServe's form."""
    try:
        response: web.StreamResponse = await handler(request)
        return response
    except Fault as fault:
        return fault.response()
    except web.HTTPException as error:
        kinds = {404: "ResourceNotFoundException", 405: "MethodNotAllowedException", 413: "RequestEntityTooLargeException"}
        return Fault(error.status, kinds.get(error.status, "BadRequestException"), error.reason).response()


async def read_image(request: web.Request) -> bytes:
    """Read the body, or the first part of a form, as TorchServe takes both."""
    if not request.content_type.startswith("multipart/"):
        return await request.read()
    part = await (await request.multipart()).next()
    if part is None or not hasattr(part, "read"):
        raise Fault(400, "BadRequestException", "the form has no part")
    return bytes(await part.read())


def times(answer: Answer) -> dict[str, str]:
    """Tell an answer's true times in headers."""
    return {
        "X-Evabench-Queue-Ms": f"{1000 * answer.queue:.3f}",
        "X-Evabench-Decode-Ms": f"{1000 * answer.decode:.3f}",
        "X-Evabench-Compute-Ms": f"{1000 * answer.compute:.3f}",
        "X-Evabench-Batch": str(answer.batch),
        "X-Evabench-Worker": str(answer.worker),
    }


def resident(pid: int) -> int:
    """Give the bytes of memory that a process has in use; 0 once it is gone."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def read_models(text: str, workers: int) -> dict[str, int]:
    """Read NAME[:WORKERS],… into workers by model."""
    models: dict[str, int] = {}
    for word in text.split(","):
        name, _, count = word.strip().partition(":")
        if name not in MODELS:
            raise argparse.ArgumentTypeError(f"{name!r} is no model; known: {', '.join(MODELS)}")
        if name in models:
            raise argparse.ArgumentTypeError(f"{name} is named twice")
        models[name] = reference.positive(count) if count else workers
    return models


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=reference.notice("vision"))
    reference.add_common_arguments(parser)
    parser.add_argument("--management-port", type=int, help="port of GET /models (default: --port and 1)")
    parser.add_argument("--metrics-port", type=int, help="port of GET /metrics (default: --port and 2)")
    parser.add_argument("--models", required=True, metavar="NAME[:WORKERS],…", help=f"of {', '.join(MODELS)}")
    parser.add_argument("--workers", type=reference.positive, default=1,
                        help="processes of a model that tells none (default %(default)s)")
    parser.add_argument("--size", choices=("full", "small"), default="full",
                        help="full: the published sizes; small: for a processor (default %(default)s)")
    parser.add_argument("--labels", default="person,car,fire,smoke",
                        help="what the models with open vocabulary look for (default %(default)s)")
    parser.add_argument("--batch-size", type=reference.positive, default=1, help="most images in a batch (default %(default)s)")
    parser.add_argument("--max-batch-delay", type=float, default=150, metavar="MS",
                        help="how long a batch waits for more images, where --batch-size is above 1 (default %(default)s)")
    parser.add_argument("--queue", type=reference.positive, default=100,
                        help="jobs of a model that may wait; more are answered 503 (default %(default)s)")
    args = parser.parse_args()
    reference.check_common_arguments(parser, args)
    try:
        args.models = read_models(args.models, args.workers)
    except (argparse.ArgumentTypeError, ValueError) as error:
        parser.error(f"--models: {error}")
    if not 1 <= len(args.labels.split(",")) <= 60:
        parser.error("--labels: 1 to 60 labels, with commas")
    return args


async def serve(args: argparse.Namespace, ending: reference.Ending) -> None:
    """Start the pools and listen until it is told to end."""
    own = ("--size", args.size, "--labels", args.labels, "--device", args.device, "--threads", str(args.threads))
    pools = {
        name: Pool(Plan(name, workers, args.batch_size, args.max_batch_delay / 1000, args.queue, own))
        for name, workers in args.models.items()
    }
    server = Server(pools, args.device, ending)
    sites = reference.Sites()
    try:
        # The ports are taken at once, so that a port in use is told at once, and
        # /ping answers while models load.
        await sites.add(server.inference(args.allow_faults), args.host, args.port)
        await sites.add(server.management(), args.host, args.management_port or args.port + 1)
        await sites.add(server.metrics(), args.host, args.metrics_port or args.port + 2)
        for pool in pools.values():  # one after another, as TorchServe's models
            await pool.start()
        log.info("ready: %s on %s", ", ".join(f"{n} x{w}" for n, w in args.models.items()), args.device)
        await reference.forever()
    finally:
        await asyncio.gather(*(p.stop() for p in pools.values()))
        await sites.close()


def main() -> int:
    """Run the worker; give its exit status."""
    args = arguments()
    reference.set_environment(args.threads)
    reference.start_log("vision")
    log.info("%s", reference.notice("vision"))
    log.info("%s", json.dumps(vars(args)))
    return reference.run(lambda ending: serve(args, ending))


if __name__ == "__main__":
    raise SystemExit(main())
