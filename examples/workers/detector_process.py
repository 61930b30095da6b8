"""One worker process of the reference Vision server: it holds one model, and on a
GPU one CUDA context, and answers batches until its server is gone.

The server starts it with one end of a socket pair as standard input, and with the
environment of reference.set_environment. It is no program for people.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import socket
import time
from typing import Any

from PIL import Image

import devices
import frames
import reference
from detecting import Picture, decode, detect
from detectors import BUILDERS, Detector, build

BROKEN = 70  # the exit status of a process whose CUDA context is lost

log = reference.log


def answer(jpegs: list[bytes], detector: Detector, device: Any) -> dict[str, Any]:
    """Answer a batch: an element for each image, in order, and the model's time.

    Images that cannot be read fail alone; in TorchServe they fail their batch.
    """
    answers: list[dict[str, Any]] = []
    pictures: list[Picture] = []
    for jpeg in jpegs:
        began = time.perf_counter()
        try:
            pictures.append(decode(jpeg, detector))
            answers.append({"decode_s": time.perf_counter() - began})
        except (OSError, ValueError, SyntaxError) as error:
            answers.append({"fault": f"Prediction failed: the image cannot be decoded: {type(error).__name__}"})
    if not pictures:
        return {"answers": answers}
    try:
        found, took = detect(pictures, detector, device)
    except (RuntimeError, MemoryError) as error:
        if devices.is_broken(error):
            log.error("the CUDA context is lost, so this process ends: %s", error)
            os._exit(BROKEN)
        told = devices.told_out_of_memory(error)
        log.error("%s", told or error)
        devices.release(device)
        return {"answers": [{"fault": told or f"Prediction failed: {error}"}] * len(jpegs), "out_of_memory": bool(told)}
    rest = iter(found)
    for a in answers:
        if "fault" not in a:
            a["detections"] = next(rest)
    return {"answers": answers, "compute_s": took, "batch": len(pictures)}


def serve(channel: socket.socket, detector: Detector, device: Any) -> None:
    """Answer frames until the server closes its end."""
    stream = channel.makefile("rb")
    while True:
        try:
            head, jpegs = frames.read(stream)
        except EOFError:
            return
        if head.get("fault"):
            devices.fault(device)
        channel.sendall(frames.pack(answer(jpegs, detector, device)))


def main() -> None:
    """Build the model, answer one image of noise, say that it is ready, serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=sorted(BUILDERS), required=True)
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--size", choices=("full", "small"), required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    reference.start_log(f"{args.model}-{args.number}")
    # A terminal's interrupt goes to all; the server ends its processes itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=os.dup(0))
    try:
        device = devices.prepare(args.device, args.threads)
        detector = build(args.model, args.size, args.labels.split(","), device)
        # The first run sets up kernels and workspaces, which is no request's time.
        first = answer([noise()], detector, device)
        if "fault" in first["answers"][0]:
            raise SystemExit(1)
    except (RuntimeError, MemoryError) as error:
        log.error("the model could not be loaded: %s", devices.told_out_of_memory(error) or error)
        raise SystemExit(1) from error
    log.info("%s (%s, random weights) is loaded on %s", args.model, args.size, device)
    channel.sendall(frames.pack({"ready": True}))
    serve(channel, detector, device)


def noise() -> bytes:
    """Make a small JPEG."""
    to = io.BytesIO()
    Image.effect_noise((320, 180), 64).convert("RGB").save(to, "JPEG")
    return to.getvalue()


if __name__ == "__main__":
    main()
