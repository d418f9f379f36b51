"""Rank of a real image among reals, as seen from each generated image (after VCMI 2023)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from vestige.detectors.inputs import fitted, groups_of, reference_of
from vestige.features import SPACES, fit_space
from vestige.features.index import INDEXES
from vestige.features.pixels import as_images
from vestige.registry.entries import choose, create
from vestige.registry.rules import check_words
from vestige.stats.neighbours import same_width
from vestige.stats.slices import slices
from vestige.types import Float32s, Floats, Images, Ints

TIE_BREAK = 1e-6
BLOCK_BYTES = 64 * 2**20


@dataclass
class _Retrieval:
    """Shared state: the sets, the space, and squared distances [reals, generated] in blocks."""

    space: str = "pixels"
    size: int = 32
    dims: int = 64
    generated_: Images | None = field(init=False, default=None, repr=False, compare=False)
    reference_: Images | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        choose(SPACES, self.space, "space")
        check_words(self)

    def fit(self, generated: Any, used: Any = None, unused: Any = None) -> Self:
        """Keep the generated set and the reference; `used` is ignored."""
        self.generated_ = as_images(generated)
        self.reference_ = None if unused is None else as_images(unused)
        return self

    def _rows(self, *sets: Images) -> list[Float32s]:
        embed = fit_space(self.space, self.size, self.dims, sets[0], sets[1])
        rows = [embed.transform(images) for images in sets]
        for other in rows[1:]:
            same_width(other.shape[1], rows[0].shape[1])
        return rows


@dataclass
class RetrievalCount(_Retrieval):
    """Number of generated images whose nearest real, among x and the reference, is x.

    Ties are broken by 1e-6 x (- nearest distance). Source: the `retrieval` rule of the VCMI team
    at ImageCLEFmedical GANs 2023 (CEUR-WS 3497), made independent of the other queries;
    docs/methods.md 2.9.

    Parameters
    ----------
    index : str
        One of `vestige.features.index.INDEXES`, which finds the nearest distance; what it has to
        say of itself is in `notes_`.
    """

    index: str = "exact"
    notes_: list[str] = field(init=False, default_factory=list, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        create(INDEXES, self.index, "index")

    def score_samples(self, images: Any) -> Floats:
        """Counts against the reference of `fit`, float64 [n]."""
        queries = as_images(images)
        generated, reference, rows = self._rows(
            fitted(self.generated_, "retrieval_count"),
            reference_of(self.reference_, "retrieval_count"),
            queries,
        )
        counts = np.zeros(len(rows))
        slack = _slack(generated)
        for block in _blocks(len(rows) + len(reference), len(generated)):
            rival = _closeness(reference, generated[block]).max(axis=0) - slack
            counts += (_closeness(rows, generated[block]) >= rival).sum(axis=1)
        return counts - TIE_BREAK * self._nearest(rows, generated)

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Counts within one cohort; the rivals of an image are the cohort without its group."""
        cohort = as_images(pool)
        generated, rows = self._rows(fitted(self.generated_, "retrieval_count"), cohort)
        codes = np.unique(groups_of(groups, len(cohort)), return_inverse=True)[1]
        alone = int(codes.max()) + 1 == len(codes)
        counts = np.zeros(len(rows))
        slack = _slack(generated)
        for block in _blocks(len(rows), len(generated)):
            closeness = _closeness(rows, generated[block])
            best = closeness.max(axis=0) - slack
            counts += (closeness >= best).sum(axis=1)
            if alone:
                continue
            # the other images of the winner's group compete with the best of other groups only
            winner = codes[closeness.argmax(axis=0)]
            mates = codes[:, None] == winner[None, :]
            rival = np.where(mates, -np.inf, closeness).max(axis=0) - slack
            counts += (mates & (closeness >= rival) & (closeness < best)).sum(axis=1)
        return counts - TIE_BREAK * self._nearest(rows, generated)

    def _nearest(self, rows: Float32s, generated: Float32s) -> Floats:
        search = create(INDEXES, self.index, "index", notes=self.notes_)
        return search(rows, generated, 1)[0][:, 0]


