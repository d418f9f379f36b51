"""Search on small pixels, then compare the best few by structural similarity."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from vestige.detectors.inputs import fitted, groups_of
from vestige.features.pixels import Pixels, as_grey, shrink
from vestige.registry.entries import InputError
from vestige.registry.rules import check_words
from vestige.stats.neighbours import nearest, same_width
from vestige.stats.ssim import WINDOWS, Moments, best_shift, ssim
from vestige.types import Float32s, Floats, Images, Ints

COARSE = 32
REACH = 2
BATCH = 16


@dataclass
class SsimRerank:
    """Largest SSIM with the generated set minus the largest with unused reals.

    The `k` nearest images at 32 px are compared at `size` px, each after the shift of at most 2 px
    each way that maximises the correlation; what the shift leaves over is cut off. Without a
    reference the first term alone. Source: the SSIM rule of the VCMI team at ImageCLEFmedical
    GANs 2023 (CEUR-WS 3497), searched coarsely and calibrated by us; docs/methods.md 2.15.

    Parameters
    ----------
    k : int
        Images compared with the query, of the generated set and of the reference.
    size : int
        Side in pixels at which images are compared; smaller images stay as they are.
    window : "gaussian" (11 px, sigma 1.5) or "uniform7" (7 px, unbiased, as VCMI)
    similarity : "ssim" or "gradient" (correlation of gradient magnitudes at the best shift)
    """

    k: int = 50
    size: int = 128
    window: Literal["gaussian", "uniform7"] = "gaussian"
    similarity: Literal["ssim", "gradient"] = "ssim"
    generated_: "_Searched | None" = field(init=False, default=None, repr=False, compare=False)
    reference_: "_Searched | None" = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_words(self)

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Keep the generated set and the reference; `used` is ignored."""
        kept = self._searched(generated)
        smallest = 2 * REACH + len(WINDOWS[self.window].weights)
        if min(kept.images.shape[1:]) < smallest:
            raise InputError(
                f"ssim_rerank needs images of at least {smallest} px, got {kept.images.shape[1:]}."
            )
        self.generated_ = kept
        self.reference_ = None if unused is None else self._searched(unused)
        return self

    def score_samples(self, images: Any) -> Floats:
        """Score against the reference of `fit`, float64 [n]; without one, against S alone."""
        generated = fitted(self.generated_, "ssim_rerank")
        queries = self._searched(images)
        score = self._largest(queries, generated)
        return score if self.reference_ is None else score - self._largest(queries, self.reference_)

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one cohort; each image's reference is the rest of the cohort without its group."""
        generated = fitted(self.generated_, "ssim_rerank")
        cohort = self._searched(pool)
        codes = np.unique(groups_of(groups, len(cohort.rows)), return_inverse=True)[1]
        largest = int(np.bincount(codes).max())
        if largest == len(codes):
            raise InputError("ssim_rerank needs images of at least two groups.")
        score = self._largest(cohort, generated)
        order = nearest(cohort.rows, cohort.rows, self.k + largest)[1]
        others = [
            near[codes[near] != own][: self.k] for near, own in zip(order, codes, strict=True)
        ]
        return score - self._largest(cohort, cohort, others)

    def nearest(self, images: Any, k: int) -> tuple[Floats, Ints]:
        """Similarities [n, k] and rows [n, k] of the most similar generated images."""
        generated = fitted(self.generated_, "ssim_rerank")
        queries = self._searched(images)
        rows = nearest(queries.rows, generated.rows, max(k, self.k))[1]
        found = np.stack(
            [self._similar(q, generated, c) for q, c in zip(queries.images, rows, strict=True)]
        )
        order = np.argsort(-found, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(found, order, 1), np.take_along_axis(rows, order, 1)

    def _searched(self, source: Any) -> "_Searched":
        images = shrink(as_grey(source, self.size), self.size)
        return _Searched(images, Pixels(COARSE).transform(images))

    def _largest(
        self,
        queries: "_Searched",
        pool: "_Searched",
        candidates: Sequence[Ints] | Ints | None = None,
    ) -> Floats:
        """Largest similarity of each query with its candidates: by default the nearest, [n]."""
        same_width(queries.images[0].size, pool.images[0].size)
        if candidates is None:
            candidates = nearest(queries.rows, pool.rows, self.k)[1]
        return np.array(
            [
                self._similar(q, pool, c).max()
                for q, c in zip(queries.images, candidates, strict=True)
            ]
        )

    def _similar(self, query: npt.NDArray[Any], pool: "_Searched", candidates: Ints) -> Floats:
        """Similarity of one image [h, w] with the candidates, a few megabytes at a time."""
        gradient = self.similarity == "gradient"
        query = query.astype(np.float64)
        if gradient:
            query = _gradient(query[None])[0]
        h, w = (side - 2 * REACH for side in query.shape)
        inner = Moments.of(query[REACH : REACH + h, REACH : REACH + w], WINDOWS[self.window])
        found = []
        for start in range(0, len(candidates), BATCH):
            others = pool.images[candidates[start : start + BATCH]].astype(np.float64)
            if gradient:
                others = _gradient(others)
            correlations, corners = best_shift(query, others, REACH)
            if not gradient:
                parts = (o[y : y + h, x : x + w] for o, (y, x) in zip(others, corners, strict=True))
                correlations = ssim(inner, np.stack(list(parts)))
            found.append(correlations)
        return np.concatenate(found)


@dataclass(frozen=True, eq=False)
class _Searched:
    """Images [n, h, w] and what they are searched by, [n, at most 32 x 32]."""

    images: Images
    rows: Float32s


def _gradient(images: Floats) -> Floats:
    down, right = np.gradient(images, axis=(1, 2))
    return np.asarray(np.hypot(down, right))
