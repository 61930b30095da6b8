"""The device that a process computes on: how work on it is waited for, what says
that its memory is at its end, and how it is broken on purpose.
"""

from __future__ import annotations

import os

import torch


def prepare(device: str, threads: int) -> torch.device:
    """Choose the device and bound the processor threads of this process.

    Matrix products of 32-bit floats may use TF32 on a GPU, as servers have it.
    """
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    torch.set_float32_matmul_precision("high")
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("--device cuda: PyTorch finds no CUDA device; check CUDA_VISIBLE_DEVICES and the driver")
    return torch.device(device)


def settle(device: torch.device) -> None:
    """Wait until all work that was given to the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def told_out_of_memory(error: BaseException) -> str | None:
    """Give the words of an error that tells that memory is at its end.

    They begin with torch.OutOfMemoryError, as PyTorch's own report does, for logs
    and answers are searched for it.
    """
    text = str(error)
    known = isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError))
    if known or "out of memory" in text or "can't allocate memory" in text:
        where = text.strip().splitlines()[0] if text.strip() else "out of memory"
        return f"torch.OutOfMemoryError: {'' if 'out of memory' in where else 'out of memory: '}{where}"
    return None


def is_broken(error: BaseException) -> bool:
    """Report whether an error says that this process's CUDA context is lost.

    After such an error every further call fails: only a new process helps.
    """
    if told_out_of_memory(error) is not None:
        return False
    accelerator = getattr(torch, "AcceleratorError", None)
    return (accelerator is not None and isinstance(error, accelerator)) or "CUDA error" in str(error)


def release(device: torch.device) -> None:
    """Give cached blocks back after memory was at its end."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def fault(device: torch.device) -> None:
    """End this process as a bad kernel does.

    On a GPU a kernel reads beyond a tensor's end: the device-side assert kills the
    CUDA context, and under MPS those of all clients that share the device with it.
    On a CPU it is abort(). Either way the process is gone.
    """
    if device.type == "cuda":
        try:
            beyond = torch.full((1,), 1 << 30, dtype=torch.long, device=device)
            torch.zeros(1, device=device)[beyond].sum().item()
        except RuntimeError as error:
            print(f"the fault that was asked for: {error}", flush=True)
    os.abort()
