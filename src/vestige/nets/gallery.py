"""Images as a network sees them: computed once where the trunk is frozen, anew where it learns."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vestige.nets.training import autocast
from vestige.nets.trunks import prepare
from vestige.stats.slices import slices
from vestige.types import Images, Progress, quiet

BATCH = 32
Outputs = tuple[Tensor, ...]


class Gallery:
    """Features of n images, by row.

    Parameters
    ----------
    images : float32 [n, h, w], 0..1
    extract : callable
        Prepared images [b, 3, s, s] -> tensors [b, ...].
    size : int
        Side in pixels at which the network sees them.
    device, precision
        As `find_device` and `find_precision` give them.
    cached : bool
        Compute all of them now, once; kept in float16 but for the first tensor.
    alter : callable, optional
        Augmentation of each batch of images; a cached gallery keeps one outcome.
    """

    def __init__(
        self,
        images: Images,
        extract: Callable[[Tensor], Outputs],
        size: int,
        device: torch.device,
        precision: torch.dtype,
        cached: bool = True,
        progress: Progress = quiet,
        alter: Callable[[Images], Images] | None = None,
    ) -> None:
        self.images, self.extract, self.size = images, extract, size
        self.device, self.precision, self.alter = device, precision, alter
        self.cache = self._run(progress) if cached else None

    def __len__(self) -> int:
        return len(self.images)

    def features(self, rows: Any) -> Outputs:
        """Features of some rows on the device, float32; with gradients where nothing is cached."""
        rows = torch.as_tensor(rows)
        if self.cache is not None:
            return tuple(part[rows].to(self.device).float() for part in self.cache)
        x = self._prepare(self.images[rows.numpy()])
        with autocast(self.device, self.precision):
            return tuple(part.float() for part in self.extract(x))

    def first(self) -> Images:
        """The first feature of every image, float32 [n, d]: what neighbours are found by."""
        if self.cache is not None:
            return np.asarray(self.cache[0].float().numpy(), np.float32)
        parts = [self.extracted(rows)[0] for rows in batches(len(self))]
        return np.asarray(torch.cat(parts).numpy(), np.float32)

    @torch.no_grad()
    def extracted(self, rows: slice) -> Outputs:
        """Features of a slice on the CPU, float32, without gradients."""
        images = self.images[rows]
        n = len(images)
        if self.precision != torch.float32 and n < BATCH:
            # reduced precision rounds by the shape of the batch: one shape for all
            images = np.concatenate([images, np.repeat(images[-1:], BATCH - n, axis=0)])
        x = self._prepare(images)
        with autocast(self.device, self.precision):
            return tuple(part[:n].float().cpu() for part in self.extract(x))

    def _prepare(self, images: Images) -> Tensor:
        return prepare(self.alter(images) if self.alter else images, self.size).to(self.device)

    def _run(self, progress: Progress) -> Outputs:
        kept: list[Tensor] = []
        for rows in batches(len(self)):
            parts = self.extracted(rows)
            if not kept:
                kept = [
                    torch.empty((len(self), *p.shape[1:]), dtype=torch.float16 if i else p.dtype)
                    for i, p in enumerate(parts)
                ]
            for all_of_them, part in zip(kept, parts, strict=True):
                all_of_them[rows] = half(part) if all_of_them.dtype == torch.float16 else part
            progress("features", min(rows.stop, len(self)), len(self))
        return tuple(kept)


def half(values: Tensor) -> Tensor:
    """As float16 on the CPU; what lies beyond its range becomes its largest number."""
    largest = torch.finfo(torch.float16).max
    return values.float().clamp(-largest, largest).half().cpu()


def batches(n: int, size: int = BATCH) -> Iterator[slice]:
    """Slices that cover n rows."""
    return slices(n, size)
