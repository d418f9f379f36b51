"""A generator that cannot return single images: only mean and components of them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from vestige.images.kinds import kind_of
from vestige.registry.entries import InputError
from vestige.types import Float32s, Floats, Images, Progress, quiet


@dataclass
class PcaGaussian:
    """Draw from the Gaussian on the first principal components of the training images.

    Its samples look like nobody. Innocent it is not: the components of a small training set are
    combinations of its images, which a whitened filter finds (docs/when-generators-leak.md). As a
    negative control take many training images and a low rank, or images that nobody judges.

    Parameters
    ----------
    rank : int
        Number of principal components.
    noise : float
        Standard deviation of white noise on every sample, grey levels of 0..1.
    """

    rank: int = 16
    noise: float = 0.01
    figures: dict[str, float | str] = field(init=False, default_factory=dict, repr=False)
    mean_: Float32s | None = field(init=False, default=None, repr=False)
    axes_: Floats | None = field(init=False, default=None, repr=False)

    def fit(
        self,
        images: Images,
        seed: int = 0,
        *,
        strangers: Images | None = None,
        folder: Path | None = None,
        progress: Progress = quiet,
    ) -> Self:
        """Learn mean and components of images of one kind, float32 in 0..1; nothing else is used.

        Raises
        ------
        InputError
            Fewer than two images, an array of no kind of images, or an option out of its range.
        """
        del seed, strangers, folder, progress
        kind_of(images.shape)
        if len(images) < 2:
            raise InputError(f"pca_gaussian needs 2 or more training images, not {len(images)}.")
        if self.rank < 1 or not self.noise >= 0:
            raise InputError(
                f"rank must be 1 or more and noise 0 or more, not {self.rank} and {self.noise}."
            )
        flat = images.reshape(len(images), -1).astype(np.float64)
        mean = flat.mean(axis=0)
        _, scale, axes = np.linalg.svd(flat - mean, full_matrices=False)
        rank = min(self.rank, len(images) - 1)
        self.mean_ = mean.reshape(images.shape[1:]).astype(np.float32)
        self.axes_ = axes[:rank] * (scale[:rank, None] / np.sqrt(len(images) - 1))
        return self

    def sample(self, m: int, seed: int = 0) -> Images:
        """Draw `m` images of the shape of the training images, float32, 0..1 in steps of 1/255."""
        if self.mean_ is None or self.axes_ is None:
            raise RuntimeError("call fit(images) before sample(m)")
        if m < 1:
            raise InputError(f"the number of samples must be 1 or more, {m} was given.")
        rng = np.random.default_rng(seed)
        drawn = rng.standard_normal((m, len(self.axes_))) @ self.axes_
        drawn += self.noise * rng.standard_normal(drawn.shape)
        images = self.mean_ + drawn.reshape(m, *self.mean_.shape)
        return np.asarray(np.rint(np.clip(images, 0, 1) * 255) / 255, np.float32)
