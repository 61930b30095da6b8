"""A TorchServe handler that finds things in JPEGs: RT-DETRv2 with an R18 backbone.

The weights are random, so what it finds is nonsense; the work is the real one.
A frame of more than 2 x MAX_PIXELS is an error, as is one that is no image.
"""

import io

import torch
from PIL import Image
from transformers import RTDetrResNetConfig, RTDetrV2Config, RTDetrV2ForObjectDetection

SIDE = 320  # pixels of the model's square input; RT-DETRv2 has 640
BEST = 20  # boxes of an answer
MAX_PIXELS = 1920 * 1080

torch.set_num_threads(1)  # workers share the machine; threads of one model would fight
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow refuses twice as many


def model():
    """RT-DETRv2 as its authors configure it for R18, but for the weights."""
    torch.manual_seed(1)
    backbone = RTDetrResNetConfig(
        embedding_size=64,
        hidden_sizes=[64, 128, 256, 512],
        depths=[2, 2, 2, 2],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    return RTDetrV2ForObjectDetection(
        RTDetrV2Config(
            backbone_config=backbone,
            encoder_in_channels=[128, 256, 512],
            decoder_layers=3,
            hidden_expansion=0.5,
            num_labels=80,
        )
    ).eval()


class Detector:
    """What TorchServe makes one of in each worker process."""

    def initialize(self, context):
        self.model = model()
        self.find([Image.new("RGB", (SIDE, SIDE))])  # the first pass is slow

    def handle(self, data, context):
        """Gives a list of boxes for each request of the batch."""
        frames = [Image.open(io.BytesIO(row.get("data") or row.get("body"))).convert("RGB") for row in data]
        return self.find(frames)

    @torch.inference_mode()
    def find(self, frames):
        pixels = torch.stack([
            torch.frombuffer(bytearray(f.resize((SIDE, SIDE)).tobytes()), dtype=torch.uint8)
            .view(SIDE, SIDE, 3).permute(2, 0, 1).float().div(255)
            for f in frames
        ])
        out = self.model(pixel_values=pixels)
        answers = []
        for f, logits, boxes in zip(frames, out.logits.sigmoid(), out.pred_boxes):
            scores, labels = logits.max(-1)
            best = scores.topk(BEST)
            size = torch.tensor([f.width, f.height] * 2)
            middle, half = boxes[best.indices, :2], boxes[best.indices, 2:] / 2
            corners = torch.cat([middle - half, middle + half], -1).clamp(0, 1) * size
            answers.append([
                {"box": [round(x, 1) for x in box.tolist()], "label": str(label), "score": round(score, 4)}
                for box, label, score in zip(corners, labels[best.indices].tolist(), best.values.tolist())
            ])
        return answers
