"""What both reference workers share: what they say of themselves, their log, and
how they are served and ended. It knows nothing of PyTorch.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

VERSION = "1"

log = logging.getLogger("evabench-reference")


def set_environment(threads: int) -> None:
    """Keep every library off the network, silent, and to so many threads.

    Call it before PyTorch and transformers are imported, by this process or by one
    that it starts: they read these once. A BLAS with threads of its own spins, and
    slows all processes of a machine with few processors down by several times.
    """
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        os.environ[name] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)


def start_log(who: str) -> None:
    """Log to standard error, a line with time and ``who`` for each record."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, force=True,
        format=f"%(asctime)s %(levelname)s {who} %(message)s",
    )
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


# What each worker looks like to a client, and is not.
NOT = {"vision": "TorchServe", "vlm": "vLLM"}


def notice(kind: str) -> str:
    """Say in one line what answers here, and what it is not."""
    return f"evabench's reference {kind} worker, not {NOT[kind]}: random weights, so its answers mean nothing"


def server_name(kind: str) -> str:
    """Give the Server header: it says what this is not."""
    return f"evabench-reference-{kind}/{VERSION} (not {NOT[kind]}; random weights)"


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that both workers take."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default %(default)s)")
    parser.add_argument("--port", type=int, required=True, help="port of requests")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu",
                        help="cuda is the first GPU that CUDA_VISIBLE_DEVICES shows (default %(default)s)")
    parser.add_argument("--threads", type=positive, default=1,
                        help="processor threads of each process that computes (default %(default)s)")
    parser.add_argument("--allow-faults", action="store_true",
                        help="let POST /debug/gpu-fault break this server; loopback addresses only")


def check_common_arguments(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End the program if the arguments do not go together."""
    if args.allow_faults and not is_loopback(args.host):
        parser.error(f"--allow-faults lets anybody end this server: --host must be a loopback address, not {args.host}")


def is_loopback(host: str) -> bool:
    """Report whether only this machine can reach the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def positive(text: str) -> int:
    """Read a whole number above 0."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above 0")
    return number


def new_app(kind: str, max_body: int) -> web.Application:
    """Make an application whose every answer says what it comes from.

    That is in the headers Server and X-Evabench-Reference.
    """

    async def sign(_: web.Request, response: web.StreamResponse) -> None:
        response.headers["Server"] = server_name(kind)
        response.headers["X-Evabench-Reference"] = notice(kind)

    app = web.Application(client_max_size=max_body)
    app.on_response_prepare.append(sign)
    return app


class Sites:
    """The addresses that a worker listens at."""

    def __init__(self) -> None:
        self._runners: list[web.AppRunner] = []

    async def add(self, app: web.Application, host: str, port: int) -> None:
        """Serve an application. A client's disconnect cancels its handler."""
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, host, port, backlog=1024).start()

    async def close(self) -> None:
        """Stop listening and end what is still open within a second."""
        for runner in self._runners:
            await runner.cleanup()


class Ending:
    """The moment at which a worker is to end, and its exit status."""

    def __init__(self) -> None:
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def catch(self, signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT)) -> None:
        """End with status 0 on any of these signals."""
        for number in signals:
            asyncio.get_running_loop().add_signal_handler(number, self.end, 0)

    def end(self, status: int) -> None:
        """End with this exit status. Only the first call counts."""
        if not self._status.done():
            self._status.set_result(status)

    async def wait(self) -> int:
        """Wait for the end and give the exit status."""
        return await asyncio.shield(self._status)


def run(serve: Callable[[Ending], Awaitable[None]]) -> int:
    """Run a worker until a signal, or what it meets, ends it; give its exit status.

    ``serve`` ends by its cancellation, and puts away what it started; or by an
    error, which is logged and gives 1.
    """

    async def main() -> int:
        ending = Ending()
        ending.catch()
        serving = asyncio.ensure_future(serve(ending))
        told = asyncio.ensure_future(ending.wait())
        await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
        if told.done():
            serving.cancel()
            await asyncio.wait({serving})
        if not serving.cancelled() and (error := serving.exception()) is not None:
            log.error("%s", error)
            return 1
        return await told

    return asyncio.run(main())


async def forever() -> None:
    """Wait for the cancellation that ends the worker."""
    await asyncio.Event().wait()
