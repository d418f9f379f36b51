"""Nearest distance, calibrated by the distance to unused reals (GAN-Leaks calibration)."""

from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from vestige.choices import InputError, choose
from vestige.detectors.inputs import fitted, groups_of, reference_of
from vestige.features import SPACES, fit_space
from vestige.features.pixels import as_images
from vestige.features.rows import rows_of
from vestige.stats.neighbours import nearest, nearest_outside_group, rows_outside_group
from vestige.types import Floats, Images

FLOOR = 1e-9


@dataclass
class CalibratedDistance:
    """log d(x, R) - log d(x, S), with S the generated set and R unused reals.

    An ordinary image is near to everything, a rare one far from everything; dividing by the
    distance to R removes that difficulty. Source: GAN-Leaks (arXiv:1909.03935) with a reference
    set as in Synth-MIA (arXiv:2509.18014); METHODS 2.4.

    Parameters
    ----------
    space : str
        One of `vestige.features.SPACES`, fitted on both sets where it learns anything.
    form : "log_ratio" (no unit) or "difference" d(x, R) - d(x, S)
    """

    k: int = 1
    space: str = "pixels"
    size: int = 32
    dims: int = 64
    form: Literal["log_ratio", "difference"] = "log_ratio"
    generated_: Images | None = field(init=False, default=None, repr=False, compare=False)
    reference_: Images | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        choose(SPACES, self.space, "space")
        if self.form not in ("log_ratio", "difference"):
            raise InputError(f"unknown form {self.form!r}. Known: log_ratio, difference.")

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Keep the generated set and the reference; `used` is ignored."""
        self.generated_ = as_images(generated)
        self.reference_ = None if unused is None else as_images(unused)
        return self

    def score_samples(self, images: Any) -> Floats:
        """Score against the reference of `fit`, float64 [n]."""
        generated = fitted(self.generated_, "calibrated_distance")
        reference = reference_of(self.reference_, "calibrated_distance")
        embed = fit_space(self.space, self.size, self.dims, generated, reference)
        rows = embed.transform(as_images(images))
        usual = nearest(rows, embed.transform(reference), self.k)[0].mean(axis=1)
        return self._compare(usual, nearest(rows, rows_of(embed, generated), self.k)[0])

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one bag; each image's reference is the rest of the bag without its group."""
        generated = fitted(self.generated_, "calibrated_distance")
        bag = as_images(pool)
        embed = fit_space(self.space, self.size, self.dims, generated, bag)
        rows = embed.transform(bag)
        labels = groups_of(groups, len(rows))
        there = np.arange(self.k) < rows_outside_group(labels, "calibrated_distance")[:, None]
        usual = nearest_outside_group(rows, labels, self.k).mean(axis=1, where=there)
        return self._compare(usual, nearest(rows, rows_of(embed, generated), self.k)[0])

    def _compare(self, usual: Floats, distances: Floats) -> Floats:
        near = distances.mean(axis=1)
        if self.form == "difference":
            return np.asarray(usual - near)
        return np.asarray(np.log(usual + FLOOR) - np.log(near + FLOOR))
