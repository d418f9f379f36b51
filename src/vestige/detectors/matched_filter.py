"""Whiten by the population, then compare: the matched filter (our own, the primary detector)."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from vestige.choices import InputError
from vestige.detectors.inputs import fitted, reference_of
from vestige.features import build_space
from vestige.features.pixels import as_images
from vestige.features.rows import Rows, rows_of
from vestige.features.whitening import Whitening, whitening, whitening_of_both
from vestige.stats.neighbours import same_width
from vestige.types import Float32s, Floats, Images, Ints

BLOCK_BYTES = 8 * 2**20
TEMPERATURE = 0.1
Aggregate = Literal["top", "cube", "logsumexp"]
Unlearned = Literal["pixels", "contrast", "gradients", "band_pass"]


def top_cosines(
    rows: Float32s, generated: Rows, filters: Whitening, k: int
) -> tuple[Float32s, Ints]:
    """The k largest cosines of whitened rows [n, p] with the generated set [m, D], streamed.

    Returns
    -------
    cosines : [n, k], descending
    indices : [n, k], rows of `generated`; of equal cosines the lower row first
    """
    best = np.empty((len(rows), 0), dtype=np.float32)
    index = np.empty((len(rows), 0), dtype=np.int64)
    for start in range(0, len(generated), step := _block_rows(rows, generated)):
        cosines = rows @ filters.apply(generated[start : start + step]).T
        local = _largest_at(cosines, k)
        best = np.hstack([best, np.take_along_axis(cosines, local, axis=1)])
        index = np.hstack([index, local + start])
        order = np.lexsort((index, -best), axis=1)[:, :k]
        best = np.take_along_axis(best, order, axis=1)
        index = np.take_along_axis(index, order, axis=1)
    return best, index


@dataclass(frozen=True)
class Tally:
    """What is kept of the cosines of n rows with a generated set; a set that grows adds to it.

    best : float32 [n, k], the largest cosines, ascending; total : float64 [n], of all; count : all
    """

    best: Float32s
    total: Floats
    count: int


def no_cosines(n: int) -> Tally:
    """Before any generated image was seen."""
    return Tally(np.empty((n, 0), dtype=np.float32), np.zeros(n), 0)


def tally_cosines(
    rows: Float32s,
    generated: Rows,
    filters: Whitening,
    rivals: Float32s,
    options: "MatchedFilter",
    tally: Tally,
) -> Tally:
    """Add the cosines of whitened rows [n, p] with the generated set [m, D], streamed.

    rivals : whitened reals [r, p] among which each generated image is competed for
    """
    for start in range(0, len(generated), step := _block_rows(rows, generated)):
        made = filters.apply(generated[start : start + step])
        tally = _added(tally, made, rows, rivals, options)
    return tally


def _added(
    tally: Tally, made: Float32s, rows: Float32s, rivals: Float32s, options: "MatchedFilter"
) -> Tally:
    cosines = made @ rows.T
    best, total = tally.best, tally.total
    if options.aggregate == "top":
        if options.competition:
            among = cosines if rivals is rows else made @ rivals.T
            cosines -= _largest(among, options.competition).mean(axis=1)[:, None]
        best = _largest(np.hstack([best, cosines.T]), options.top)
    elif options.aggregate == "cube":
        cubes = cosines * cosines
        cubes *= cosines
        total = total + cubes.sum(axis=0, dtype=np.float64)
    else:  # a cosine is at most 1, so exp(cosine / t) <= exp(10): no overflow
        total = total + np.exp(cosines / np.float32(TEMPERATURE)).sum(axis=0, dtype=np.float64)
    return Tally(best, total, tally.count + len(made))


def aggregate(tally: Tally, options: "MatchedFilter") -> Floats:
    """The scores, float64 [n]."""
    if options.aggregate == "top":
        return np.asarray(tally.best.mean(axis=1, dtype=np.float64))
    return np.log(tally.total) if options.aggregate == "logsumexp" else tally.total / tally.count


@dataclass(frozen=True, eq=False)
class _Scored:
    """What was scored: whitened rows [n, p], and what is known of their cosines."""

    rows: Float32s
    filters: Whitening
    rivals: Float32s
    tally: Tally


@dataclass
class MatchedFilter:
    """Mean of the `top` largest whitened cosines with the generated set, each less its usual value.

    Chests look alike: what all share dominates every plain distance. Whitening by the population
    removes it, and the cosine then measures what one image alone has. A generated image that is
    near to many reals proves nothing of any: from its cosines the mean of its `competition`
    largest ones among unused reals (in bag form: among the bag) is subtracted. Source: ours; the
    idea of whitening is that of exemplar-LDA (Hariharan et al., ECCV 2012,
    doi:10.1007/978-3-642-33765-9_33), the correction that of cross-domain similarity local scaling
    (Conneau et al. 2018, arXiv:1710.04087); METHODS 2.18.

    Parameters
    ----------
    size : int
        Side in pixels. GANs leak first in the coarse shape, diffusion models in fine detail.
    top : int
        Number of cosines averaged.
    aggregate : "top", "cube" or "logsumexp"
        "cube": mean over all generated images of the cubed cosine, without competition. Copies
        lie on one side of zero only, ordinary variation on both. "logsumexp": of cosine / .1.
    competition : int
        Rivals averaged, 0 for none.
    whitened_by : "reals" or "both"
        Whether the generated images take part in the whitening: what they have in common, such
        as the smoothness of a variational auto-encoder, is then removed as well.
    ridge : float
        Share of the mean eigenvalue added before the square root.
    space : "pixels", "contrast", "gradients" or "band_pass"
        What is whitened: a space of `vestige.features` that learns nothing.
    """

    size: int = 64
    top: int = 3
    aggregate: Aggregate = "top"
    competition: int = 10
    whitened_by: Literal["reals", "both"] = "reals"
    ridge: float = 0.1
    space: Unlearned = "pixels"
    generated_: Rows | None = field(init=False, default=None, repr=False, compare=False)
    reference_: Images | None = field(init=False, default=None, repr=False, compare=False)
    scored_: _Scored | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.aggregate not in ("top", "cube", "logsumexp"):
            raise InputError(f"unknown aggregate {self.aggregate!r}. Known: top, cube, logsumexp.")
        if self.whitened_by not in ("reals", "both"):
            raise InputError(f"unknown whitened_by {self.whitened_by!r}. Known: reals, both.")
        if self.space not in (known := get_args(Unlearned)):
            raise InputError(f"unknown space {self.space!r}. Known: {', '.join(known)}.")

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Keep the generated set and the reference that whitens; `used` is ignored."""
        self.generated_ = rows_of(build_space(self.space, size=self.size), as_images(generated))
        self.reference_ = None if unused is None else as_images(unused)
        self.scored_ = None
        return self

    def score_samples(self, images: Any) -> Floats:
        """Score with the whitening of the reference, float64 [n]."""
        fitted(self.generated_, "matched_filter")
        reference = self._rows(reference_of(self.reference_, "matched_filter"))
        filters = self._filters(reference)
        rows = filters.apply(self._rows(as_images(images)))
        return self._score(rows, filters, filters.apply(reference))

    @property
    def grows(self) -> bool:
        """Whether the whitening leaves the generated images out."""
        return self.whitened_by == "reals"

    def score_more(self, more: Images) -> Floats:
        """Scores [n] of the images scored last, had `more` been generated as well."""
        scored = fitted(self.scored_, "matched_filter")
        return aggregate(self._tally(self._rows(more), scored), self)

    def _score(self, rows: Float32s, filters: Whitening, rivals: Float32s) -> Floats:
        scored = _Scored(rows, filters, rivals, no_cosines(len(rows)))
        tally = self._tally(fitted(self.generated_, "matched_filter"), scored)
        self.scored_ = replace(scored, tally=tally)
        return aggregate(tally, self)

    def _tally(self, generated: Rows, scored: _Scored) -> Tally:
        filters, rivals = scored.filters, scored.rivals
        return tally_cosines(scored.rows, generated, filters, rivals, self, scored.tally)

    def _filters(self, reals: Float32s) -> Whitening:
        if self.whitened_by == "both":
            return whitening_of_both(reals, fitted(self.generated_, "matched_filter"), self.ridge)
        return whitening(reals, self.ridge)

    def _rows(self, images: Images) -> Float32s:
        return build_space(self.space, size=self.size).transform(images)


