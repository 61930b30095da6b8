"""How a reference Vision server and its worker processes talk: frames of a JSON
head and blocks of bytes, over a stream socket.

A frame is the head's length (4 bytes, big-endian), the head, and the blocks that
its key "sizes" counts in bytes.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

Head = dict[str, Any]

_LENGTH = struct.Struct(">I")


def pack(head: Head, blocks: Sequence[bytes] = ()) -> bytes:
    """Make a frame."""
    text = json.dumps({**head, "sizes": [len(b) for b in blocks]}).encode()
    return b"".join([_LENGTH.pack(len(text)), text, *blocks])


async def receive(stream: asyncio.StreamReader) -> Head:
    """Read the head of a frame without blocks.

    Raises asyncio.IncompleteReadError when the other side is gone.
    """
    (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
    head: Head = json.loads(await stream.readexactly(length))
    return head


def read(stream: BinaryIO) -> tuple[Head, list[bytes]]:
    """Read a frame; raises EOFError when the other side is gone."""
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    head = json.loads(_exactly(stream, length))
    return head, [_exactly(stream, size) for size in head["sizes"]]


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the stream ended within a frame")
    return data
