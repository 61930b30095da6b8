"""The detectors of the reference Vision worker: the classes and configurations
that EVA's models have, with random weights.

"full" is the published size of each; "small" has the same parts, but few and
narrow, for a processor. Weights come from a fixed seed, so that every worker
process gives the same answer to the same image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    BertConfig,
    MMGroundingDinoConfig,
    MMGroundingDinoForObjectDetection,
    OmDetTurboConfig,
    OmDetTurboForObjectDetection,
    Owlv2Config,
    Owlv2ForObjectDetection,
    RTDetrResNetConfig,
    RTDetrV2Config,
    RTDetrV2ForObjectDetection,
    SwinConfig,
)

SEED = 20260101


@dataclass(frozen=True)
class Detector:
    """A model, and how pixels become its inputs and its outputs boxes."""

    model: nn.Module
    size: tuple[int, int]  # height and width of its input in pixels
    keep_aspect: bool  # fit the image into size and pad it, rather than stretch it
    labels: list[str]  # what a class index means
    # inputs makes the model's arguments of pixels [B, 3, H, W] and of the mask
    # [B, H, W] that is 1 where the image is.
    inputs: Callable[[Tensor, Tensor], dict[str, Tensor]]
    # outputs gives class logits [B, N, C] and boxes [B, N, 4]: centre, width and
    # height as shares of the input.
    outputs: Callable[[Any], tuple[Tensor, Tensor]]


def build(name: str, size: str, labels: list[str], device: torch.device) -> Detector:
    """Build a detector of BUILDERS on its device, ready to be asked."""
    torch.manual_seed(SEED)
    detector = BUILDERS[name](size == "small", labels, device)
    detector.model.to(device).eval()
    return detector


def _by_name(outputs: Any) -> tuple[Tensor, Tensor]:
    return outputs.logits, outputs.pred_boxes


def _rt_detr(small: bool, deep: bool) -> Detector:
    """RT-DETRv2 with ResNet-50 (42.9 M weights) or ResNet-18 (20.2 M)."""
    if deep:
        widths, depths, layer = [256, 512, 1024, 2048], [3, 4, 6, 3], "bottleneck"
        rest: dict[str, Any] = {}
    else:
        widths, depths, layer = [64, 128, 256, 512], [2, 2, 2, 2], "basic"
        rest = {"decoder_layers": 3, "hidden_expansion": 0.5}
    stem = 64
    if small:
        stem, widths, depths = 8, [w // 8 for w in widths], [1, 1, 1, 1]
        rest = {
            "decoder_layers": 2, "d_model": 64, "encoder_hidden_dim": 64, "encoder_ffn_dim": 128,
            "decoder_ffn_dim": 128, "decoder_in_channels": [64, 64, 64], "hidden_expansion": 0.5, "num_queries": 100,
        }
    config = RTDetrV2Config(
        backbone_config=RTDetrResNetConfig(
            embedding_size=stem, hidden_sizes=widths, depths=depths, layer_type=layer,
            out_features=["stage2", "stage3", "stage4"],
        ),
        encoder_in_channels=widths[1:], num_labels=80, **rest,
    )
    side = 160 if small else 640
    return Detector(
        RTDetrV2ForObjectDetection(config), (side, side), False, [f"class {i}" for i in range(80)],
        lambda pixels, mask: {"pixel_values": pixels}, _by_name,
    )


def _owlv2(small: bool, labels: list[str], device: torch.device) -> Detector:
    """OWLv2 base/16 (155 M weights). The labels' text is encoded with every batch."""
    text = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8}
    vision = {"image_size": 960, "patch_size": 16, "hidden_size": 768, "intermediate_size": 3072,
              "num_hidden_layers": 12, "num_attention_heads": 12}
    joint = 512
    if small:
        text = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
        vision = {"image_size": 192, "patch_size": 16, "hidden_size": 64, "intermediate_size": 128,
                  "num_hidden_layers": 2, "num_attention_heads": 2}
        joint = 64
    config = Owlv2Config(text_config=text, vision_config=vision, projection_dim=joint)
    ids, mask = _clip_words(len(labels), 16, device)
    side = vision["image_size"]
    return Detector(
        Owlv2ForObjectDetection(config), (side, side), True, labels,
        lambda pixels, _: {
            "pixel_values": pixels,
            "input_ids": ids.repeat(len(pixels), 1), "attention_mask": mask.repeat(len(pixels), 1),
        },
        _by_name,
    )


def _swin(small: bool, image: int) -> SwinConfig:
    """Swin tiny, the backbone of OmDet-Turbo tiny and of LLMDet tiny."""
    if small:
        return SwinConfig(image_size=image, embed_dim=24, depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8],
                          window_size=7, out_indices=[2, 3, 4])
    return SwinConfig(image_size=image, embed_dim=96, depths=[2, 2, 6, 2], num_heads=[3, 6, 12, 24],
                      window_size=7, out_indices=[2, 3, 4])


