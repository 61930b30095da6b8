"""The worker processes of one model and the queue before them: batches of up to
batch_size jobs, gathered for at most a delay, as TorchServe does.

Everything here runs on one event loop.
"""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import frames
import reference

log = reference.log

# What a process can hold: the keys of detectors.BUILDERS, which only processes
# import, for it brings PyTorch with it.
MODELS = ("llmdet", "omdet-turbo", "owlv2", "rt-detrv2-r18", "rt-detrv2-r50")

_PROGRAM = Path(__file__).with_name("detector_process.py")
_LONGEST_PAUSE = 30.0  # seconds between two starts of a process that keeps ending


class QueueFull(Exception):
    """The model's queue has no room."""


class WorkerDied(Exception):
    """The process that had the job has ended."""


@dataclasses.dataclass
class Answer:
    """What became of one job. Times are in seconds."""

    detections: list[dict[str, Any]] | None  # None if it failed
    fault: str
    queue: float  # from its arrival until its batch was sent to a process
    decode: float
    compute: float  # of its batch
    batch: int  # images that were computed together
    worker: int  # number of the process


@dataclasses.dataclass
class Job:
    """One image that waits or is worked on."""

    image: bytes
    arrived: float
    done: asyncio.Future[Answer]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a pool is made of."""

    model: str
    workers: int
    batch_size: int
    max_delay: float  # seconds that a batch's first job waits for others
    capacity: int  # jobs that may wait
    arguments: tuple[str, ...]  # for each process, beside its model and number


class Worker:
    """One process. It is ready between its own word and its end."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.plan = plan
        self.number = number
        self.ready = False
        self.started = time.time()
        self.process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def start(self) -> None:
        """Start the process and wait until its model is loaded.

        Raises WorkerDied if it ends before.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, str(_PROGRAM), "--model", self.plan.model, "--number", str(self.number),
                *self.plan.arguments, stdin=theirs.fileno(),
            )
        ours.setblocking(False)
        self._reader, self._writer = await asyncio.open_connection(sock=ours)
        try:
            await frames.receive(self._reader)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise WorkerDied(f"{self} ended before its model was loaded: {await self.ended()}") from error
        self.ready = True

    async def ask(self, images: list[bytes]) -> frames.Head:
        """Send a batch and wait for its answer; raises WorkerDied.

        One at a time: the process has one model.
        """
        assert self._reader is not None and self._writer is not None
        try:
            self._writer.write(frames.pack({}, images))
            await self._writer.drain()
            return await frames.receive(self._reader)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.ready = False
            raise WorkerDied(f"{self} ended while it had the request") from error

    async def fault(self) -> str:
        """Have the process break itself, after the batch that it has, and tell its end."""
        assert self._writer is not None
        self.ready = False
        self._writer.write(frames.pack({"fault": True}))
        return await self.ended()

    async def ended(self) -> str:
        """Wait for the process's end and tell how it was."""
        assert self.process is not None
        status = await self.process.wait()
        self.ready = False
        if self._writer is not None:
            self._writer.close()
        return f"signal {-status}" if status < 0 else f"exit status {status}"

    async def stop(self) -> None:
        """End the process and wait for it."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.ended(), 5)
        except TimeoutError:
            self.process.kill()
            await self.ended()

    def __str__(self) -> str:
        pid = self.process.pid if self.process is not None else 0
        return f"worker {self.number} of {self.plan.model} (process {pid})"


class Pool:
    """All processes of one model."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.workers = [Worker(plan, n) for n in range(plan.workers)]
        self.restarts = 0
        self.out_of_memory = 0  # batches that failed for want of memory
        self._queue: asyncio.Queue[Job] = asyncio.Queue(plan.capacity)
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = False  # nobody is given work before all processes were ready once

    async def start(self) -> None:
        """Start all processes; raises WorkerDied if one does not get ready."""
        await asyncio.gather(*(w.start() for w in self.workers))
        for worker in self.workers:
            self._idle.put_nowait(worker)
            self._spawn(self._keep(worker.number))
        self._spawn(self._dispatch())
        self._open = True

    async def stop(self) -> None:
        """End all processes."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(w.stop() for w in self.workers))

    @property
    def pending(self) -> int:
        """Jobs that wait; those of a batch that is being gathered no longer do."""
        return self._queue.qsize()

    @property
    def ready(self) -> int:
        """Processes that can take work."""
        return sum(w.ready for w in self.workers) if self._open else 0

    async def detect(self, image: bytes) -> Answer:
        """Wait for the answer to one image.

        Raises QueueFull at once, or WorkerDied. A caller that goes away leaves its
        job in the queue, as with TorchServe.
        """
        job = Job(image, time.perf_counter(), asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(job)
        except asyncio.QueueFull:
            raise QueueFull from None
        return await job.done

    async def fault(self) -> str:
        """Break the first process that is ready, and tell how it ended."""
        for worker in self.workers:
            if worker.ready:
                return f"{worker} ended: {await worker.fault()}"
        raise WorkerDied(f"no worker of {self.plan.model} is ready")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self, number: int) -> None:
        """Start a process again whenever it has ended, less often if it keeps ending."""
        pause = 0.0
        while True:
            how = await self.workers[number].ended()
            log.error("%s ended by itself: %s; it is started again in %g s", self.workers[number], how, pause)
            await asyncio.sleep(pause)
            pause = min(max(1.0, 2 * pause), _LONGEST_PAUSE)
            self.restarts += 1
            worker = self.workers[number] = Worker(self.plan, number)
            try:
                await worker.start()
            except WorkerDied as error:
                log.error("%s", error)
                continue
            self._idle.put_nowait(worker)
            pause = 0.0

    async def _dispatch(self) -> None:
        """Give each free process the next batch."""
        while True:
            worker = await self._idle.get()
            if not worker.ready:
                continue
            jobs = await self._gather()
            while not worker.ready:  # it ended meanwhile
                worker = await self._idle.get()
            self._spawn(self._work(worker, jobs))

    async def _gather(self) -> list[Job]:
        """Wait for a job, and then for others until the batch is full or late."""
        jobs = [await self._queue.get()]
        late = time.perf_counter() + self.plan.max_delay
        while len(jobs) < self.plan.batch_size:
            left = late - time.perf_counter()
            try:
                jobs.append(self._queue.get_nowait() if left <= 0 else await asyncio.wait_for(self._queue.get(), left))
            except (asyncio.QueueEmpty, TimeoutError):
                break
        return jobs

    async def _work(self, worker: Worker, jobs: list[Job]) -> None:
        """Have a batch done and hand its answers out."""
        sent = time.perf_counter()
        try:
            reply = await worker.ask([j.image for j in jobs])
        except WorkerDied as error:
            for job in jobs:
                if not job.done.done():
                    job.done.set_exception(error)
            return
        self._idle.put_nowait(worker)
        self.out_of_memory += bool(reply.get("out_of_memory"))
        for job, a in zip(jobs, reply["answers"], strict=True):
            if not job.done.done():  # its caller may be gone
                job.done.set_result(Answer(
                    a.get("detections"), a.get("fault", ""), sent - job.arrived, a.get("decode_s", 0.0),
                    reply.get("compute_s", 0.0), reply.get("batch", 0), worker.number,
                ))
