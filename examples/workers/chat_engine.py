"""How the reference VLM worker answers: a request waits for its place, the tower
sees its images, and transformers' continuous batching decodes it with the others.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import logging
import random
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.generation.configuration_utils import ContinuousBatchingConfig

import chat_model
import devices
import reference
from admission import Gate
from chat_model import Picture, Size

BLOCK = 64  # tokens of a cache block

log = reference.log

# It tells of every request and of much that is no concern of ours.
logging.getLogger("ContinuousBatchingLogger").setLevel(logging.WARNING)


class EngineFault(Exception):
    """The model could not answer; the text says why."""


@dataclasses.dataclass
class Times:
    """The moments of one request, in seconds of time.perf_counter."""

    arrived: float
    queued: float = 0.0  # its images were decoded, and it waits for its place
    queue: float = 0.0  # seconds that it waited: for its place, and in the batcher
    scheduled: float = 0.0  # its place was free
    waited: float = 0.0  # seconds of queue that came after that, in the batcher
    tokens: list[float] = dataclasses.field(default_factory=list)  # when each was there


@dataclasses.dataclass(frozen=True)
class Limits:
    """What may run at once."""

    seqs: int  # requests
    batch_tokens: int  # of one step
    context: int  # tokens of one request, prompt and answer
    cache: int  # tokens of all
    cuda_graphs: bool


class Engine:
    """One model and its batcher. Load it once, off the event loop."""

    def __init__(self, size: Size, limits: Limits, device: torch.device) -> None:
        self.size = size
        self.limits = limits
        self.device = device
        self.gate = Gate(limits.seqs, limits.cache // BLOCK)
        # One image at a time, as one step of an engine would see it.
        self._eyes = ThreadPoolExecutor(1, "tower")
        self._names = itertools.count()

    def load(self) -> None:
        """Build the model and start the batcher."""
        self._tower, decoder = chat_model.build(self.size, self.device)
        self._manager = decoder.init_continuous_batching(
            generation_config=GenerationConfig(do_sample=False, eos_token_id=-1, pad_token_id=0, max_new_tokens=16),
            continuous_batching_config=batching(self.limits),
        )
        if self.limits.cuda_graphs:
            self._manager.warmup()
        self._manager.start()
        # One token, to see that it runs: it ends by itself where memory is short.
        self._manager.add_request([1, 2, 3], "first", max_new_tokens=1)
        while self._manager.get_result("first", timeout=0.5) is None:
            if not self.alive:
                raise EngineFault("the batcher did not start; what it logged says why (on a CPU it needs psutil)")

    @property
    def alive(self) -> bool:
        """Report whether the batcher runs; it does not come back."""
        return self._manager.is_running()

    def cache_share(self) -> float | None:
        """Give the share of the cache's blocks in use; None if this version tells none."""
        processor = self._manager.batch_processor
        if processor is None or not hasattr(processor.cache, "get_num_free_blocks"):
            return None
        return 1 - processor.cache.get_num_free_blocks() / processor.cache.num_blocks

    def stop(self) -> None:
        """End the batcher and its thread."""
        self._eyes.shutdown(wait=False, cancel_futures=True)
        if hasattr(self, "_manager"):
            self._manager.stop(block=True, timeout=5, hard_stop=True)

    def blocks(self, prompt: int, answer: int) -> int:
        """Give the cache blocks to set aside for a request.

        The batcher may take one more than its tokens fill.
        """
        return (prompt + answer + BLOCK - 1) // BLOCK + 1

    def fits(self, prompt: int, answer: int) -> bool:
        """Report whether such a request could ever run."""
        room = self.limits.cache // BLOCK
        return prompt + answer <= self.limits.context and self.blocks(prompt, answer) <= room

    async def answer(self, seed: int, text: int, pictures: list[Picture], count: int, times: Times) -> AsyncGenerator[list[int], None]:
        """Give the tokens of an answer as they come: count of them in all.

        The prompt is text tokens of seed's choice, and those of the pictures. Whoever
        stops listening ends the request. Raises EngineFault.
        """
        prompt = text + sum(p.tokens for p in pictures)
        need = self.blocks(prompt, count)
        times.queued = time.perf_counter()
        await self.gate.enter(need)
        try:
            times.scheduled = time.perf_counter()
            for picture in pictures:
                await self._see(picture)
            async for tokens in self._decode(seed, prompt, count, times):
                yield tokens
        finally:
            self.gate.leave(need)

    async def _see(self, picture: Picture) -> None:
        loop = asyncio.get_running_loop()
        seen = loop.run_in_executor(self._eyes, chat_model.see, self._tower, picture, self.device)
        try:
            await asyncio.shield(seen)
        except asyncio.CancelledError:
            await asyncio.wait({seen})  # the device is busy with it until then
            raise
        except (RuntimeError, MemoryError) as error:
            told = devices.told_out_of_memory(error)
            log.error("vision tower: %s", told or error)
            devices.release(self.device)
            raise EngineFault(told or str(error)) from error

    async def _decode(self, seed: int, prompt: int, count: int, times: Times) -> AsyncGenerator[list[int], None]:
        ids = random.Random(seed).choices(range(self.size.decoder["vocab_size"]), k=prompt)
        name = f"r{next(self._names)}"
        outputs: asyncio.Queue[Any] = asyncio.Queue()
        self._manager.register_result_handler(name, outputs.put_nowait)
        added = self._manager.add_request(ids, name, max_new_tokens=count, streaming=True, record_timestamps=True)
        ended = added is None
        try:
            if ended:
                raise EngineFault("the batcher has ended")
            seen = 0
            while not ended:
                out = await outputs.get()
                ended = out.is_finished()
                if out.error is not None:
                    told = devices.told_out_of_memory(RuntimeError(out.error))
                    log.error("decoder: %s", told or out.error)
                    raise EngineFault(told or out.error)
                if seen == 0:
                    times.waited = out.lifespan[0] - out.created_time
                    times.queue = times.scheduled - times.queued + times.waited
                new = out.generated_tokens[seen:]
                times.tokens += out.timestamps[seen:]
                seen += len(new)
                if new:
                    yield new
        finally:
            if not ended:
                self._manager.cancel_request(name)
                self._manager.output_router.result_handlers.pop(name, None)


def batching(limits: Limits) -> ContinuousBatchingConfig:
    """Make the batcher's configuration, in the words of the installed version.

    Prefix sharing is off, and so are flash attention kernels, which would have to be
    fetched: attention is PyTorch's own over the paged cache.
    """
    known = {f.name for f in dataclasses.fields(ContinuousBatchingConfig)}
    wanted: dict[str, Any] = {
        # The gate lets nothing in that would not fit; a few blocks are spare.
        "num_blocks": limits.cache // BLOCK + 8,
        "max_batch_tokens": limits.batch_tokens, "max_requests_per_batch": limits.seqs,
        "allow_block_sharing": False, "use_async_batching": False, "use_cuda_graph": limits.cuda_graphs,
        "scheduler_type": "fifo", "auto_switch_to_flash": False, "max_blocks_per_request": 0,
        "page_size" if "page_size" in known else "block_size": BLOCK,
        "safety_margin": 0.0,
    }
    return ContinuousBatchingConfig(**{name: value for name, value in wanted.items() if name in known})