def _omdet(small: bool, labels: list[str], device: torch.device) -> Detector:
    """OmDet-Turbo tiny (115 M weights). The model keeps the labels' encoded text."""
    side = 160 if small else 640
    text = {"model_type": "clip_text_model", "hidden_size": 512, "intermediate_size": 2048,
            "num_hidden_layers": 12, "num_attention_heads": 8, "projection_dim": 512}
    rest: dict[str, Any] = {}
    if small:
        # The width of the text must not be that of the decoder: the model fails then.
        text.update(hidden_size=128, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, projection_dim=128)
        rest = {
            "text_projection_in_dim": 128, "text_projection_out_dim": 128, "task_encoder_hidden_dim": 128,
            "class_embed_dim": 128, "num_queries": 100, "encoder_hidden_dim": 64,
            "decoder_hidden_dim": 64, "encoder_in_channels": [48, 96, 192], "encoder_dim_feedforward": 128,
            "decoder_dim_feedforward": 128, "decoder_num_layers": 2, "vision_features_channels": [64, 64, 64],
            "decoder_num_heads": 4, "encoder_attention_heads": 4,
        }
    # Note: with transformers' own Swin the model fails unless the norms after the
    # backbone are off; with timm's they are on.
    config = OmDetTurboConfig(
        apply_layernorm_after_vision_backbone=False, backbone_config=_swin(small, side), image_size=side,
        text_config=text, **rest,
    )
    words, word_mask = _clip_words(len(labels), 77, device)
    task, task_mask = _clip_words(1, 77, device)

    def inputs(pixels: Tensor, _: Tensor) -> dict[str, Tensor]:
        n = len(pixels)
        return {
            "pixel_values": pixels,
            "classes_input_ids": words.repeat(n, 1), "classes_attention_mask": word_mask.repeat(n, 1),
            "tasks_input_ids": task.repeat(n, 1), "tasks_attention_mask": task_mask.repeat(n, 1),
            "classes_structure": torch.tensor([len(labels)] * n, device=device),
        }

    return Detector(
        OmDetTurboForObjectDetection(config), (side, side), False, labels, inputs,
        lambda o: (o.decoder_class_logits, o.decoder_coord_logits),
    )


def _llmdet(small: bool, labels: list[str], device: torch.device) -> Detector:
    """MM-Grounding-DINO tiny (172 M weights), the class of LLMDet's checkpoints.

    The labels' text is encoded with every batch.
    """
    rest: dict[str, Any] = {}
    text = BertConfig()
    if small:
        text = BertConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128)
        rest = {
            "d_model": 64, "encoder_layers": 1, "decoder_layers": 2, "num_queries": 100, "encoder_ffn_dim": 128,
            "decoder_ffn_dim": 128, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
        }
    config = MMGroundingDinoConfig(backbone_config=_swin(small, 224), text_config=text, **rest)
    # 101 begins the text, 1012 (a full stop) ends a label, 102 ends the text: they
    # drive the model's masks. A label is two tokens of its own.
    tokens, at = [101], []
    for i in range(len(labels)):
        at += [len(tokens), len(tokens) + 1]
        tokens += [2000 + 2 * i, 2001 + 2 * i, 1012]
    ids = torch.tensor([[*tokens, 102]], device=device)
    names = [label for label in labels for _ in range(2)]

    def inputs(pixels: Tensor, mask: Tensor) -> dict[str, Tensor]:
        many = ids.repeat(len(pixels), 1)
        return {
            "pixel_values": pixels, "pixel_mask": mask, "input_ids": many,
            "attention_mask": torch.ones_like(many), "token_type_ids": torch.zeros_like(many),
        }

    return Detector(
        MMGroundingDinoForObjectDetection(config), (160, 264) if small else (800, 1333), True, names, inputs,
        # A class is a token of the text; the others belong to no label.
        lambda o: (o.logits[..., at], o.pred_boxes),
    )


def _clip_words(count: int, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Make token ids of texts as CLIP has them, and their mask.

    49406 begins a text and 49407, the largest id, ends it: text is pooled there.
    """
    ids = torch.full((count, length), 49407, dtype=torch.long)
    mask = torch.zeros((count, length), dtype=torch.long)
    for i in range(count):
        ids[i, :4] = torch.tensor([49406, 1000 + 2 * i, 1001 + 2 * i, 49407])
        mask[i, :4] = 1
    return ids.to(device), mask.to(device)


BUILDERS: dict[str, Callable[[bool, list[str], torch.device], Detector]] = {
    "rt-detrv2-r50": lambda small, labels, device: _rt_detr(small, deep=True),
    "rt-detrv2-r18": lambda small, labels, device: _rt_detr(small, deep=False),
    "owlv2": _owlv2,
    "omdet-turbo": _omdet,
    "llmdet": _llmdet,
}
