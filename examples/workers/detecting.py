"""What a worker process does with a batch of JPEGs: decode each, run the model
once, and name the boxes with the highest scores.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from PIL import Image
from torch import Tensor

import devices
from detectors import Detector

# Random weights give scores of 0.2 to 0.5 to everything, so that a threshold would
# give all or nothing.
BOXES = 20

_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
_DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


@dataclass
class Picture:
    """A decoded image, as the model takes it."""

    pixels: Tensor  # [3, H, W]
    mask: Tensor  # [H, W], 1 where the image is and 0 in its padding
    width: int  # of the JPEG, in pixels
    height: int
    inner: tuple[int, int]  # height and width of the image within pixels


def decode(jpeg: bytes, detector: Detector) -> Picture:
    """Decode a JPEG, bring it to the model's size and normalise it.

    Raises OSError or ValueError if it is no image.
    """
    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    height, width = detector.size
    inner = (height, width)
    if detector.keep_aspect:
        scale = min(height / image.height, width / image.width)
        inner = max(1, round(image.height * scale)), max(1, round(image.width * scale))
    small = image.resize((inner[1], inner[0]), Image.Resampling.BILINEAR)
    values = torch.from_numpy(numpy.array(small)).permute(2, 0, 1).float().div_(255)
    pixels = torch.zeros(3, height, width)
    pixels[:, : inner[0], : inner[1]] = (values - _MEAN) / _DEVIATION
    mask = torch.zeros(height, width, dtype=torch.long)
    mask[: inner[0], : inner[1]] = 1
    return Picture(pixels, mask, image.width, image.height, inner)


def detect(pictures: list[Picture], detector: Detector, device: torch.device) -> tuple[list[list[dict[str, Any]]], float]:
    """Run the model on a batch; give each picture's boxes and the seconds it took.

    The time includes the copies to and from the device, which is waited for.
    """
    began = time.perf_counter()
    with torch.inference_mode():
        pixels = torch.stack([p.pixels for p in pictures]).to(device)
        mask = torch.stack([p.mask for p in pictures]).to(device)
        logits, boxes = detector.outputs(detector.model(**detector.inputs(pixels, mask)))
        best, classes = logits.float().sigmoid().max(dim=-1)
        count = min(BOXES, best.shape[1])
        scores, at = best.topk(count, dim=1)
        classes = classes.gather(1, at).cpu()
        boxes = boxes.float().gather(1, at.unsqueeze(-1).expand(-1, -1, 4)).cpu()
        scores = scores.cpu()
    devices.settle(device)
    took = time.perf_counter() - began
    answers = [_name(p, detector, s, c, b) for p, s, c, b in zip(pictures, scores, classes, boxes, strict=True)]
    return answers, took


def _name(p: Picture, detector: Detector, scores: Tensor, classes: Tensor, boxes: Tensor) -> list[dict[str, Any]]:
    """Put the boxes of one picture into its own pixels."""
    height, width = detector.size
    across, down = p.width * width / p.inner[1], p.height * height / p.inner[0]
    found = []
    for score, kind, (x, y, w, h) in zip(scores.tolist(), classes.tolist(), boxes.tolist(), strict=True):
        box = [(x - w / 2) * across, (y - h / 2) * down, (x + w / 2) * across, (y + h / 2) * down]
        limits = [p.width, p.height, p.width, p.height]
        found.append({
            "label": detector.labels[kind], "score": round(score, 4),
            "box": [round(min(max(v, 0.0), float(limit)), 1) for v, limit in zip(box, limits, strict=True)],
        })
    return found
