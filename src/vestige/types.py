"""Array aliases, and the protocols that detectors, embedders and progress follow."""

from inspect import signature
from typing import Any, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Float32s: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Images: TypeAlias = npt.NDArray[np.float32]
"""float32 [n, h, w], grey, 0..1."""


class Progress(Protocol):
    """Told how far a stage is: name, steps done, steps in all."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Report one step."""
        ...


def quiet(stage: str, done: int, total: int) -> None:
    """Report nothing."""


@runtime_checkable
class Detector(Protocol):
    """Turns (generated, knowns) into a score per real image, higher = more likely used.

    A detector never sees the images it will judge while it fits, and never judges: p-values
    are made in one place (`vestige.audit`).
    """

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Learn from the generated set (and knowns); ``unused`` is the reference."""
        ...

    def score_samples(self, images: Any) -> Floats:
        """Score real images, float64 [n]; independent of which other images are scored."""
        ...


@runtime_checkable
class PoolDetector(Detector, Protocol):
    """A detector that can use the cohort of queries and calibration images as its own reference."""

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one unordered cohort; the result is a symmetric function of its members."""
        ...


@runtime_checkable
class GrowingDetector(Detector, Protocol):
    """A detector that scores the same images again beside a generated set that has grown."""

    @property
    def grows(self) -> bool:
        """Whether, with these options, more generated images change nothing but the search.

        Principal components in which a density is compared may stay those of the set of `fit`.
        """
        ...

    def score_more(self, more: Images) -> Floats:
        """Scores of the images that were scored last, had `more` been generated as well."""
        ...


@runtime_checkable
class LearningDetector(Detector, Protocol):
    """A detector that learns from used and unused images; fitted without those it will score."""

    def fit(
        self,
        generated: Any,
        used: Any = None,
        unused: Any = None,
        *,
        groups_used: npt.NDArray[Any] | None = None,
        groups_unused: npt.NDArray[Any] | None = None,
        progress: Progress = quiet,
    ) -> Self:
        """Learn; the groups (patients) of both sets let it hold some out to stop in time."""
        ...


@runtime_checkable
class PairExplainer(Protocol):
    """A fitted detector that judges pairs of images, and can show where it sees their match."""

    def explain_pairs(self, real: Images, generated: Images) -> Float32s | None:
        """Maps of k pairs, [k, 2, s, s], 0 and above: of the real and of the generated image.

        None where the detector looks at nothing that has a place.
        """
        ...


def learns(kind: type[Detector]) -> bool:
    """Whether a detector learns from labels: its `fit` takes the groups of both sets by name."""
    return "groups_used" in signature(kind.fit).parameters


class Embedder(Protocol):
    """A feature space: `fit` on images, then images [n, h, w] -> float32 [n, d]."""

    def fit(self, images: Images) -> Self:
        """Learn the space (nothing to learn for pixels)."""
        ...

    def transform(self, images: Images) -> Float32s:
        """Map images to rows."""
        ...


@runtime_checkable
class PairEmbedder(Embedder, Protocol):
    """A feature space that can learn from two sets of different sizes, weighted equally."""

    def fit_pair(self, first: Images, second: Images) -> Self:
        """Learn the space from both."""
        ...