@dataclass
class MatchedFilterPool(MatchedFilter):
    """The matched filter whitened by the bag of queries and controls (and the reference, if any).

    In whitened span the bag is an almost orthonormal frame, so the cosine is the coefficient of
    x when a generated image is ridge-regressed on all reals at once: which reals is this
    synthetic image made of? METHODS 2.18.
    """

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one unordered bag, float64 [n]; reordering the bag permutes the scores."""
        rows, filters = self._whiten(as_images(pool))
        return self._score(rows, filters, rows)

    def score_samples(self, images: Any) -> Floats:
        """Score a bag of its own; prefer `score_pool` with the controls in the bag."""
        return self.score_pool(images)

    def nearest_pool(self, pool: Any, k: int) -> tuple[Floats, Ints]:
        """The k generated images with the largest whitened cosine: cosines and rows, [n, k]."""
        generated = fitted(self.generated_, "matched_filter_pool")
        rows, filters = self._whiten(as_images(pool))
        cosines, index = top_cosines(rows, generated, filters, k)
        return cosines.astype(np.float64), index

    def _whiten(self, bag: Images) -> tuple[Float32s, Whitening]:
        rows = self._rows(bag)
        everyone = rows
        if self.reference_ is not None:
            reference = self._rows(self.reference_)
            same_width(rows.shape[1], reference.shape[1])
            everyone = np.concatenate([rows, reference])
        filters = self._filters(everyone)
        return filters.apply(rows), filters


def _largest(values: Float32s, k: int) -> Float32s:
    """The k largest of each row, [n, min(k, width)], ascending: sums must not depend on order."""
    if values.shape[1] > k:
        values = np.partition(values, -k, axis=1)[:, -k:]
    return np.asarray(np.sort(values, axis=1))


def _largest_at(values: Float32s, k: int) -> Ints:
    if values.shape[1] <= k:
        return np.tile(np.arange(values.shape[1]), (len(values), 1))
    # a copy: a view would keep the indices of the whole block alive
    return np.argpartition(values, -k, axis=1)[:, -k:].copy()


def _block_rows(rows: Float32s, generated: Rows) -> int:
    return max(1, BLOCK_BYTES // (4 * max(len(rows), int(generated.shape[1]))))
