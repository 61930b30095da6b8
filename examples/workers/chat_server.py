"""The HTTP side of the reference VLM worker: vLLM's paths, streams and faults.

Import it after reference.set_environment: it brings PyTorch and transformers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp import web

import chat_metrics
import chat_model
import chat_request
import devices
import reference
from chat_engine import Engine, EngineFault, Limits, Times
from chat_metrics import Metrics
from chat_request import BadRequest, ChatRequest

MAX_BODY = 64 << 20  # bytes

log = reference.log

Json = dict[str, Any]


class Server:
    """The HTTP side."""

    def __init__(self, engine: Engine, model: str, threads: int) -> None:
        self.engine = engine
        self.model = model
        self.started = int(time.time())
        self.metrics: Metrics | None = None  # None until the model is loaded
        # Images are decoded before a request counts as waiting, as with vLLM.
        self._decoders = ThreadPoolExecutor(threads, "decode")
        self._names = itertools.count()

    def app(self, allow_faults: bool) -> web.Application:
        """Make the application."""
        app = reference.new_app("vlm", MAX_BODY)
        app.middlewares.append(faults)
        app.router.add_get("/health", self.health)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/version", self.version)
        app.router.add_get("/metrics", self.page)
        app.router.add_post("/v1/chat/completions", self.chat)
        if allow_faults:
            app.router.add_post("/debug/gpu-fault", self.fault)
        return app

    async def health(self, _: web.Request) -> web.Response:
        """Answer 200 while the batcher runs."""
        return web.Response(status=200 if self.metrics is not None and self.engine.alive else 503)

    async def models(self, _: web.Request) -> web.Response:
        """List the one model."""
        return web.json_response({"object": "list", "data": [{
            "id": self.model, "object": "model", "created": self.started, "root": "random weights",
            "owned_by": "evabench reference worker (not vLLM)", "max_model_len": self.engine.limits.context,
        }]})

    async def version(self, _: web.Request) -> web.Response:
        """Tell the version of this worker, which is none of vLLM."""
        return web.json_response({"version": reference.server_name("vlm")})

    async def page(self, _: web.Request) -> web.Response:
        """Write the metrics page."""
        if self.metrics is None:
            raise web.HTTPServiceUnavailable(reason="the model is loading")
        return web.Response(body=self.metrics.page(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def fault(self, _: web.Request) -> web.Response:
        """Break the device's context and end; there is no answer."""
        log.error("POST /debug/gpu-fault: this process is broken now")
        devices.fault(self.engine.device)
        raise AssertionError("the process has ended")

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer a chat completion, whole or as a stream."""
        times = Times(time.perf_counter())
        if self.metrics is None:
            raise web.HTTPServiceUnavailable(reason="the model is loading")
        asked = chat_request.read(await request.read())
        if asked.model != self.model:
            raise BadRequest(f"The model `{asked.model}` does not exist; this is {self.model}.", 404, "NotFoundError")
        pictures = await self._decode(asked)
        prompt = asked.text + sum(p.tokens for p in pictures)
        if not self.engine.fits(prompt, asked.count):
            raise BadRequest(
                f"{prompt} prompt tokens and {asked.count} of the answer are more than this worker's context length "
                f"of {self.engine.limits.context} tokens, or than its cache of {self.engine.limits.cache}.")
        answer = Answering(self, asked, pictures, prompt, times, f"chatcmpl-{next(self._names)}")
        return await (answer.stream(request) if asked.stream else answer.whole())

    async def _decode(self, asked: ChatRequest) -> list[chat_model.Picture]:
        loop = asyncio.get_running_loop()
        try:
            return [
                await loop.run_in_executor(self._decoders, chat_model.decode, image, self.engine.size.image_tokens)
                for image in asked.images
            ]
        except (OSError, ValueError, SyntaxError) as error:
            raise BadRequest(f"an image cannot be decoded: {type(error).__name__}") from error


class Answering:
    """One answer on its way."""

    def __init__(self, server: Server, asked: ChatRequest, pictures: list[chat_model.Picture],
                 prompt: int, times: Times, name: str) -> None:
        assert server.metrics is not None
        self.metrics = server.metrics
        self.asked, self.prompt, self.times = asked, prompt, times
        self.tokens = server.engine.answer(asked.seed, asked.text, pictures, asked.count, times)
        self.head: Json = {"id": name, "created": int(time.time()), "model": server.model}

    async def texts(self) -> AsyncGenerator[str, None]:
        """Give the answer's parts as they come, and count how it ended."""
        reason = chat_metrics.ABORT
        try:
            async with contextlib.aclosing(self.tokens) as steps:
                async for new in steps:
                    self.metrics.tokens(self.prompt, self.times, len(new))
                    yield "".join(f" t{token}" for token in new)
            reason = chat_metrics.LENGTH
        except EngineFault:
            reason = chat_metrics.ERROR
            raise
        finally:
            self.metrics.end(self.times, reason)

    async def whole(self) -> web.Response:
        """Answer at once."""
        async with contextlib.aclosing(self.texts()) as texts:
            text = "".join([t async for t in texts])
        return web.json_response({
            **self.head, "object": "chat.completion",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "length"}],
            "usage": self.usage(), "metrics": self.truth(),
        })

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Answer by server-sent events, the first with the first token."""
        try:
            return await self._stream(request)
        except ConnectionResetError:  # the client is gone: nobody is to be told
            return web.Response()

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"})
        async with contextlib.aclosing(self.texts()) as texts:
            try:
                # Until there is a token, a fault is an answer with its own status.
                text = await anext(texts)
                await response.prepare(request)
                await self._send(response, self._chunk({"role": "assistant", "content": ""}))
                while text:
                    following = await anext(texts, "")
                    await self._send(response, self._chunk({"content": text}, None if following else "length"))
                    text = following
            except EngineFault as error:
                if not response.prepared:
                    raise
                await self._send(response, fault_body(500, "InternalServerError", str(error)))
        if self.asked.usage and len(self.times.tokens) == self.asked.count:
            await self._send(response, {**self._chunk({}), "choices": [], "usage": self.usage(), "metrics": self.truth()})
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    def _chunk(self, delta: Json, reason: str | None = None) -> Json:
        usage = {"usage": None} if self.asked.usage else {}
        return {**self.head, "object": "chat.completion.chunk",
                "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **usage}

    async def _send(self, response: web.StreamResponse, event: Json) -> None:
        await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")

    def usage(self) -> Json:
        """Count the tokens. Nothing comes from a cache."""
        count = len(self.times.tokens)
        return {"prompt_tokens": self.prompt, "completion_tokens": count, "total_tokens": self.prompt + count,
                "prompt_tokens_details": {"cached_tokens": 0}}

    def truth(self) -> Json:
        """Tell the true times, under the names of vLLM's per-request metrics.

        As there, time to first token begins when the wait is over: the three follow
        one another, and make up the request from the end of its images' decoding.
        """
        t = self.times
        spent = t.tokens[-1] - t.tokens[0]
        gaps = len(t.tokens) - 1
        return {
            "queue_time_ms": 1000 * t.queue,
            "time_to_first_token_ms": 1000 * (t.tokens[0] - t.queued - t.queue),
            "generation_time_ms": 1000 * spent,
            "mean_itl_ms": 1000 * spent / gaps if gaps else None,
            "tokens_per_second": gaps / spent if gaps and spent > 0 else None,
        }


def fault_body(status: int, kind: str, message: str) -> Json:
    """Make the body of a fault as vLLM makes it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": status}}


