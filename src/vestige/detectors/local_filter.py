"""The matched filter window by window: for generated images that copy a part only."""

from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from vestige.detectors.cosine_search import top_cosines
from vestige.detectors.inputs import fitted, reference_of
from vestige.detectors.patch_nearest import FOREGROUND, mean_of_largest
from vestige.features.pixels import as_grey, shrink
from vestige.features.whitening import whitening
from vestige.registry.entries import InputError
from vestige.registry.rules import at_least, check_words
from vestige.stats.neighbours import same_width
from vestige.types import Bools, Floats, Images

FLAT = 1e-6  # deviation of cosines that is rounding
LARGEST = 3
Aggregate = Literal["largest", "top_quarter", "mean"]


@dataclass
class LocalFilter:
    """Mean of the 3 largest z(p): the matched filter's score in window p, standardised.

    Each window is whitened by that window of the population, and scored by the mean of the `top`
    largest cosines with that window of the generated set; z(p) is in standard deviations of the
    population's scores there. Windows where an image is background (deviation below .02) are left
    out; an image of background only scores 0. A copied part is a window or two of one generated
    image: more cosines or windows dilute it, larger windows fit into it only where they stand
    exactly. Whole copies are the matched filter's business. Source: ours, the open point of
    docs/methods.md 2.18.

    Parameters
    ----------
    size : int
        Side in pixels at which images are compared; smaller images stay as they are.
    window : int
        Side of a window in pixels, 3 or more; windows stand a third of it apart.
    top : int
        Cosines averaged per window.
    ridge : float
        Share of the mean eigenvalue added before the square root.
    aggregate : "largest" (3 windows), "top_quarter" or "mean" of z over the windows
    """

    size: int = 64
    window: int = 12
    top: int = 1
    ridge: float = 0.1
    aggregate: Aggregate = "largest"
    generated_: Images | None = field(init=False, default=None, repr=False, compare=False)
    reference_: Images | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_words(self)
        if self.window < 3:
            raise InputError(f"a window has 3 px or more, {self.window} was given.")
        at_least(1, self, "top")

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Keep the generated set and the reference, if any; `used` is ignored."""
        self.generated_ = self._images(generated)
        self.reference_ = None if unused is None else self._images(unused)
        return self

    def score_samples(self, images: Any) -> Floats:
        """Score with the reference as population, float64 [n]."""
        fitted(self.generated_, "local_filter")
        if self.reference_ is None:
            reference_of(None, "local_filter")  # raises, and says what to give
        reference = fitted(self.reference_, "local_filter")
        queries = self._images(images)
        everyone = np.concatenate(_same_size(queries, reference))
        evidence, seen = self._evidence(
            everyone, reference, np.arange(len(everyone)) >= len(queries)
        )
        return self._summarise(evidence[: len(queries)], seen[: len(queries)])

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one unordered cohort, float64 [n]; it is the population, with the reference."""
        fitted(self.generated_, "local_filter")
        cohort = self._images(pool)
        everyone = cohort
        if self.reference_ is not None:
            everyone = np.concatenate(_same_size(cohort, self.reference_))
        evidence, seen = self._evidence(cohort, everyone, np.ones(len(cohort), bool))
        return self._summarise(evidence, seen)

    def _images(self, source: Any) -> Images:
        return shrink(as_grey(source, self.size), self.size)

    def _evidence(self, images: Images, population: Images, usual: Bools) -> tuple[Floats, Bools]:
        """Standardised score of each window, and where an image is foreground, [n, windows].

        `usual` [n] marks the images whose scores standardise, by mean and deviation.
        """
        generated = fitted(self.generated_, "local_filter")
        _same_size(images, generated)
        found, seen = [], []
        for window in self._windows(*images.shape[1:]):
            # float64: at the edge of a body the few pixels that vary at all vary little
            filters = whitening(_cut(population, window).astype(np.float64), self.ridge)
            own = _cut(images, window).astype(np.float64)
            cosines = top_cosines(
                filters.apply(own.astype(np.float32)), _cut(generated, window), filters, self.top
            )[0]
            score = cosines.mean(axis=1, dtype=np.float64)
            foreground = own.std(axis=1) > FOREGROUND
            others = score[usual & foreground]
            deviation = others.std() if len(others) else 0.0
            level = others.mean() if len(others) else 0.0
            found.append((score - level) / max(deviation, FLAT))
            seen.append(foreground & (deviation > FLAT))
        return np.stack(found, axis=1), np.stack(seen, axis=1)

    def _windows(self, height: int, width: int) -> list[tuple[slice, slice]]:
        side = self.window
        if min(height, width) < side:
            raise InputError(f"windows of {side} px do not fit into images of {height} x {width}.")
        return [
            (slice(top, top + side), slice(left, left + side))
            for top in range(0, height - side + 1, side // 3)
            for left in range(0, width - side + 1, side // 3)
        ]

    def _summarise(self, evidence: Floats, seen: Bools) -> Floats:
        counts = seen.sum(axis=1)
        if self.aggregate == "largest":
            counts = np.minimum(counts, LARGEST)
        elif self.aggregate == "top_quarter":
            counts = -(-counts // 4)
        return mean_of_largest(evidence, seen, counts)


def _same_size(images: Images, others: Images) -> tuple[Images, Images]:
    same_width(images[0].size, others[0].size)
    return images, others


def _cut(images: Images, window: tuple[slice, slice]) -> npt.NDArray[Any]:
    """One window of every image as rows [n, pixels]."""
    return images[:, *window].reshape(len(images), -1)
