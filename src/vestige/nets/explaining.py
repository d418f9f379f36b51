"""Where in the two images of a pair a trained network sees its match (docs/methods.md 3.3)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional

from vestige.nets.canet_model import CanetModel, layers_of
from vestige.nets.gallery import batches
from vestige.nets.pair_model import PairModel
from vestige.nets.siamese import Features
from vestige.nets.training import find_device
from vestige.nets.trunks import prepare
from vestige.types import Float32s, Floats, Images

STEPS = 16
"""Of the way from the blurred image to the image, along which the gradient is taken."""
BLURRED = 1 / 8
"""Standard deviation of the blur, in shares of the side."""
PAIRS = 8  # explained at a time


@dataclass(frozen=True)
class PairView:
    """A trained network as a function of what stands at the places of two images.

    places : prepared images [b, 3, s, s] -> tensors [b, t, d], each of a square grid of t places
    judge : those of real and of generated images -> logits [b]
    size : side in pixels at which the network sees the images
    """

    places: Callable[[Tensor], Features]
    judge: Callable[[Features, Features], Tensor]
    size: int
    device: torch.device

    @torch.no_grad()
    def logits(self, real: Images, generated: Images) -> Floats:
        """Match score of each pair, float64 [k]."""
        found = [
            self.judge(self._seen(real[part]), self._seen(generated[part])).cpu()
            for part in batches(len(real), PAIRS)
        ]
        return np.asarray(torch.cat(found).double().numpy())

    def maps(self, real: Images, generated: Images) -> Float32s | None:
        """What each place adds to the match score of k pairs, float32 [k, 2, size, size].

        First over the real image, then over the generated one. The way leads from the blurred image
        to the image, in what the network makes of them at each place, while the other image of the
        pair stays (integrated gradients, arXiv:1703.01365, on the last maps as of Grad-CAM,
        arXiv:2102.07805). Before what lies below 0 is cut off, all places together add up to what
        the score loses by the blur. None where the network looks at vectors that have no place.
        """
        found = []
        for part in batches(len(real), PAIRS):
            ours, theirs = self._seen(real[part]), self._seen(generated[part])
            if max(one.shape[1] for one in ours) == 1:
                return None
            mine = self._added(ours, real[part], partial(self._other_way, theirs))
            made = self._added(theirs, generated[part], partial(self.judge, ours))
            found.append(torch.stack([mine, made], dim=1))
        return np.asarray(torch.cat(found).numpy(), np.float32)

    def _added(self, seen: Features, images: Images, judge: Callable[[Features], Tensor]) -> Tensor:
        """Map [b, size, size] of one side of pairs."""
        start = self._seen(blurred(images))
        added = [torch.zeros(one.shape[:2], device=one.device) for one in seen]
        for share in (np.arange(STEPS) + 0.5) / STEPS:
            way = [
                (a + float(share) * (b - a)).requires_grad_()
                for a, b in zip(start, seen, strict=True)
            ]
            slopes = torch.autograd.grad(judge(tuple(way)).sum(), way)
            for total, slope, a, b in zip(added, slopes, start, seen, strict=True):
                total += (slope * (b - a)).sum(dim=2) / STEPS
        return torch.stack([self._grid(one) for one in added]).sum(dim=0).clamp(min=0).cpu()

    def _other_way(self, generated: Features, real: Features) -> Tensor:
        return self.judge(real, generated)

    def _grid(self, added: Tensor) -> Tensor:
        """What the places [b, t] of a grid add, spread over pixels [b, size, size]."""
        side = round(added.shape[1] ** 0.5)
        picture = added.view(-1, 1, side, side) * (added.shape[1] / self.size**2)
        size = (self.size, self.size)
        return functional.interpolate(picture, size, mode="bilinear", align_corners=False)[:, 0]

    @torch.no_grad()
    def _seen(self, images: Images) -> Features:
        return tuple(p.float() for p in self.places(prepare(images, self.size).to(self.device)))


def of_pairs(model: PairModel) -> PairView:
    """The view of a Siamese network."""
    device = find_device()
    net: Any = model.net.to(device).eval()

    def encoded(parts: Features) -> Tensor:
        if not net.patches:
            parts = tuple(part.mean(dim=1, keepdim=True) for part in parts)
        tokens: Tensor = net.encode((parts[0], *parts))
        return tokens

    def judge(real: Features, generated: Features) -> Tensor:
        logits: Tensor = net.compare(encoded(real), encoded(generated))
        return logits

    return PairView(net.places, judge, model.plan.size, device)


def of_canet(model: CanetModel) -> PairView:
    """The view of a CANet with its encoder."""
    device = find_device()
    encoder, canet = model.encoder.to(device).eval(), model.canet.to(device).eval()
    layers = layers_of(encoder, canet.patches)

    def places(x: Tensor) -> Features:
        return (encoder.fuse(*layers(x))[1],)

    def judge(real: Features, generated: Features) -> Tensor:
        logits: Tensor = canet(generated[0], real[0]) / model.temperature
        return logits

    return PairView(places, judge, model.plan.size, device)


def blurred(images: Images) -> Images:
    """Images [k, h, w] or [k, h, w, 3] without their details."""
    height, width = images.shape[1:3]
    wide = (0, BLURRED * height, BLURRED * width, 0)[: images.ndim]
    return np.asarray(gaussian_filter(images, wide), np.float32)
