"""ImageNet networks as feature spaces: grey or colour images -> pooled features, or tokens.

Every batch has the same shape (the last one is padded), so that an image's features do not depend
on its company; while one batch runs, a thread prepares the next.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from vestige.cache.feature_rows import stored_rows
from vestige.nets.networks import network, tapped, trunk, width
from vestige.nets.saving import Arrays, load_state, state
from vestige.nets.training import autocast, find_device, find_precision
from vestige.nets.trunks import fingerprint, prepare
from vestige.registry.entries import InputError
from vestige.registry.rules import at_least
from vestige.types import Float32s, Images

__all__ = ["Backbone", "network", "tapped", "trunk", "width"]

VERSION = 1
"""Raise it when preparation or pooling changes: kept rows are then made anew."""


@dataclass
class Backbone:
    """Features of a frozen network. Nothing is learned.

    Images are brought to `size` px (bilinear, antialiased when shrinking), grey ones repeated to
    three channels, and normalised with ImageNet's mean and deviation (docs/methods.md 0.3).

    Parameters
    ----------
    name : str
        A torchvision name of BACKBONES or any timm name.
    weights : str
        "imagenet" downloads them, "none" takes random ones, anything else is a file
        (safetensors or state dict). One must be given.
    size : int
        Side of the network's input in pixels.
    batch : int
        Images per forward pass.
    precision : "auto", "float32" or "bfloat16"
    seed : int
        Of random weights.
    cache : path or None
        Folder that keeps pooled features by content.
    """

    name: str = "resnet50"
    weights: str = ""
    size: int = 224
    batch: int = 32
    precision: str = "auto"
    seed: int = 0
    cache: str | Path | None = None
    net_: Any = field(init=False, default=None, repr=False, compare=False)
    weights_sha256_: str = field(init=False, default="", repr=False, compare=False)

    @property
    def summary(self) -> str:
        """One line for results: random weights are named so."""
        known = {"none": f"random weights (seed {self.seed})", "imagenet": "ImageNet weights"}
        return f"{self.name} with {known.get(self.weights, f'weights {Path(self.weights).name}')}"

    def fit(self, images: Images) -> Self:
        """Load the network; nothing to learn."""
        self.load()
        return self

    def load(self) -> Any:
        """The trunk on its device, loaded once."""
        if self.net_ is None:
            at_least(1, self, "batch")
            find_precision(find_device(), self.precision)  # refuses an unknown one before loading
            net = trunk(self.name, self.weights, self.seed, self.size).requires_grad_(False)
            self.weights_sha256_ = fingerprint(net)
            self.net_ = net.to(find_device(), memory_format=torch.channels_last)
        return self.net_

    def state(self) -> dict[str, np.typing.NDArray[Any]]:
        """The weights as arrays, for a model that must do without their file."""
        return state(self.load(), "net/")

    def load_state(self, arrays: Arrays) -> None:
        """Take the weights that `state` gave."""
        net = self.load()
        load_state(net, arrays, "net/")
        self.weights_sha256_ = fingerprint(net)

    def transform(self, images: Images) -> Float32s:
        """Pooled features, float32 [n, width]."""
        net = self.load()
        refuse_smaller_than_patch(images, self.name, getattr(net, "patch", 1))
        device = find_device()
        precision = str(find_precision(device, self.precision))
        told = (self.name, self.weights_sha256_, self.size, self.batch, precision)
        key = repr((VERSION, *told, device.type, torch.__version__))
        return stored_rows(self.cache, key, images, self._pooled)

    def tokens(self, images: Images) -> tuple[Float32s, np.typing.NDArray[np.float16]]:
        """Pooled features (CLS of a vision transformer) [n, width], and tokens [n, t, channels].

        Tokens are the last map, of at most 7 x 7 places, or the patches of the last block.
        """
        refuse_smaller_than_patch(images, self.name, getattr(self.load(), "patch", 1))
        pairs = [
            (pooled.float().cpu().numpy(), tokens.half().cpu().numpy())
            for pooled, tokens in self._forward(images)
        ]
        pooled, tokens = (np.concatenate(part) for part in zip(*pairs, strict=True))
        return pooled, tokens

    def _pooled(self, images: Images) -> Float32s:
        return np.concatenate([rows.float().cpu().numpy() for rows, _ in self._forward(images)])

    def _forward(self, images: Images) -> Iterator[tuple[Tensor, Tensor]]:
        net, device = self.load(), find_device()
        precision = find_precision(device, self.precision)
        starts = range(0, len(images), self.batch)
        with ThreadPoolExecutor(1) as ahead:
            waiting = ahead.submit(self._prepare, images, 0, device)
            for start in starts:
                x = waiting.result()
                if start + self.batch < len(images):
                    waiting = ahead.submit(self._prepare, images, start + self.batch, device)
                with torch.inference_mode(), autocast(device, precision):
                    pooled, tokens = net(x)
                real = min(self.batch, len(images) - start)
                yield pooled[:real], tokens[:real]

    def _prepare(self, images: Images, start: int, device: torch.device) -> Tensor:
        part = images[start : start + self.batch]
        x = prepare(part, self.size)
        if len(part) < self.batch:
            full = x.new_zeros(self.batch, *x.shape[1:]).contiguous(
                memory_format=torch.channels_last
            )
            full[: len(part)] = x
            x = full
        return x.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else x


def refuse_smaller_than_patch(images: Images, name: str, patch: int) -> None:
    """Enlarging an image that is smaller than one patch shows a transformer nothing."""
    height, wide = images.shape[1:3]
    if min(height, wide) < patch:
        raise InputError(
            f"images of {wide} x {height} px are smaller than one patch of {name} ({patch} px): "
            "use larger images, or a convolutional backbone."
        )