@web.middleware
async def faults(request: web.Request, handler: Any) -> web.StreamResponse:
    """Put faults into vLLM's form."""
    try:
        response: web.StreamResponse = await handler(request)
        return response
    except BadRequest as error:
        status, kind, text = error.status, error.kind, str(error)
    except EngineFault as error:
        status, kind, text = 500, "InternalServerError", str(error)
    except web.HTTPException as error:
        status, kind, text = error.status, "BadRequestError" if error.status < 500 else "InternalServerError", error.reason
    return web.json_response(fault_body(status, kind, text), status=status)


async def serve(args: argparse.Namespace) -> None:
    """Listen, load the model, and watch it until the end."""
    size = chat_model.SIZES[args.size]
    context = args.max_model_len or size.context
    if context > size.context:
        raise ValueError(f"--max-model-len {context}: the size {args.size} has a context of {size.context} tokens")
    limits = Limits(args.max_num_seqs, args.max_num_batched_tokens, context, args.kv_tokens or size.cache, args.cuda_graphs)
    device = devices.prepare(args.device, args.threads)
    engine = Engine(size, limits, device)
    model = f"not-vllm-{args.size}"
    server = Server(engine, model, args.threads)
    sites = reference.Sites()
    try:
        # The port is taken at once, so that one in use is told at once.
        await sites.add(server.app(args.allow_faults), args.host, args.port)
        await asyncio.get_running_loop().run_in_executor(None, engine.load)
        server.metrics = Metrics(engine, model)
        log.info("ready: %s on %s", model, device)
        while engine.alive:
            await asyncio.sleep(0.2)
        raise EngineFault("the batcher has ended, and does not come back; what it logged says why")
    except RuntimeError as error:
        raise EngineFault(devices.told_out_of_memory(error) or str(error)) from error
    finally:
        await sites.close()
        engine.stop()
