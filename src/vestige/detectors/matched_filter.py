"""Whiten by the population, then compare: the matched filter (our own, the primary detector)."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from vestige.detectors.cosine_search import (
    Nearest,
    Search,
    Symmetries,
    find_neighbours,
)
from vestige.detectors.cosine_tally import (
    Aggregate,
    Tally,
    aggregate,
    see,
    see_both,
    tally_cosines,
)
from vestige.detectors.inputs import fitted, reference_of
from vestige.detectors.own_patient import of_several, without_own
from vestige.features import build_space
from vestige.features.folding import Folded, Folding, folding_of, turned
from vestige.features.pixels import Chroma, as_held, as_images
from vestige.features.rows import Rows, fold_rows, rows_of
from vestige.features.whitening import Whitening, whitening, whitening_of_both
from vestige.registry.rules import check_words
from vestige.stats.neighbours import same_width
from vestige.symmetries import Views
from vestige.types import Embedder, Float32s, Floats, Images, Ints

DAMPED = 0.1
"""With views, components whose eigenvalue is below this share of the ridge are left out."""
Unlearned = Literal["pixels", "contrast", "gradients", "band_pass", "chroma"]


@dataclass(frozen=True, eq=False)
class _Scored:
    """A search and its cosines; `kept`: rows [n, D] of the cohort, and their neighbours."""

    search: Search
    tally: Tally
    kept: tuple[Float32s, Nearest] | None = None


@dataclass
class MatchedFilter:
    """Mean of the `top` largest whitened cosines with the generated set, each less its usual value.

    Chests look alike: what all share dominates every plain distance. Whitening by the population
    removes it, and the cosine then measures what one image alone has. A generated image that is
    near to many reals proves nothing of any: from its cosines the mean of its `competition`
    largest ones among unused reals (in cohort form: among the cohort) is subtracted. Source: ours;
    the idea of whitening is that of exemplar-LDA (Hariharan et al., ECCV 2012,
    doi:10.1007/978-3-642-33765-9_33), the correction that of cross-domain similarity local scaling
    (Conneau et al. 2018, arXiv:1710.04087); docs/methods.md 2.18.

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
    space : "pixels", "contrast", "gradients", "band_pass" or "chroma"
        What is whitened: a space of `vestige.features` that learns nothing, or of colour images
        the chroma alone: where only colours were copied, strange luma hides them.
    views : "none", "mirror" or "all"
        Symmetries in which a generated image may copy (`vestige.symmetries`). The population that
        whitens is then the same in all of them, and a pair counts in the view where its cosine is
        largest ("cube": the mean of the view in which it is largest, so that ordinary variation
        still lies on both sides).
    nearest : int
        Neighbours of each image that are kept while it is scored, for `nearest_pool`.
    """

    size: int = 64
    top: int = 3
    aggregate: Aggregate = "top"
    competition: int = 10
    whitened_by: Literal["reals", "both"] = "reals"
    ridge: float = 0.1
    space: Unlearned = "pixels"
    views: Views = "mirror"
    nearest: int = 0
    shape_: tuple[int, ...] | None = field(init=False, default=None, repr=False, compare=False)
    generated_: Rows | None = field(init=False, default=None, repr=False, compare=False)
    turned_: Rows | None = field(init=False, default=None, repr=False, compare=False)
    reference_: Images | None = field(init=False, default=None, repr=False, compare=False)
    scored_: _Scored | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_words(self)

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Keep the generated set and the reference that whitens; `used` is ignored."""
        images = as_held(generated)
        self.shape_ = images.shape
        self.generated_ = rows_of(self._space, images)
        self.turned_ = None
        if self.whitened_by == "both" and self._folding.transposes:
            self.turned_ = rows_of(self._space, turned(images))
        self.reference_ = None if unused is None else as_images(unused)
        self.scored_ = None
        return self

    def score_samples(self, images: Any) -> Floats:
        """Score with the whitening of the reference, float64 [n]."""
        fitted(self.generated_, "matched_filter")
        reference = self._rows(reference_of(self.reference_, "matched_filter"))
        filters = self._filters(reference)
        rows = filters.apply(self._rows(as_images(images)))
        search = Search(rows, filters.apply(reference), filters, self._folding)
        return self._score(search)

    @property
    def grows(self) -> bool:
        """Whether the whitening leaves the generated images out."""
        return self.whitened_by == "reals"

    def score_more(self, more: Images) -> Floats:
        """Scores [n] of the images scored last, had `more` been generated as well."""
        scored = fitted(self.scored_, "matched_filter")
        made = self._space.transform(more)
        return aggregate(tally_cosines(scored.search, made, self, scored.tally), self)

    def _score(self, search: Search, cohort: Float32s | None = None) -> Floats:
        """Score a search; of a cohort [n, D], `nearest` neighbours are kept."""
        generated = fitted(self.generated_, "matched_filter")
        options = replace(self)  # without what was fitted: a pass is sent to where the images are
        fold = partial(see, search, options, 0 if cohort is None else self.nearest)
        seen = fold_rows(generated, fold, partial(see_both, options))
        kept = None
        if cohort is not None and seen.neighbours is not None:
            kept = cohort, seen.neighbours.found()
        self.scored_ = _Scored(search, seen.tally, kept)
        return aggregate(seen.tally, self)

    def _filters(self, reals: Float32s, masses: Floats | None = None) -> Whitening:
        widths = self._folding.widths(reals.shape[1])
        cut = DAMPED if self.views != "none" else 0.0
        count = len(reals) // 2 if self._folding.transposes else len(reals)
        if self.whitened_by == "both":
            made = [fitted(self.generated_, "matched_filter")]
            count += len(made[0])
            made += [] if self.turned_ is None else [self.turned_]
            return whitening_of_both(reals, made, self.ridge, widths, cut, count, masses)
        return whitening(reals, self.ridge, widths, cut, count, masses)

    @property
    def _folding(self) -> Folding:
        shape = fitted(self.shape_, "matched_filter")
        return folding_of(self.views, shape, self.size, self.space)

    @property
    def _space(self) -> Embedder:
        chroma = self.space == "chroma"
        own = Chroma(self.size) if chroma else build_space(self.space, size=self.size)
        return Folded(own, self._folding)

    def _rows(self, images: Images) -> Float32s:
        """Rows of reals [n, D]; where the folding transposes [2n, D], then transposed ones."""
        rows = self._space.transform(images)
        if not self._folding.transposes:
            return rows
        return np.concatenate([rows, self._space.transform(turned(images))])


