"""Nearest distance, calibrated by the distance to unused reals (GAN-Leaks calibration)."""

from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from vestige.detectors.inputs import fitted, groups_of, reference_of
from vestige.detectors.viewed_space import ViewedSpace, viewed_space
from vestige.features import SPACES, fit_space, is_learned
from vestige.features.pixels import as_held, as_images
from vestige.features.rows import rows_of
from vestige.registry.entries import choose
from vestige.registry.rules import at_least, check_words
from vestige.stats.neighbours import rows_outside_group
from vestige.symmetries import Views
from vestige.types import Float32s, Floats, Images

FLOOR = 1e-9


@dataclass(frozen=True, eq=False)
class _Scored:
    """What was scored: rows [views * n, d] of a space, and distances [n] and [n, k]."""

    seen: ViewedSpace
    rows: Float32s
    usual: Floats
    distances: Floats


@dataclass
class CalibratedDistance:
    """log d(x, R) - log d(x, S), with S the generated set and R unused reals.

    An ordinary image is near to everything, a rare one far from everything; dividing by the
    distance to R removes that difficulty. Source: GAN-Leaks (arXiv:1909.03935) with a reference
    set as in Synth-MIA (arXiv:2509.18014); docs/methods.md 2.4.

    Parameters
    ----------
    space : str
        One of `vestige.features.SPACES`, fitted on both sets where it learns anything.
    form : "log_ratio" (no unit) or "difference" d(x, R) - d(x, S)
    views : "none", "mirror" or "all"
        Symmetries in which a generated image may copy: both distances are those of the nearest
        view, so that neither has more chances.
    """

    k: int = 1
    space: str = "pixels"
    size: int = 32
    dims: int = 64
    form: Literal["log_ratio", "difference"] = "log_ratio"
    views: Views = "mirror"
    generated_: Images | None = field(init=False, default=None, repr=False, compare=False)
    reference_: Images | None = field(init=False, default=None, repr=False, compare=False)
    scored_: _Scored | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        choose(SPACES, self.space, "space")
        check_words(self)
        at_least(1, self, "dims", of="calibrated_distance: ")

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Keep the generated set and the reference; `used` is ignored."""
        self.generated_ = as_held(generated)
        self.reference_ = None if unused is None else as_images(unused)
        self.scored_ = None
        return self

    def score_samples(self, images: Any) -> Floats:
        """Score against the reference of `fit`, float64 [n]."""
        generated = fitted(self.generated_, "calibrated_distance")
        reference = reference_of(self.reference_, "calibrated_distance")
        embed = fit_space(self.space, self.size, self.dims, generated, reference)
        seen = viewed_space(self.views, embed, self.space, self.size, generated.shape)
        rows = seen.rows(as_images(images))
        usual = seen.nearest(rows, seen.embed.transform(reference), self.k)[0].mean(axis=1)
        return self._score(seen, rows, usual, generated)

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one cohort; each image's reference is the rest of the cohort without its group."""
        generated = fitted(self.generated_, "calibrated_distance")
        cohort = as_images(pool)
        embed = fit_space(self.space, self.size, self.dims, generated, cohort)
        seen = viewed_space(self.views, embed, self.space, self.size, generated.shape)
        rows = seen.rows(cohort)
        labels = groups_of(groups, len(cohort))
        there = np.arange(self.k) < rows_outside_group(labels, "calibrated_distance")[:, None]
        usual = seen.nearest_outside_group(rows, labels, self.k).mean(axis=1, where=there)
        return self._score(seen, rows, usual, generated)

    @property
    def grows(self) -> bool:
        """Whether the space stays what it is."""
        return not is_learned(self.space)

    def score_more(self, more: Images) -> Floats:
        """Scores [n] of the images scored last, had `more` been generated as well."""
        scored = fitted(self.scored_, "calibrated_distance")
        made = scored.seen.embed.transform(more)
        near = scored.seen.nearest_and(scored.rows, made, scored.distances, self.k)
        return self._compare(scored.usual, near)

    def _score(self, seen: ViewedSpace, rows: Float32s, usual: Floats, generated: Images) -> Floats:
        distances = seen.nearest(rows, rows_of(seen.embed, generated), self.k)[0]
        self.scored_ = _Scored(seen, rows, usual, distances)
        return self._compare(usual, distances)

    def _compare(self, usual: Floats, distances: Floats) -> Floats:
        near = distances.mean(axis=1)
        if self.form == "difference":
            return np.asarray(usual - near)
        return np.asarray(np.log(usual + FLOOR) - np.log(near + FLOOR))