@dataclass
class MeanRank(_Retrieval):
    """Minus the rank of x among x and the reference, summarised over generated images.

    Source: the `ranking` rule of VCMI 2023 with true ranks (the released code uses sort
    positions); docs/methods.md 2.9.

    Parameters
    ----------
    summary : "best" (mean of the smallest 1 %, at least 3), "log" (mean log rank), "mean"
        The plain mean over all generated images hides a few copies.
    """

    summary: Literal["best", "log", "mean"] = "best"

    def score_samples(self, images: Any) -> Floats:
        """Score against the reference of `fit`, float64 [n]."""
        queries = as_images(images)
        generated, reference, rows = self._rows(
            fitted(self.generated_, "mean_rank"),
            reference_of(self.reference_, "mean_rank"),
            queries,
        )

        slack = _slack(generated)

        def ranks(block: slice) -> Ints:
            order = np.sort(_closeness(reference, generated[block]), axis=0)
            own = _closeness(rows, generated[block]) + slack
            return np.stack(
                [
                    len(reference) - np.searchsorted(order[:, j], own[:, j], side="right") + 1
                    for j in range(own.shape[1])
                ],
                axis=1,
            )

        return self._summarise(ranks, len(rows) + len(reference), len(rows), len(generated))

    def score_pool(self, pool: Any, groups: npt.NDArray[Any] | None = None) -> Floats:
        """Score one cohort; the rivals of an image are the cohort without its group."""
        cohort = as_images(pool)
        generated, rows = self._rows(fitted(self.generated_, "mean_rank"), cohort)
        labels = groups_of(groups, len(cohort))
        members = [np.flatnonzero(labels == g) for g in np.unique(labels)]
        slack = _slack(generated)

        def ranks(block: slice) -> Ints:
            closeness = _closeness(rows, generated[block])
            rank = _rank_from_top(closeness, slack)
            for group in members:
                if len(group) > 1:  # images of one patient are not each other's rivals
                    rank[group] -= _rank_from_top(closeness[group], slack) - 1
            return rank

        return self._summarise(ranks, len(rows), len(rows), len(generated))

    def _summarise(self, ranks: Any, width: int, n: int, m: int) -> Floats:
        total = np.zeros(n)
        keep = min(m, max(3, m // 100))
        best = np.empty((n, 0), dtype=np.int64)
        for block in _blocks(width, m):
            rank = ranks(block)
            if self.summary == "best":
                best = np.sort(np.hstack([best, rank]), axis=1)[:, :keep]
            else:
                total += (np.log(rank) if self.summary == "log" else rank).sum(axis=1)
        return -best.mean(axis=1) if self.summary == "best" else -total / m


def _closeness(rows: Float32s, generated: Float32s) -> Floats:
    """Row . g - |row|^2 / 2, [n, m]: for one g it falls as the distance grows.

    In float64: the rounding of float32 differs between processors and shapes, and is as large as
    the gaps between near rivals.
    """
    wide = rows.astype(np.float64)
    products: Floats = wide @ generated.astype(np.float64).T
    products -= (0.5 * np.einsum("ij,ij->i", wide, wide))[:, None]
    return products


def _slack(generated: Float32s) -> float:
    """What rounding can do to a closeness: equal images tie, wherever they stand in a product."""
    return 1e-10 * float(np.einsum("ij,ij->i", generated, generated).max())


def _rank_from_top(closeness: Floats, slack: float) -> Ints:
    """1 + number of rows that are strictly closer, per column."""
    order = np.sort(closeness, axis=0)
    return np.stack(
        [
            len(order) - np.searchsorted(order[:, j], closeness[:, j] + slack, side="right") + 1
            for j in range(closeness.shape[1])
        ],
        axis=1,
    )


def _blocks(width: int, m: int) -> Iterator[slice]:
    return slices(m, max(1, BLOCK_BYTES // (8 * width)))
