#!/usr/bin/env python3
"""evabench's reference VLM worker: a vision tower and a decoder with random
weights behind vLLM's paths. It is not vLLM.

README.md tells how to use it, and what differs from vLLM.
"""

from __future__ import annotations

import argparse
import json

import reference

log = reference.log


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=reference.notice("vlm"))
    reference.add_common_arguments(parser)
    parser.add_argument("--size", choices=("tiny", "2b", "8b"), default="tiny",
                        help="tiny is for a processor; 2b and 8b are Qwen3-VL's (default %(default)s)")
    parser.add_argument("--max-num-seqs", type=reference.positive, default=32, help="requests at once (default %(default)s)")
    parser.add_argument("--max-num-batched-tokens", type=reference.positive, default=2048,
                        help="tokens of one step (default %(default)s)")
    parser.add_argument("--max-model-len", type=reference.positive, help="tokens of a prompt and its answer (default: the size's)")
    parser.add_argument("--kv-tokens", type=reference.positive, help="tokens of all requests in the cache (default: the size's)")
    parser.add_argument("--cuda-graphs", action="store_true", help="capture CUDA graphs of the decoder; off by default")
    args = parser.parse_args()
    reference.check_common_arguments(parser, args)
    return args


def main() -> int:
    """Run the worker; give its exit status."""
    args = arguments()
    reference.set_environment(args.threads)
    reference.start_log("vlm")
    log.info("%s", reference.notice("vlm"))
    log.info("%s", json.dumps(vars(args)))
    # PyTorch and transformers read the environment as they are imported.
    from chat_server import serve

    return reference.run(lambda _: serve(args))


if __name__ == "__main__":
    raise SystemExit(main())
