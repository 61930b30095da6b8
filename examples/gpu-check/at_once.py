#!/usr/bin/env python3
"""Runs several commands at once as one program: each argument is a command line.
When one ends, or this program is told to end, all end.

evabench starts the servers of one GPU one after another, as engines that measure
free memory need it. The reference detectors do not, and four of them that start
together are up in the time of one.
"""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from types import FrameType

GRACE = 8.0  # seconds that a command has to end before it is killed


def end(children: list[subprocess.Popen[bytes]]) -> None:
    """End all commands that still run, and wait for them."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def main() -> int:
    """Run the commands; give the status of the first that ended by itself."""
    told: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        told.append(number)
        for child in children:
            if child.poll() is None:
                child.terminate()

    children: list[subprocess.Popen[bytes]] = []
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        for line in sys.argv[1:]:
            if told:
                break
            children.append(subprocess.Popen(shlex.split(line)))
        status = 0
        while children and not told:
            for child in children:
                try:
                    child.wait(0.2)
                except subprocess.TimeoutExpired:
                    continue
                if not told:
                    print(f"at_once: {shlex.join(map(str, child.args))} ended by itself: {child.returncode}", file=sys.stderr)
                    status = 1
                    told.append(0)
                break
        return status
    finally:
        end(children)


if __name__ == "__main__":
    raise SystemExit(main())