@dataclass
class MatchedFilterPool(MatchedFilter):
    """The matched filter whitened by the cohort (and the reference, if any).

    Where patients have several images, each is compared by the whitening of the others
    (`vestige.detectors.own_patient`), and a patient is one rival: else the images of whoever has
    many would score lower, used or not.

    In whitened span the cohort is an almost orthonormal frame, so the cosine is the coefficient of
    x when a generated image is ridge-regressed on all reals at once: which reals is this
    synthetic image made of? docs/methods.md 2.18.
    """

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one unordered cohort, float64 [n]; reordering the cohort permutes the scores."""
        fitted(self.generated_, "matched_filter_pool")
        cohort = self._rows(as_images(pool))
        return self._score(self._search(cohort, of_several(groups)), cohort)

    def score_samples(self, images: Any) -> Floats:
        """Score a cohort of its own; prefer `score_pool` of the whole cohort."""
        return self.score_pool(images)

    def nearest_pool(self, pool: Any, k: int) -> tuple[Floats, Ints, Symmetries]:
        """The k generated images with the largest whitened cosine, best first.

        Nothing is searched when `pool` was scored last and k is at most `nearest`.

        Returns
        -------
        cosines, rows : [n, k]
            Of equal cosines the lower row of the generated set first.
        symmetries : [n, k]
            How the generated image must be seen to look like x, a row of ``VIEWS[views]``.
        """
        found = self._nearest(pool, k)
        cosines, rows, symmetries = found.cosines, found.rows, found.symmetries
        return cosines[:, :k].astype(np.float64), rows[:, :k], symmetries[:, :k]

    def nearest_real(self, pool: Any) -> tuple[Floats, Ints, Symmetries]:
        """For each generated image the largest cosine, image of the cohort and symmetry, [m]."""
        search = self._search(self._rows(as_images(pool)))
        generated = fitted(self.generated_, "matched_filter_pool")
        found = find_neighbours(search, generated, 1, both_ways=True).of_generated
        assert found is not None  # noqa: S101  # as asked for
        return found[0].astype(np.float64), found[1], found[2]

    def search_of(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Search:
        """A cohort, whitened, to be compared with generated sets."""
        return self._search(self._rows(as_images(pool)), of_several(groups))

    def _nearest(self, pool: Any, k: int) -> Nearest:
        generated = fitted(self.generated_, "matched_filter_pool")
        cohort = self._rows(as_images(pool))
        kept = None if self.scored_ is None else self.scored_.kept
        if kept is not None and k <= self.nearest and np.array_equal(cohort, kept[0]):
            return kept[1]
        return find_neighbours(self._search(cohort), generated, k)

    def _search(self, cohort: Float32s, groups: Ints | None = None) -> Search:
        everyone, masses = cohort, None
        if groups is not None:
            groups = np.tile(groups, len(cohort) // len(groups))  # transposed images follow
            sizes = np.bincount(groups)
            masses = len(groups) / (len(sizes) * sizes[groups])
        if self.reference_ is not None:
            reference = self._rows(self.reference_)
            same_width(cohort.shape[1], reference.shape[1])
            everyone = np.concatenate([cohort, reference])
        counted = masses
        if masses is not None:
            counted = np.concatenate([masses, np.ones(len(everyone) - len(cohort))])
        filters = self._filters(everyone, counted)
        rows, own = filters.apply(cohort), None
        if groups is not None and masses is not None:
            population = len(everyone)
            if self.whitened_by == "both":
                made = fitted(self.generated_, "matched_filter_pool")
                population += len(made) * (1 if self.turned_ is None else 2)
            images = len(cohort) // (2 if self._folding.transposes else 1)
            own = without_own(filters, filters.project(cohort), groups, masses, population, images)
        return Search(rows, rows, filters, self._folding, own)
