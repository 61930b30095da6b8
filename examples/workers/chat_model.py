"""The model of the reference VLM worker: the vision tower of Qwen3-VL and a Qwen3
decoder, with random weights.

What the tower sees is computed and thrown away: transformers' continuous batching
takes token ids only. So an image costs what its pixels cost in the tower, and what
its tokens cost in the decoder, as in the whole model; only the words do not depend
on it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import Qwen3Config, Qwen3ForCausalLM, Qwen3VLVisionModel
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig

PATCH, MERGE, FRAMES = 16, 2, 2  # Qwen3-VL's: pixels, patches of a token's side, frames of a patch
SIDE = PATCH * MERGE  # of a token, in pixels
SEED = 20260101


@dataclass(frozen=True)
class Size:
    """How large a model is."""

    decoder: dict[str, Any]
    tower: dict[str, Any]
    context: int  # tokens
    cache: int  # tokens of all requests together
    image_tokens: int  # most of one image, which is made smaller to fit


SIZES = {
    "tiny": Size(
        {"vocab_size": 2048, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32},
        {"depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4, "out_hidden_size": 128,
         "deepstack_visual_indexes": [0]},
        4096, 32768, 64,
    ),
    "2b": Size(  # Qwen3-VL-2B
        {"vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28,
         "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": True},
        {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16, "out_hidden_size": 2048,
         "deepstack_visual_indexes": [5, 11, 17]},
        12288, 65536, 8192,
    ),
    "8b": Size(  # Qwen3-VL-8B
        {"vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
         "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128},
        {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16, "out_hidden_size": 4096,
         "deepstack_visual_indexes": [8, 16, 24]},
        12288, 65536, 8192,
    ),
}


@dataclass(frozen=True)
class Picture:
    """An image as the tower takes it."""

    patches: Tensor  # [patches, 3 * FRAMES * PATCH * PATCH]
    rows: int  # of patches
    columns: int

    @property
    def tokens(self) -> int:
        """Tokens of the decoder that the image stands for."""
        return self.rows * self.columns // (MERGE * MERGE)


def build(size: Size, device: torch.device) -> tuple[nn.Module, Qwen3ForCausalLM]:
    """Build tower and decoder on the device: 16-bit floats on a GPU, else 32-bit."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    torch.manual_seed(SEED)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            tower = Qwen3VLVisionModel(Qwen3VLVisionConfig(**size.tower))
            decoder = Qwen3ForCausalLM(Qwen3Config(**size.decoder, max_position_embeddings=size.context))
    finally:
        torch.set_default_dtype(before)
    return tower.eval(), decoder.eval()


def decode(data: bytes, most_tokens: int) -> Picture:
    """Decode an image, and cut it into patches as Qwen3-VL's processor does.

    Sides become multiples of SIDE, of at most most_tokens tokens. Raises OSError or
    ValueError if it is no image.
    """
    image = Image.open(io.BytesIO(data)).convert("RGB")
    shrink = max(1.0, (image.width * image.height / (most_tokens * SIDE * SIDE)) ** 0.5)
    # Rounded down where it is made smaller, so that it stays below the bound.
    around = int if shrink > 1 else round
    across = max(1, min(around(image.width / shrink / SIDE), most_tokens))
    down = max(1, min(around(image.height / shrink / SIDE), most_tokens // across))
    fitted = image.resize((across * SIDE, down * SIDE), Image.Resampling.BICUBIC)
    pixels = torch.from_numpy(numpy.array(fitted)).permute(2, 0, 1).float().div_(127.5).sub_(1)
    blocks = pixels.reshape(3, down, MERGE, PATCH, across, MERGE, PATCH).permute(1, 4, 2, 5, 0, 3, 6)
    still = blocks.reshape(down * across * MERGE * MERGE, 3, 1, PATCH, PATCH).expand(-1, -1, FRAMES, -1, -1)
    return Picture(still.reshape(len(still), -1), down * MERGE, across * MERGE)


def see(tower: nn.Module, picture: Picture, device: torch.device) -> None:
    """Run the tower on one image and wait for it, on a stream of its own."""
    grid = torch.tensor([[1, picture.rows, picture.columns]], device=device)
    with torch.inference_mode():
        if device.type != "cuda":
            tower(picture.patches, grid_thw=grid)
            return
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            tower(picture.patches.to(device, torch.bfloat16), grid_thw=grid)
        stream.synchronize()
