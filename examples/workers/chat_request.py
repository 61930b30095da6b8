"""What a client asks of the reference VLM worker: the part of OpenAI's chat
completions that matters to load, read strictly.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

DEFAULT_TOKENS = 64  # of an answer whose request tells no bound
BYTES_PER_TOKEN = 4  # of text: there is no tokenizer
MESSAGE_TOKENS = 4  # that a chat template puts around a message


class BadRequest(Exception):
    """The request cannot be answered; the text says why."""

    def __init__(self, message: str, status: int = 400, kind: str = "BadRequestError") -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


@dataclass
class ChatRequest:
    """One request."""

    model: str
    count: int  # tokens of the answer: exactly so many, for no text ever ends by itself
    stream: bool
    usage: bool  # of a stream: whether its last chunk tells tokens
    text: int = 0  # tokens of the text
    images: list[bytes] = field(default_factory=list)
    seed: int = 0  # follows from the text


def read(body: bytes) -> ChatRequest:
    """Read a request's body; raises BadRequest."""
    try:
        raw = json.loads(body)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise BadRequest("the body is no JSON object")
    if raw.get("n") not in (None, 1):
        raise BadRequest("n: only 1 is served")
    options = raw.get("stream_options") or {}
    request = ChatRequest(
        model=str(raw.get("model", "")), count=_count(raw), stream=raw.get("stream") is True,
        usage=isinstance(options, dict) and options.get("include_usage") is True,
    )
    messages = raw.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("messages: a list of at least one is needed")
    for message in messages:
        _message(request, message)
    return request


def _count(raw: dict[str, Any]) -> int:
    told = raw.get("max_completion_tokens", raw.get("max_tokens"))
    if told is None:
        return DEFAULT_TOKENS
    if not isinstance(told, int) or isinstance(told, bool) or told < 1:
        raise BadRequest(f"max_tokens: {told!r} is not a number above 0")
    return told


def _message(request: ChatRequest, message: Any) -> None:
    content = message.get("content") if isinstance(message, dict) else None
    if content is None or isinstance(content, str):
        content = [{"type": "text", "text": content or ""}]
    if not isinstance(content, list):
        raise BadRequest("messages: content is a text or a list of parts")
    request.text += MESSAGE_TOKENS
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            text = str(part.get("text", "")).encode()
            request.text += (len(text) + BYTES_PER_TOKEN - 1) // BYTES_PER_TOKEN
            request.seed = zlib.crc32(text, request.seed)
        elif kind == "image_url":
            request.images.append(_image(part))
        else:
            raise BadRequest(f"messages: a part is text or image_url, not {kind!r}")


def _image(part: dict[str, Any]) -> bytes:
    url = part.get("image_url")
    if isinstance(url, dict):
        url = url.get("url")
    if not isinstance(url, str) or not url.startswith("data:"):
        raise BadRequest("image_url: only data: URLs are served; nothing is fetched")
    head, comma, data = url.partition(",")
    if not comma or not head.endswith(";base64"):
        raise BadRequest("image_url: the data is not base64")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"image_url: {error}") from error
